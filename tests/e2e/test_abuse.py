"""Users of this host who are slow, silent, garrulous or many at once: the mail server gets its answers all the same."""

import json
import os
import pwd
import random
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from mxtest import wire
from mxtest.alone import BOX, lone_tokend
from mxtest.proc import wait_for
from mxtest.recorder import Recorder
from mxtest.tokend import limit, memory

BURST, PER_SECOND = 20, 2  # of log lines: tokend/audit.h
KINDS = ["silent", "half-a-request", "half-closed", "slow", "huge", "garbage", "never-reading", "denied", "ping", "gone"]


@pytest.fixture
def recorder(up, pki):
    return up(Recorder(pki.cert()))


@pytest.fixture
def lone(workdir, pki, recorder, binaries):
    def make(**more):
        return lone_tokend(workdir / "t", recorder.url, pki.ca, account={"allow_users": ["root", "postfix"]}, **more)
    return make


class Abuser:
    """mxtest/abuser.py as another user. Started; stop() returns what it has to say."""

    def __init__(self, tokend, kind, width, user="daemon"):
        code = (Path(wire.__file__).parent / "abuser.py").read_text()
        self.result = None
        self.proc = subprocess.Popen(["/usr/bin/python3", "-c", code, str(tokend.socket), kind, str(width)], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=[],
                                     cwd="/")

    def start(self):
        assert self.proc.stdout.readline() == "busy\n"
        return self

    def stop(self):
        if self.result is None:
            try:
                self.result = json.loads(self.proc.communicate("", timeout=20)[0])
            finally:
                self.proc.kill()
                self.proc.wait()
        return self.result


def descriptors(tokend):
    return len(os.listdir(f"/proc/{tokend.proc.pid}/fd"))


def lines_of(tokend, uid):
    """(lines with that uid, number that were suppressed), the lines about suppression left out of the former."""
    lines = [ln for ln in tokend.log().splitlines() if f"uid={uid} " in ln]
    told = [ln for ln in lines if ln.startswith("suppressed ")]
    return len(lines) - len(told), sum(int(ln.rpartition("lines=")[2]) for ln in told)


def users(tokend):
    lines = [ln.split("\t") for ln in tokend.ask("STATUS").body.split("\n")]
    return {w[1][4:] if w[0] == "user" else "others": dict(f.split("=", 1) for f in w[1:]) for w in lines if w[0] in ("user", "others")}


@pytest.mark.parametrize("kind", KINDS)
def test_hundreds_at_once(up, lone, kind):
    """300 connections of one kind from one user, replaced as they end; the mail server gets every answer meanwhile."""
    tokend = up(lone(top={"request_timeout": "500ms"}))
    assert wire.ask_as("postfix", tokend.socket, "SASL", mech="XOAUTH2", account=BOX).ok
    assert tokend.sasl(BOX).ok
    before, uid = memory(tokend), pwd.getpwnam("daemon").pw_uid
    started = time.monotonic()
    abuser = up(Abuser(tokend, kind, 300))
    answers = [tokend.sasl(BOX).ok for _ in range(200)]
    while time.monotonic() - started < 1.2:  # and for a while, so that slow ones come to their end and are replaced
        answers.append(tokend.sasl(BOX).ok)
    assert wire.ask_as("postfix", tokend.socket, "SASL", mech="XOAUTH2", account=BOX).ok
    seen = users(tokend)
    during = memory(tokend)
    result = abuser.stop()
    elapsed = time.monotonic() - started
    assert all(answers)
    assert seen[str(pwd.getpwnam("postfix").pw_uid)]["answers"] == "2"
    assert seen[str(uid)]["answers"] == "0" or kind in ("ping", "never-reading")
    assert result["begun"] >= 300
    if kind in ("silent", "half-a-request", "slow", "huge"):  # these stay: the cap per user is met
        assert int(seen[str(uid)]["turned_away"]) > 0 or kind == "huge", (seen, result)
    assert during - before < 8 * 1024, f"{before} kB, then {during} kB"
    logged, _ = lines_of(tokend, uid)
    assert logged <= 4 * (BURST + PER_SECOND * (elapsed + 2)), f"{logged} lines in {elapsed:.1f} s"
    wait_for("its connections to be closed", lambda: users(tokend)[str(uid)]["connections"] == "0", 10)
    assert tokend.sasl(BOX).ok


def test_all_kinds_by_several_users(up, lone):
    """All of it at once, by users who together could take every connection."""
    tokend = up(lone(top={"max_connections": 256, "max_connections_per_uid": 128}))
    assert tokend.sasl(BOX).ok
    abusers = [up(Abuser(tokend, kind, 120, user)) for kind, user in
               zip(["silent", "slow", "half-a-request", "denied", "garbage"], ["daemon", "bin", "sys", "games", "man"])]
    assert [tokend.sasl(BOX).ok for _ in range(100)] == [True] * 100
    assert wire.ping(tokend.socket)
    assert "turned_away code=too-many-connections" in tokend.log()
    for a in abusers:
        a.stop()
    wait_for("calm", lambda: "\tconnections=1\t" in tokend.ask("STATUS").body)


def test_strangers_leave_room(up, lone):
    """They have three quarters of all connections; who was granted something once finds the rest, at its own cap."""
    tokend = up(lone(top={"max_connections": 64, "max_connections_per_uid": 64, "request_timeout": "30s"}))
    assert tokend.sasl(BOX).ok
    up(Abuser(tokend, "silent", 64))
    wait_for("three quarters", lambda: users(tokend)[str(pwd.getpwnam("daemon").pw_uid)]["connections"] == "48")
    idle = []
    for _ in range(15):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(tokend.socket))
        idle.append(s)
    assert tokend.sasl(BOX).ok
    assert wire.ask_as("postfix", tokend.socket, "SASL", mech="XOAUTH2", account=BOX).code == "too-many-connections", "a stranger still"
    for s in idle:
        s.close()
    assert "turned_away code=too-many-connections uid=%d " % pwd.getpwnam("daemon").pw_uid in tokend.log()


FLOODS = [({"verb": "SASL", "mech": "XOAUTH2", "account": BOX}, "denied", "reason=uid-not-listed"),
          ({"verb": "PING"}, "answer", "verb=PING"), ({"verb": "SASL"}, "refused", "code=bad-request"),
          ({"verb": "TOKEN", "account": BOX}, "denied", "reason=uid-not-listed-for-token")]


def test_log_lines_are_limited(up, lone):
    """1,000 requests of each kind: the first has its line, a burst more, and what was left out is told, exactly."""
    tokend = up(lone())
    script = (Path(wire.__file__).parent / "wire.py").read_text().split("if __name__")[0] + (
        "\nfields = json.loads(sys.argv[2])\nfor _ in range(1000):\n    ask(sys.argv[1], **fields)\n")
    names = ["daemon", "bin", "sys", "games"]
    for (what, event, said), user in zip(FLOODS, names):
        started = time.monotonic()
        subprocess.run(["/usr/bin/python3", "-c", script, str(tokend.socket), json.dumps(what)], user=user,
                       group=pwd.getpwnam(user).pw_gid, extra_groups=[], check=True, timeout=60, cwd="/")
        elapsed, uid = time.monotonic() - started, pwd.getpwnam(user).pw_uid
        lines = [ln for ln in tokend.log().splitlines() if f"uid={uid} " in ln and not ln.startswith("suppressed")]
        assert all(ln.startswith(event + " ") and said in ln for ln in lines)
        assert BURST <= len(lines) <= BURST + PER_SECOND * (elapsed + 1)
    for (_, event, _), user in zip(FLOODS, names):
        uid = pwd.getpwnam(user).pw_uid
        tokend.wait_log(f"suppressed uid={uid} event={event} lines=", 15)
        wait_for("all of them", lambda u=uid: sum(lines_of(tokend, u)) == 1000, 15)
    assert wire.ask_as("man", tokend.socket, "PING").ok
    assert f"uid={pwd.getpwnam('man').pw_uid} " in tokend.log(), "another user's lines are another matter"
    assert "mta_xoauth2_log_lines_suppressed_total 39" in tokend.ask("METRICS").body


def test_the_mail_server_s_lines_are_never_left_out(up, lone):
    tokend = up(lone())
    for _ in range(300):
        assert tokend.sasl(BOX).ok
    assert tokend.log().count("answer verb=SASL uid=0 ") == 300 and "suppressed" not in tokend.log()


# --- descriptors ------------------------------------------------------------------------------------------------------------------


def test_at_the_limit_of_descriptors(up, lone, recorder):
    """Lowered while it runs, so that accept() itself fails: it says so, goes on, and is well again by itself."""
    tokend = up(lone(top={"request_timeout": "30s"}))
    assert tokend.sasl(BOX).ok
    in_use = descriptors(tokend)
    limit(tokend, f"--nofile={in_use + 12}:")
    abuser = up(Abuser(tokend, "silent", 100))
    tokend.wait_log("turned_away code=no-descriptors")
    assert descriptors(tokend) <= in_use + 12
    busy = tokend.sasl(BOX)
    assert (busy.class_, busy.code) == ("busy", "no-descriptors")
    abuser.stop()
    wait_for("recovery", lambda: wire.ping(tokend.socket))
    assert tokend.ask("FLUSH", account=BOX).ok and tokend.sasl(BOX).ok and len(recorder.requests) == 2
    assert descriptors(tokend) <= in_use + 4


def test_without_even_a_spare_descriptor(up, lone):
    """Nothing can be accepted: the sockets rest, it does not spin, and who waits in the queue is answered afterwards."""
    tokend = up(lone())
    assert tokend.sasl(BOX).ok
    limit(tokend, "--nofile=4:")
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(str(tokend.socket))
    s.sendall(wire.line("PING"))

    def cpu():
        fields = Path(f"/proc/{tokend.proc.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = cpu()
    time.sleep(1.0)
    assert cpu() - before < 0.5, "it spins"
    limit(tokend, "--nofile=1024:")
    assert s.recv(100) == b"OK\n" and tokend.sasl(BOX).ok
    s.close()


def test_a_hard_limit_leaves_room_for_token_requests(up, lone, recorder):
    """128 descriptors for 1024 connections: these stop at 64, so that a token can still be fetched."""
    class Limited(type(lone())):
        def argv(self):
            return ["/usr/bin/prlimit", "--nofile=128:128", *super().argv()]
    tokend = lone(top={"request_timeout": "30s"})
    tokend.__class__ = Limited
    up(tokend)
    assert tokend.sasl(BOX).ok
    up(Abuser(tokend, "silent", 120))
    wait_for("three quarters of 64", lambda: users(tokend)[str(pwd.getpwnam("daemon").pw_uid)]["connections"] == "48")
    assert tokend.ask("FLUSH", account=BOX).ok and tokend.sasl(BOX).ok and len(recorder.requests) == 2
    assert "turned_away code=no-descriptors" in tokend.log()


# --- anything at all --------------------------------------------------------------------------------------------------------------

SEED = 20261124
FIELDS = [b"mech=XOAUTH2", b"mech=OAUTHBEARER", b"account=" + BOX.encode(), b"account64=YXBwQGV4YW1wbGUudGVzdA==", b"host=localhost", b"port=587",
          b"max=3069", b"max=1", b"deadline_ms=1", b"deadline_ms=600000", b"user=x@y.test", b"token_id=abc", b"challenge=e30=", b"reply=NTM1",
          b"account=", b"service=smtp", b"x=y", b"port=0", b"account64=*", b"=", b"mech"]
USUAL = [b"mech=XOAUTH2", b"account=" + BOX.encode(), b"host=localhost"]
VERBS = [b"SASL", b"RAW", b"TOKEN", b"REJECTED", b"PING", b"STATUS", b"METRICS", b"FLUSH", b"sasl", b"", b"NONE"]


def a_request(r):
    """Something like a request, mostly: cut, repeated, changed, or nothing like it."""
    line = b"\t".join([r.choice([b"TOKEND/1"] * 12 + [b"TOKEND/2", b""]), r.choice(VERBS),
                       *r.sample(USUAL, r.randrange(4)), *(r.sample(FIELDS, r.randrange(1, 4)) if r.randrange(2) else [])]) + r.choice([b"\n", b"\n", b"\r\n", b""])
    how = r.randrange(10)
    if how == 0:
        line = line[:r.randrange(len(line) + 1)]
    elif how == 1:
        line = bytearray(line)
        for _ in range(r.randrange(1, 4)):
            if line:
                line[r.randrange(len(line))] = r.randrange(256)
    elif how == 2:
        line = r.randbytes(r.randrange(200))
    elif how == 3 and r.randrange(20) == 0:
        line = line[:-1] + b"\tx=" + r.randbytes(r.randrange(20000))
    return bytes(line)


def test_22000_random_requests(up, lone):
    tokend = up(lone(top={"request_timeout": "100ms"}))
    assert tokend.sasl(BOX).ok
    r = random.Random(SEED)
    print(f"seed {SEED}")
    heads, before = Counter(), 0
    for n in range(22000):
        if n == 2000:
            before = memory(tokend)
        request = a_request(r)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(str(tokend.socket))
            try:
                s.sendall(request)
                if r.randrange(2) or b"\n" not in request:
                    s.shutdown(socket.SHUT_WR)
                if r.randrange(8) == 0:
                    heads["gone"] += 1
                    continue
                head = s.recv(65536)
                while s.recv(65536):
                    pass
            except (ConnectionResetError, BrokenPipeError):
                head = b"reset"
        assert head[:3] in (b"OK\t", b"OK\n", b"OK ", b"ERR", b"", b"res"), (SEED, n, request, head)
        heads[head[:3]] += 1
    print(heads)
    assert heads[b"ERR"] > 5000 and heads[b"OK\t"] + heads[b"OK\n"] > 1000 and heads[b"OK "] > 100, heads
    assert tokend.proc.poll() is None and tokend.sasl(BOX).ok
    assert memory(tokend) - before < 4096
    assert "\tconnections=1\t" in tokend.ask("STATUS").body and descriptors(tokend) < 40
    assert "bug " not in tokend.log()
