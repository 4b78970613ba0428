"""A token endpoint that speaks HTTP/2 alone (h2d.js)."""

import json
import urllib.request
from pathlib import Path

from .idp import start_node
from .net import free_port
from .proc import supervisor


class Http2:
    """set(delay=, next=[...], now=, token=) as h2d.js says; counts() -> (connections there were, requests)."""

    def __init__(self, folder, cert):
        folder.mkdir(parents=True, exist_ok=True)
        self.dir, self.cert = folder, cert
        self.port, self.admin = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}/token"
        self.proc = None

    def start(self):
        config = {"port": self.port, "admin": self.admin, "cert": str(self.cert[0]), "key": str(self.cert[1])}
        log = self.dir / "h2d.log"
        log.unlink(missing_ok=True)
        self.proc, _ = start_node(Path(__file__).parent / "h2d.js", config, self.dir, log)
        return self

    def stop(self):
        if self.proc:
            supervisor.stop(self.proc)
            self.proc = None

    def set(self, **what):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.admin}/", json.dumps(what).encode(), timeout=20) as reply:
            return json.loads(reply.read())

    def counts(self):
        now = self.set()
        return now["connections"], now["requests"]

    def open(self):
        return self.set()["open"]
