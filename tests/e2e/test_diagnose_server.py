"""mta-xoauth2 diagnose, to the mail server: each way it refuses has its own cause and fix; healthy ones raise no alarm."""

import base64
import itertools
import json
import re
import socket
import subprocess
import time

import pytest

from mxtest import paths
from mxtest.dialects import DIALECTS
from mxtest.entra import APP, TENANT, Entra
from mxtest.exchange import Exchange
from mxtest.names import Names
from mxtest.net import free_port
from mxtest.pki import Pki
from mxtest.proc import wait_for
from mxtest.relay import Relay
from mxtest.said import note
from mxtest.tokend import Tokend

BOX = "o'brien@example.test"
QUOTED = "'o''brien@example.test'"      # as PowerShell and, with doubled apostrophes, nothing else has it
SHARED = "shared@example.test"
RCPT = "somebody@example.org"
OID = "7e9c1d52-4444-4555-8666-a0b1c2d3e4f5"
SECRET = "3~x8Q~right+value&with=%every thing"


@pytest.fixture(scope="module")
def world(session_dir, pki, binaries):
    """A daemon for BOX at an Entra; one for all tests here."""
    entra = Entra(session_dir / "entra-diagnose", pki, [
        {"client_id": APP, "secrets": [{"value": SECRET}], "oid": OID}]).start()
    tokend = Tokend(session_dir / "tokend-diagnose", {"contoso": {
        "provider": "exchange-online", "tenant": TENANT, "token_endpoint": entra.template, "client_id": APP,
        "client_secret_file": "secret:c.secret", "ca_file": str(pki.ca)}},
        {BOX: {"client": "contoso", "allow_users": ["root", "postfix"], "relays": ["*"]}}, secrets={"c.secret": SECRET}).start()
    yield tokend
    tokend.stop()
    entra.stop()


class Outcome:
    """exit, report (of --json), text (all that was printed)."""

    def __init__(self, done):
        self.exit, self.text = done.returncode, done.stdout + done.stderr
        self.report = note(json.loads(done.stdout))
        self.code, self.cause, self.fix = (self.report[k] for k in ("code", "cause", "fix"))
        self.marks = {link["id"]: link["mark"] for link in self.report["links"]}

    @property
    def broken(self):
        return [i for i, mark in self.marks.items() if mark == "broken"]

    def said(self, kind):
        return "\n".join(self.report[kind])


def run(tokend, relay, *more, account=BOX, launcher=(), seconds=60):
    argv = [*launcher, paths.ours("tool"), "diagnose", account, *(["--relay", relay] if relay else []), "--config", tokend.config, "--socket",
            tokend.socket, *more]
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)


@pytest.fixture
def diagnose(world, pki):
    """diagnose(server, "host:port" or None, *options): Outcome. The server saw one login at most, and what was printed is not of its secret."""
    def diagnose(server, *more, ca=pki.ca, tokend=world, **keys):
        relay = server if server is None or isinstance(server, str) else f"localhost:{server.port}"
        out = Outcome(run(tokend, relay, "--json", *(["--ca-file", ca] if ca else []), *more, **keys))
        assert "\x1b" not in out.text
        for login in getattr(server, "logins", []):
            secret(login, out.text)
        assert len(getattr(server, "logins", [])) <= 1
        return out
    return diagnose


def secret(login, text):
    """No piece of the token or of the response is in the text."""
    response = base64.b64encode(f"user={login.user}\x01auth=Bearer {login.token}\x01\x01".encode()).decode()
    for whole in (login.token, response):
        for i in range(0, len(whole) - 24, 12):
            assert whole[i:i + 24] not in text, f"{whole[i:i + 24]} is in {text}"


# dialect: code, exit status, words of the cause, words of the fix
REFUSALS = {
    "auth-off-tenant": ("smtp-auth-off-tenant", 6, "tenant", f"Set-CASMailbox -Identity {QUOTED} -SmtpClientAuthenticationDisabled $false"),
    "auth-off-mailbox": ("smtp-auth-off-mailbox", 6, "mailbox", f"Set-CASMailbox -Identity {QUOTED} -SmtpClientAuthenticationDisabled $false"),
    "security-defaults": ("security-defaults", 6, "security defaults", QUOTED),
    "conditional-access": ("login-policy", 6, "policy", APP),
    "basic-disabled": ("password-login", 6, "password", "smtp_sasl_mechanism_filter"),
    "basic-retired": ("basic-auth-retired", 6, "password", "smtp_sasl_mechanism_filter"),
    "password-wrong": ("password-refused", 6, "password", "smtp_sasl_mechanism_filter"),
    "federation": ("federation-unreachable", 6, "password", "smtp_sasl_mechanism_filter"),
    "concurrency": ("too-many-submissions", 75, "connections", "concurrency"),
    "auth-temporary": ("login-temporary", 75, "login", "nothing needs mending"),
    "auth-busy": ("login-temporary", 75, "login", "nothing needs mending"),
    "malformed": ("response-malformed", 6, "cannot read", "proxy"),
    "sts-url": ("federation-unreachable", 6, "password", "smtp_sasl_mechanism_filter"),
    "hve-soon": ("hve-token-expiring", 75, "High Volume Email", "min_remaining"),
    "hve-soon-newer": ("hve-token-expiring", 75, "High Volume Email", "min_remaining"),
    "hve-expired": ("hve-token-expired", 75, "run out", "timedatectl"),
    "hve-permission": ("hve-permission", 6, "permission", "Mail.Send"),
    "hve-app": ("hve-app-not-allowed", 6, "High Volume Email", f"Add-HVEAppAccess -AppIds {OID}"),
    "hve-account": ("hve-no-account", 6, "High Volume Email", "Exchange admin center"),
    "gmail": ("gmail-refused", 6, "Gmail", "https://mail.google.com/"),
    "gmail-app-password": ("app-password-wanted", 6, "password", "smtp_sasl_mechanism_filter"),
    "line-too-long": ("response-too-long-for-server", 6, "longer", "shorter"),
}
SENDING = {
    "not-authenticated": ("not-logged-in", 6, "wants a login", "status", "sender-server"),
    "not-authenticated-newer": ("not-logged-in", 6, "wants a login", "status", "sender-server"),
    "session-timeout": ("server-busy", 75, "puts us off", "nothing needs mending", "sender-server"),
    "hve-sender": ("hve-envelope-sender", 6, "envelope", BOX, "sender-server"),
    "hve-external": ("hve-external-recipient", 6, "organization", "smtp.office365.com", "recipient-server"),
    "unknown-user": ("recipient-unknown", 6, "recipient", RCPT, "recipient-server"),
    "logon-failure": ("mailbox-permission", 6, "permission", f"Add-MailboxPermission -Identity {QUOTED} -User {OID}", "message-server"),
    "send-as-smtp": ("send-as-denied", 6, "may not send as", f"Add-RecipientPermission -Identity {SHARED}", "message-server"),
    "send-as-store": ("send-as-denied", 6, "may not send as", f"Add-RecipientPermission -Identity {SHARED}", "message-server"),
    "send-as-older": ("send-as-denied", 6, "may not send as", f"Add-RecipientPermission -Identity {SHARED}", "message-server"),
    "thread-limit": ("too-many-submissions", 75, "connections", "concurrency", "message-server"),
    "quota": ("submission-quota", 75, "in a day", "wait", "message-server"),
    "mailbox-full": ("sender-mailbox-full", 6, "full", QUOTED, "message-server"),
    "outbound-blocked": ("sender-blocked", 6, "blocked", QUOTED, "message-server"),
    "hve-from": ("hve-header-sender", 6, "From:", BOX, "message-server"),
}


def in_evidence(dialect, out):
    """Each line of the dialect's reply, up to its first word in braces, is there as it came."""
    return all(line.partition("{")[0] in out.said("evidence") for line in DIALECTS[dialect][1].split("\r\n"))


@pytest.mark.parametrize("dialect", REFUSALS)
def test_a_refused_login_has_its_cause(up, pki, diagnose, dialect):
    code, status, cause, fix = REFUSALS[dialect]
    exchange = up(Exchange(pki, dialect=dialect))
    out = diagnose(exchange)
    assert (out.code, out.exit, out.broken) == (code, status, ["login-server"]), out.text
    assert cause in out.cause and fix in out.fix, out.report
    assert in_evidence(dialect, out)
    assert len(exchange.logins) == 1 and not exchange.mails


@pytest.mark.parametrize("dialect", SENDING)
def test_a_refused_message_has_its_cause(up, pki, diagnose, dialect):
    code, status, cause, fix, link = SENDING[dialect]
    exchange = up(Exchange(pki, dialect=dialect))
    exchange.send_as = {BOX: [SHARED]}
    sender = ["--from", SHARED] if "send-as" in dialect else []
    out = diagnose(exchange, "--send", RCPT, *sender)
    assert (out.code, out.exit, out.broken) == (code, status, [link]), out.text
    assert cause in out.cause and fix in out.fix, out.report
    assert in_evidence(dialect, out)
    assert not exchange.mails


def test_a_wrong_object_id(up, pki, diagnose):
    """A bare 535 5.7.3 while all claims are right: what Exchange knows the application by is the likely cause."""
    out = diagnose(up(Exchange(pki, dialect="unsuccessful")))
    assert (out.code, out.exit, out.broken) == ("exchange-object-id", 6, ["login-server"]), out.text
    assert "object id" in out.cause
    assert f"New-ServicePrincipal -AppId {APP} -ObjectId {OID}" in out.fix
    assert f"Add-MailboxPermission -Identity {QUOTED} -User {OID} -AccessRights FullAccess" in out.fix
    unknown = out.said("unknown")
    assert f"Get-MailboxPermission -Identity {QUOTED}" in unknown and "SMTP AUTH" in unknown and "two hours" in unknown


def test_the_line_for_people(up, pki, world):
    exchange = up(Exchange(pki, dialect="auth-off-mailbox"))
    done = run(world, f"localhost:{exchange.port}", "--ca-file", pki.ca)
    assert done.returncode == 6
    lines = done.stdout.splitlines()
    at = lines.index("fix:")
    assert lines[at + 1] == f"  Set-CASMailbox -Identity {QUOTED} -SmtpClientAuthenticationDisabled $false"
    assert any("broken" in ln and "535 5.7.139" in ln for ln in lines)
    secret(exchange.logins[0], done.stdout + done.stderr)


# --- healthy ones ---------------------------------------------------------------------------------------------------------

def healthy(out):
    assert out.exit == 0 and out.report["verdict"] == "healthy" and not out.broken, out.text
    return out


def test_healthy_without_a_mail(up, pki, diagnose):
    exchange = up(Exchange(pki))
    out = healthy(diagnose(exchange))
    assert out.marks["login-server"] == "ok" and out.marks["message-server"] == "skip"
    assert "--send" in out.said("unknown")
    assert [x.user for x in exchange.logins] == [BOX] and not exchange.arrived


def test_healthy_shared_mailbox_with_send_as(up, pki, diagnose):
    exchange = up(Exchange(pki))
    exchange.send_as = {BOX: [SHARED]}
    out = healthy(diagnose(exchange, "--send", RCPT, "--from", SHARED))
    assert out.marks["message-server"] == "ok"
    mail, = exchange.mails
    assert (mail.user, mail.sender, mail.recipients) == (BOX, SHARED, [RCPT])
    assert f"From: <{SHARED}>" in mail.data and "mta-xoauth2 diagnose" in mail.data and "Auto-Submitted: auto-generated" in mail.data
    assert re.search(r"(?m)^Date: \w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d \+0000\r$", mail.data)


def test_send_as_is_denied_without_it(up, pki, diagnose):
    exchange = up(Exchange(pki))
    out = diagnose(exchange, "--send", RCPT, "--from", SHARED)
    assert (out.code, out.broken) == ("send-as-denied", ["message-server"])
    assert f"-Identity {SHARED} -Trustee {QUOTED} -AccessRights SendAs" in out.fix and f"-Trustee {OID} too" in out.fix
    assert len(exchange.denied) == 1


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_healthy_dovecot(make_chain, pki, diagnose, mechanism):
    """A real server, to the end: the mail is in the sink."""
    chain = make_chain(without=("postfix",), account={"mechanisms": [mechanism]})
    server = f"localhost:{chain.dovecot.port}"
    out = healthy(diagnose(server, "--send", RCPT, tokend=chain.tokend, account=chain.box))
    assert out.marks["message-server"] == "ok" and mechanism in out.text
    mail, = chain.sink.wait(1)
    assert mail.recipients == [RCPT] and "mta-xoauth2 diagnose" in mail.body
    wait_for("the login in Dovecot's log", chain.dovecot.logins)
    assert len(chain.dovecot.logins()) == 1


def test_dovecot_refuses_by_a_challenge(make_chain, diagnose):
    """The token is of another mailbox than the one that logs in."""
    chain = make_chain(without=("postfix",), account={"user": "another@example.test"})
    out = diagnose(f"localhost:{chain.dovecot.port}", tokend=chain.tokend, account=chain.box)
    assert (out.code, out.exit, out.broken) == ("token-refused", 6, ["login-server"]), out.text
    assert '"status":"401"' in out.said("evidence") and "flush" in out.fix
    assert "535" in out.said("evidence")


def test_the_mail_servers_own_way(make_chain, up, pki, diagnose):
    """As Postfix: its relay, its user from within the chroot, and the CAs that it trusts."""
    chain = make_chain()
    postfix = ["--mta", "postfix", "--instance", chain.postfix.etc]
    path = f"{chain.postfix.root}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    keys = {"ca": None, "tokend": chain.tokend, "account": chain.box, "launcher": ["env", f"PATH={path}"]}
    out = healthy(diagnose(None, *postfix, "--send", RCPT, **keys))
    assert out.marks["message-server"] == "ok" and chain.sink.count() == 1
    main = chain.postfix.etc / "main.cf"
    main.write_text(re.sub(r"(?m)^smtp_tls_CAfile = .*", "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt", main.read_text()))
    out = diagnose(None, *postfix, **keys)
    assert (out.code, out.broken) == ("server-cert-untrusted", ["certificate-server"]), out.text
    assert "/etc/ssl/certs/ca-certificates.crt" in out.said("evidence")
    main.write_text(main.read_text().replace("/etc/ssl/certs/ca-certificates.crt", str(pki.ca)) + "smtp_tls_wrappermode = yes\n")
    exchange = up(Exchange(pki, wrapped=True, address="127.0.0.47", port=465, cert=pki.cert("of-47", addresses=("127.0.0.47",))))
    out = healthy(diagnose("127.0.0.47:465", *postfix, **keys))
    assert out.marks["starttls-server"] == "skip" and len(exchange.logins) == 1


# --- before the login ------------------------------------------------------------------------------------------------------

def never_logged_in(server):
    assert not getattr(server, "logins", []) and not [c for c in getattr(server, "commands", []) if c.startswith("AUTH")]


@pytest.mark.parametrize("offer,code", [("AUTH LOGIN PLAIN", "mechanism-not-offered"), ("", "auth-not-offered")])
def test_no_xoauth2(up, pki, diagnose, offer, code):
    exchange = up(Exchange(pki, offer=offer))
    out = diagnose(exchange)
    assert (out.code, out.exit, out.broken) == (code, 6, ["mechanism-server"]), out.text
    assert offer in out.said("evidence") and "localhost" in out.fix
    never_logged_in(exchange)


def test_starttls_taken_away(up, pki, diagnose):
    exchange = up(Exchange(pki, starttls=False))
    out = diagnose(exchange)
    assert (out.code, out.exit, out.broken) == ("starttls-missing", 6, ["starttls-server"]), out.text
    assert "taken it away" in out.cause and str(exchange.port) in out.fix and "8BITMIME" in out.said("evidence")
    never_logged_in(exchange)


def test_no_tls_but_a_login_offered(up, diagnose):
    relay = up(Relay(None))
    out = diagnose(relay)
    assert (out.code, out.exit) == ("starttls-missing", 6), out.text
    never_logged_in(relay)


def test_starttls_refused(up, pki, diagnose):
    exchange = up(Exchange(pki, dialect="starttls-refused"))
    out = diagnose(exchange)
    assert (out.code, out.exit, out.broken) == ("starttls-refused", 6, ["starttls-server"]), out.text
    assert in_evidence("starttls-refused", out)
    never_logged_in(exchange)


CERTIFICATES = {"wrong_name": ("server-cert-name", "other.example.org"), "expired": ("server-cert-expired", "2020-02-01"),
                "early": ("server-cert-not-yet", "2049-01-01"), "self_signed": ("server-cert-untrusted", "CN=localhost")}


@pytest.mark.parametrize("kind", CERTIFICATES)
@pytest.mark.parametrize("wrapped", [False, True])
def test_certificates(up, pki, diagnose, kind, wrapped):
    code, evidence = CERTIFICATES[kind]
    where = {"wrapped": True, "address": "127.0.0.46", "port": 465} if wrapped else {}
    exchange = up(Exchange(pki, cert=getattr(pki, kind)(), **where))
    out = diagnose(exchange if not wrapped else "127.0.0.46:465")
    assert (out.code, out.exit) == (code, 6), out.text
    assert out.broken == ["greeting-server" if wrapped else "certificate-server"]
    assert evidence in out.said("evidence")
    never_logged_in(exchange)


def test_a_ca_that_reads_along(up, workdir, pki, diagnose):
    other = Pki(workdir / "other", name="Contoso Filter CA")
    exchange = up(Exchange(pki, cert=other.cert()))
    out = diagnose(exchange)
    assert (out.code, out.exit, out.broken) == ("server-cert-untrusted", 6, ["certificate-server"]), out.text
    assert "Contoso Filter CA" in out.said("evidence") and str(pki.ca) in out.said("evidence")
    assert "smtp_tls_CAfile" in out.fix and "localhost" in out.fix
    never_logged_in(exchange)


def test_a_ca_file_that_is_none(up, workdir, pki, diagnose):
    exchange = up(Exchange(pki))
    out = diagnose(exchange, ca=workdir / "none.pem")
    assert (out.code, out.exit, out.broken) == ("server-ca-unusable", 6, ["certificate-server"]), out.text
    never_logged_in(exchange)


def test_tls_from_the_first_byte(up, pki, diagnose):
    exchange = up(Exchange(pki, wrapped=True, address="127.0.0.45", port=465, cert=pki.cert("smtps", addresses=("127.0.0.45",))))
    out = healthy(diagnose("127.0.0.45:465"))
    assert out.marks["starttls-server"] == "skip" and out.marks["login-server"] == "ok"
    assert len(exchange.logins) == 1


def test_ipv6(up, pki, diagnose):
    exchange = up(Exchange(pki, address="::1", cert=pki.cert("six", addresses=("::1",))))
    out = healthy(diagnose(f"[::1]:{exchange.port}"))
    assert out.marks["dns-server"] == "skip" and len(exchange.logins) == 1


def test_refused_connection(diagnose):
    port = free_port()
    out = diagnose(f"localhost:{port}")
    assert (out.code, out.exit, out.broken) == ("server-refuses-connection", 75, ["tcp-server"]), out.text
    assert f"nc -vz localhost {port}" in out.fix and "127.0.0.1" in out.said("evidence")


def test_unknown_name(workdir, diagnose):
    names = Names(workdir / "names")
    if names.refused():
        pytest.skip(f"no mount namespace: {names.refused()}")
    out = diagnose("smtp.office365.test:587", launcher=names.launcher())
    assert (out.code, out.exit, out.broken) == ("server-name-unknown", 75, ["dns-server"]), out.text
    assert "getent hosts smtp.office365.test" in out.fix


def test_silence(diagnose):
    with socket.create_server(("127.0.0.1", 0)) as s:
        started = time.monotonic()
        out = diagnose(f"127.0.0.1:{s.getsockname()[1]}", "--timeout", "1")
    assert (out.code, out.exit, out.broken) == ("server-silent", 75, ["greeting-server"]), out.text
    assert time.monotonic() - started < 20


def test_progress_is_seen_while_a_server_is_waited_for(world, pki):
    """Also by who reads a pipe: each link's line comes when the link is done, not at the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        walk = subprocess.Popen([str(a) for a in (
            paths.ours("tool"), "diagnose", BOX, "--relay", f"127.0.0.1:{listener.getsockname()[1]}", "--config", world.config,
            "--socket", world.socket, "--ca-file", pki.ca)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        try:
            lines = iter(walk.stdout.readline, "")
            before = list(itertools.takewhile(lambda line: not re.match(r"  ok +TCP +connected to 127\.0\.0\.1", line), lines))
            assert walk.poll() is None, "the walk waits for the greeting"
            assert any(re.match("  ok +configuration ", line) for line in before) and any(re.match("  ok +claims ", line) for line in before)
        finally:
            walk.kill()
            walk.communicate()


def test_packets_swallowed(diagnose):
    """A full queue takes no more connections: as behind a firewall that drops."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        port = s.getsockname()[1]
        held = [socket.socket() for _ in range(4)]
        for h in held:
            h.setblocking(False)
            h.connect_ex(("127.0.0.1", port))
        out = diagnose(f"127.0.0.1:{port}", "--timeout", "1")
        for h in held:
            h.close()
    assert (out.code, out.exit, out.broken) == ("server-silent", 75, ["tcp-server"]), out.text
    assert f"TCP port {port}" in out.fix


@pytest.mark.parametrize("dialect,code,status", [("unwilling", "server-unwilling", 6), ("greeting-busy", "server-busy", 75)])
def test_greetings(up, pki, diagnose, dialect, code, status):
    out = diagnose(up(Exchange(pki, dialect=dialect)))
    assert (out.code, out.exit, out.broken) == (code, status, ["greeting-server"]), out.text
    assert in_evidence(dialect, out)


def test_a_web_server(world, pki, diagnose):
    """Speaks HTTP, and only when it has been spoken to."""
    out = diagnose(world.clients["contoso"]["token_endpoint"].split("/")[2], "--timeout", "1")
    assert out.broken == ["greeting-server"] and out.exit in (6, 75), out.text


# --- servers that nobody should have -----------------------------------------------------------------------------------------

HOSTILE = {"codes-differ": ("server-out-of-step", 6, "login-server"), "no-reply": ("server-out-of-step", 6, "login-server"),
           "endless-line": ("server-out-of-step", 6, "login-server"), "endless-lines": ("server-out-of-step", 6, "login-server"),
           "endless-greeting": ("server-not-smtp", 6, "greeting-server"), "colours": ("login-refused", 6, "login-server"),
           "echo": ("login-refused", 6, "login-server"), "echo-token": ("login-refused", 6, "login-server")}


@pytest.mark.parametrize("dialect", HOSTILE)
def test_hostile_servers(up, pki, diagnose, dialect):
    exchange = up(Exchange(pki, dialect=dialect))
    out = diagnose(exchange, "--timeout", "5")
    assert (out.code, out.exit, out.broken) == (*HOSTILE[dialect][:2], [HOSTILE[dialect][2]]), out.text[:2000]
    assert len(out.text) < 30000
    detail = {"codes-differ": "different codes", "no-reply": "no reply", "endless-line": "a line is too long",
              "endless-lines": "too many lines"}.get(dialect, "")
    assert detail in out.said("evidence")
    if dialect.startswith("echo"):
        assert "repeats the token" in out.text


def test_the_mechanism_is_refused(up, pki, diagnose):
    """Though it is offered; then no response goes out."""
    relay = up(Relay(pki.cert(), AUTH="504 5.7.4 Unrecognized authentication type"))
    out = diagnose(relay)
    assert (out.code, out.exit, out.broken) == ("mechanism-refused", 6, ["login-server"]), out.text
    assert relay.commands[-2:] == ["AUTH XOAUTH2", "QUIT"] and not [s for s in relay.sessions if s.responses]


def test_a_334_with_text(up, pki, diagnose):
    """Before the response: Postfix would not go on."""
    exchange = up(Exchange(pki))
    exchange.prompt = "334 VGhpcyBpcyBub3QgZW1wdHk="
    out = healthy(diagnose(exchange))
    assert out.marks["login-server"] == "note" and "Postfix" in out.text


@pytest.mark.parametrize("dialect", ["starttls-and-more", "starttls-in-plain"])
def test_a_server_that_goes_on_without_tls(up, pki, diagnose, dialect):
    exchange = up(Exchange(pki, dialect=dialect))
    out = diagnose(exchange, "--timeout", "2")
    assert out.broken in (["starttls-server"], ["certificate-server"]) and out.exit in (6, 75), out.text
    never_logged_in(exchange)


@pytest.mark.parametrize("verb,link", [("AUTH", "login-server"), ("MAIL", "sender-server"), ("DATA", "message-server")])
def test_a_server_that_hangs_up(up, pki, diagnose, verb, link):
    out = diagnose(up(Relay(pki.cert(), **{verb: ""})), "--send", RCPT)
    assert (out.code, out.exit, out.broken) == ("server-hung-up", 75, [link]), out.text


def test_a_second_login_is_never_tried(up, pki, diagnose):
    relay = up(Relay(pki.cert(), answer=("challenge", "535 5.7.8 no")))
    out = diagnose(relay)
    assert out.code == "token-refused" and out.exit == 6, out.text
    assert [c for c in relay.commands if c.startswith("AUTH") or c == "(response)"] == ["AUTH XOAUTH2", "(response)"]
    assert relay.commands[-2:] == ["(empty)", "QUIT"]


def test_somebody_who_is_not_root(up, pki, world):
    """Whom the account does not admit hears so, and the server is looked at up to the login."""
    exchange = up(Exchange(pki))
    done = run(world, f"localhost:{exchange.port}", "--ca-file", pki.ca, "--json", "--send", RCPT,
               launcher=["setpriv", "--reuid=65533", "--clear-groups"])
    marks = {link["id"]: link["mark"] for link in json.loads(done.stdout)["links"]}
    never_logged_in(exchange)
    assert (marks["mechanism-server"], marks["login-server"], marks["message-server"]) == ("ok", "skip", "skip"), done.stdout
    assert done.returncode == 0
