"""Exchange takes 3 connections and 30 messages a minute from one mailbox: the pace of conf/postfix/main.cf, and enable's."""

import threading
import time

import pytest

from mxtest.chain import BOX
from mxtest.exchange import Exchange
from mxtest.setup import Setup
from mxtest.snippets import Recipe

A_MINUTE, CONNECTIONS = 30, 3
GAP = 60 / A_MINUTE


@pytest.fixture
def recipe(make_chain, up, pki, workdir):
    """(exchange, Postfix of conf/postfix), with these values of main.cf in place of what is printed."""
    def start(**main):
        exchange = up(Exchange(pki))
        exchange.send_as = {BOX: [BOX, "other@example.test"]}
        chain = make_chain(without=("postfix", "dovecot", "sink", "tokend"), chroot=False)
        postfix = Recipe(workdir / "r", ("localhost", exchange.port), BOX, pki.ca, chroot=False, socket=chain.tokend.socket)
        postfix.main = main
        chain.tokend.start()
        return exchange, up(postfix)
    return start


def flood(postfix, mails):
    """Mails of two senders to many domains, and one to more people than fit one delivery. Returns the number of deliveries."""
    for n in range(mails - 1):
        postfix.send(sender=(BOX, "other@example.test")[n % 2], recipient=f"someone@d{n}.example.net", subject=f"mail {n}")
    crowd = [f"u{n}@example.org" for n in range(70)]
    postfix._command("sendmail", "-C", str(postfix.etc), "-f", BOX, "-i", *crowd, input=f"From: {BOX}\nSubject: all\n\nx\n")
    return mails + 1


def keeps_the_pace(exchange, deliveries):
    mails = exchange.wait("mails", deliveries, 60)
    gaps = [b.at - a.at for a, b in zip(mails, mails[1:])]
    assert min(gaps) > GAP * 0.95, gaps
    assert exchange.most_open == 1


def test_messages_a_minute(recipe):
    exchange, postfix = recipe()
    keeps_the_pace(exchange, flood(postfix, 4))
    postfix.wait_log("to=<u69@example.org>.* status=sent")


def test_messages_a_minute_as_enable_makes_it(up, pki, workdir, binaries):
    exchange = up(Exchange(pki))
    s = Setup(workdir, pki, chroot=False).configure()
    s.relay = f"[localhost]:{exchange.port}"
    up.append(s.chain)
    s.chain.start(without=("dovecot", "sink"))
    assert s.tool("enable").returncode == 0
    exchange.send_as = {BOX: [BOX, "other@example.test"]}
    keeps_the_pace(exchange, flood(s.postfix, 3))


def test_without_the_delay_it_is_faster(recipe):
    """What that line is for."""
    exchange, postfix = recipe(exo_destination_rate_delay="0s")
    start = time.monotonic()
    exchange.wait("mails", flood(postfix, 4))
    assert exchange.mails[-1].at - exchange.mails[0].at < GAP and time.monotonic() - start < 4 * GAP


class Slow(threading.Event):
    """In place of the server's gate: each mail takes a while."""

    def wait(self, timeout=None):
        time.sleep(0.2)


def test_connections_at_a_time(recipe):
    """Many mails at once, at a server that takes its time; the delay, which would keep it at one connection, is off."""
    exchange, postfix = recipe(exo_destination_rate_delay="0s")
    exchange.gate = Slow()
    exchange.wait("mails", flood(postfix, 12), 60)
    assert exchange.most_open == 2 <= CONNECTIONS


def test_the_limits_are_what_keeps_it_there(recipe):
    """Without them there are more connections than Exchange takes."""
    many = dict.fromkeys(("exo_destination_concurrency_limit", "exo_initial_destination_concurrency"), "10")
    exchange, postfix = recipe(exo_destination_rate_delay="0s", **many)
    master = postfix.etc / "master.cf"
    postfix.wait_log("daemon started")
    master.write_text(master.read_text().replace("       2       smtp\n", "       10       smtp\n"))
    postfix._command("postfix", "-c", postfix.etc, "reload")
    exchange.gate.clear()
    flood(postfix, 12)
    exchange.wait("arrived", CONNECTIONS + 1)
    assert exchange.most_open > CONNECTIONS
