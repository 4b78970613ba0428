"""The daemon dies by SIGKILL every second under a stream of mail: nothing is lost, nothing bounces, the tokens outlive it.

Every mail is a login of its own, and so a question to the daemon: connections to the server are not cached.
"""

import threading
import time

from mxtest.handover import Keeper
from mxtest.proc import Failed

MAILS = 1000
# Postfix's back-off in these tests: where a mail was deferred all the same, it comes back at once and not after minutes.
BACK_OFF = "\n".join(("transport_retry_time = 1s", "minimal_backoff_time = 2s", "maximal_backoff_time = 4s",
                      "queue_run_delay = 2s", "smtp_connection_cache_on_demand = no"))
AWAY = 0.3      # seconds from each death to the next start


def send_all(postfix, n, workers=4):
    """Begins to inject n mails by several sendmail at a time; the threads."""
    each = n // workers
    threads = [threading.Thread(target=postfix.send, args=(each,), kwargs={"first": 1 + i * each}) for i in range(workers)]
    for t in threads:
        t.start()
    return threads


def murder(chain, start):
    """Returns how often the daemon died until all the mail was there. start: how it is started anew."""
    deaths, began = 0, time.monotonic()
    senders = send_all(chain.postfix, MAILS)
    try:
        while chain.sink.count() < MAILS:
            time.sleep(max(0, began + deaths + 1 - AWAY - time.monotonic()))
            chain.tokend.kill()
            deaths += 1
            time.sleep(AWAY)
            start()
            if deaths > 180:
                raise Failed(f"{chain.sink.count()} mails came:\n{chain.postfix.log()[-3000:]}\n{chain.tokend.log()[-2000:]}")
    finally:
        for t in senders:
            t.join()
    chain.postfix.wait_empty()
    assert sorted(m.subject for m in chain.sink.mails()) == sorted(f"test {i}" for i in range(1, MAILS + 1)), \
        "lost, or delivered twice"
    statuses = chain.postfix.statuses()
    assert statuses["sent"] == MAILS and statuses["bounced"] == 0
    assert len(chain.dovecot.logins()) == MAILS, "each mail was a question"
    assert deaths >= 5
    assert chain.idp.token_requests() <= 5
    print(f"{deaths} deaths in {time.monotonic() - began:.0f} s, {statuses}, {chain.idp.token_requests()} token requests")
    return deaths


def test_with_socket_activation(make_chain, up, workdir):
    """As under systemd: askers wait in the sockets' queues, and the tokens in the store. Nobody notices anything."""
    chain = make_chain(without=("tokend", "postfix"), postfix={"extra": BACK_OFF}, top={"token_cache": None})
    keeper = Keeper(workdir, chain.tokend.socket, chain.tokend.jail_socket)
    up.append(keeper)
    keeper.start(chain.tokend)
    chain.postfix.start()
    deaths = murder(chain, lambda: keeper.start(chain.tokend))
    assert chain.postfix.statuses()["deferred"] == 0
    assert {name: len(fds) for name, fds in keeper.stored.items()} == {"tokens": 1}
    assert chain.tokend.log().count("cache_opened where=fdstore restored=1 ") >= deaths / 2


def test_without_systemd(make_chain, tmpfs):
    """Its own sockets, which nobody listens on while it is away: the plugins ask again. The tokens are in a file on tmpfs."""
    chain = make_chain(without=("tokend",), postfix={"extra": BACK_OFF}, top={"token_cache": str(tmpfs / "tokens")})
    chain.tokend.start()
    deaths = murder(chain, lambda: chain.tokend.start(wait=False))
    assert chain.tokend.log().count("cache_opened where=file restored=1 ") >= deaths / 2
