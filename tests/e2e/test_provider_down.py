"""The provider is down three quarters of the time, and a token lives just as long as one round: no mail is deferred.

The margins are those of an hour's token, scaled: a token of 60 s is to 45 s of outage what one of an hour is to 45 minutes.
stale_until is 3 s, not 1: the server that checks the token counts its life in whole seconds of a clock of its own.
"""

import signal
import threading
import time

import pytest

from mxtest.proc import Failed, wait_for

SCALED = {"min_remaining": "5s", "stale_until": "3s", "backoff_max": "2s", "connect_timeout": "2s", "timeout": "5s"}
START_S = 1.5   # what the provider takes to come back is part of its round


class Sender(threading.Thread):
    """Injects mail at this pace until told to end. (Servers are started in the main thread: they end with their thread.)"""

    def __init__(self, postfix, per_second):
        super().__init__()
        self.postfix, self.pause, self.sent, self.over = postfix, 1 / per_second, 0, threading.Event()

    def run(self):
        began = time.monotonic()
        while not self.over.wait(max(0, began + self.sent * self.pause - time.monotonic())):
            self.postfix.send(1, subject=f"at {time.monotonic() - began:.1f}")
            self.sent += 1


class Weather:
    """The provider goes away in one of three ways, in turn; down: the seconds it was, each time."""

    def __init__(self, chain):
        self.chain, self.idp, self.down, self.requests = chain, chain.idp, [], 0

    def lasts(self, seconds):
        """Time passes; the first mail that is not delivered ends the test."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            bad = self.chain.postfix.lines(r"status=(deferred|bounced)")
            if bad:
                raise Failed(f"{bad[0]}\n{self.chain.tokend.log()[-3000:]}")
            time.sleep(min(0.25, max(0, until - time.monotonic())))

    def away(self, way, seconds):
        began = time.monotonic()
        if way == "gone":
            self.requests += self.idp.token_requests()
            self.idp.proc.kill()
            self.idp.proc.wait()
            self.idp.stop()
            self.lasts(seconds)
            self.idp.start()
        elif way == "hangs":
            self.idp.proc.send_signal(signal.SIGSTOP)
            self.lasts(seconds)
            self.idp.proc.send_signal(signal.SIGCONT)
        else:
            self.idp.refuse(error="temporarily_unavailable", status=503)
            self.lasts(seconds)
            self.idp.allow()
        self.down.append(time.monotonic() - began)


def weather(chain, life, rounds, per_second=2):
    """Mail at this pace for so many rounds: up for a quarter of each, then down. Each is delivered and none deferred."""
    chain.deliver(1)  # the first token, at the beginning of the first round
    skies, sender = Weather(chain), Sender(chain.postfix, per_second)
    began = time.monotonic()
    sender.start()
    try:
        for n in range(rounds):
            way = ("gone", "hangs", "refuses")[n % 3]
            skies.lasts(life / 4 - (START_S if way == "gone" else 0))
            skies.away(way, life * 3 / 4)
        skies.lasts(life / 4)
    finally:
        sender.over.set()
        sender.join()
    sent, took = 1 + sender.sent, time.monotonic() - began
    assert len(chain.sink.wait(sent, 60)) == sent
    wait_for("the statuses", lambda: chain.postfix.statuses()["sent"] == sent)
    assert chain.postfix.statuses() == {"sent": sent, "deferred": 0, "bounced": 0}
    assert len(chain.dovecot.logins()) == sent, "each mail was a login of its own"
    assert sent > took * per_second * 0.8, "the pace was not kept"
    log = chain.tokend.log()
    assert log.count("fetch_failed") >= rounds and log.count("fetch_ok") >= rounds
    waits = [int(ln.rpartition("ms=")[2]) for ln in log.splitlines() if ln.startswith("answer verb=SASL")]
    print(f"{sent} mails in {took:.0f} s, down for {' '.join(f'{s:.1f}' for s in skies.down)} s; {sum(w > 100 for w in waits)} "
          f"waited for a token, {max(waits)} ms the longest; {log.count('fetch_ok')} tokens, "
          f"{skies.requests + skies.idp.token_requests()} requests that the provider saw")


def chain_of(make_chain, life):
    return make_chain(client=SCALED, idp_client={"lifetime": life},
                      postfix={"extra": "smtp_connection_cache_on_demand = no"})


def test_down_nine_seconds_of_twelve(make_chain):
    weather(chain_of(make_chain, 12), 12, 3)


@pytest.mark.soak
def test_down_45_seconds_of_each_minute(make_chain):
    """Five minutes, two mails a second. Beside other tests: ./runtests soak."""
    weather(chain_of(make_chain, 60), 60, 5)
