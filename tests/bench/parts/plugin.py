"""The plugin alone: what it links, what it costs the process that loads it."""

import os
import re
import shutil
import statistics
import subprocess
from pathlib import Path

from mxtest import paths
from mxtest.proc import Failed

from .base import TOKEN_BYTES
from .report import Skip


def linkage(bench):
    readelf = shutil.which("readelf")
    if not readelf:
        raise Skip("readelf is not there (binutils)")
    text = subprocess.run([readelf, "-d", paths.ours("plugin")], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    rest = [n for n in needed if not re.match(r"libc\.(so|musl)", n)]
    bench.report.equal("plugin_needs_beyond_libc", "libraries the plugin needs beside libc", rest, [],
                       shown=str(len(rest)) if rest else "none")


def init(bench):
    out = bench.mxbench("init", bench.plugin_dir, bench.empty_dir, 40 if bench.quick else 400)
    rows = [[int(v) / 1e6 for v in ln.split()] for ln in out.splitlines()]
    with_, without = (statistics.median(c) for c in zip(*rows))
    bench.report.figure("init_plugin_ms", "sasl_client_init and _done, our plugin", with_, "ms", 3)
    bench.report.figure("init_empty_ms", "the same, no plugin", without, "ms", 3)
    bench.report.time("init_added_ms", "added by the plugin", statistics.median(a - b for a, b in rows), 0.3, "ms", 3)


def host(bench):
    url = bench.endpoint()
    tokend = bench.daemon("host", url.url).start()
    found = {"empty": [], "empty_used": [], "init": [], "used": []}
    for _ in range(15 if bench.quick else 31):
        found["empty"].append(_footprint(bench, bench.empty_dir))
        found["empty_used"].append(_footprint(bench, bench.empty_dir, "user0@example.com"))
        found["init"].append(_footprint(bench, bench.plugin_dir))
        found["used"].append(_footprint(bench, bench.plugin_dir, "user0@example.com", socket=tokend.socket))
    tokend.stop()
    url.stop()
    rss = {k: statistics.median(r for r, _ in v) for k, v in found.items()}
    base = set.intersection(*(m for _, m in found["empty"] + found["empty_used"]))
    plugin = os.path.realpath(paths.ours("plugin"))
    bench.report.check("host_rss_added_init_kb", "RSS added once initialized", round(rss["init"] - rss["empty"]), 150, "kB")
    bench.report.check("host_rss_added_used_kb", "RSS added after an initial response", round(rss["used"] - rss["empty_used"]), 150,
                       "kB")
    added = sorted(set.union(*(m for k in ("init", "used") for _, m in found[k])) - base)
    bench.report.equal("host_objects_added", "objects mapped", added, [plugin], shown=", ".join(Path(a).name for a in added))


def _footprint(bench, *args, socket=None):
    """RSS that libsasl2 and plugins added to the process (kB), and the files mapped at the end."""
    out = bench.mxbench("footprint", *args, socket=socket)
    before, after = (int(v) for v in re.findall(r"^rss_kb (\d+)", out, re.M))
    if socket and int(re.search(r"^response (\d+)", out, re.M)[1]) < TOKEN_BYTES:
        raise Failed("the host got no initial response")
    return after - before, set(re.findall(r"^map (.*)$", out, re.M))
