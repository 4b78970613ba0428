"""No room and nobody who reads the log: the daemon says so once, and goes on answering."""

import os
import re
import socket
import sys
import time
from pathlib import Path

import pytest

from mxtest import wire
from mxtest.alone import BOX, SECRET, lone_tokend, oauth_client
from mxtest.handover import Keeper
from mxtest.proc import run, supervisor, wait_for
from mxtest.recorder import Recorder, token
from mxtest.tokend import Tokend

USER = "mta-xoauth2"


@pytest.fixture
def recorder(up, pki, binaries):
    return up(Recorder(pki.cert())).script(token("x" * 2000))


def within(tokend, mounts):
    """Started in mounts of its own, which this shell text makes and which end with it. Skips where nobody may mount."""
    tried = run(["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", tokend.dir], check=False)
    if tried.returncode != 0:
        pytest.skip(f"mounts of its own are not allowed here: {tried.stderr.strip()}")
    argv = tokend.argv
    tokend.argv = lambda: ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{mounts}\nexec "$@"', "sh", *argv()]
    return tokend


def lines(tokend, event):
    return [ln for ln in tokend.log().splitlines() if ln.startswith(event + " ")]


# --- the tmpfs of the kept tokens -----------------------------------------------------------------------------------------------


def crowd(folder, recorder, pki, n, cache):
    """A daemon with n clients and accounts 0@example.test ... ; cache: its token_cache."""
    clients = {f"c{i}": oauth_client(recorder.url, pki.ca, client_id=f"c{i}") for i in range(n)}
    accounts = {f"{i}@example.test": {"client": f"c{i}", "allow_users": ["root"]} for i in range(n)}
    return Tokend(folder, clients, accounts, {"c.secret": SECRET}, top={"token_cache": str(cache)})


@pytest.mark.parametrize("room", ["4k", "8k", "40k", "128k"])
def test_a_full_tmpfs(up, workdir, pki, recorder, room):
    """Room for no more than the head, for half a segment, for a few tokens: every client gets its token all the same."""
    n = 100
    place = workdir / "tiny"
    place.mkdir()
    tokend = up(within(crowd(workdir / "t", recorder, pki, n, place / "tokens"),
                       f"mount -t tmpfs -o size={room},mode=755 tmpfs {place}; chown {USER}: {place}"))
    for _ in range(2):
        for i in range(n):
            assert tokend.sasl(f"{i}@example.test").ok
    assert len(recorder.requests) == n, "they are cached, if not kept"
    said = lines(tokend, "cache_full") + lines(tokend, "cache_failed")
    assert len(said) == 1, said
    assert "used all the same" in said[0] or "no room" in said[0]


def test_a_tmpfs_that_fills_and_has_room_again(up, workdir, pki, recorder):
    place = workdir / "tiny"
    place.mkdir()
    tokend = up(within(crowd(workdir / "t", recorder, pki, 60, place / "tokens"),
                       f"mount -t tmpfs -o size=1m,mode=755 tmpfs {place}; chown {USER}: {place}"))
    inside = f"/proc/{tokend.proc.pid}/root{place}"

    def ask(first, end):
        assert all(tokend.sasl(f"{i}@example.test").ok for i in range(first, end))
    ask(0, 5)
    with open(f"{inside}/ballast", "wb", buffering=0) as f, pytest.raises(OSError):
        while True:
            f.write(b"x" * 4096)
    ask(5, 60)
    assert len(lines(tokend, "cache_full")) == 1 and not lines(tokend, "cache_failed")
    os.unlink(f"{inside}/ballast")
    tokend.ask("FLUSH", account="59@example.test")
    ask(59, 60)
    assert len(lines(tokend, "cache_has_room")) == 1
    ask(0, 60)
    assert len(recorder.requests) == 61


def test_a_runtime_directory_that_cannot_be_written(up, workdir, pki, recorder):
    """The sockets are handed over; the place of the kept tokens is read-only. It works without, and says how to mend it."""
    place = workdir / "ro"
    place.mkdir()
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, top={"token_cache": str(place / "tokens"), "listen": None})
    within(tokend, f"mount -t tmpfs -o mode=755 tmpfs {place}; mount -o remount,ro {place}")
    keeper = Keeper(workdir, workdir / "sd" / "one.sock")
    up.append(keeper)
    up.append(tokend)
    keeper.start(tokend)
    tokend.wait_log("ready ")
    path = workdir / "sd" / "one.sock"
    assert wire.sasl(path, BOX).ok and wire.sasl(path, BOX).ok and len(recorder.requests) == 1
    said = lines(tokend, "cache_failed")
    assert len(said) == 1 and "Read-only file system" in said[0] and "token_cache" in said[0], said
    tokend.hup()
    tokend.wait_log("reloaded ")
    assert wire.sasl(path, BOX).ok and len(recorder.requests) == 1


def test_a_socket_that_cannot_be_made(workdir, pki, recorder, up):
    """A read-only directory and no systemd: an honest end, and nothing left behind."""
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca)
    within(tokend, f"mount -t tmpfs tmpfs {tokend.run_dir}; mount -o remount,ro {tokend.run_dir}")
    up.append(tokend)
    tokend.write()
    tokend.start(wait=False)
    assert tokend.proc.wait(10) == 3
    assert f"the socket {tokend.socket} cannot be made (Read-only file system)" in tokend.log()


# --- the log ----------------------------------------------------------------------------------------------------------------------


def ask_many(path, n):
    """n requests; a daemon that waits for its log would never answer the last ones."""
    began = time.monotonic()
    for _ in range(n):
        assert wire.sasl(path, BOX).ok
    assert time.monotonic() - began < 30


def rests(pid):
    """Waits until the daemon sleeps: a line is written after its answer, so the last one has been tried by then."""
    wait_for("the daemon to sleep", lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("S"))


def check_dropped(path, pid, read, n):
    """After n answers that filled the log: it is read empty, and the next line says how many are missing, exactly."""
    line = "answer verb=SASL"
    rests(pid)
    there = read()
    assert "fetch_ok" in there and "log_dropped" not in there
    assert 0 < there.count(line) < n, "the log was never full"
    assert wire.sasl(path, BOX).ok
    rests(pid)
    more = read()
    assert int(re.search(r"log_dropped lines=(\d+)", more)[1]) == n - there.count(line)
    assert more.count(line) == 1


def test_a_syslog_nobody_reads(up, workdir, pki, recorder):
    """In the background it logs to /dev/log, whose queue is full after a few lines."""
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(str(workdir / "log.sock"))
    (workdir / "log.sock").chmod(0o777)
    dev = workdir / "dev"
    dev.mkdir()
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca)
    within(tokend, f"mount -t tmpfs -o mode=755 tmpfs {dev}; for d in null zero random urandom; do : >{dev}/$d; "
                   f"mount --bind /dev/$d {dev}/$d; done; ln -s {workdir}/log.sock {dev}/log; mount --move {dev} /dev")
    argv = tokend.argv
    tokend.argv = lambda: [a for a in argv() if a != "--foreground"]

    def read():
        got = []
        while True:
            try:
                got.append(log.recv(4096, socket.MSG_DONTWAIT).decode())
            except BlockingIOError:
                return "\n".join(got)
    tokend.start(wait=False)
    try:
        assert tokend.proc.wait(20) == 0, tokend.log()
        ask_many(tokend.socket, 700)  # net.unix.max_dgram_qlen is 10 or 512
        check_dropped(tokend.socket, supervisor.left_over()[0][0], read, 700)
    finally:
        for pid, _ in supervisor.left_over():
            os.kill(pid, 15)
        wait_for("it to end", lambda: not supervisor.left_over())
        tokend.stop()
        log.close()


_STDERR = "import os, sys; fd = int(sys.argv[1]); os.dup2(fd, 2); os.close(fd); os.execv(sys.argv[2], sys.argv[2:])"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_standard_error_nobody_reads(up, workdir, pki, recorder, kind):
    """A pipe, as of a container's runtime, and a socket, as the journal's."""
    if kind == "pipe":
        ours, theirs = os.pipe()
    else:
        a, b = socket.socketpair()
        a.shutdown(socket.SHUT_WR)
        b.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours, theirs = a.detach(), b.detach()
    os.set_blocking(ours, False)

    def read():
        got = b""
        while True:
            try:
                got += os.read(ours, 65536)
            except BlockingIOError:
                return got.decode()
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca)
    tokend.write()
    tokend.proc = supervisor.start([sys.executable, "-c", _STDERR, str(theirs), *tokend.argv()], tokend.log_file,
                                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, pass_fds=[theirs])
    up.append(tokend)
    try:
        wait_for("the daemon", lambda: wire.ping(tokend.socket))
        ask_many(tokend.socket, 1000)
        check_dropped(tokend.socket, tokend.proc.pid, read, 1000)
    finally:
        tokend.stop()
        os.close(ours)
        os.close(theirs)
