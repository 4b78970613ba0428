"""Connections to the provider: few, kept, given up when dead, and following an endpoint that moves."""

import socket
import threading
import time

import pytest

from mxtest.alone import BOX, SECRET, lone_tokend, oauth_client
from mxtest.clock import Clock
from mxtest.http2 import Http2
from mxtest.names import Names
from mxtest.net import free_port
from mxtest.netns import Network
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder, token
from mxtest.tokend import Tokend

MANY = 200
AT_ONCE = 64    # tokend/gate.h: the others wait
LATER = 10      # seconds: the daemon's memory of the DNS has ended


def forget(tokend, box=BOX):
    assert tokend.ask("FLUSH", account=box).ok


@pytest.fixture
def crowd(up, workdir, pki, binaries):
    """crowd(endpoint) -> a daemon with MANY clients of it, and a function that lets all of them fetch at once."""
    def make(endpoint):
        boxes = [f"box{n}@example.test" for n in range(MANY)]
        tokend = Tokend(workdir / "t", {f"c{n}": oauth_client(endpoint.url, pki.ca) for n in range(MANY)},
                        {box: {"client": f"c{n}", "allow_users": ["root"]} for n, box in enumerate(boxes)},
                        {"c.secret": SECRET}, {"max_connections_per_uid": "1000"})
        up(tokend)

        def fetch_all():
            for box in boxes:
                forget(tokend, box)
            replies, ready = [], threading.Barrier(MANY)

            def ask(box):
                ready.wait(30)
                replies.append(tokend.sasl(box))
            threads = [threading.Thread(target=ask, args=(box,)) for box in boxes]
            for t in threads:
                t.start()
            for t in threads:
                t.join(30)
            assert len(replies) == MANY and all(r.ok for r in replies), [r for r in replies if not r.ok][:3]
            return replies
        return tokend, fetch_all
    return make


@pytest.fixture
def http2(up, workdir, pki):
    return up(Http2(workdir / "h2", pki.cert()))


def test_http2_many_clients_over_few_connections(http2, crowd):
    http2.set(delay=300)
    _, fetch_all = crowd(http2)
    fetch_all()
    connections, requests = http2.counts()
    assert requests == MANY and connections <= 2, "a connection takes a hundred"
    fetch_all()
    assert http2.counts() == (connections, 2 * MANY), "and all of it again over the same ones"


def test_http1_connections_are_used_again(up, pki, crowd):
    endpoint = up(Recorder(pki.cert())).script(token(end="keep"))
    _, fetch_all = crowd(endpoint)
    fetch_all()
    connections = endpoint.connections
    assert len(endpoint.requests) == MANY and connections <= 64
    fetch_all()
    assert len(endpoint.requests) == 2 * MANY and endpoint.connections <= 64


@pytest.mark.parametrize("how", ["destroy", "goaway"])
def test_http2_a_dead_connection_costs_everybody_on_it_one_more_request(http2, crowd, how):
    """Many are under way when it ends."""
    tokend, fetch_all = crowd(http2)
    fetch_all()
    before, requests = http2.counts()
    http2.set(delay=3000)

    def end():
        wait_for("all requests to be under way", lambda: http2.counts()[1] == requests + AT_ONCE)
        http2.set(now=how, delay=0)
    ending = threading.Thread(target=end)
    ending.start()
    fetch_all()
    ending.join()
    after, all_requests = http2.counts()
    assert all_requests == requests + MANY + AT_ONCE, "nobody asks a third time"
    assert after - before <= 2, "and they share a connection again"
    assert "fetch_failed" not in tokend.log()


@pytest.mark.parametrize("how", ["refuse", "goaway", "destroy"])
def test_http2_a_request_lost_on_a_kept_connection_is_made_once_more(up, http2, workdir, pki, binaries, how):
    tokend = up(lone_tokend(workdir / "t", http2.url, pki.ca))
    assert tokend.sasl(BOX).ok and http2.counts() == (1, 1)
    http2.set(next=[how])
    forget(tokend)
    assert tokend.sasl(BOX).ok
    connections, requests = http2.counts()
    assert requests == 3 and connections <= 2
    assert "fetch_failed" not in tokend.log()


def test_http2_lost_twice_is_a_failure(up, http2, workdir, pki, binaries):
    tokend = up(lone_tokend(workdir / "t", http2.url, pki.ca, {"backoff_min": "20s", "backoff_max": "20s"}))
    assert tokend.sasl(BOX).ok
    http2.set(next=["destroy", "destroy"])
    forget(tokend)
    reply = tokend.sasl(BOX)
    assert reply.code == "connection-lost" and http2.counts() == (2, 3)


@pytest.mark.parametrize("how", ["destroy", "goaway"])
def test_http2_ended_while_idle(up, http2, workdir, pki, binaries, how):
    tokend = up(lone_tokend(workdir / "t", http2.url, pki.ca))
    assert tokend.sasl(BOX).ok
    http2.set(now=how)
    wait_for("the connection to end", lambda: http2.open() == 0)
    forget(tokend)
    assert tokend.sasl(BOX).ok and http2.counts() == (2, 2)
    assert "fetch_failed" not in tokend.log()


# --- names ---

@pytest.fixture
def moving(up, workdir, pki, binaries):
    """(daemon, clock, names, the endpoint's old place, its new one)"""
    names = Names(workdir / "names", provider="127.0.0.1")
    if why := names.refused():
        pytest.skip(f"no mount namespace here: {why}")
    cert, port = pki.cert("moving", ("provider.test",)), free_port()
    old, new = (up(Recorder(cert, address=a, port=port)).script(token(end="keep")) for a in ("127.0.0.1", "127.0.0.2"))
    tokend = lone_tokend(workdir / "t", f"https://provider.test:{port}/token", pki.ca)
    clock = Clock(workdir)
    up(names.apply(clock.apply(tokend)))
    assert tokend.sasl(BOX).ok and (len(old.requests), len(new.requests)) == (1, 0)
    return tokend, clock, names, old, new


def test_an_endpoint_that_moved_is_followed(moving):
    """Its old place ends; the name leads elsewhere."""
    tokend, clock, names, old, new = moving
    names.set(provider="127.0.0.2")
    old.stop()
    old.drop()
    clock.advance(LATER)
    forget(tokend)
    assert tokend.sasl(BOX).ok and (len(old.requests), len(new.requests)) == (1, 1)
    assert "fetch_failed" not in tokend.log()


def test_a_move_is_followed_though_the_old_place_goes_on(moving):
    """No connection is used for more than five minutes, however busy it is kept."""
    tokend, clock, names, old, new = moving
    names.set(provider="127.0.0.2")
    for _ in range(36):
        clock.advance(8)
        forget(tokend)
        assert tokend.sasl(BOX).ok
    assert (len(old.requests), len(new.requests)) == (37, 0) and old.connections == 1, "the connection is kept"
    clock.advance(8)
    forget(tokend)
    clock.advance(8)
    forget(tokend)
    assert tokend.sasl(BOX).ok and (len(old.requests), len(new.requests)) == (37, 1)


# --- routes ---

@pytest.fixture
def apart(up, workdir, pki, binaries):
    """apart(client) -> (daemon, its network, the endpoint in it)"""
    network = Network(workdir)
    if why := network.refused():
        pytest.skip(f"no network namespace here: {why}")
    up(network)

    def make(**client):
        endpoint = Recorder(pki.cert()).script(token(end="keep"))
        network.call(lambda: up(endpoint))
        tokend = lone_tokend(workdir / "t", endpoint.url, pki.ca, client)
        tokend.launcher = network.launcher
        return up(tokend), network, endpoint
    return make


def test_a_connection_that_died_in_silence_costs_one_more_try(apart):
    """Nothing comes back on the old connection, no error either; the asker still gets its token in time."""
    tokend, network, endpoint = apart()
    assert tokend.sasl(BOX).ok
    network.lose(sport=endpoint.requests[0].peer[1])
    forget(tokend)
    began = time.monotonic()
    reply = tokend.sasl(BOX)
    assert reply.ok, reply
    assert 2 < time.monotonic() - began < 10, "given up after four seconds, and within the asker's ten"
    assert len(endpoint.requests) == 2 and endpoint.connections == 2
    assert "fetch_failed" not in tokend.log()


def test_several_connections_that_died_in_silence_cost_one_more_try(up, apart, workdir, pki):
    """The second try is not made on another one of them."""
    tokend, network, endpoint = apart()
    boxes = ["a@example.test", "b@example.test", "c@example.test"]
    for n, box in enumerate(boxes):
        tokend.clients[f"x{n}"] = oauth_client(endpoint.url, pki.ca)
        tokend.accounts[box] = {"client": f"x{n}", "allow_users": ["root"]}
    tokend.reload()
    def all_at_once():
        replies = []
        threads = [threading.Thread(target=lambda b=box: replies.append(tokend.sasl(b))) for box in boxes]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        return replies
    endpoint.script(Answer({"access_token": "t", "token_type": "Bearer", "expires_in": 3600}, delay=0.5, end="keep"))
    assert all(r.ok for r in all_at_once())
    kept = {r.peer for r in endpoint.requests}
    assert len(kept) == 3
    for peer in kept:
        network.lose(sport=peer[1])
    forget(tokend, boxes[0])
    reply = tokend.sasl(boxes[0])
    assert reply.ok, reply
    assert len(endpoint.requests) == 4 and endpoint.requests[3].peer not in kept
    assert "fetch_failed" not in tokend.log()


def test_no_route_and_then_one_again(apart):
    tokend, network, endpoint = apart(backoff_min="100ms", backoff_max="1s")
    network.unreachable()
    reply = tokend.sasl(BOX, deadline_ms=2000)
    assert (reply.class_, reply.code) == ("temp", "network-unreachable") and "routes" in reply.text, reply
    network.back()
    wait_for("a token", lambda: tokend.sasl(BOX).ok)
    assert endpoint.requests


# --- IPv4 and IPv6 ---

V4, V6 = "127.0.0.1", "::1"


@pytest.fixture
def families(up, workdir, pki, binaries):
    """families(names, serve, lose) -> (daemon, {address: endpoint}): provider.test has the addresses `names`, of which those in
    `serve` have an endpoint, all at one port; packets from it are lost in the families `lose`."""
    network, names = Network(workdir), Names(workdir / "names")
    if why := network.refused() or names.refused():
        pytest.skip(f"no namespaces here: {why}")
    up(network)
    if network.call(lambda: _without_ipv6()):
        pytest.skip("no IPv6 on the loopback here")

    def make(addresses, serve=(), lose=(), host="provider.test", **client):
        cert, port = pki.cert("both", ("provider.test",), (V4, V6)), free_port()
        endpoints = {a: Recorder(cert, address=a, port=port).script(token(end="keep")) for a in serve}
        network.call(lambda: [up(e) for e in endpoints.values()])
        names.set(provider=list(addresses))
        for family in lose:
            network.lose(port, family)
        tokend = lone_tokend(workdir / "t", f"https://{host}:{port}/token", pki.ca, {"backoff_min": "20s", "backoff_max": "20s", **client})
        tokend.launcher = [*network.launcher, *names.launcher()]
        return up(tokend), endpoints
    return make


def _without_ipv6():
    try:
        socket.create_server((V6, 0), family=socket.AF_INET6).close()
    except OSError:
        return True
    return False


def test_an_address_of_ipv6_for_a_host(families):
    tokend, endpoints = families([], serve=[V6], host="[::1]")
    assert tokend.sasl(BOX).ok, tokend.log()
    assert len(endpoints[V6].requests) == 1 and endpoints[V6].requests[0].headers["host"].startswith("[::1]:")


@pytest.mark.parametrize("address", [V4, V6])
def test_a_name_with_one_family_alone(families, address):
    tokend, endpoints = families([address], serve=[address])
    assert tokend.sasl(BOX).ok, tokend.log()
    assert len(endpoints[address].requests) == 1


def test_ipv6_is_used_where_there_are_both(families):
    tokend, endpoints = families([V4, V6], serve=[V4, V6])
    assert tokend.sasl(BOX).ok
    assert len(endpoints[V6].requests) == 1 and not endpoints[V4].requests


@pytest.mark.parametrize("lost", [True, False], ids=["in silence", "refused"])
def test_ipv6_that_is_dead_costs_next_to_nothing(families, lost):
    """Its packets are lost, or nobody listens; connect_timeout is 5 s."""
    tokend, endpoints = families([V4, V6], serve=[V4, V6] if lost else [V4], lose=["-6"] if lost else [])
    began = time.monotonic()
    assert tokend.sasl(BOX).ok, tokend.log()
    took = time.monotonic() - began
    assert took < 1.5 and len(endpoints[V4].requests) == 1
    assert not lost or took >= 0.15, "IPv6 had its chance"
    assert "fetch_failed" not in tokend.log()


def test_ipv4_that_is_dead_costs_nothing(families):
    tokend, endpoints = families([V4, V6], serve=[V4, V6], lose=["-4"])
    assert tokend.sasl(BOX).ok and len(endpoints[V6].requests) == 1


@pytest.mark.parametrize("lost, code", [(True, "connect-timeout"), (False, "connect-refused")], ids=["in silence", "refused"])
def test_when_both_are_dead_the_text_names_them(families, lost, code):
    tokend, _ = families([V4, V6], serve=[V4, V6] if lost else [], lose=["-4", "-6"] if lost else [], connect_timeout="1s")
    reply = tokend.sasl(BOX, deadline_ms=5000)
    assert reply.code == code and "(tried ::1, 127.0.0.1)" in reply.text, reply


def test_both_dead_one_in_silence(families):
    tokend, _ = families([V4, V6], serve=[V6], lose=["-6"], connect_timeout="1s")
    reply = tokend.sasl(BOX, deadline_ms=5000)
    assert reply.code in ("connect-timeout", "connect-refused") and "(tried ::1, 127.0.0.1)" in reply.text, reply
