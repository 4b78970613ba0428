"""A thousand askers at the same moment, when there is no token yet and when it has ended: one token request, all answered."""

import os
import resource
import selectors
import socket
import threading
import time

import pytest

from mxtest import wire
from mxtest.alone import BOX, lone_tokend
from mxtest.clock import Clock
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder, token

ASKERS = 1000
HOUR = 3600
# all of one user, who may have 256 connections by default
LIMITS = {"max_connections": 2 * ASKERS, "max_connections_per_uid": ASKERS + 100}


@pytest.fixture(autouse=True)
def descriptors():
    """Enough of them for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 3 * ASKERS
    if hard != resource.RLIM_INFINITY and hard < want:
        pytest.skip(f"this process may have {hard} descriptors, not {want}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, want), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Herd:
    """n askers: ask() connects them all, each sends its request; replies() reads what they hear."""

    def __init__(self, path, n=ASKERS):
        self.path, self.n, self.sockets = str(path), n, []

    def ask(self):
        request = wire.line("SASL", mech="XOAUTH2", account=BOX, host="localhost", port=587, deadline_ms=30000)
        for _ in range(self.n):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(30)  # connect() waits while the queue is full
            s.connect(self.path)
            s.sendall(request)
            self.sockets.append(s)
        return self

    def replies(self, seconds=60):
        raw = {s: b"" for s in self.sockets}
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as sel:
            for s in self.sockets:
                s.setblocking(False)
                sel.register(s, selectors.EVENT_READ)
            while sel.get_map() and time.monotonic() < deadline:
                for key, _ in sel.select(1):
                    chunk = key.fileobj.recv(65536)
                    raw[key.fileobj] += chunk
                    if not chunk:
                        sel.unregister(key.fileobj)
        for s in self.sockets:
            s.close()
        return [wire.Reply(r) for r in raw.values()]


class Gated(Answer):
    """A provider that answers when the test opens the gate."""

    def __init__(self, value):
        super().__init__(token(value).body)
        self.gate = threading.Event()

    def head(self):
        self.gate.wait(60)
        return super().head()


def together(tokend, recorder, answer, before=lambda: None):
    """A thousand ask, and the provider answers when all of them wait for it. Returns the one token id they get."""
    requests = len(recorder.requests)
    recorder.script(answer)
    before()
    herd = Herd(tokend.socket).ask()
    wait_for("all of them to be taken in", lambda: len(os.listdir(f"/proc/{tokend.proc.pid}/fd")) > ASKERS)
    assert tokend.ask("PING").ok, "who wants no token is answered meanwhile"
    with selectors.DefaultSelector() as sel:
        for s in herd.sockets:
            sel.register(s, selectors.EVENT_READ)
        assert not sel.select(0), "somebody was answered before there was a token"
    answer.gate.set()
    replies = herd.replies()
    assert len(replies) == ASKERS and all(r.ok for r in replies), [r for r in replies if not r.ok][:3]
    ids = {r.token_id for r in replies}
    assert len(ids) == 1, ids
    assert len(recorder.requests) == requests + 1
    return ids.pop()


def test_a_thousand_cold_askers_and_again_at_expiry(up, workdir, pki, binaries):
    recorder = up(Recorder(pki.cert()))
    clock = Clock(workdir)
    tokend = up(clock.apply(lone_tokend(workdir / "t", recorder.url, pki.ca, top=LIMITS)))
    first = together(tokend, recorder, Gated("first"))
    warm = Herd(tokend.socket).ask().replies()
    assert {r.token_id for r in warm} == {first} and len(recorder.requests) == 1
    # Its life is over in one leap, as after a suspended machine: whoever notices first fetches, and all others wait with it.
    second = together(tokend, recorder, Gated("second"), before=lambda: clock.advance(HOUR + 10))
    assert second != first
    assert tokend.log().count("fetch_ok") == 2


def test_a_thousand_askers_after_a_death(up, workdir, pki, binaries, tmpfs):
    """The token of the process that died is there for all of them: no request at all."""
    recorder = up(Recorder(pki.cert()))
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca, top={**LIMITS, "token_cache": str(tmpfs / "tokens")}))
    first = together(tokend, recorder, Gated("first"))
    tokend.kill()
    tokend.start()
    replies = Herd(tokend.socket).ask().replies()
    assert len(replies) == ASKERS and {r.token_id for r in replies if r.ok} == {first}, [r for r in replies if not r.ok][:3]
    assert len(recorder.requests) == 1
