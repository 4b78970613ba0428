"""The daemon's memory with ten accounts."""

import os
import shutil
import subprocess
from pathlib import Path

from mxtest.proc import Failed, wait_for

from .base import RELAY, TOKEN_BYTES

BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
           "/etc/ssl/cert.pem")


def daemon(bench):
    _memory(bench, "ca_file", "ca_file with one certificate", 10, bench.daemon)
    bundle = next((b for b in _bundles() if Path(b).is_file()), None)
    if os.geteuid() != 0 or not bundle or not shutil.which("unshare"):
        bench.report.skip("the system's certificates", "needs root (a mount namespace) and a bundle")
        return
    folder = Path(os.path.realpath(bundle)).parent
    mixed = bench.dir / "certs"
    shutil.copytree(folder, mixed, ignore_dangling_symlinks=True)
    (mixed / Path(bundle).name).write_bytes(Path(bundle).read_bytes() + b"\n" + bench.pki.ca.read_bytes())
    name = subprocess.run(["openssl", "x509", "-noout", "-subject_hash", "-in", bench.pki.ca], capture_output=True, text=True,
                          check=True).stdout.strip()
    shutil.copy(bench.pki.ca, mixed / f"{name}.0")
    count = (mixed / Path(bundle).name).read_text(errors="replace").count("-----BEGIN CERTIFICATE-----")

    def with_bundle(*args, **more):
        # The daemon alone sees our CA among the system's, in the bundle and by its hash.
        tokend = bench.daemon(*args, ca_file=False, **more)
        plain = tokend.argv()
        tokend.argv = lambda: ["unshare", "-m", "--propagation", "private", "sh", "-c",
                               'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh", mixed, folder, *plain]
        return tokend
    _memory(bench, "system", f"the system's {count} certificates", 10, with_bundle)


def _bundles():
    tool = shutil.which("curl-config")
    said = subprocess.run([tool, "--ca"], capture_output=True, text=True, check=False).stdout.strip() if tool else ""
    return ([said] if said else []) + list(BUNDLES)


def _memory(bench, key, text, n, make):
    url = bench.endpoint()
    tokend = make("memory-" + key, url.url, clients=n).start()
    start = bench.rollup(tokend.proc.pid)
    for i in range(n):
        reply = tokend.sasl(f"user{i}@example.com", host=RELAY)
        if not reply.ok:
            raise Failed(f"{reply}\n{tokend.log()[-2000:]}")
    wait_for("all fetches", lambda: tokend.log().count("fetch_ok") >= n)
    end = bench.rollup(tokend.proc.pid)
    tokend.stop()
    url.stop()
    print(f"  ({n} clients and accounts, {n} tokens of {TOKEN_BYTES} bytes fetched over HTTPS; {text})")
    bench.report.figures[f"daemon_{key}_idle_kb"] = start
    bench.report.line("before the first fetch", f"{start['Rss']} kB", f"anonymous {start['Anonymous']} kB")
    bench.report.check(f"daemon_{key}_anonymous_kb", "anonymous memory", end["Anonymous"], 4096, "kB")
    bench.report.check(f"daemon_{key}_rss_kb", "RSS", end["Rss"], 16384, "kB")
    bench.report.equal(f"daemon_{key}_token_requests", "token requests", len(url.requests), n)
