"""mta-xoauth2 diagnose among enemies: what a provider, a token or a file says ends no process, reaches no terminal as it is, and costs no time."""

import base64
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mxtest import paths
from mxtest.alone import BOX
from mxtest.cloud import parsed
from mxtest.entra import APP, TENANT, Entra
from mxtest.net import free_port
from mxtest.recorder import Answer, Recorder, token
from mxtest.tokend import Tokend

VALUE = "3~x8Q~a-right-value-of-forty-characters~"


def strict(text):
    """JSON as RFC 8259 has it: no names twice, no NaN, whole UTF-8."""
    def members(pairs):
        assert len({k for k, _ in pairs}) == len(pairs), "a name twice"
        return dict(pairs)

    def never(what):
        raise ValueError(what)
    return json.loads(text.encode("utf-8", "strict"), object_pairs_hook=members, parse_constant=never)


class Host:
    """A daemon with one client, and no mail server."""

    def __init__(self, up, workdir, pki, endpoint, client=None, account=None, box=BOX, secret=VALUE):
        self.dir, self.box = workdir, box
        keys = {"provider": "exchange-online", "tenant": TENANT, "client_id": APP, "client_secret_file": "secret:c.secret",
                "token_endpoint": endpoint, "ca_file": str(pki.ca), **(client or {})}
        self.tokend = Tokend(workdir / "t", {"c": {k: v for k, v in keys.items() if v is not None}},
                             {box: {"client": "c", "allow_users": ["root"], "relays": ["127.0.0.1"], **(account or {})}}, secrets={"c.secret": secret})
        self.port = free_port()
        up(self.tokend)

    def argv(self, *more):
        (self.dir / "no-mta").mkdir(exist_ok=True)
        return [str(a) for a in (paths.ours("tool"), "diagnose", self.box, "--config", self.tokend.config, "--socket", self.tokend.socket, "--relay",
                                 f"127.0.0.1:{self.port}", "--instance", self.dir / "no-mta", *more)]

    def run(self, *more, seconds=60):
        done = subprocess.run(self.argv(*more), capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        said = done.stdout.decode("utf-8", "strict")
        assert done.returncode >= 0 and done.stderr == b"", done.stderr.decode(errors="replace")[-3000:]
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said), said[:2000]
        assert VALUE not in said and len(said) < 60000
        return done.returncode, said

    def say(self, *more, **how):
        """(exit status, what --json says); people are told the same."""
        people = self.run(*more, **how)
        status, said = self.run("--json", *more, **how)
        assert people[0] == status
        return status, strict(said)


def jwt(payload):
    def coded(b):
        return base64.urlsafe_b64encode(b).rstrip(b"=").decode()
    return f"{coded(json.dumps({'alg': 'RS256', 'typ': 'JWT'}).encode())}.{coded(payload)}.{coded(b'signature')}"


GOOD = {"aud": "https://outlook.office365.com", "tid": TENANT, "appid": APP, "roles": ["SMTP.SendAsApp"], "exp": 4000000000}


def claims(**more):
    return json.dumps({**GOOD, **more}).encode()


TOKENS = {
    "min-exp": claims(exp=-2**63), "max-nbf": claims(nbf=2**63 - 1), "beyond": claims(exp=10**30, iat=-10**30),
    "double": claims().replace(b"4000000000", b"1e308"), "minus-double": claims().replace(b"4000000000", b"-1e308"),
    "fraction": claims(exp=0.5, nbf=-0.0), "text-for-times": claims(exp="tomorrow", nbf=[], iat={}, aud=7, tid=None, roles="SMTP.SendAsApp"),
    "deep": claims(x=None).replace(b"null", b"[" * 2000 + b"]" * 2000), "much": claims(x="y" * 5000),
    "twice": claims().replace(b"{", b'{"aud": "https://graph.microsoft.com", "roles": [], ', 1), "nul": claims(oid="a\0b"),
    "raw-nul": claims() + b"\0", "colours": claims(aud="\x1b[31m\x9b2J\u202e%s%n%n", upn="{sh:account}{oid}"),
    "no-utf8": claims().replace(b"outlook", b"\xff\xfe\xc0\x80"), "surrogate": claims().replace(b"outlook", b"\\ud800"),
    "many-roles": claims(roles=[*(f"Role.Number{i}" for i in range(60)), "SMTP.SendAsApp"]), "long-role": claims(roles=["x" * 3000, "'; rm -rf / #"]),
    "many-audiences": claims(aud=[]), "nothing": b"", "no-object": b"[1, 2]", "half": claims()[:40],
    "commands": claims(oid="$(reboot)'\u2019; Remove-Item /", appid="`id`", tid="' ; --"),
}


@pytest.mark.parametrize("payload", TOKENS)
def test_tokens(up, workdir, pki, binaries, payload):
    recorder = up(Recorder(pki.cert()))
    recorder.script(*[token(jwt(TOKENS[payload]))] * 4)
    status, report = Host(up, workdir, pki, recorder.url).say()
    marks = {ln["id"]: ln["mark"] for ln in report["links"]}
    assert marks["token-request"] == "ok" and "claims" in marks
    if payload in ("min-exp", "minus-double"):
        assert report["code"] == "token-expired" and status == 3
    if payload == "many-roles":
        assert marks["claims"] == "ok", report      # the one that counts is the last
    if payload in ("nothing", "no-object", "half", "raw-nul", "no-utf8"):
        assert marks["claims"] == "skip", report


REFUSALS = {
    "colours": {"error": "invalid_client\x1b[2J", "error_description": "AADSTS7000215: \x1b]0;x\x07 %s%n\u202e {sh:file}"},
    "long": {"error": "x" * 100000, "error_description": "y" * 300000}, "types": {"error": 7, "error_codes": ["a", -1, 10**20]},
    "number": {"error": "invalid_client", "error_description": "AADSTS99999999999999999999: x", "trace_id": {"a": 1}, "timestamp": "\r\nx: y"},
    "ids": {"error": "invalid_client", "error_description": "AADSTS7000215: x", "trace_id": "\x1b" * 200, "correlation_id": "'$(id)" * 90},
    "empty": {"error": "", "error_description": ""}, "words": {"error": "\u2028\u2029\ufeff", "error_description": "\\u0000\x00"},
}


@pytest.mark.parametrize("answer", REFUSALS)
def test_refusals(up, workdir, pki, binaries, answer):
    recorder = up(Recorder(pki.cert()))
    recorder.script(*[Answer(REFUSALS[answer], 401)] * 4)
    _, report = Host(up, workdir, pki, recorder.url).say()
    assert report["verdict"] == "broken" and report["links"][-1]["id"] in ("http-provider", "token-request") and report["cause"] and report["fix"]


@pytest.mark.parametrize("answer", [
    Answer(b"x", repeat_body=50_000_000, length=False), Answer(b'{"access_token":"', dribble=0.2), Answer(raw=b"HTTP/1.1 200\r\n" + b"a: b\r\n" * 100_000),
    Answer(raw=b"\x00\xff" * 1000), Answer(raw=b"SSH-2.0-x\r\n"), Answer(raw=b""), Answer({}, headers={"Date": "\xff" * 900, "Content-Type": "\x01"}),
    Answer(status=99), Answer(b'{"access_token":"x","token_type":"Bearer"', truncate=9, end="reset"),
], ids=["endless", "dribble", "headers", "binary", "ssh", "nothing", "date", "status", "reset"])
def test_answers(up, workdir, pki, binaries, answer):
    """One cause, and a bounded time, whatever comes."""
    recorder = up(Recorder(pki.cert()))
    recorder.script(*[answer] * 4)
    began = time.monotonic()
    _, report = Host(up, workdir, pki, recorder.url, client={"timeout": "2s"}).say()
    assert report["verdict"] == "broken" and report["cause"] and report["fix"] and time.monotonic() - began < 30


# --- files ------------------------------------------------------------------------------------------------------------------

def fifo(path):
    os.mkfifo(path)


def endless(path):
    path.symlink_to("/dev/zero")


def huge(path):
    with open(path, "wb") as f:
        f.truncate(1 << 40)


def folder(path):
    path.mkdir()


def shadow(path):
    path.symlink_to("/etc/shadow")


@pytest.mark.parametrize("spoil", [fifo, endless, huge, folder, shadow], ids=lambda f: f.__name__)
@pytest.mark.parametrize("key", ["client_secret_file", "ca_file"])
def test_files(up, workdir, pki, binaries, entra_url, spoil, key):
    """What the daemon's user puts in the place of a file neither holds root's diagnose up nor is read as root."""
    host = Host(up, workdir, pki, entra_url)
    path = Path(host.tokend.secret_path("c.secret")) if key == "client_secret_file" else workdir / "ca.pem"
    if key == "ca_file":
        text = host.tokend.config.read_text()
        assert str(pki.ca) in text
        host.tokend.config.write_text(text.replace(str(pki.ca), str(path)))
    path.unlink(missing_ok=True)
    spoil(path)
    if path.exists() and not path.is_symlink():
        os.chown(path, host.tokend.config.stat().st_uid, -1)
    began = time.monotonic()
    _, report = host.say("--timeout", "5")
    assert report["verdict"] == "broken" and str(path) in json.dumps(report) and time.monotonic() - began < 25
    assert "root:" not in json.dumps(report)


@pytest.fixture
def entra_url(up, workdir, pki):
    return up(Entra(workdir / "entra", pki, [{"client_id": APP, "secrets": [{"value": VALUE}], "sub": BOX}])).template


# --- signals -------------------------------------------------------------------------------------------------------------------

def below(pid):
    """All processes that descend from it."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:
            pass
    return found + [p for child in found for p in below(child)]


def runs(pid):
    """Not one that has ended, and whose parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_signals(up, workdir, pki, binaries, sig):
    """At any moment: it ends, its children with it, and no file is left."""
    recorder = up(Recorder(pki.cert()))
    recorder.script(*[Answer(hang=True)] * 40)
    host = Host(up, workdir, pki, recorder.url)
    tmp = workdir / "tmp"
    tmp.mkdir()
    for ms in (0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 300):
        p = subprocess.Popen(host.argv(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp)}, start_new_session=True)
        time.sleep(ms / 1000)
        children = below(p.pid)
        p.send_signal(sig)
        p.communicate(timeout=5)     # nobody else holds its output
        end = time.monotonic() + 3
        while (left := [c for c in children if runs(c)]) and time.monotonic() < end:
            time.sleep(0.01)
        assert not left, ms
    assert not list(tmp.iterdir())


# --- what is pasted --------------------------------------------------------------------------------------------------------------

HOSTILE_BOXES = ["o'brien@example.test", "a$(id)`id`\"@example.test", "\u2019;reboot@example.test", "a;b|c&d@example.test"]
SHELL = re.compile(r"^(?:mta-xoauth2|postconf|postfix|postmap|az|echo|install|mkdir|chmod|ln|mv|openssl|curl|getent|nc|s=|#)")
POWERSHELL = re.compile(r"^(?:[A-Z][a-z]+-[A-Z][A-Za-z]+ )")


@pytest.mark.parametrize("box", HOSTILE_BOXES)
def test_lines_to_paste(up, workdir, pki, binaries, box):
    """A name of the configuration cannot get out of its quotes, and every line that is a command can be pasted whole."""
    seen = 0
    recorder = up(Recorder(pki.cert()))
    host = Host(up, workdir, pki, recorder.url, box=box)
    for aadsts in (7000215, 7000222, 700016, 7000229, 90002, 65001, 700027, 500011, 1002012):
        recorder.script(*[Answer({"error": "invalid_client", "error_description": f"AADSTS{aadsts}: x"}, 401)] * 2)
        _, report = host.say()
        for line in report["fix"].splitlines():
            if SHELL.match(line):
                done = subprocess.run(["sh", "-n"], input=line, text=True, capture_output=True)
                assert done.returncode == 0, f"{line}\n{done.stderr}"
                words = subprocess.run(["/bin/sh", "-c", f"set -f; f() {{ printf '%s\\n' \"$@\"; }}; {line.replace('mta-xoauth2 ', 'f ', 1)}"], text=True, capture_output=True,
                                       env={"PATH": "/nonexistent"}) if line.startswith("mta-xoauth2 flush") else None
                assert words is None or words.stdout.splitlines()[-1:] == [box], (line, words)
                seen += 1
            elif POWERSHELL.match(line):
                script = workdir / "line.ps1"
                script.write_text(line + "\n")
                assert not parsed(script)["wrong"], line
                seen += 1
    assert seen > 8
