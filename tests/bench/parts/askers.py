"""Many cold askers at once."""

import re


def askers(bench):
    for n, top in ((50, {}), (1000, {"max_connections_per_uid": 1100, "max_connections": 1200})):
        url = bench.endpoint(delay=1.0)
        tokend = bench.daemon(f"askers-{n}", url.url, top=top).start()
        out = bench.mxbench("askers", bench.plugin_dir, "user0@example.com", n, socket=tokend.socket)
        tokend.stop()
        url.stop()
        answered, ms = (int(v) for v in re.findall(r"^(?:answered|ms) (\d+)", out, re.M))
        bench.report.equal(f"askers_{n}_token_requests", f"token requests for {n} cold askers at once", len(url.requests), 1)
        bench.report.equal(f"askers_{n}_answered", "  of them answered", answered, n)
        bench.report.line("  until the last had it", f"{ms} ms", "of which the endpoint takes 1000")
        bench.report.figures[f"askers_{n}_ms"] = ms
