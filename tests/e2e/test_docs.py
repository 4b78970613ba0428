"""The documents' examples do what they say: Postfix files, protocol examples, sample configurations."""

import re
import shutil
import subprocess
import time
import uuid

import pytest

from mxtest import paths
from mxtest.chain import BOX, Chain
from mxtest.google import account_file
from mxtest.snippets import MAILBOX, Recipe
from mxtest.tokend import Tokend

SOCKET = "/run/mta-xoauth2/tokend.sock"


def test_postfix_files(up, workdir, pki, binaries):
    """Mail goes by the transport of conf/postfix: XOAUTH2, verified, chrooted, one at a time and two seconds apart."""
    chain = Chain(workdir, pki)
    chain.postfix = Recipe(workdir / "p", chain.postfix.relay, BOX, pki.ca)
    chain.postfix.socket, chain.tokend.jail = chain.tokend.socket, chain.postfix
    up.append(chain)
    chain.start()
    began = time.monotonic()
    chain.deliver(3, sender=BOX)
    took = time.monotonic() - began
    sent = chain.postfix.wait_log(r"postfix/exo/smtp\[\d+\]: \w+: to=.* status=sent", 3)
    assert len(sent) == 3 and not chain.postfix.lines("status=(deferred|bounced)|warning|error|fatal")
    assert took >= 4, f"three mails in {took:.1f} s: more than 30 a minute"
    assert chain.dovecot.wait_log("method=XOAUTH2") and chain.idp.token_requests() == 1


def python_example():
    return re.search(r"```python\n(.*?)```", (paths.TOP / "doc/protocol.md").read_text(), re.S)[1]


@pytest.fixture
def tokend(make_chain):
    """A daemon with a provider, and nothing else."""
    chain = make_chain(without=("sink", "dovecot", "postfix"))
    return chain.tokend


def test_python_example(tokend):
    """The example of doc/protocol.md gets a response, and tells an error."""
    code = python_example()
    assert SOCKET in code and MAILBOX in code and "smtp.office365.com" in code
    code = code.replace(SOCKET, str(tokend.socket)).replace(MAILBOX, BOX)
    space = {}
    exec(code, space)
    assert int(space["expires_in"]) > 3000 and space["token_id"] == tokend.sasl(BOX).token_id
    with pytest.raises(RuntimeError, match="denied: denied: "):
        space["ask"]("TOKEN", "account=somebody@example.org")


def test_socat_example(tokend):
    """The shell example of doc/protocol.md."""
    if not shutil.which("socat"):
        pytest.skip("socat is not installed")
    line = re.search(r"^printf .*socat.*$", (paths.TOP / "doc/protocol.md").read_text(), re.M)[0]
    done = subprocess.run(["sh", "-c", line.replace(SOCKET, str(tokend.socket))], capture_output=True, text=True, timeout=30)
    assert done.stdout == "OK\n", done


def yaml_samples():
    """(where, text) of every configuration that the documents show."""
    yield "conf/tokend.yaml", (paths.TOP / "conf/tokend.yaml").read_text()
    for name in ("README.md", "doc/exim.md", "doc/clients.md"):
        for i, text in enumerate(re.findall(r"```yaml\n(.*?)```", (paths.TOP / name).read_text(), re.S)):
            yield f"{name} {i + 1}", text
    page = (paths.TOP / "man/tokend.conf.5").read_text()
    for i, text in enumerate(re.findall(r"\.Bd -literal.*?\n(.*?)\.Ed", page, re.S)):
        if "clients:" in text:
            yield f"tokend.conf(5) {i + 1}", text


@pytest.mark.parametrize("where,text", [pytest.param(w, t, id=w) for w, t in yaml_samples()])
def test_configuration_samples(workdir, binaries, pki, monkeypatch, where, text):
    """Each is taken without an error once its secret files are there, and the environment of those that need one."""
    tokend = Tokend(workdir / "t")
    for name, value in (("IDENTITY_ENDPOINT", "http://127.0.0.1:1/"), ("IDENTITY_HEADER", "x"), ("AZURE_TENANT_ID", "contoso.com"),
                        ("AZURE_CLIENT_ID", str(uuid.UUID(int=1))), ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")):
        monkeypatch.setenv(name, value)
    for path in set(re.findall(r"assertion_file: (/\S+)", text)):
        tokend.secrets["token"] = "a.b.c"
        text = text.replace(path, str(tokend.secret_path("token")))
    for i, path in enumerate(sorted(set(re.findall(r"client_secret_file: (/\S+)", text)))):
        tokend.secrets[f"s{i}"] = "a secret of more than sixteen bytes"
        text = text.replace(path, str(tokend.secret_path(f"s{i}")))
    pair = pki.client("sample", days=400)
    for name, file in (("key", pair.key), ("certificate_file", pair.cert)):
        for path in set(re.findall(rf"(?m)^[ -]+{name}: (/\S+)", text)):
            tokend.secrets[name] = file.read_bytes()
            text = text.replace(path, str(tokend.secret_path(name)))
    for path in set(re.findall(r"service_account_file: (/\S+)", text)):
        tokend.secrets["account"] = account_file(pair)
        text = text.replace(path, str(tokend.secret_path("account")))
    text = re.sub(r"(?m)^(\s+ca_file:) .*", rf"\1 {pki.ca}", text)
    tokend.config_text = text
    done = tokend.check()
    assert done.returncode == 0 and "no errors" in done.stdout, done.stderr
    # users that this machine does not have are no fault of the sample, nor a credential outside its unit,
    # nor that nobody has logged in
    left = [ln for ln in done.stderr.splitlines() if "there is no user" not in ln and "CREDENTIALS_DIRECTORY" not in ln
            and "there is no refresh token yet" not in ln]
    assert not left, left
