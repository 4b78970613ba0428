"""Who may have what: everything else is denied with one and the same answer, audited, and no token leaves."""

import base64

import pytest

from mxtest import wire
from mxtest.alone import BOX, SECRET, lone_tokend
from mxtest.idp import Idp

DENIED = (b"ERR\tdenied\tdenied\tdenied by the token daemon's policy; its log has the reason, in the line that begins "
          b"with \"denied\"\n")
OTHER = "other@example.test"
SASL = {"verb": "SASL", "mech": "XOAUTH2", "account": BOX, "host": "smtp.example.test"}

# who asks, the request, the reason in the log
DENIALS = {
    "uid not listed": ("daemon", SASL, "uid-not-listed"),
    "uid not listed, Exim's verb": ("daemon", {**SASL, "verb": "RAW"}, "uid-not-listed"),
    "uid 65534 though listed": ("nobody", SASL, "uid-not-listed"),
    "account unknown": ("postfix", {**SASL, "account": "x@unknown.test"}, "account-unknown"),
    "account unknown to a stranger": ("daemon", {**SASL, "account": "x@unknown.test"}, "account-unknown"),
    "relay not listed": ("postfix", {**SASL, "host": "smtp.evil.test"}, "relay-not-listed"),
    "relay not named": ("postfix", {"verb": "SASL", "mech": "XOAUTH2", "account": BOX}, "relay-not-listed"),
    "relay's name as a part": ("postfix", {**SASL, "host": "smtp.example.test.evil.test"}, "relay-not-listed"),
    "mechanism not listed": ("postfix", {**SASL, "mech": "OAUTHBEARER"}, "mechanism-not-listed"),
    "mailbox of another client": ("postfix", {**SASL, "user": OTHER}, "user-not-allowed"),
    "TOKEN": ("postfix", {"verb": "TOKEN", "account": BOX}, "uid-not-listed-for-token"),
    "TOKEN, unknown account": ("postfix", {"verb": "TOKEN", "account": "x@unknown.test"}, "account-unknown"),
    "REJECTED": ("daemon", {"verb": "REJECTED", "account": BOX, "host": "smtp.example.test"}, "uid-not-listed"),
    "STATUS": ("postfix", {"verb": "STATUS"}, "not-an-admin"),
    "METRICS": ("postfix", {"verb": "METRICS"}, "not-an-admin"),
    "RELOAD": ("postfix", {"verb": "RELOAD"}, "not-an-admin"),
    "FLUSH": ("postfix", {"verb": "FLUSH", "account": BOX}, "not-an-admin"),
}


@pytest.fixture
def idp(up, workdir, pki):
    return up(Idp(workdir / "idp", pki, [{"client_id": "chain", "client_secret": SECRET, "sub": BOX, "format": "opaque"}]))


@pytest.fixture
def tokend(up, workdir, pki, idp, binaries):
    daemon = lone_tokend(workdir / "t", idp.token_endpoint, pki.ca, top={"log_level": "debug"}, accounts={
        BOX: {"client": "c", "allow_users": ["postfix", "nobody"], "relays": ["smtp.example.test", "*.relay.test"],
              "mechanisms": ["XOAUTH2"]},
        OTHER: {"client": "c2", "allow_users": ["postfix"]},
    })
    daemon.clients["c2"] = {**daemon.clients["c"], "client_id": "chain2"}
    return up(daemon)


def ask_as(asker, tokend, verb, **fields):
    """One request as this system user; wire.ask_as() has a "user" of its own, so the request's is given as user64."""
    if "user" in fields:
        fields["user64"] = base64.b64encode(fields.pop("user").encode()).decode()
    return wire.ask_as(asker, tokend.socket, verb, **fields)


@pytest.mark.parametrize("name", DENIALS)
def test_denied(tokend, idp, name):
    """Denied when nothing is cached, so that no request is made; and when a token is at hand, which does not leave."""
    user, request, reason = DENIALS[name]
    cold = ask_as(user, tokend, **request)
    assert idp.token_requests() == 0
    token = tokend.ask("TOKEN", account=BOX)
    assert token.ok and len(token.token) > 20
    warm = ask_as(user, tokend, **request)
    for reply in (cold, warm):
        assert reply.raw == (DENIED.replace(b"\t", b" ").rstrip() if request["verb"] == "RAW" else DENIED)
    audit = [ln for ln in tokend.log().splitlines() if ln.startswith(f"denied verb={request['verb']} ")]
    assert len(audit) == 2 and all(f"reason={reason} " in ln and " uid=" in ln and " pid=" in ln and "mend=" in ln
                                   for ln in audit), audit
    if "account" in request:
        assert f'account="{request["account"]}"' in audit[0]
    assert token.token not in tokend.log() and "token_rejected" not in tokend.log()
    assert tokend.ask("TOKEN", account=BOX).token_id == token.token_id and idp.token_requests() == 1


def test_the_answers_tell_nothing(tokend):
    """An unknown account, and a known one that is not the asker's: not one byte differs, so neither exists for it."""
    tokend.ask("TOKEN", account=BOX)
    replies = {ask_as(user, tokend, **request).raw for user, request, _ in DENIALS.values() if request["verb"] != "RAW"}
    assert replies == {DENIED}


@pytest.mark.parametrize("user, request_", [
    ("postfix", SASL), ("postfix", {**SASL, "verb": "RAW"}), ("postfix", {**SASL, "host": "a.relay.test"}),
    ("postfix", {**SASL, "host": "SMTP.Example.Test."}), ("root", {"verb": "TOKEN", "account": BOX}),
    ("root", {"verb": "STATUS"}), ("root", {"verb": "METRICS"}), ("root", {"verb": "FLUSH", "account": BOX}),
    ("nobody", {"verb": "PING"}),
], ids=str)
def test_allowed(tokend, user, request_):
    assert ask_as(user, tokend, **request_).ok


def test_lists_of_users_open_what_they_name(up, workdir, pki, idp):
    tokend = up(lone_tokend(workdir / "t", idp.token_endpoint, pki.ca, top={"admin_users": ["daemon"]},
                            account={"allow_users": ["postfix"], "allow_token_users": ["daemon"], "allow_groups": ["mail"]}))
    assert ask_as("daemon", tokend, "TOKEN", account=BOX).ok and ask_as("daemon", tokend, "STATUS").ok
    assert ask_as("mail", tokend, "SASL", mech="XOAUTH2", account=BOX).ok, "by its group"
    assert ask_as("daemon", tokend, "SASL", mech="XOAUTH2", account=BOX).code == "denied"
    assert tokend.ask("TOKEN", account=BOX).code == "denied", "root is not listed any more"
    assert tokend.ask("STATUS").code == "denied"


@pytest.mark.parametrize("what, account, reason", [
    ("uid", {"allow_users": ["root"]}, "uid-not-listed"),
    ("relay", {"relays": ["smtp.example.test"]}, "relay-not-listed"),
    ("mechanism", {"mechanisms": ["OAUTHBEARER"]}, "mechanism-not-listed"),
    ("account", None, "account-unknown"),
])
def test_denied_to_postfix(make_chain, what, account, reason):
    """The mail is deferred, the mail log says whom to ask, the daemon's log why; nothing was sent to the server."""
    chain = make_chain(account=account, without=("postfix",))
    if what == "account":
        chain.postfix.account = "stranger@example.test"
    chain.postfix.start()
    chain.postfix.send()
    status, line = chain.outcome()
    assert status == "deferred" and "dsn=4.7.0" in line and "authorization failure" in line
    warning, = chain.postfix.lines("warning: SASL authentication failure: mta-xoauth2: ")
    assert f"{chain.postfix.account} at localhost: denied by the token daemon's policy" in warning and "[denied]" in warning
    assert f"reason={reason} " in chain.tokend.wait_log("denied verb=SASL")
    assert chain.idp.token_requests() == 0 and not chain.dovecot.logins()
