"""The warm request against the cheapest exchange there could be."""

import os
import statistics


def warm(bench):
    rounds, requests = (7, 200) if bench.quick else (41, 1000)
    url = bench.endpoint()
    tokend = bench.daemon("warm", url.url).start()
    free = _rounds(bench, tokend, rounds, requests)
    one = None
    cpu = min(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(tokend.proc.pid, {cpu})
        one = _rounds(bench, tokend, rounds, requests, cpu)
    except OSError:
        pass
    tokend.stop()
    url.stop()
    print(f"  ({rounds} rounds of {requests} requests each, in turns; medians of the rounds)")
    _show(bench, free)
    ratio = _ratio(free, "p50")
    low, middle, high = statistics.quantiles(ratio)
    bench.report.time("warm_ratio_p50", "ratio to the floor, nothing pinned", middle, 1.2, "x")
    bench.report.figures["warm_ratio_p50_quartiles"] = [low, high]
    mixed = high / low > 1.5
    bench.report.line("  quartiles of the rounds", f"{low:.2f} - {high:.2f}",
                      "processors were shared in some rounds only: this ratio says little" if mixed else "")
    bench.report.figure("warm_ratio_p99", "ratio of p99 to the floor's", statistics.median(_ratio(free, "p99")), "x", 2)
    if one:
        print("  (the same with plugin, daemon and floor on one processor: what it costs, wherever they run)")
        _show(bench, one, "_one")
        bench.report.time("warm_ratio_one_p50", "ratio to the floor, one processor",
                          statistics.median(_ratio(one, "p50")), 1.2, "x")
    bench.report.equal("warm_token_requests", "token requests meanwhile", len(url.requests), 1)


def _rounds(bench, tokend, rounds, requests, cpu=None):
    """{"ours_p50": [microseconds of each round], ...}"""
    out = bench.mxbench("warm", bench.both_dir, "user0@example.com", bench.dir / "floor.sock", rounds, requests,
                        socket=tokend.socket, cpu=cpu)
    rows = [ln.split() for ln in out.splitlines()]
    return {f"{rows[0][k]}_{p}": [int(row[k + j]) / 1000 for row in rows] for k in range(0, len(rows[0]), 3)
            for j, p in ((1, "p50"), (2, "p99"))}


def _ratio(us, p):
    return [a / b for a, b in zip(us[f"ours_{p}"], us[f"floor_{p}"])]


def _show(bench, us, suffix=""):
    names = {"ours": "XOAUTH2, plugin and daemon", "floor": "floor: PLAIN and a bare exchange", "plain": "PLAIN alone"}
    for kind, text in names.items():
        p50, p99 = (statistics.median(us[f"{kind}_{p}"]) for p in ("p50", "p99"))
        bench.report.figures[f"warm_{kind}{suffix}_p50_us"] = p50
        bench.report.figures[f"warm_{kind}{suffix}_p99_us"] = p99
        bench.report.line(text, f"{p50:.1f} us", f"p99 {p99:.1f} us")
