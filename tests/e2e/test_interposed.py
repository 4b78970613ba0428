"""Reading and writing by the piece, interrupted calls, no descriptors, no room: at every call in turn, and at random under mail."""

import threading

import pytest

from mxtest import wire
from mxtest.alone import BOX, lone_tokend
from mxtest.faults import Faults
from mxtest.proc import descendants, wait_for
from mxtest.recorder import Recorder, token
from mxtest.refresh import FIRST, SEED, Store, daemon, sent

PLACES_MAX = 400
HARMLESS = ("short", "eintr")       # nobody may notice
FATAL = ("emfile", "enospc")        # whoever asks may hear of it, as of something that passes


@pytest.fixture
def recorder(up, pki, binaries):
    return up(Recorder(pki.cert())).script(token("x" * 2000))


@pytest.fixture
def faults(workdir):
    return Faults(workdir)


def every_call(tokend, faults, kinds, ask):
    """ask() with the n-th call hit, for every n until there are no more; what it gives is judged, and the next one is served."""
    pid = tokend.proc.pid
    for n in range(1, PLACES_MAX):
        faults.arm(*kinds, at=n)
        reply = ask()
        hit = faults.calm()
        if set(kinds) <= set(HARMLESS):
            assert reply.ok, (n, reply)
        else:
            assert reply.ok or reply.class_ in ("temp", "busy"), (n, reply)
        if not reply.ok:
            wait_for(lambda: f"a token again after call {n}: {tokend.sasl(BOX)}", lambda: tokend.sasl(BOX).ok, 20)
        assert tokend.proc.poll() is None and tokend.proc.pid == pid
        if not hit:
            assert n > 3, "next to nothing was hit"
            return n - 1
    raise AssertionError(f"more than {PLACES_MAX} calls for one request")


@pytest.mark.parametrize("kind", HARMLESS + FATAL)
def test_every_call_of_a_token_request(up, workdir, pki, recorder, faults, kind):
    """From the asker's connection over the provider to the file of kept tokens."""
    place = workdir / "run"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, client={"backoff_min": "100ms"},
                         top={"token_cache": str(place / "tokens")})
    faults.apply(tokend)
    up(tokend)

    def ask():
        try:
            wire.ask(tokend.socket, "FLUSH", account=BOX)
            return tokend.sasl(BOX)
        except OSError as e:
            pytest.fail(f"no answer: {e}")
    assert ask().ok
    every_call(tokend, faults, (kind,), ask)
    assert tokend.stop() == 0


# A token in turn for every renewal: that none is lost and none is sent twice shows in what the provider is sent.
ROTATING = [token(f"access-{i}", refresh_token=f"refresh-{i}") for i in range(1, PLACES_MAX * 2)]


@pytest.mark.parametrize("kind", HARMLESS + FATAL)
def test_every_call_of_a_renewal(up, workdir, pki, recorder, faults, kind):
    """The child that asks and writes the next refresh token has all these faults too: the chain of tokens never breaks."""
    store = Store(workdir / "state")
    store.put(FIRST)
    recorder.script(*ROTATING)
    tokend = daemon(workdir, recorder.url, pki, store, client={"backoff_min": "100ms"})
    faults.apply(tokend)
    up(tokend)

    def ask():
        wire.ask(tokend.socket, "FLUSH", account=BOX)
        return tokend.sasl(BOX)
    assert ask().ok
    every_call(tokend, faults, (kind,), ask)
    wait_for("the last child", lambda: not descendants(tokend.proc.pid))
    assert [sent(r) for r in recorder.requests[1:]] == [f"refresh-{i}" for i in range(1, len(recorder.requests))]
    assert store.get() == f"refresh-{len(recorder.requests)}"
    assert tokend.stop() == 0


@pytest.mark.parametrize("kind", HARMLESS + FATAL)
def test_every_call_of_a_start(up, workdir, pki, recorder, faults, kind):
    """It starts, or it ends and says why; what was hit at its start does not hinder the next one."""
    place = workdir / "run"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, top={"token_cache": str(place / "tokens")})
    faults.apply(tokend)
    up.append(tokend)
    for n in range(1, PLACES_MAX):
        faults.arm(kind, at=n)
        tokend.log_file.unlink(missing_ok=True)
        tokend.start(wait=False)
        wait_for("it to answer or to end", lambda: tokend.proc.poll() is not None or wire.ping(tokend.socket))
        status = tokend.proc.poll()
        hit = faults.calm()
        if status is None:
            assert tokend.sasl(BOX).ok, n
            assert tokend.stop() == 0
        else:
            assert kind in FATAL and status in (3, 75), (n, status, tokend.log())
            assert "Too many open files" in tokend.log() or "No space left on device" in tokend.log(), tokend.log()
            tokend.stop()
        if not hit:
            break
    assert 3 < n < PLACES_MAX - 1
    assert len(recorder.requests) <= n, "kept tokens are found again"


@pytest.mark.parametrize("kind", HARMLESS + FATAL)
def test_every_call_of_a_reload(up, workdir, pki, recorder, faults, kind):
    """The new configuration counts, or the old one does and the log says why. Tokens stay."""
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca)
    faults.apply(tokend)
    up(tokend)
    assert tokend.sasl(BOX).ok
    for n in range(1, PLACES_MAX):
        added = f"{n}@example.test"
        tokend.accounts[added] = tokend.accounts[BOX]
        tokend.write()
        failures = tokend.log().count("reload_failed ")
        faults.arm(kind, at=n)
        tokend.hup()

        def over():
            return tokend.sasl(added).ok or tokend.log().count("reload_failed ") > failures
        wait_for(lambda: f"an end of the reload: {tokend.log()[-1000:]}", over)
        hit = faults.calm()
        if not tokend.sasl(added).ok:
            said = [ln for ln in tokend.log().splitlines() if ln.startswith("reload_failed ")][-1]
            assert kind in FATAL and ("Too many open files" in tokend.log() or "No space left" in tokend.log()), said
            tokend.reload("reloaded ")
        assert tokend.sasl(BOX).ok and tokend.sasl(added).ok, n
        if not hit:
            break
    assert 1 < n < PLACES_MAX - 1
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("kinds, per_mille", [(HARMLESS, 400), (HARMLESS + FATAL, 60)], ids=["by the piece", "all of it"])
def test_mail_goes_on(make_chain, workdir, faults, kinds, per_mille):
    """Each mail is a login of its own, tokens are flushed all the time. Nothing bounces; without real failures nothing even waits."""
    chain = make_chain(without=("tokend", "postfix"), client={"backoff_min": "100ms"},
                       postfix={"extra": "smtp_connection_cache_on_demand = no"})
    faults.apply(chain.tokend)
    chain.tokend.start()
    chain.postfix.start()
    pid, over = chain.tokend.proc.pid, threading.Event()
    faults.arm(*kinds, per_mille=per_mille, seed=SEED)

    def flush():
        while not over.wait(0.1):
            try:
                chain.tokend.ask("FLUSH", account=BOX)
            except OSError:
                pass
    flusher = threading.Thread(target=flush)
    flusher.start()
    try:
        for i in range(30):
            chain.postfix.send(1, subject=f"mail {i}")
        wait_for("every mail to be tried", lambda: sum(chain.postfix.statuses().values()) >= 30, 60)
    finally:
        over.set()
        flusher.join()
        hit = faults.calm()
    assert hit > 5 and chain.tokend.proc.poll() is None and chain.tokend.proc.pid == pid
    if kinds == HARMLESS:
        assert chain.postfix.statuses() == {"sent": 30, "deferred": 0, "bounced": 0}
    wait_for(lambda: f"a token: {chain.tokend.sasl(BOX)}", lambda: chain.tokend.sasl(BOX).ok, 20)
    if chain.postfix.statuses()["sent"] < 30:
        chain.postfix.retry()
    assert sorted(int(m.subject.split()[1]) for m in chain.sink.wait(30, 60)) == list(range(30))
    chain.postfix.wait_empty()
    assert chain.postfix.statuses()["bounced"] == 0
