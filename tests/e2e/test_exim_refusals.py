"""Exim and a mail server that refuses: the daemon is told, the mail waits, nothing goes without a login and TLS."""

import pytest

from mxtest import paths, relay as server
from mxtest.alone import BOX
from mxtest.exim import no_new_one
from mxtest.exim_way import TOKEN
from mxtest.relay import CHALLENGE, REFUSED, TAKEN, Relay
from mxtest.wiretap import Wiretap

DOC = (paths.TOP / "doc/exim.md").read_text()
TOLD = [BOX, "localhost", "refused the access token", "the daemon was told", "[token-rejected]"]


def only_new(user, token):
    return TAKEN if token != TOKEN else REFUSED


def only_new_by_challenge(user, token):
    return TAKEN if token != TOKEN else ("challenge", REFUSED)


@pytest.mark.parametrize("how", [only_new, only_new_by_challenge], ids=["535", "334"])
@pytest.mark.parametrize("variant", ["plain", "split", "unsplit"])
def test_the_daemon_is_told_and_the_next_attempt_delivers(exim_way, pki, how, variant):
    way = exim_way(relay=Relay(pki.cert(), answer=how), tokens=[TOKEN, "the-next-token-of-this-test"], variant=variant)
    mail = way.exim.send(sender=BOX)
    way.deferred(mail, -42, *TOLD)
    assert f"{mail} mta_xoauth2 authenticator failed H=localhost [127.0.0.1] {REFUSED}" in way.exim.log(), "its own words"
    rejected = way.tokend.wait_log("token_rejected client=c")
    assert "dropped=yes" in rejected and way.tokend.log().count("verb=REJECTED") == 1
    if how is only_new_by_challenge:
        assert "401" in rejected.partition("challenge=")[2] and "(empty)" in way.relay.commands
    way.exim.flush(force=False)
    assert not way.relay.mails, "it waits its five minutes"
    way.exim.flush()
    way.arrived()
    assert not way.exim.queue() and len(way.endpoint.requests) == 2


def test_the_servers_words_reach_the_daemon(exim_way, pki):
    """Exim 4.97 and newer: the event auth:fail has them."""
    if no_new_one():
        pytest.skip(no_new_one())
    way = exim_way(relay=Relay(pki.cert(), answer=("challenge", REFUSED)), new=True)
    assert way.exim.version() >= (4, 97)
    mail = way.exim.send(sender=BOX)
    way.deferred(mail, -42, *TOLD)
    rejected = way.tokend.wait_log("token_rejected client=c")
    assert REFUSED in rejected and "401" in rejected.partition("challenge=")[2]
    assert way.tokend.log().count("verb=REJECTED") == 1, "not told twice"
    assert f"mta_xoauth2 authenticator failed H=localhost [127.0.0.1] {REFUSED}" in way.exim.log()


def test_what_is_told_of_a_long_and_strange_challenge(exim_way, pki, monkeypatch):
    """The request keeps to the daemon's limits."""
    monkeypatch.setattr(server, "CHALLENGE", CHALLENGE[:-1] + ',"x":"' + "\t\x7f€" * 400 + '"}')
    way = exim_way(relay=Relay(pki.cert(), answer=("challenge", REFUSED)))
    way.deferred(way.exim.send(sender=BOX), -42, *TOLD)
    assert "dropped=yes" in way.tokend.wait_log("token_rejected client=c")


def test_what_one_server_says_is_not_told_of_the_next(exim_way, up, pki):
    """Two servers: the first takes the login and then has no time, the second does not offer XOAUTH2."""
    second = up(Relay(pki.cert(), offer=None))
    way = exim_way(relay=Relay(pki.cert(), MAIL="421 4.3.2 later"), variant="plain", change={"exim.conf": [
        ("smtp.office365.com::587 byname", f"smtp.office365.com::587:localhost::{second.port} byname")]})
    mail = way.exim.send(sender=BOX)
    assert way.exim.queue() == {mail: "waiting"} and way.relay.sessions[0].responses and "STARTTLS" in second.commands
    assert "defer (-42)" in way.exim.lines(f"{mail} == ")[0]
    assert "REJECTED" not in way.tokend.log() and "told" not in way.exim.log()


def test_a_challenge_of_one_server_is_not_told_of_the_next(exim_way, up, pki):
    second = up(Relay(pki.cert(), answer=REFUSED))
    way = exim_way(relay=Relay(pki.cert(), answer=("challenge", TAKEN), MAIL="421 4.3.2 later"), variant="plain", change={"exim.conf": [
        ("smtp.office365.com::587 byname", f"smtp.office365.com::587:localhost::{second.port} byname")]})
    way.exim.send(sender=BOX)
    assert way.relay.sessions[0].responses and second.sessions[0].responses
    assert 'challenge=""' in way.tokend.wait_log("token_rejected client=c")


@pytest.mark.parametrize("offer", ["AUTH XOAUTH2", None])
def test_a_refusal_where_acl_variables_must_be_set(exim_way, pki, offer):
    """strict_acl_vars, which some have."""
    way = exim_way(relay=Relay(pki.cert(), offer=offer, answer=REFUSED), extra="strict_acl_vars = true")
    mail = way.exim.send(sender=BOX)
    if offer:
        way.deferred(mail, -42, *TOLD)
    assert "defer (-42)" in way.exim.lines(f"{mail} == ")[0] and "strict" not in way.exim.log()


@pytest.mark.parametrize("new", [False, True], ids=["4.96", "4.98"])
def test_a_refusal_while_the_daemon_is_down_is_not_claimed_as_told(exim_way, pki, new):
    def answer(user, token):
        way.tokend.kill()
        return REFUSED
    if new and no_new_one():
        pytest.skip(no_new_one())
    way = exim_way(relay=Relay(pki.cert(), answer=answer), new=new)
    mail = way.exim.send(sender=BOX)
    assert "defer (-42)" in way.exim.lines(f"{mail} == ")[0] and REFUSED in way.exim.log()
    assert "the daemon was told" not in way.exim.log()


def test_a_passing_fault_of_the_server_is_no_refusal(exim_way, pki):
    way = exim_way(relay=Relay(pki.cert(), answer="454 4.7.0 Temporary authentication failure"))
    mail = way.exim.send(sender=BOX)
    line, = way.exim.lines(f"{mail} == ")
    assert "454 4.7.0" in way.exim.log() and way.exim.queue() == {mail: "waiting"}
    assert "REJECTED" not in way.tokend.log() and "told" not in way.exim.log()


@pytest.mark.parametrize("said", ["451 4.7.0 later", "421 4.3.2 later", ""], ids=["451", "421", "connection lost"])
def test_a_refusal_after_the_login_is_none_of_the_token(exim_way, pki, said):
    """Another deferral raises the same event."""
    way = exim_way(relay=Relay(pki.cert(), MAIL=said))
    mail = way.exim.send(sender=BOX)
    assert way.exim.queue() == {mail: "waiting"} and "REJECTED" not in way.tokend.log()


@pytest.mark.parametrize("offer", [None, "AUTH LOGIN PLAIN", "AUTH XOAUTH"], ids=["none", "LOGIN", "XOAUTH"])
@pytest.mark.parametrize("variant", ["plain", "split"])
def test_a_server_without_xoauth2_gets_nothing(exim_way, pki, offer, variant):
    way = exim_way(relay=Relay(pki.cert(), offer=offer), variant=variant)
    mail = way.exim.send(sender=BOX)
    assert "defer (-42)" in way.exim.lines(f"{mail} == ")[0] and way.exim.queue() == {mail: "waiting"}
    assert not [c for c in way.relay.commands if c.split()[0] in ("MAIL", "AUTH")] and not way.endpoint.requests
    assert "REJECTED" not in way.tokend.log(), "no token was sent, none was refused"


def test_without_hosts_require_auth_it_bounces(exim_way, pki):
    """What that line of the transport is for."""
    relay = Relay(pki.cert(), answer=REFUSED, MAIL="530 5.7.57 Client not authenticated to send mail")
    way = exim_way(relay=relay, change={"transport": [("hosts_require_auth", "hosts_try_auth")]})
    way.exim.send(sender=BOX)
    assert [c for c in way.relay.commands if c.startswith("MAIL")] and way.exim.outcomes()["failed"] >= 1
    way.exim.forget()
    way.relay.sessions.clear()


@pytest.mark.parametrize("variant", ["plain", "split", "unsplit"])
@pytest.mark.parametrize("how", ["stripped", "no STARTTLS"])
def test_no_token_without_tls(exim_way, up, pki, how, variant):
    relay = Relay(pki.cert() if how == "stripped" else None)
    tap = up(Wiretap(relay.port, strip_starttls=True))
    way = exim_way(relay=relay, port=tap.port, variant=variant)
    mail = way.exim.send(sender=BOX)
    line, = way.exim.lines(f"{mail} == ")
    assert "TLS session is required" in line and way.exim.queue() == {mail: "waiting"}
    assert b"EHLO" in tap.sent and b"AUTH" not in tap.sent and b"MAIL" not in tap.sent
    assert "verb=RAW" not in way.tokend.log(), "the daemon was not even asked"


def test_the_authenticator_alone_keeps_the_token_off_the_bare_wire(exim_way):
    """Whatever somebody does to the transport."""
    way = exim_way(relay=Relay(None), change={"transport": [("hosts_require_tls = *", "")]})
    mail = way.exim.send(sender=BOX)
    assert "defer (-42)" in way.exim.lines(f"{mail} == ")[0] and "AUTH" not in " ".join(way.relay.commands)
    assert "verb=RAW" not in way.tokend.log()


@pytest.mark.parametrize("cert", ["wrong_name", "expired", "self_signed"])
@pytest.mark.parametrize("heavy", [False, True], ids=["light", "heavy"])
def test_no_token_for_a_server_that_does_not_prove_its_name(exim_way, pki, cert, heavy):
    way = exim_way(relay=Relay(getattr(pki, cert)()), heavy=heavy)
    mail = way.exim.send(sender=BOX)
    line, = way.exim.lines(f"{mail} == ")
    assert "(-37)" in line and "certificate" in line and way.exim.queue() == {mail: "waiting"}
    assert way.relay.commands[-1] == "STARTTLS" and "verb=RAW" not in way.tokend.log()


@pytest.mark.parametrize("variant", ["plain", "split", "unsplit"])
def test_the_retry_rule(exim_way, variant):
    """A refused login is tried again soon; all else goes by the rule that was there."""
    way = exim_way(variant=variant)
    assert "F,4d,5m" in way.exim.exim("-brt", "example.net", "auth_failed").stdout
    assert "F,2h,15m" in way.exim.exim("-brt", "example.net").stdout


@pytest.mark.parametrize("variant", ["plain", "unsplit"])
def test_by_default_the_systems_cas_count(exim_way, variant):
    """That is what the files say; the CA of the tests is none of them."""
    way = exim_way(variant=variant, cafile="system")
    mail = way.exim.send(sender=BOX)
    assert "(-37)" in way.exim.lines(f"{mail} == ")[0] and "verb=RAW" not in way.tokend.log()


@pytest.mark.parametrize("option,shows", [("-v", False), ("-d", True), ("-d+all", True)])
def test_what_shows_the_token(exim_way, option, shows):
    """On the terminal of who asks for it: as doc/exim.md says."""
    way = exim_way()
    mail = way.exim.send(sender=BOX, deliver=False)
    done = way.exim.exim(option, "-M", mail)
    way.arrived()
    assert "A=mta_xoauth2" in way.exim.log() and (TOKEN in done.stderr + done.stdout) == shows
    assert f"`{option}`" in DOC or f"`exim4 {option}`" in DOC


@pytest.mark.parametrize("new", [False, True], ids=["4.96", "4.98"])
@pytest.mark.parametrize("socket", [True, False], ids=["refused", "no socket"])
def test_two_servers_and_nobody_to_ask(exim_way, up, pki, new, socket):
    """The daemon is asked for each, and is not there."""
    if new and no_new_one():
        pytest.skip(no_new_one())
    second = up(Relay(pki.cert()))
    way = exim_way(variant="plain", new=new, change={"exim.conf": [
        ("smtp.office365.com::587 byname", f"smtp.office365.com::587:localhost::{second.port} byname")]})
    way.tokend.kill()
    if not socket:
        way.tokend.socket.unlink()
    mail = way.exim.send(sender=BOX)
    way.deferred(mail, -48, "[daemon-no-answer]" if socket else "[socket-unreachable]")
    for relay in (way.relay, second):
        assert not relay.mails and all("TOKEND" not in c for c in relay.commands)
    assert "TOKEND" not in way.exim.written().decode(errors="replace")
