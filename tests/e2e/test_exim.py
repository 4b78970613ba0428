"""Exim, Debian's own: mail goes, or it waits alone and the main log says why. See also test_exim_*.py."""

import pwd
import re
import signal

import pytest

from mxtest import exim
from mxtest.alone import BOX
from mxtest.chain import Chain
from mxtest.exim import USER, Exim
from mxtest.exim_way import TOKEN
from mxtest.recorder import Answer

VARIANTS = ["plain", "split", "unsplit"]
LONGEST = 3069


def response_of(size, box=BOX):
    """A token with which the response has so many bytes."""
    return "t" * (size - len(f"user={box}\x01auth=Bearer \x01\x01"))


def at_dovecot(up, workdir, chain, **arguments):
    """Exim in Postfix's place; all are started."""
    if exim.refused():
        pytest.skip(f"no mount namespace here: {exim.refused()}")
    up.append(chain)
    mta = up(Exim(workdir / "x", ("localhost", chain.dovecot.port), BOX, chain.pki.ca, chain.tokend.run_dir, **arguments))
    chain.start(without=("postfix",))
    return mta


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("heavy", [False, True], ids=["light", "heavy"])
def test_a_mail_through_dovecot(up, workdir, pki, binaries, variant, heavy):
    """The whole way with real servers: oidc-provider, the daemon, Exim, Dovecot."""
    chain = Chain(workdir, pki, chroot=False, account={"allow_users": [USER]})
    mta = at_dovecot(up, workdir, chain, variant=variant, heavy=heavy)
    mail = mta.send(sender=BOX, subject="by Exim")
    arrived, = chain.sink.wait(1)
    assert (arrived.sender, arrived.recipients, arrived.subject) == (BOX, ["someone@example.net"], "by Exim")
    line, = mta.lines(f"{mail} => ")
    assert "T=mta_xoauth2" in line and "A=mta_xoauth2" in line and "CV=yes" in line and " X=TLS" in line
    assert "method=XOAUTH2" in chain.dovecot.wait_log("Login: user=<" + BOX) and chain.idp.token_requests() == 1
    assert f"answer verb=RAW uid={pwd.getpwnam(USER).pw_uid} " in chain.tokend.log()
    assert not mta.queue() and mta.outcomes() == {"sent": 1, "deferred": 0, "failed": 0} and not mta.log("panic")


def test_dovecot_refuses_a_revoked_token(up, workdir, pki, binaries):
    """By a challenge, to Exim's empty answer; the daemon fetches another, and that one serves."""
    chain = Chain(workdir, pki, chroot=False, check="introspection", account={"allow_users": [USER]})
    mta = at_dovecot(up, workdir, chain)
    mta.send(sender=BOX)
    assert chain.idp.revoke_all() == 1
    mail = mta.send(sender=BOX)
    assert re.search(rf"{mail} mta_xoauth2 authenticator failed H=localhost .* 535 5\.7\.8", mta.log())
    assert "[token-rejected]" in mta.lines(f"{mail} mta-xoauth2: ")[0] and mta.queue() == {mail: "waiting"}
    rejected = chain.tokend.wait_log("token_rejected client=chain")
    assert "dropped=yes" in rejected and "401" in rejected.partition("challenge=")[2]
    mta.flush()
    assert len(chain.sink.wait(2)) == 2 and not mta.queue() and chain.idp.token_requests() == 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_sent(exim_way, variant):
    way = exim_way(variant=variant)
    way.exim.send(sender=BOX)
    assert way.arrived()[0][:2] == (BOX, ["someone@example.net"])
    session, = way.relay.sessions
    assert session.responses == [f"user={BOX}\x01auth=Bearer {TOKEN}\x01\x01".encode()]
    after = session.commands[session.commands.index("STARTTLS") + 1:]
    assert [c.split()[0] for c in after] == ["EHLO", "AUTH", "(response)", "MAIL", "RCPT", "DATA", "QUIT"]
    assert "AUTH XOAUTH2" in after, "the response in a line of its own"


@pytest.mark.parametrize("which", [{}, {"heavy": True}, {"new": True}], ids=["light", "heavy", "new"])
def test_the_longest_response_and_one_byte_more(exim_way, which):
    if "new" in which and exim.no_new_one():
        pytest.skip(exim.no_new_one())
    way = exim_way(tokens=[response_of(LONGEST), response_of(LONGEST + 1)], **which)
    way.exim.send(sender=BOX)
    way.arrived()
    assert [len(r) for s in way.relay.sessions for r in s.responses] == [LONGEST]
    assert way.tokend.tool("flush", BOX).returncode == 0
    mail = way.exim.send(sender=BOX)
    way.deferred(mail, -48, "[response-too-long]", "3070 bytes", "3069", BOX)
    assert way.endpoint.requests and len(way.relay.mails) == 1 and way.relay.commands[-2:] == ["*", "QUIT"]


def test_the_limit_is_exims_own(exim_way, workdir):
    """Without our limits the same message is frozen: that is what they are for."""
    change = {"acl": [("max=3069", "max=9999"), ("{1,3062}", "{1,9999}")]}
    way = exim_way(tokens=[response_of(LONGEST + 1)], change=change)
    mail = way.exim.send(sender=BOX)
    assert way.exim.queue()[mail] == "frozen" and "overlong" in way.exim.log("panic")
    way.exim.forget()


def test_a_daemon_that_does_not_count_is_not_believed(exim_way):
    way = exim_way(tokens=[response_of(LONGEST + 1)], change={"acl": [("max=3069", "max=9999")]})
    way.deferred(way.exim.send(sender=BOX), -48, "[malformed-reply]", "none of the daemon's")


@pytest.mark.parametrize("left", ["", "socket"])
def test_the_daemon_is_down(exim_way, left):
    way = exim_way()
    way.tokend.kill()
    if not left:
        way.tokend.socket.unlink()
    mail = way.exim.send(sender=BOX)
    words = ["[daemon-no-answer]", "is stopped"] if left else ["[socket-unreachable]", "is not running"]
    way.deferred(mail, -48, *words, "/run/mta-xoauth2/tokend.sock", BOX)
    way.tokend.start()
    way.exim.send(sender=BOX, subject="the next one does not wait")
    way.arrived()
    way.exim.flush(force=False)
    way.arrived(2)
    assert not way.exim.queue()


def test_the_daemon_hangs(exim_way):
    way = exim_way(change={"acl": [("{12s}", "{1s}")]})
    way.tokend.proc.send_signal(signal.SIGSTOP)
    mail = way.exim.send(sender=BOX)
    way.tokend.proc.send_signal(signal.SIGCONT)
    way.deferred(mail, -48, "[daemon-no-answer]", "does not answer in time")


def test_no_answer_in_time_from_the_provider(exim_way):
    way = exim_way(change={"acl": [("deadline_ms=10000", "deadline_ms=300")]})
    way.endpoint.script(Answer(hang=True))
    way.deferred(way.exim.send(sender=BOX), -48, "[provider-slow]", BOX)


def test_the_provider_is_down(exim_way):
    way = exim_way()
    way.endpoint.stop()
    way.deferred(way.exim.send(sender=BOX), -48, "[connect-refused]", BOX)


def test_the_provider_refuses(exim_way):
    way = exim_way()
    way.endpoint.script(Answer({"error": "invalid_client", "error_description": "AADSTS7000222: expired"}, status=401))
    way.deferred(way.exim.send(sender=BOX), -48, "[client-secret-expired]", "AADSTS7000222", BOX)


def test_the_daemon_goes_by_the_uid(exim_way):
    """Exim delivers without supplementary groups: to put its user into one does not help."""
    way = exim_way(accounts={BOX: {"allow_users": ["root"], "allow_groups": ["mail"]}})
    groups = way.exim.etc / "group"
    groups.write_text(groups.read_text().replace("mail:x:8:", f"mail:x:8:{USER}"))
    assert "mail" in way.exim.run(["id", "-Gn", USER]).stdout.split()
    way.deferred(way.exim.send(sender=BOX), -48, "[denied]")
    assert "reason=uid-not-listed" in way.tokend.log()


def test_others_pass_while_one_waits(exim_way):
    """One account's client is refused, another's is not: only the first mail waits."""
    way = exim_way(senders="*@example.test", accounts={BOX: {}, "bad@example.test": {"client": "bad"}}, broken="bad")
    waits = way.exim.send(sender="bad@example.test")
    way.deferred(waits, -48, "[connect-refused]", "bad@example.test")
    way.exim.send(sender=BOX)
    assert way.arrived()[0][0] == BOX and list(way.exim.queue()) == [waits]
    way.exim.flush(force=False)
    assert len(way.relay.mails) == 1 and way.exim.queue() == {waits: "waiting"}


@pytest.mark.parametrize("said", ["OK user=app@example.test\x01auth=Bearer cut-off-the", "HTTP/1.0 400 Bad Request\r\n\r\n",
                                  "OK ", "OK\t3600\tid\tdXNlcj0=\n", "OKuser=x\x01\x01", "ERR", "OK user=x\x01\x01\n"],
                         ids=["cut off", "HTTP", "empty", "SASL", "no blank", "bare ERR", "line end"])
def test_what_is_no_answer_of_the_daemons(exim_way, said):
    """It is neither sent nor shown: it could hold a part of a token."""
    way = exim_way()
    way.tokend.stop()
    with exim.Speaker(way.tokend.socket, said.encode()):
        mail = way.exim.send(sender=BOX)
    way.deferred(mail, -48, "[malformed-reply]")
    assert "cut-off" not in way.exim.log() and not way.relay.sessions[0].responses


def test_a_refusal_before_the_request_was_read(exim_way):
    """It has the form with TABs; the log has it all the same."""
    way = exim_way()
    way.tokend.stop()
    with exim.Speaker(way.tokend.socket, b"ERR\tbusy\ttoo-many-connections\ttoo many connections: later\n"):
        mail = way.exim.send(sender=BOX)
    assert way.deferred(mail, -48).endswith("mta-xoauth2: too many connections: later [too-many-connections]")


def test_no_response_in_the_spool_of_a_verification(exim_way):
    """A callout logs in within the process that writes the spool; what it has of the token must not get there."""
    check = ("accept hosts = : +relay_from_hosts",
             "accept hosts = +relay_from_hosts\n         verify = recipient/callout=10s")
    way = exim_way(variant="plain", change={"exim.conf": [check]})
    lines = ["EHLO x", f"MAIL FROM:<{BOX}>", "RCPT TO:<to@example.net>", "DATA", "Subject: x", "", "x", ".", "QUIT", ""]
    said = way.exim.exim("-bs", "-oMa", "127.0.0.9", "-odq", input="\r\n".join(lines)).stdout
    assert "250 OK id=" in said and len(way.relay.sessions) == 1 and way.relay.sessions[0].responses
    assert len(way.exim.queue()) == 1 and BOX.encode() in way.exim.written()
