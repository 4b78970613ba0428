"""Many token requests at once: who is waited for goes first, hosts that hang hold up nobody, a queue costs no token its life."""

import threading

import pytest

from mxtest.alone import lone_tokend, oauth_client
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder, token


def crowd(tokend, names, deadline_ms=1000):
    """Asks for all of them at once and waits until each has an answer, be it that the time is over."""
    replies = {}
    threads = [threading.Thread(target=lambda n=n: replies.update({n: tokend.sasl(n, deadline_ms=deadline_ms)})) for n in names]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    return replies


@pytest.fixture
def hosts(up, workdir, pki, binaries):
    """hosts({name: (recorder, number of clients)}) -> a daemon with accounts NAME-0@x.test ... for each"""
    def make(what):
        tokend = lone_tokend(workdir / "t", "https://unused.test/", pki.ca, accounts={}, top={"max_connections_per_uid": 2000,
                                                                                             "max_connections": 2000})
        tokend.clients = {}
        for name, (recorder, n) in what.items():
            for i in range(n):
                tokend.clients[f"{name}-{i}"] = oauth_client(recorder.url, pki.ca, client_id=f"{name}-{i}", timeout="20s")
                tokend.accounts[f"{name}-{i}@x.test"] = {"client": f"{name}-{i}"}
        return up(tokend)
    return make


def accounts(name, n):
    return [f"{name}-{i}@x.test" for i in range(n)]


def test_hosts_that_hang_hold_up_nobody_else(up, pki, hosts):
    """Five endpoints take requests and say nothing, 64 clients each; a sixth one answers as if they were not there."""
    bad = {f"bad{h}": (up(Recorder(pki.cert())).script(Answer(hang=True)), 64) for h in range(5)}
    good = up(Recorder(pki.cert()))
    tokend = hosts({**bad, "good": (good, 20)})
    crowd(tokend, [a for h in range(5) for a in accounts(f"bad{h}", 64)], 300)
    wait_for("the crowd", lambda: sum(len(r.requests) for r, _ in bad.values()) >= 192)
    replies = crowd(tokend, accounts("good", 20), 10000)
    assert all(r.ok for r in replies.values()) and len(good.requests) == 20


def test_who_is_waited_for_goes_first(up, pki, hosts):
    """300 requests nobody waits for any more are queued, half a second each; one that somebody waits for overtakes them."""
    slow = up(Recorder(pki.cert())).script(Answer({"access_token": "t", "token_type": "Bearer", "expires_in": 3600}, delay=0.5))
    tokend = hosts({"slow": (slow, 301)})
    queued = crowd(tokend, accounts("slow", 300), 100)
    assert {r.code for r in queued.values()} <= {"provider-queue", "provider-slow"} and \
        "waits its turn" in next(r.text for r in queued.values() if r.code == "provider-queue")
    before = len(slow.requests)
    assert before < 250, "the queue is long"
    assert tokend.sasl("slow-300@x.test", deadline_ms=10000).ok
    assert len(slow.requests) < before + 150, "it did not wait for all of them"


def test_a_token_does_not_age_in_the_queue(up, pki, hosts):
    """Three rounds of 64 at a provider that takes a second: the last round's tokens are as young as the first's."""
    slow = up(Recorder(pki.cert())).script(Answer({"access_token": "t", "token_type": "Bearer", "expires_in": 60}, delay=1.0))
    tokend = hosts({"slow": (slow, 160)})
    replies = crowd(tokend, accounts("slow", 160), 15000)
    assert all(r.ok for r in replies.values())
    assert min(r.expires_in for r in replies.values()) >= 57 and len(slow.requests) == 160


def test_no_token_that_is_dead_on_arrival(up, pki, hosts):
    recorder = up(Recorder(pki.cert())).script(Answer({"access_token": "t", "token_type": "Bearer", "expires_in": 1}, delay=1.5),
                                               token("young"))
    tokend = hosts({"late": (recorder, 1)})
    reply = tokend.sasl("late-0@x.test", deadline_ms=10000)
    assert reply.ok and reply.token == "young", "it is asked again, and soon"
    assert "code=token-too-late" in tokend.log()
