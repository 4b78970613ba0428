"""A cold daemon and everybody asking at once: one token request per client, and nobody waits for another's provider."""

import re
import threading

from mxtest import wire
from mxtest.idp import Idp
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder
from mxtest.tokend import Tokend

BOX = "app@example.test"


def client(endpoint, ca, secret="secret:s.secret", **more):
    return {"provider": "custom", "token_endpoint": endpoint, "grant": "client_credentials", "client_id": "c",
            "client_secret_file": secret, "client_auth": "client_secret_post", "scope": "mail", "ca_file": str(ca), **more}


def test_200_messages_one_token_request(make_chain):
    """Up to 20 smtp processes; the provider is slow, so that they really ask at the same time."""
    chain = make_chain(without=("tokend", "postfix"), postfix={"processes": 20})
    chain.idp.set(delayMs=2500)
    chain.tokend.start()
    chain.postfix.start()
    mails = chain.deliver(200, seconds=90)
    assert {mail.subject for mail in mails} == {f"test {i}" for i in range(1, 201)}
    chain.postfix.wait_log("status=sent", 200)
    assert chain.postfix.statuses() == {"sent": 200, "deferred": 0, "bounced": 0}
    assert chain.idp.token_requests() == 1 and chain.idp.counts()["total"] == 1
    pids = {re.search(r"smtp\[(\d+)\]", line).group(1) for line in chain.postfix.lines("status=sent")}
    assert 10 < len(pids) <= 20, pids
    waited = [ln for ln in chain.tokend.log().splitlines()
              if ln.startswith("answer verb=SASL") and int(ln.rpartition("ms=")[2]) > 200]
    assert len(waited) > 10, "not even ten processes waited for the one token"
    chain.postfix.wait_empty()


def test_200_askers_at_once(up, workdir, pki):
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "c", "client_secret": "s" * 20, "sub": BOX}]))
    idp.set(delayMs=1000)
    tokend = up(Tokend(workdir / "t", {"c": client(idp.token_endpoint, pki.ca)}, {BOX: {"client": "c"}},
                       {"s.secret": "s" * 20}))
    replies, lock, ready = [], threading.Lock(), threading.Barrier(200)

    def ask():
        ready.wait(30)
        reply = tokend.sasl(BOX)
        with lock:
            replies.append(reply)
    threads = [threading.Thread(target=ask) for _ in range(200)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert len(replies) == 200 and all(r.ok for r in replies), replies[:3]
    assert len({r.token_id for r in replies}) == 1 and idp.token_requests() == 1


def test_a_slow_client_never_blocks_another(up, workdir, pki):
    slow, fast = up(Recorder(pki.cert())).script(Answer(hang=True)), up(Recorder(pki.cert()))
    tokend = up(Tokend(workdir / "t", {"slow": client(slow.url, pki.ca), "fast": client(fast.url, pki.ca)},
                       {"slow@example.test": {"client": "slow"}, "fast@example.test": {"client": "fast"}},
                       {"s.secret": "s" * 20}))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(tokend.sasl("slow@example.test", deadline_ms=3000)))
               for _ in range(20)]
    for t in threads:
        t.start()
    wait_for("the slow provider to be asked", lambda: slow.requests)
    for _ in range(20):
        assert tokend.sasl("fast@example.test", deadline_ms=1000).ok
    assert wire.ping(tokend.socket) and not answers, "the fast ones had to wait for the slow ones"
    for t in threads:
        t.join(20)
    assert {(a.class_, a.code) for a in answers} == {("temp", "provider-slow")}
    assert len(slow.requests) == 1 and len(fast.requests) == 1
