"""A daemon with many clients whose time is the benchmark's: its hour passes second by second, as fast as it can work."""

import collections
import json
import math
import mmap
import os
import pwd
import re
import struct
import subprocess
import time
from pathlib import Path

from mxtest import idp, net, paths, wire
from mxtest.clock import Clock
from mxtest.proc import Failed, supervisor
from mxtest.tokend import Tokend

from .base import TOKEN_BYTES
from .report import Skip

HERE = Path(__file__).resolve().parents[1]
LIFETIME_S = 3600
AT_ONCE = 250                   # askers at one moment, within the limits of an installed daemon


class Endpoint:
    """endpoint.js: a token endpoint that is no bottleneck. The counters are its own, read without asking it."""

    FIELDS = ("received", "answered", "accepted", "handshakes", "open")

    def __init__(self, folder, cert, h2=True):
        try:
            node = paths.program("node")
        except paths.Missing as err:
            raise Skip(str(err)) from err
        counts, log = folder / "endpoint.counts", folder / "endpoint.log"
        port = net.free_port()
        self.url = f"https://127.0.0.1:{port}/token"
        # with threads that collect garbage it would sleep in the middle of its work, which settle() would take for its end
        self.proc = supervisor.start([node, "--single-threaded-gc", HERE / "endpoint.js", json.dumps({
            "port": port, "cert": str(cert[0]), "key": str(cert[1]), "counts": str(counts), "bytes": TOKEN_BYTES,
            "lifetime": LIFETIME_S, "h2": h2})], log)
        idp.read_ready(self.proc, log, "endpoint.js")
        with open(counts, "rb") as f:
            self._map = mmap.mmap(f.fileno(), 40, access=mmap.ACCESS_READ)

    def counts(self):
        return dict(zip(self.FIELDS, struct.unpack("<5Q", self._map[:])))

    def stop(self):
        supervisor.stop(self.proc)


class Crowd:
    """mxbench crowd: asks for a row of accounts, each once."""

    def __init__(self, bench, socket):
        self.proc = subprocess.Popen([str(bench.program), "crowd"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                     env={"MTA_XOAUTH2_SOCKET": str(socket)})

    def ask(self, first, count):
        """Seconds until all were answered; Failed where one got no token."""
        print(first, count, AT_ONCE, file=self.proc.stdin, flush=True)
        line = self.proc.stdout.readline().split()
        if len(line) != 6 or int(line[3]) > 0:
            raise Failed(f"askers got no token: {' '.join(line) or 'mxbench crowd ended'}")
        return int(line[5]) / 1e9

    def stop(self):
        self.proc.stdin.close()
        self.proc.wait()


def config(n, socket, url, ca, secret, asker, **top):
    """The text of a tokend.yaml with clients c0... and accounts user0@example.com..., as an administrator would generate it."""
    lines = [f"listen:\n  - path: {socket}\n", *(f"{k}: {v}\n" for k, v in top.items()), "clients:\n"]
    lines += [f"  c{i}:\n    provider: custom\n    client_id: client-{i}\n    client_secret_file: {secret}\n"
              f"    token_endpoint: {url}\n    scope: mail\n    ca_file: {ca}\n" for i in range(n)]
    lines.append("accounts:\n")
    lines += [f"  user{i}@example.com:\n    client: c{i}\n    allow_users: [{asker}]\n" for i in range(n)]
    return "".join(lines)


class Host:
    """n clients, their daemon and the endpoint. user: the daemon is started as that one; else as whoever runs this."""

    def __init__(self, bench, name, n, h2=True, clock=True, user=None):
        self.bench, self.n = bench, n
        folder = bench.dir / name
        self.tokend = Tokend(folder, secrets={"secret": "the-secret-of-the-benchmark"})
        self.tokend.user = user
        self.url = Endpoint(folder, bench.pki.cert(), h2)
        self.tokend.config_text = config(
            n, self.tokend.socket, self.url.url, bench.pki.ca, self.tokend.secret_path("secret"), bench.user,
            token_cache=bench.token_cache(name))
        self.tokend.write()
        self.tokend.write = lambda: None        # not in the time that is measured
        if user:
            os.chown(self.tokend.run_dir, pwd.getpwnam(user).pw_uid, -1)
        self.clock = Clock(folder) if clock else None
        if clock:
            self.clock.apply(self.tokend)
        self.crowd, self.pings = None, 0

    def start(self):
        """Starts the daemon; seconds until it answers its first PING, configuration and sockets included."""
        began = time.monotonic()
        self.tokend.start(wait=False)
        self.pid = self.tokend.proc.pid
        while not wire.ping(self.tokend.socket, 60):
            if self.tokend.proc.poll() is not None or time.monotonic() - began > 60:
                raise Failed(f"the daemon does not answer:\n{self.tokend.log()[-2000:]}")
            time.sleep(0.001)
        took = time.monotonic() - began
        self.crowd = Crowd(self.bench, self.tokend.socket)
        return took

    def stop(self):
        if self.crowd:
            self.crowd.stop()
        if self.tokend.stop() != 0:
            raise Failed(f"the daemon did not end well:\n{self.tokend.log()[-2000:]}")
        self.url.stop()

    def cpu(self):
        """Seconds of processor time the daemon has used."""
        return time.clock_gettime(~self.pid << 3 | 2)       # CPUCLOCK_SCHED of a process

    def fetched(self):
        """What the daemon has counted itself: token requests by result."""
        return {k: int(v) for k, v in re.findall(r'^mta_xoauth2_fetch_total\{result="(\w+)"\} (\d+)$',
                                                 self.tokend.ask("METRICS", seconds=60).body, re.M)}

    # --- time -------------------------------------------------------------------------------------------

    def step(self):
        """To the end of the daemon's next second; returns how many token requests it sent, once all are answered."""
        before = self.url.counts()["received"]
        self.clock.set(math.floor(self.clock.boot() + 0.01) + 0.999)
        self.wake()
        self.settle()
        return self.url.counts()["received"] - before

    def wake(self):
        self.pings += 1
        if not wire.ping(self.tokend.socket, 60):
            raise Failed(f"the daemon does not answer:\n{self.tokend.log()[-2000:]}")

    def settle(self):
        """Waits until no token request is under way: daemon and endpoint sleep and neither has run meanwhile (what one sends
        over the loopback wakes the other at once), and no timer of the daemon's loop is about to end."""
        deadline = time.monotonic() + 120
        while True:
            before = self._asleep()
            counts = self.url.counts()
            if counts["received"] == counts["answered"] and not self._about_to_wake() and None not in before:
                time.sleep(0.0005)      # on a busy machine the loopback has a thread of its own to be waited for
                if self._asleep() == before:
                    return
            if time.monotonic() > deadline:
                raise Failed(f"token requests do not end: {self.url.counts()}\n{self.tokend.log()[-1000:]}")

    def _about_to_wake(self):
        """Whether the daemon's epoll_wait(2) was told to wait for 5 ms or less, as libcurl has it do between two moves."""
        try:
            words = Path(f"/proc/{self.pid}/syscall").read_text().split()
            return len(words) < 5 or int(words[4], 16) <= 5
        except OSError:         # to be seen by root alone
            time.sleep(0.003)
            return False

    def _asleep(self):
        """How often daemon and endpoint have gone to sleep, None for one that runs."""
        texts = [Path(f"/proc/{p.pid}/status").read_text() for p in (self.tokend.proc, self.url.proc)]
        return [int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1]) if "\nState:\tS" in text else None
                for text in texts]

    def first_asks(self, seconds):
        """Every account asks once, spread evenly over these seconds of the daemon's time."""
        asked = 0
        for s in range(1, seconds + 1):
            self.step()
            upto = self.n * s // seconds
            if upto > asked:
                self.crowd.ask(asked, upto - asked)
                asked = upto
                self.settle()

    def hour(self):
        """Lets an hour pass in which nobody asks; what the refreshes cost.

        The daemon's clock runs on while it works, so a slow step reaches into the next second: what was sent is counted
        in the seconds that the step covered.
        """
        before, cpu, pings, began = self.url.counts(), self.cpu(), self.pings, time.monotonic()
        start = at = self.clock.boot()
        per_second = collections.Counter()
        while at < start + 3600:
            sent, now = self.step(), self.clock.boot()
            for s in range(int(at), int(now) + 1):
                per_second[s] += sent * (min(now, s + 1) - max(at, s)) / (now - at)
            at = now
        cpu, pings, after = self.cpu() - cpu, self.pings - pings, self.url.counts()
        took = time.monotonic() - began
        requests = after["received"] - before["received"]
        sent = [round(n) for _, n in sorted(per_second.items())]
        busiest = sent.index(max(sent))
        return {"requests": requests, "mean": requests / 3600, "busiest": max(sent),
                "around": sent[max(0, busiest - 15):busiest + 5],
                "cpu": max(cpu - pings * self._ping_cost(), 0), "handshakes": after["handshakes"] - before["handshakes"],
                "open": after["open"], "took": took}

    def _ping_cost(self):
        before = self.cpu()
        for _ in range(500):
            self.wake()
        return (self.cpu() - before) / 500
