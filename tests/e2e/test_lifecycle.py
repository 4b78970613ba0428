"""Start, stop and what systemd is told; the way into the background."""

import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from mxtest import paths, wire
from mxtest.alone import BOX, lone_tokend
from mxtest.handover import Sockets
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder

SLOW = {"access_token": "in-flight", "token_type": "Bearer", "expires_in": 3600}


@pytest.fixture
def recorder(up, pki):
    return up(Recorder(pki.cert()))


@pytest.fixture
def lone(workdir, pki, recorder, binaries):
    return lone_tokend(workdir / "t", recorder.url, pki.ca)


class Notices:
    """Our end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path, self.got = path, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(("\0" + path[1:]) if path.startswith("@") else path)
        if not path.startswith("@"):
            os.chmod(path, 0o777)
        self.socket.setblocking(False)

    def take(self):
        while True:
            try:
                self.got.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.got

    def wait(self, count):
        return wait_for(lambda: f"{count} notices: {self.got}", lambda: self.take() if len(self.take()) >= count else None)


def askers(tokend, count, **more):
    """They ask at once, and are known to wait when the provider has been asked."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(tokend.sasl(BOX, **more))) for _ in range(count)]
    for t in threads:
        t.start()
    wait_for("all to be connected", lambda: f"waiting={count}\t" in tokend.ask("STATUS").body)
    return threads, answers


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_answers_in_flight_are_finished(up, lone, recorder, sig):
    recorder.script(Answer(SLOW, delay=1.5))
    tokend = up(lone)
    threads, answers = askers(tokend, 20)
    tokend.proc.send_signal(sig)
    tokend.wait_log(f"stopping signal={int(sig)} connections=20")
    with pytest.raises(OSError):
        tokend.ask("PING", seconds=0.3)  # nobody new is taken
    assert tokend.proc.poll() is None and not answers, "it waits for the provider"
    for t in threads:
        t.join(10)
    assert len(answers) == 20 and {a.token for a in answers} == {"in-flight"}
    assert tokend.proc.wait(5) == 0 and "stopped status=0" in tokend.log()


def test_a_second_signal_ends_the_wait(up, lone, recorder):
    """An asker may be patient for ten minutes; the administrator need not be."""
    recorder.script(Answer(hang=True))
    tokend = up(lone)
    threads, answers = askers(tokend, 3, deadline_ms=600000)
    tokend.proc.send_signal(signal.SIGTERM)
    tokend.wait_log("stopping signal=15 connections=3")
    assert tokend.proc.poll() is None
    tokend.proc.send_signal(signal.SIGTERM)
    assert tokend.proc.wait(5) == 0
    for t in threads:
        t.join(10)
    assert [a.code for a in answers] == ["shutting-down"] * 3


def test_an_end_does_not_wait_longer_than_the_askers(up, lone, recorder):
    recorder.script(Answer(hang=True))
    tokend = up(lone)
    threads, answers = askers(tokend, 3, deadline_ms=1500)
    began = time.monotonic()
    assert tokend.stop() == 0 and time.monotonic() - began < 5
    for t in threads:
        t.join(10)
    assert {(a.class_, a.code) for a in answers} == {("temp", "provider-slow")}


def test_a_talkative_but_slow_asker_does_not_hold_up_the_end(up, lone):
    lone.top["request_timeout"] = "500ms"
    tokend = up(lone)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(tokend.socket))
        s.sendall(b"TOKEND/1\t")
        wait_for("the connection", lambda: "connections=2" in tokend.ask("STATUS").body)
        began = time.monotonic()
        assert tokend.stop() == 0 and time.monotonic() - began < 3


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_systemd_is_told(up, lone, workdir, abstract):
    notices = Notices(f"@mx-{os.getpid()}-{workdir.name}" if abstract else str(workdir / "notify"))
    lone.environment["NOTIFY_SOCKET"] = notices.path
    tokend = up(lone)
    assert notices.wait(1) == ["READY=1"]
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    tokend.reload("\nreloaded")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    reloading, ready = notices.wait(3)[1:3]
    first, _, stamp = reloading.partition("\nMONOTONIC_USEC=")
    assert first == "RELOADING=1" and before <= int(stamp) <= after and ready == "READY=1"
    tokend.config.write_text("nonsense")
    tokend.hup()
    assert [n.partition("\n")[0] for n in notices.wait(5)[3:]] == ["RELOADING=1", "READY=1"], "a failed reload is over too"
    assert tokend.stop() == 0
    assert notices.wait(6)[5:] == ["STOPPING=1"]
    notices.socket.close()


def test_ready_means_ready(up, lone, workdir, recorder):
    """At the notice the sockets answer; nothing is told when the start fails."""
    notices = Notices(str(workdir / "notify"))
    lone.environment["NOTIFY_SOCKET"] = notices.path
    up(lone)
    lone.stop()
    notices.take()
    notices.got.clear()
    lone.start(wait=False)
    notices.wait(1)
    assert wire.ping(lone.socket)
    lone.stop()
    notices.wait(2)
    notices.got.clear()
    lone.config_text = "clients: 1\n"
    lone.start(wait=False)
    assert lone.proc.wait(10) == 3 and notices.take() == []
    notices.socket.close()


def test_systemd_s_sockets_with_notification(up, lone, workdir):
    """Both together, as the units have it; the environment of systemd does not stay in the daemon's way."""
    path, notices = workdir / "sd" / "one.sock", Notices(str(workdir / "notify"))
    sockets = Sockets(path)
    up.append(sockets)
    up.append(lone)
    sockets.start(lone, NOTIFY_SOCKET=notices.path)
    assert notices.wait(1) == ["READY=1"] and wire.sasl(path, BOX).ok
    notices.socket.close()


def test_into_the_background(lone, workdir):
    """The command returns when the daemon answers, and its status is that of the start."""
    lone.write()
    argv = [str(a) for a in lone.argv() if a != "--foreground"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    pid = int(lone.ask("STATUS").body.partition("pid=")[2].split("\t")[0])
    try:
        assert os.getsid(pid) != os.getsid(0) and os.readlink(f"/proc/{pid}/cwd") == "/"
        assert {os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)} == {"/dev/null"}
        assert lone.sasl(BOX).ok
        second = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        assert second.returncode == 3 and "another daemon is listening" in second.stderr
    finally:
        os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)  # it is ours: the tests adopt orphans


@pytest.mark.parametrize("arguments, status, said", [
    (["--help"], 0, "usage: mta-xoauth2-tokend"), (["--version"], 0, "mta-xoauth2-tokend "), (["--nonsense"], 2, "--help"),
    (["one", "two"], 2, 'unexpected argument "one"'), (["--config", "/no/such/file", "--check"], 3, "/no/such/file"),
    (["--config", "/no/such/file", "--foreground"], 3, "nothing was started"),
])
def test_options(binaries, arguments, status, said):
    done = subprocess.run([paths.ours("tokend"), *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == status and said in done.stdout + done.stderr
