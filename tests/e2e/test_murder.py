"""The daemon dies by SIGKILL every second under a stream of mail: nothing is lost, nothing bounces, the tokens outlive it.

Every mail is a login of its own, and so a question to the daemon: connections to the server are not cached.
"""

import threading
import time

import pytest

from mxtest.handover import Keeper

MAILS = 1000
# Postfix's back-off in these tests: where a mail was deferred all the same, it comes back at once and not after minutes.
BACK_OFF = "\n".join(("transport_retry_time = 1s", "minimal_backoff_time = 2s", "maximal_backoff_time = 4s",
                      "queue_run_delay = 2s", "smtp_connection_cache_on_demand = no"))
AWAY = 0.3      # seconds from each death to the next start


class Killer(threading.Thread):
    """Kills the daemon once a second and starts it again; start: how."""

    def __init__(self, tokend, start):
        super().__init__()
        self.tokend, self.begin, self.deaths, self.done = tokend, start, 0, threading.Event()

    def run(self):
        while not self.done.wait(1 - AWAY):
            self.tokend.kill()
            self.deaths += 1
            time.sleep(AWAY)
            self.begin()


def send_all(postfix, n, workers=4):
    """Injects n mails with several sendmail at a time."""
    each = n // workers
    threads = [threading.Thread(target=postfix.send, args=(each,), kwargs={"first": 1 + i * each}) for i in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def murder(chain, start):
    killer = Killer(chain.tokend, start)
    killer.start()
    try:
        send_all(chain.postfix, MAILS)
        mails = chain.sink.wait(MAILS, 180)
    finally:
        killer.done.set()
        killer.join()
    chain.postfix.wait_empty()
    assert sorted(m.subject for m in mails) == sorted(f"test {i}" for i in range(1, MAILS + 1)), "lost, or delivered twice"
    statuses = chain.postfix.statuses()
    assert statuses["sent"] == MAILS and statuses["bounced"] == 0
    assert killer.deaths >= 5
    assert chain.idp.token_requests() <= 5
    assert len(chain.dovecot.logins()) == MAILS, "each mail was a question"
    print(f"{killer.deaths} deaths, {statuses}, {chain.idp.token_requests()} token requests")
    return killer


@pytest.mark.parametrize("chroot", [True, False])
def test_with_socket_activation(make_chain, up, workdir, chroot):
    """As under systemd: askers wait in the sockets' queues, and the tokens in the store. Nobody notices anything."""
    chain = make_chain(without=("tokend", "postfix"), chroot=chroot, postfix={"extra": BACK_OFF}, top={"token_cache": None})
    keeper = Keeper(workdir, chain.tokend.socket, *([chain.tokend.jail_socket] if chroot else []))
    up.append(keeper)
    keeper.start(chain.tokend)
    chain.postfix.start()
    killer = murder(chain, lambda: keeper.start(chain.tokend))
    assert chain.postfix.statuses()["deferred"] == 0
    assert {name: len(fds) for name, fds in keeper.stored.items()} == {"tokens": 1}
    assert chain.tokend.log().count("cache_opened where=fdstore restored=1 ") >= killer.deaths - 1


def test_without_systemd(make_chain, tmpfs):
    """Its own sockets, which nobody listens on while it is away: the plugins ask again. The tokens are in a file on tmpfs."""
    chain = make_chain(without=("tokend",), postfix={"extra": BACK_OFF}, top={"token_cache": str(tmpfs / "tokens")})
    chain.tokend.start()
    killer = murder(chain, lambda: chain.tokend.start(wait=False))
    assert chain.tokend.log().count("cache_opened where=file restored=1 ") >= killer.deaths - 1
