"""Hours of a token's life in a second: refreshed behind everybody's back, kept through an outage, never served when dead."""

import pytest

from mxtest.alone import BOX, SECRET, lone_tokend
from mxtest.clock import Clock
from mxtest.idp import Idp
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder, token

HOUR = 3600


@pytest.fixture
def idp(up, workdir, pki):
    return up(Idp(workdir / "idp", pki, [{"client_id": "chain", "client_secret": SECRET, "sub": BOX, "lifetime": HOUR}]))


@pytest.fixture
def timed(up, workdir, pki, binaries):
    """timed(endpoint) -> (daemon, its clock)"""
    def make(endpoint, **client):
        clock = Clock(workdir)
        return up(clock.apply(lone_tokend(workdir / "t", endpoint, pki.ca, client))), clock
    return make


def requests_are(count, server):
    wait_for(lambda: f"{count} token requests, there were {server()}", lambda: server() >= count)
    assert server() == count


def test_refreshed_at_half_its_life_with_nobody_waiting(idp, timed):
    tokend, clock = timed(idp.token_endpoint)
    first = tokend.sasl(BOX)
    clock.to(1500)
    assert tokend.sasl(BOX).token_id == first.token_id and idp.token_requests() == 1
    clock.to(1802)  # nobody asks: the daemon is only woken
    requests_are(2, idp.token_requests)
    wait_for("the new token", lambda: tokend.log().count("fetch_ok") == 2)
    second = tokend.sasl(BOX)
    assert second.token_id != first.token_id and second.expires_in > 3000 and idp.token_requests() == 2


def test_a_token_near_its_end_is_not_handed_out(idp, timed):
    """Somebody comes after hours in which the daemon could not run (a suspended machine): a new one is fetched first."""
    tokend, clock = timed(idp.token_endpoint)
    first = tokend.sasl(BOX)
    clock.advance(5 * HOUR)
    second = tokend.sasl(BOX)
    assert second.ok and second.token_id != first.token_id and second.expires_in > 3000


def test_an_outage_of_the_provider_is_not_noticed_while_the_token_lives(idp, timed):
    tokend, clock = timed(idp.token_endpoint)
    first = tokend.sasl(BOX)
    idp.refuse("chain", error="temporarily_unavailable", status=503)
    for minute in (31, 40, 50, 58):
        clock.to(60 * minute)
        reply = tokend.sasl(BOX)
        assert reply.ok and reply.token_id == first.token_id, f"after {minute} minutes"
        if minute == 31:
            requests_are(2, idp.token_requests)
    assert 2 <= idp.token_requests() <= 8, "tried again, and not too often"
    clock.to(60 * 61)
    dead = tokend.sasl(BOX)
    assert (dead.class_, dead.code) == ("temp", "provider-unavailable")
    idp.allow("chain")
    clock.advance(301)
    assert tokend.sasl(BOX).ok


def test_retry_after_is_obeyed(up, pki, timed):
    recorder = up(Recorder(pki.cert())).script(Answer({"error": "slow_down"}, 429, {"Retry-After": "600"}), token("later"))
    tokend, clock = timed(recorder.url)
    assert tokend.sasl(BOX).code == "provider-throttled"
    for at in (60, 300, 540):
        clock.to(at)
        assert tokend.sasl(BOX).code == "provider-throttled" and len(recorder.requests) == 1
    clock.to(630)
    assert tokend.sasl(BOX).token == "later" and len(recorder.requests) == 2


@pytest.mark.parametrize("expires_in, seconds", [(None, 3600), ("1200", 1200), (1200.0, 1200), (1, 1)])
def test_lifetimes_as_providers_write_them(up, pki, timed, expires_in, seconds):
    more = {} if expires_in is None else {"expires_in": expires_in}
    recorder = up(Recorder(pki.cert())).script(Answer({"access_token": "t", "token_type": "bearer", "ext_expires_in": 7,
                                                       "unknown": {"a": [1]}, **more}))
    tokend, _ = timed(recorder.url)
    reply = tokend.sasl(BOX)
    assert reply.ok and seconds - 5 <= reply.expires_in <= seconds
