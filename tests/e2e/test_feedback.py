"""Postfix hears a direct 535, as Exchange says it, and the daemon drops the token; and no mail comes twice by that."""

import os
import re
import signal
import time

import pytest

from mxtest.chain import BOX
from mxtest.exchange import Exchange, dead_socket
from mxtest.proc import wait_for
from mxtest.snippets import DOOR, main_cf

NO_REUSE = {"smtp_connection_cache_on_demand": "no"}


@pytest.fixture(params=[True, False], ids=["chroot", "nochroot"])
def make(request, make_chain, up, pki):
    """(exchange, chain) with the lines of feedback.cf; filter_=False: without them."""
    def start(filter_=True, without=(), **arguments):
        exchange = up(Exchange(pki))
        chain = make_chain(without=("postfix", "dovecot", "sink", *without), chroot=request.param, socketmap=True, **arguments)
        chain.postfix.relay = ("localhost", exchange.port)
        chain.postfix.main = NO_REUSE | (main_cf("feedback.cf", (DOOR, chain.tokend.door)) if filter_ else {})
        return exchange, chain
    return start


def refuse(exchange):
    """Exchange as it is before a repair: the tokens that came so far are no good, and never will be. Returns them."""
    bad = set()

    def accepts(user, token):
        if not repaired:
            bad.add(token)
        return token not in bad
    repaired = []
    exchange.accepts = accepts
    return repaired


@pytest.mark.parametrize("filter_", [True, False], ids=["feedback", "without"])
def test_after_a_repair(make, filter_):
    """A token without the role is no good for as long as it lives; after the repair the next attempt has a new one."""
    exchange, chain = make(filter_)
    repaired = refuse(exchange)
    chain.postfix.start()
    chain.postfix.send(subject="patient")
    line, = chain.postfix.wait_log("status=deferred")
    assert "dsn=4.7.3" in line and "said: 535 5.7.3 Authentication unsuccessful" in line
    repaired.append(True)
    if filter_:
        said = chain.tokend.wait_log("token_rejected client=chain")
        assert "dropped=yes" in said and "535 5.7.3 Authentication unsuccessful" in said
    chain.postfix.retry()
    if filter_:
        mail, = exchange.wait("mails", 1)
        chain.postfix.wait_log("status=sent")
        assert mail.subject == "patient" and chain.postfix.statuses() == {"sent": 1, "deferred": 1, "bounced": 0}
        assert chain.idp.token_requests() == 2
    else:
        chain.postfix.wait_log("said: 535", 2)
        assert chain.idp.token_requests() == 1 and not exchange.mails   # shows that the other case is the filter's doing
    assert len({login.token for login in exchange.logins}) == (2 if filter_ else 1)


def test_many_refusals_one_new_token(make):
    exchange, chain = make()
    refuse(exchange)
    chain.postfix.start()
    for n in range(1, 4):
        chain.postfix.send() if n == 1 else chain.postfix.retry()
        chain.postfix.wait_log("said: 535", n)
    wait_for("three reports", lambda: chain.tokend.log().count("token_rejected") >= 3)
    assert chain.tokend.log().count("dropped=yes") == 1 and chain.idp.token_requests() == 2


def test_successes_are_not_asked_about(make):
    """Not even when the server's thanks look like a refusal."""
    exchange, chain = make()
    exchange.thanks = "OK SASL authentication failed; server localhost[127.0.0.1] said: 535 5.7.3 ha"
    chain.postfix.start()
    chain.postfix.send()
    exchange.wait("mails", 1)
    chain.postfix.wait_log("status=sent")
    chain.postfix.wait_empty()
    log = chain.tokend.log()
    assert "feedback_ignored" not in log and "token_rejected" not in log


def stop_in_mid_answer(chain):
    """The daemon stopped with a question in its socket: it has taken the connection, or will when it goes on."""
    os.kill(chain.tokend.proc.pid, signal.SIGSTOP)


def test_a_mail_that_was_taken_comes_once(make):
    """The daemon stands still while a mail is accepted, and Postfix is ended in the worst moment: still one delivery."""
    exchange, chain = make()
    exchange.gate.clear()
    chain.postfix.start()
    chain.postfix.send(subject="once")
    exchange.wait("arrived", 1)
    stop_in_mid_answer(chain)
    try:
        exchange.gate.set()
        chain.postfix.wait_log("status=sent", seconds=5)
        chain.postfix.wait_empty(5)
        chain.postfix.restart()
    finally:
        os.kill(chain.tokend.proc.pid, signal.SIGCONT)
    chain.postfix.flush()
    chain.postfix.send(subject="another")
    exchange.wait("mails", 2)
    chain.postfix.wait_empty()
    assert [m.subject for m in exchange.mails] == ["once", "another"] == [m.subject for m in exchange.arrived]


def test_a_filter_that_asks_about_successes_delivers_twice(make):
    """Why feedback.cf has its first part: without it the same thing goes wrong."""
    exchange, chain = make()
    chain.postfix.main["smtp_delivery_status_filter"] = f"socketmap:unix:{chain.tokend.door}:feedback"
    exchange.gate.clear()
    chain.postfix.start()
    chain.postfix.send(subject="twice")
    exchange.wait("arrived", 1)
    stop_in_mid_answer(chain)
    try:
        exchange.gate.set()
        exchange.wait("mails", 1)
        time.sleep(1)
        assert not chain.postfix.lines("status=sent") and chain.postfix.queue()
        chain.postfix.restart()
    finally:
        os.kill(chain.tokend.proc.pid, signal.SIGCONT)
    chain.postfix.flush()
    exchange.wait("mails", 2)
    assert [m.subject for m in exchange.mails] == ["twice", "twice"]


def test_no_daemon(make):
    """A refusal with nobody to tell: warnings, and the mail waits as it would have; other mail flows."""
    exchange, chain = make()
    exchange.accepts = lambda user, token: False
    chain.postfix.start()
    chain.tokend.door.unlink()      # the door alone: tokens must still come
    if chain.tokend.jail:
        chain.tokend.jail_socket.with_name(chain.tokend.door.name).unlink()
    chain.postfix.send()
    line, = chain.postfix.wait_log("status=deferred", seconds=15)
    assert "said: 535 5.7.3" in line
    warnings = chain.postfix.lines("warning: ")
    assert warnings and all(re.search("socketmap|delivery status|pipemap|feedback", ln) for ln in warnings), warnings
    exchange.accepts = lambda user, token: True
    chain.postfix.retry()
    exchange.wait("mails", 1)


def test_a_door_that_is_silent_holds_up_refused_mail_alone(make):
    """A daemon that hangs: mail that a server takes goes on; nothing is lost."""
    exchange, chain = make()
    chain.postfix.start()
    chain.postfix.send(subject="before")
    exchange.wait("mails", 1)
    places = [chain.tokend.door] + ([chain.tokend.jail_socket.with_name(chain.tokend.door.name)] if chain.tokend.jail else [])
    dead = []
    for place in places:
        place.unlink()
        dead.append(dead_socket(place))
        place.chmod(0o666)
    try:
        exchange.accepts = lambda user, token: False
        chain.postfix.send(subject="refused")
        wait_for("its refusal", lambda: [login for login in exchange.logins if not login.ok])
        exchange.accepts = lambda user, token: True
        chain.postfix.send(subject="fine")
        exchange.wait("mails", 2, 10)
        assert [m.subject for m in exchange.mails] == ["before", "fine"]
        assert len(chain.postfix.queue()) == 1
    finally:
        for s in dead:
            s.close()


@pytest.mark.parametrize("mech", ["xoauth2", "oauthbearer"])
def test_a_server_with_a_challenge_is_heard_of_twice(make_chain, mech):
    """The plugin reports its refusal, and Postfix' status does: one token is dropped, one is fetched, and that one works."""
    chain = make_chain(without=("postfix",), mechanism=mech, check="introspection", socketmap=True)
    chain.postfix.main = NO_REUSE | main_cf("feedback.cf", (DOOR, chain.tokend.door))
    chain.postfix.start()
    chain.deliver(1)
    chain.idp.revoke_all()
    chain.postfix.send(subject="after")
    chain.postfix.wait_log("status=deferred .*said: 535")
    wait_for("both reports", lambda: chain.tokend.log().count("token_rejected") >= 2)
    assert chain.tokend.log().count("dropped=yes") == 1
    chain.postfix.retry()
    assert chain.sink.wait(2)[1].subject == "after" and chain.idp.token_requests() == 2
