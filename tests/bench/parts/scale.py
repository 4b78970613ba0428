"""What many clients cost beside ten: start, memory, warm requests, an hour's refreshes, a reload."""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import time

from mxtest import wire
from mxtest.proc import Failed, wait_for

from .base import TOKEN_BYTES
from .hour import LIFETIME_S, Host

FEW = 10
PAUSE_MS = 50                   # what a machine that does other things too may take from anybody
CHANCE = 3                      # requests in one second beyond twice the mean: with few clients the mean is next to nothing


def scale(bench):
    many = 10000 if bench.quick else 100000
    print(f"  (tokens of {TOKEN_BYTES} bytes and {LIFETIME_S} s, one secret file, HTTP/2 unless it says otherwise)")
    for n in (FEW, 1000, many):
        start(bench, n)
    few = Host(bench, f"scale-{FEW}", FEW)
    few.start()
    few.first_asks(LIFETIME_S // 2)
    base = bench.rollup(few.pid)
    bench.report.line(f"memory with {FEW} clients", f"{base['Rss']} kB", f"anonymous {base['Anonymous']} kB")
    hour(bench, few, "spread")
    one_size(bench, 1000, few, base)
    one_size(bench, many, few, base)
    few.stop()
    if not bench.quick:
        http1 = Host(bench, "scale-http1", 1000, h2=False)
        http1.start()
        http1.first_asks(LIFETIME_S // 2)
        hour(bench, http1, "HTTP/1.1")
        http1.stop()


def start(bench, n):
    """Whole starts: process begun, configuration read, sockets made, first PING answered."""
    if os.geteuid() == 0:
        _start(bench, n, "root", "as root (read twice)", None)
        _start(bench, n, "user", "as one user", "mta-xoauth2")
    else:
        _start(bench, n, "user", "as one user", None)


def _start(bench, n, key, text, user):
    host = Host(bench, f"start-{key}-{n}", n, clock=False, user=user)
    took = host.start()
    idle = bench.rollup(host.pid)
    host.stop()
    bench.report.time(f"scale_{n}_start_{key}_s", f"start, {n} clients, {text}", took, 3, "s")
    bench.report.figures[f"scale_{n}_start_{key}_kb"] = idle
    shutil.rmtree(host.tokend.dir)


def one_size(bench, n, few, base):
    quick_many = bench.quick and n > 1000
    if not quick_many:          # the other way is the harder one, and quicker
        host = Host(bench, f"scale-{n}", n)
        host.start()
        host.first_asks(LIFETIME_S // 2)
        cached(bench, host, base)
        hour(bench, host, "spread")
        if n > 1000:
            busy(bench, host, few)
        host.stop()
    if n > 1000:
        host = Host(bench, f"scale-{n}-cold", n)
        host.start()
        took = host.crowd.ask(0, n)
        host.settle()
        bench.report.figure(f"scale_{n}_cold_s", f"{n} clients cold at once, until all have theirs", took, "s")
        if quick_many:
            cached(bench, host, base)
        hour(bench, host, "at once")
        if quick_many:
            busy(bench, host, few)
        host.stop()


def cached(bench, host, base):
    """Memory once every client has its token."""
    n, now = host.n, bench.rollup(host.pid)
    each = (now["Rss"] - base["Rss"]) * 1024 / (n - FEW) - TOKEN_BYTES
    bench.report.line(f"memory with {n} tokens", f"{now['Rss']} kB", f"anonymous {now['Anonymous']} kB, locked {now['Locked']} kB")
    bench.report.figures[f"scale_{n}_cached_kb"] = now
    if n > 1000:
        bench.report.check(f"scale_{n}_bytes_per_client", "  per further client beside its token", round(each), 3000, "B")
    else:                       # what a fetch leaves behind weighs too much in so few
        bench.report.figure(f"scale_{n}_bytes_per_client", "  per further client beside its token", each, "B", 0)


def hour(bench, host, how):
    """An hour in which nobody asks: processor time, evenness, connections."""
    n, r, h = host.n, bench.report, host.hour()
    key = f"scale_{n}_{how.replace(' ', '_').replace('/', '').replace('.', '').lower()}"
    what = {"spread": "first asks spread over half a life", "at once": "first asks all at once"}.get(how, how)
    print(f"  an hour of {n} clients, {what} ({h['took']:.0f} s here):")
    right = n <= h["requests"] <= 3 * n
    r.equal(f"{key}_requests_right", "    token requests, from one to three a client", right, True, shown=str(h["requests"]))
    host.settle()
    said, seen = host.fetched(), host.url.counts()["received"]
    r.check(f"{key}_in_vain", "    of all so far sent in vain, and sent again", seen - said.get("ok", 0), seen // 100, "")
    r.figure(f"{key}_cpu_s", "    processor time of the daemon", h["cpu"], "s", 2)
    r.check(f"{key}_busiest", f"    busiest second; mean {h['mean']:.2f}", h["busiest"], int(2 * h["mean"]) + CHANCE, "")
    r.figure(f"{key}_handshakes", "    TLS handshakes per 1,000 refreshes", h["handshakes"] * 1000 / max(h["requests"], 1), "", 1)
    r.figures[f"{key}_hour"] = h


def busy(bench, host, few):
    """What askers notice of so many clients: warm requests, a reload, what administrators ask."""
    warm(bench, host, few)
    reload(bench, host)
    for verb in ("STATUS", "METRICS"):
        began = time.monotonic()
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(host.tokend.socket))
            s.sendall(wire.line(verb))
            size = len(s.recv(65536))
            first = time.monotonic() - began
            while chunk := s.recv(1 << 20):
                size += len(chunk)
        bench.report.line(f"{verb} of {host.n} clients", f"{(time.monotonic() - began) * 1000:.0f} ms",
                          f"{size} bytes, the first after {first * 1000:.0f} ms")
        bench.report.figures[f"scale_{host.n}_{verb.lower()}"] = {"bytes": size, "first_s": first, "s": time.monotonic() - began}


def warm(bench, host, few):
    rounds, requests = (9, 300) if bench.quick else (41, 1000)
    out = bench.mxbench("turns", bench.plugin_dir, few.tokend.socket, FEW, host.tokend.socket, host.n, rounds, requests)
    rows = [[int(v) / 1000 for v in ln.split()] for ln in out.splitlines()]
    ours = statistics.median(row[2] for row in rows)
    ratio = statistics.median(row[2] / row[0] for row in rows)
    bench.report.line(f"warm request with {FEW} clients", f"{statistics.median(row[0] for row in rows):.1f} us",
                      f"p99 {statistics.median(row[1] for row in rows):.1f} us; {rounds} rounds in turns, accounts at random")
    bench.report.line(f"warm request with {host.n} clients", f"{ours:.1f} us", f"p99 {statistics.median(row[3] for row in rows):.1f} us")
    bench.report.figures[f"scale_{host.n}_warm_p50_us"] = ours
    bench.report.time(f"scale_{host.n}_warm_ratio", f"  ratio to {FEW} clients", ratio, 1.1, "x")


def reload(bench, host):
    """The longest anybody waits for an answer while the configuration is read anew, and in as much time without."""
    def probe(what):
        env = {"MTA_XOAUTH2_SOCKET": str(host.tokend.socket)}
        with subprocess.Popen([str(bench.program), "probe", str(host.n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=env) as p:
            time.sleep(0.2)
            what()
            out = p.communicate("\n")[0]
        if p.returncode != 0:
            raise Failed("mxbench probe: an asker got no answer")
        return {ln.split()[0]: [int(v) / 1e6 for v in ln.split()[1:]] for ln in out.splitlines()}

    def hup():
        began, before = time.monotonic(), _reloads(host)
        host.tokend.proc.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: _reloads(host) > before, 60)
        took.append(time.monotonic() - began)

    took = []
    busy_, key = probe(hup), f"scale_{host.n}_reload"
    still = probe(lambda: time.sleep(took[0]))
    bench.report.figure(f"{key}_s", f"reload of {host.n} clients", took[0], "s", 2)
    for verb in ("PING", "SASL"):
        bench.report.line(f"  longest {verb}, no reload", f"{still[verb][3]:.2f} ms", f"p99 {still[verb][2]:.2f} ms")
        bench.report.line(f"  p99 of {verb}, reload", f"{busy_[verb][2]:.2f} ms")
        bench.report.time(f"{key}_{verb.lower()}_ms", f"  longest {verb}, reload", busy_[verb][3], PAUSE_MS, "ms")
        bench.report.figures[f"{key}_{verb.lower()}"] = {"during": busy_[verb], "without": still[verb]}


def _reloads(host):
    with open(host.tokend.log_file, "rb") as f:
        f.seek(max(0, os.path.getsize(host.tokend.log_file) - 4_000_000))
        return f.read().count(b"\nreloaded ")
