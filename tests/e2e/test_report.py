"""`mta-xoauth2 report`: canaries wherever a secret or a person may stand, and none of them in what is printed; what helps is there."""

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.parse
from types import SimpleNamespace

import pytest

from mxtest import paths
from mxtest.entra import APP, TENANT, Entra
from mxtest.tokend import Tokend

SECRETS = {     # where: what
    "c.secret": "vW8~Q3rT.xK2+m&zP9%hL5*b Yc",
    "key.pass": "Vurblequon/ix=zig 4711",
    "proxy.cred": "proxyjoe:Pq7!Zs4Xv9",
    "refresh": "0.AXkAs9Qd7vR2tYh3.AgABAwEAAAA-rhubarb_Gnat4",
    "words.secret": "orangehammerwindow",       # looks like nothing
}
PEOPLE = ["zebra.finch", "Quokka77", "hedgehog", "fax-walrus", "pelican", "o'ostrich"]
OLD = "Kw4#olk-Zecvat_77xQ"     # a secret that no file knows any more


def forms(secret):
    """A secret plain, URL-encoded, in hex, in base64 of both alphabets at each offset."""
    raw = secret.encode()
    found = {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), raw.hex(), raw.hex().upper()}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * shift + raw).decode()
            found.add(text[4 if shift else 0:-4].rstrip("="))   # without what depends on the neighbours
    return found


def found_in(text, secret, piece=7):
    """Pieces of the secret, in any form, that the text shows, also over line ends and blanks."""
    flat, found = re.sub(r"\s", "", text).lower(), set()
    for form in forms(secret):
        dense = re.sub(r"\s", "", form).lower()
        found |= {dense[i:i + piece] for i in range(len(dense) - piece + 1) if dense[i:i + piece] in flat}
    return found


def log_of(token):
    """A log with everything in it that should never be in a log."""
    response = base64.b64encode(f"user=zebra.finch@contoso.example\x01auth=Bearer {token}\x01\x01".encode()).decode()
    wrong = []
    for secret in [*SECRETS.values(), token]:
        for form in sorted(forms(secret)):
            wrong += [f"SASL said {form} there", f'SASL text="{form}"'] + [f"SASL {form[i:i + 24]}" for i in range(0, min(len(form), 300), 24)]
    lines = ["Nov 30 20:25:57 mail01 postfix/smtp[12]: 4RXyzk2Jz1: to=<pelican@example.net>, orig_to=<hedgehog>, "
             "relay=smtp.office365.com[52.98.1.2]:587, dsn=4.7.0, status=deferred (SASL authentication failed; server "
             "smtp.office365.com[52.98.1.2] said: 535 5.7.3 Authentication unsuccessful)",
             'fetch_failed client=contoso class=provider code=client-secret-rejected http=401 error="invalid_client" aadsts=7000215 '
             f'description="AADSTS7000215: Invalid client secret provided for app \'{APP}\'." text="client \\x22contoso\\x22: HTTP 401"',
             'answer verb=SASL uid=0 account="zebra.finch@contoso.example" relay="smtp.office365.com" mech=XOAUTH2 ms=0',
             f"C: AUTH XOAUTH2 {response}", f"sasl_username=hedgehog SASL user=Quokka77@contoso.example auth=Bearer {token}",
             f"SASL \"o'ostrich\"@contoso.example and Zebra.Finch@CONTOSO.example", f"SASL password={OLD} smtp_sasl_password = {OLD}"]
    lines += [f"SASL {response[i:i + 20]}" for i in range(0, 300, 20)]
    return "\n".join(wrong + lines) + "\n"


@pytest.fixture(scope="module")
def world(session_dir, pki, binaries):
    """A daemon with a token, a Postfix and an Exim to be asked for their settings, and a log."""
    folder = session_dir / "report"
    folder.mkdir()
    entra = Entra(folder / "entra", pki, [{"client_id": APP, "secrets": [{"value": SECRETS["c.secret"]}]}]).start()
    key = pki.client()
    client = {"provider": "exchange-online", "tenant": TENANT, "client_id": APP, "client_secret_file": "secret:c.secret",
              "token_endpoint": entra.template, "ca_file": str(pki.ca)}
    other = {**client, "client_secret_file": None, "key": "secret:c.key", "certificate_file": str(key.cert),
             "key_passphrase_file": "secret:key.pass", "proxy": "http://proxy.example:3128", "proxy_credentials_file": "secret:proxy.cred"}
    person = {"provider": "outlook.com", "client_id": "77777777-aaaa-4bbb-8ccc-0123456789ab", "refresh_token_file": "secret:refresh"}
    words = {**client, "client_secret_file": "secret:words.secret"}
    accounts = {"zebra.finch@contoso.example": {"client": "contoso"}, "*@relay.example": {"client": "other", "user": "fax-walrus@relay.example"},
                "Quokka77@outlook.example": {"client": "person"}, "hedgehog@contoso.example": {"client": "words"}}
    tokend = Tokend(folder / "tokend", {"contoso": client, "other": {k: v for k, v in other.items() if v}, "person": person, "words": words},
                    accounts, {**SECRETS, "c.key": key.key.read_text()})
    tokend.start()
    token = tokend.ask("TOKEN", account="zebra.finch@contoso.example").token
    assert token.count(".") == 2
    log = folder / "mail.log"
    log.write_text(log_of(token))
    bin_dir = folder / "bin"
    bin_dir.mkdir()
    etc = folder / "etc"
    etc.mkdir()
    (etc / "main.cf").write_text("relayhost = [smtp.office365.com]:587\nsmtp_sasl_auth_enable = yes\nsmtp_tls_security_level = secure\n"
                                 f"smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd static:pelican:{OLD}\nmyhostname = mail.example\n"
                                 f"smtp_sasl_mechanism_filter = xoauth2\nimport_environment = MAIL_CONFIG TZ X={OLD}\n"
                                 f"lmtp_sasl_password_maps = inline:{{ {{ mx.example = pelican:{OLD} }} }}\n")
    (etc / "master.cf").write_text(f"exo unix - - n - - smtp\n  -o smtp_sasl_password_maps=static:pelican:{OLD}\n  -o smtp_sasl_tls_security_options=noanonymous\n")
    (etc / "sasl_passwd").write_text(f"[smtp.office365.com]:587 pelican:{OLD}\n")
    (etc / "exim.conf").write_text("begin transports\nexo:\n  driver = smtp\n  hosts = smtp.office365.com\n  hosts_require_auth = *\n"
                                   f"begin authenticators\nlogin_c:\n  driver = plaintext\n  public_name = LOGIN\n  client_send = : pelican@a.example : {OLD}\n")
    (bin_dir / "postconf").write_text(f"#!/bin/sh\nexec {paths.postfix_root()}/usr/sbin/postconf -c {etc} \"$@\" 2>/dev/null\n")
    (bin_dir / "exim4").write_text(f"#!/bin/sh\nexec {paths.exim_root()}/usr/sbin/exim4 -C {etc}/exim.conf \"$@\"\n")
    for program in bin_dir.iterdir():
        program.chmod(0o755)
    yield SimpleNamespace(tokend=tokend, entra=entra, token=token, key=key, log=log, bin=bin_dir, folder=folder)
    tokend.stop()
    entra.stop()


def report(world, *more, config=None, user=None):
    env = {"PATH": f"{world.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "MTA_XOAUTH2_SOCKET": str(world.tokend.socket), "CLIENT_SECRET": OLD}
    return subprocess.run([str(paths.ours("tool")), "report", "--config", str(config or world.tokend.config), "--log", str(world.log), *more],
                          capture_output=True, text=True, timeout=60, env=env, cwd="/")


@pytest.fixture(scope="module")
def shown(world):
    before = world.entra.token_requests()
    done = report(world)
    assert done.returncode == 0, done.stderr
    assert world.entra.token_requests() == before      # nothing was fetched for it
    return done.stdout


def test_the_search_finds_what_is_there(world):
    text = world.log.read_text()
    for secret in [*SECRETS.values(), world.token]:
        assert len(found_in(text, secret)) > 20


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_shown(shown, name):
    assert found_in(shown, SECRETS[name]) == set()


def test_no_token_is_shown_and_no_secret_that_no_file_knows(world, shown):
    assert found_in(shown, world.token) == set()
    assert found_in(shown, OLD, 5) == set()
    assert "eyJ" not in shown and "dXNlc" not in shown


@pytest.mark.parametrize("person", PEOPLE)
def test_nobody_is_named(shown, person):
    for name in (person, *(p for p in re.split(r"[.'-]", person) if len(p) > 5)):
        assert name.lower() not in re.sub(r"\s", "", shown).lower()


def test_equal_people_have_equal_masks(shown):
    mask = re.search(r"account (\[user:\d+\])@contoso\.example: client contoso", shown)[1]
    assert f'answer verb=SASL uid=0 account="{mask}@contoso.example" relay="smtp.office365.com"' in shown
    assert len(set(re.findall(r"\[user:\d+\]", shown))) >= 6


def test_ids_are_masked_unless_wanted(world, shown):
    assert APP not in shown and TENANT not in shown
    plain = report(world, "--plain-ids").stdout
    assert f"client_id: {APP}" in plain and f"tenant: {TENANT}" in plain and re.search(rf"appid +{APP}", plain)
    for secret in [*SECRETS.values(), world.token]:
        assert found_in(plain, secret) == set()


def test_what_helps_is_there(shown):
    for text in ("== versions", "mta-xoauth2: 0.", "libcurl/", "provider: exchange-online", "client_secret_file: /", "0 errors",
                 "client contoso: exchange-online, cloud public", "name=contoso state=fresh", "token of client contoso: ",
                 "relayhost = [smtp.office365.com]:587", "smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd [secret:",
                 "exo/unix/smtp_sasl_tls_security_options = noanonymous", "smtp_sasl_mechanism_filter = xoauth2", "hosts_require_auth = *",
                 "exo transport:", "public_name = LOGIN", "535 5.7.3 Authentication unsuccessful", "code=client-secret-rejected http=401",
                 "AADSTS7000215: Invalid client secret provided", "proxy: http://proxy.example:3128"):
        assert text in shown, text
    claims = dict(re.findall(r"^    (\w+) +(\S.*)$", shown.split("token of client contoso")[1].split("==")[0], re.M))
    assert claims["aud"] == "https://outlook.office365.com" and claims["roles"] == "SMTP.SendAsApp" and "exp" in claims
    assert "lmtp_sasl_password_maps = [secret:" in shown and "myhostname" not in shown


def test_a_broken_configuration_with_secrets_in_the_wrong_places(world):
    folder = world.folder / "broken"
    (folder / "conf.d").mkdir(parents=True)
    wrong = folder / "tokend.yaml"
    wrong.write_text(f"log_level: {OLD!r}\nuser: pelican@contoso.example\nmax_connections: \"9{OLD}\"\nclients:\n  contoso:\n    provider: exchange-online\n"
                     f"    tenant: {TENANT}\n    client_secret: orangewindowhammer\n    client_secret_file: \"{OLD}\"\n    secert: \"{OLD}\"\n"
                     f"    key: \"pkcs11:token=x?pin-value={OLD}\"\n    scope: \"{OLD}\"\n    proxy: \"http://pelican:{OLD}@proxy.example:1\"\n"
                     f"    \"{OLD}\": x\n  \"{OLD}-name\": {{scope: orangewindowhammer}}\n"
                     "accounts:\n  pelican@contoso.example: {client: contoso, relays: [orangewindowhammer]}\n  pelican: [x]\n")
    (folder / "conf.d" / "a.yaml").write_text(f"clients:\n  d:\n    client_id: \"{OLD}\n  - {OLD}\n")
    done = report(world, config=wrong)
    assert done.returncode == 0, done.stderr
    for secret in (OLD, "orangewindowhammer"):
        assert found_in(done.stdout, secret, 5) == set()
    assert "pelican" not in done.stdout.lower()
    assert "unknown key" in done.stdout and re.search(r"client_secret: \[secret:\d+\]", done.stdout)
    assert "cannot be read as YAML" in done.stdout and "proxy.example:1" in done.stdout


def test_the_journal_is_asked_for_the_daemons_lines(world):
    """A journalctl that notes its arguments: a real journal needs a real systemd."""
    program, lines = world.bin / "journalctl", world.log.read_text().splitlines()[-30:]
    (world.folder / "journal").write_text("\n".join(lines) + "\n")
    program.write_text(f"#!/bin/sh\necho \"$@\" >{world.folder}/asked\nexec cat {world.folder}/journal\n")
    program.chmod(0o755)
    env = {"PATH": f"{world.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "MTA_XOAUTH2_SOCKET": str(world.tokend.socket)}
    done = subprocess.run([str(paths.ours("tool")), "report", "--config", str(world.tokend.config)], capture_output=True, text=True, timeout=60, env=env)
    program.unlink()
    assert done.returncode == 0 and "--unit mta-xoauth2-tokend --lines 200" in (world.folder / "asked").read_text()
    log = done.stdout.split("== log\n")[1]
    assert "AADSTS7000215" in log and len(log.splitlines()) == 30 and found_in(done.stdout, world.token) == set()


WORD, MAN = "orangewindow", "hedgerow"       # neither is known by a file, and both look like words


@pytest.mark.parametrize("line", [
    '{{"client_secret":"{0}","x":"y"}}', '{{\\"client_secret\\":\\"{0}\\",\\"password\\": \\"{0}\\"}}', '{{"password": "{0}", "token":"{0}"}}',
    "{{'password': '{0}'}}", "client_secret={0}&assertion={0}", "password is '{0}'", "password:{0}", "password : {0}", "Password -> {0}", "PASS {0}",
    "--password {0}", "--client-secret={0}", "token={0}", "api_key={0} jwt={0} cookie: {0}", "Set-Cookie: ESTSAUTH={0}", "Authorization: Bearer {0}",
    "pkcs11:token=x?pin-value={0}", "\\x22password\\x22: \\x22{0}\\x22", "https://u:{0}@host.example/", "https://host.example/?a={0}", "password=\"{0} {0}\"",
    "user=<{1}>", "user: {1}", "username: {1},", "sasl_sender={1}", "A=plain:{1}", "to=<{1}>", "auth_id={1}", "{1}=40contoso.example", '"user":"{1}"',
    '{{"username": "{1}"}}', "{1}%40contoso.example",
])
def test_what_a_name_announces(world, line):
    """It is masked though it looks like a word; what stands behind it is not lost."""
    log = world.folder / "announced"
    log.write_text(f"mta-xoauth2: {line.format(WORD, MAN)} and the rest\n")
    done = report(SimpleNamespace(**{**vars(world), "log": log}))
    shown = done.stdout.split("== log\n")[1]
    assert WORD not in shown and MAN not in shown and "[" in shown, shown
    assert shown.rstrip().endswith(" and the rest"), shown


@pytest.mark.parametrize("line", [
    "no token: the provider refuses", "the secret is shorter than the provider's are", "the password of the proxy, and the user of the daemon",
    "fetch_failed client=contoso class=provider code=client-secret-rejected http=401", "user postfix may not", "the login: refused",
])
def test_a_sentence_is_no_announcement(world, line):
    log = world.folder / "announced"
    log.write_text(f"mta-xoauth2: {line}\n")
    shown = report(SimpleNamespace(**{**vars(world), "log": log})).stdout.split("== log\n")[1]
    assert line in shown or line.startswith("the login")


def test_a_token_cut_in_half(world):
    """Of a token that nobody knows any more, over lines: neither the beginning nor a piece."""
    token = base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').decode().rstrip("=")
    log = world.folder / "cut"
    log.write_text("".join(f"SASL {token[i:i + 10]}\n" for i in range(0, len(token), 10)))
    shown = report(SimpleNamespace(**{**vars(world), "log": log})).stdout.split("== log\n")[1]
    assert "eyJ" not in shown and token[10:20] not in shown


def test_a_hundred_thousand_clients(world):
    """In seconds and little memory; and what is beyond the bound is said."""
    config = world.folder / "many.yaml"
    config.write_text("clients:\n" + "".join(
        f"  c{i}: {{provider: exchange-online, tenant: t{i}.example, client_id: {i:08x}-1111-2222-3333-444455556666, client_secret_file: {world.folder}/none}}\n"
        for i in range(100_000)) + "accounts:\n" + "".join(f"  application{i}@t{i}.example: {{client: c{i}}}\n" for i in range(100_000)))
    (world.folder / "none").write_text("a-secret-of-all-of-them-1234567\n")
    done = subprocess.run(["/usr/bin/python3", "-c", "import resource, subprocess, sys\n"
                           "done = subprocess.run(sys.argv[1:], capture_output=True)\nuse = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
                           "print(done.returncode, use.ru_maxrss, use.ru_utime + use.ru_stime, len(done.stdout))",
                           str(paths.ours("tool")), "report", "--config", str(config), "--log", "/dev/null", "--socket", "/nonexistent"],
                          capture_output=True, text=True, timeout=300)
    status, kilobytes, seconds, shown = done.stdout.split()
    assert status == "0" and int(shown) < 200_000
    assert int(kilobytes) < 400_000 and float(seconds) < 120, done.stdout


def test_output_is_a_new_file_for_its_owner(world):
    file = world.folder / "out.txt"
    done = report(world, "--output", str(file))
    assert done.returncode == 0 and done.stdout == "" and "read it before you paste it" in done.stderr
    assert file.stat().st_mode & 0o777 == 0o600 and "== versions" in file.read_text()
    before = file.read_text()
    again = report(world, "--output", str(file))
    assert again.returncode == 75 and "name a file that is not there yet" in again.stderr and file.read_text() == before
    link = world.folder / "link"
    os.symlink(world.folder / "elsewhere", link)
    assert report(world, "--output", str(link)).returncode == 75 and not (world.folder / "elsewhere").exists()


def test_an_ordinary_user_gets_what_it_may_see(world):
    tool = world.folder / "tool"
    shutil.copy(paths.ours("tool"), tool)
    world.folder.chmod(0o755)
    world.folder.parent.chmod(0o711)
    world.log.chmod(0o644)
    done = subprocess.run([str(tool), "report", "--config", str(world.tokend.config), "--log", str(world.log)], capture_output=True, text=True, timeout=60,
                          user="postfix", group="postfix", extra_groups=[], cwd="/",
                          env={"PATH": "/usr/bin:/bin", "MTA_XOAUTH2_SOCKET": str(world.tokend.socket)})
    assert done.returncode == 0, done.stderr
    assert "as an ordinary user" in done.stdout and "files of secrets could not be read by this user" in done.stdout
    assert "== status\n  this user may not" in done.stdout or re.search(r"== status\n  .*(allow|denied|may)", done.stdout), done.stdout
    for name, secret in SECRETS.items():
        if name not in ("words.secret", "key.pass"):    # these look like words, and are known by their values alone
            assert found_in(done.stdout, secret, 8) == set(), name
    assert found_in(done.stdout, world.token, 9) == set()
    assert json.dumps("zebra.finch")[1:-1] not in done.stdout
