"""Proxies that want to know who asks: tinyproxy (HTTP), microsocks (SOCKS 5), and a stand-in for what these do not have."""

import base64
import hashlib
import re
import secrets
import socket
import ssl
import threading

from . import paths
from .net import free_port
from .proc import supervisor, wait_for

USER, PASSWORD = "relay", "Pr0xy-hunter2.only"


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class _Program:
    scheme = None

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.dir, self.port, self.proc = folder, free_port(), None
        self.log_file = folder / "proxy.log"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start(self):
        self.proc = supervisor.start(self.argv(), self.log_file)
        wait_for(lambda: f"the proxy: {self.log()}", lambda: _listens(self.port))
        return self

    def stop(self):
        supervisor.stop(self.proc)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


class Tinyproxy(_Program):
    """Basic; without a password: everybody may."""

    scheme = "http"

    def __init__(self, folder, password=PASSWORD):
        super().__init__(folder)
        self.password = password

    def argv(self):
        conf = self.dir / "tinyproxy.conf"
        conf.write_text(f"Port {self.port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Info\n"
                        + (f"BasicAuth {USER} {self.password}\n" if self.password else ""))
        return [paths.program("tinyproxy"), "-d", "-c", conf]

    def tunnels(self):
        return re.findall(r"Request \(file descriptor \d+\): (\S+) (\S+)", self.log())


class Microsocks(_Program):
    """User and password as RFC 1929 has them."""

    scheme = "socks5h"

    def argv(self):
        return [paths.program("microsocks"), "-i", "127.0.0.1", "-p", self.port, "-u", USER, "-P", PASSWORD]

    def tunnels(self):
        return re.findall(r"connected to (\S+)", self.log())


class StandIn:
    """An HTTP proxy in Python. auth: None, "Basic", or a Digest algorithm ("MD5", "SHA-256"); cert: TLS to the proxy itself;
    to: a port of this machine that all tunnels lead to, whatever was asked for.

    heads: every request head that it was sent; passed: all bytes of clients within tunnels; tunnels: where they led.
    """

    def __init__(self, auth=None, cert=None, to=None):
        self.auth, self.cert, self.to, self.port = auth, cert, to, free_port()
        self.heads, self.tunnels, self.passed = [], [], b""
        self._listener, self._nonce = None, secrets.token_hex(8)
        self._context = None
        if cert:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*map(str, cert))

    @property
    def url(self):
        return f"{'https' if self.cert else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            conn.settimeout(60)
            if self._context:
                conn = self._context.wrap_socket(conn, server_side=True)
            while head := self._head(conn):
                self.heads.append(head)
                method, target, _ = head.split("\r\n")[0].split(" ")
                if not self._knows(head, method, target):
                    conn.sendall(f"HTTP/1.1 407 No\r\nProxy-Authenticate: {self._challenge()}\r\nContent-Length: 3\r\n\r\nno\n".encode())
                    continue
                if method != "CONNECT":
                    conn.sendall(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
                    continue
                host, _, port = target.rpartition(":")
                self.tunnels.append(target)
                out = socket.create_connection(("127.0.0.1", self.to) if self.to else (host.strip("[]"), int(port)), 10)
                conn.sendall(b"HTTP/1.1 200 Here you go\r\n\r\n")
                back = threading.Thread(target=self._copy, args=(out, conn, False), daemon=True)
                back.start()
                self._copy(conn, out, True)
                back.join(10)
                return
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            conn.close()

    @staticmethod
    def _head(conn):
        raw = b""
        while b"\r\n\r\n" not in raw:
            chunk = conn.recv(1)    # no more than the head: what follows is the tunnel's
            if not chunk:
                return None
            raw += chunk
        return raw.decode("latin1")

    def _copy(self, a, b, keep):
        try:
            while data := a.recv(65536):
                if keep:
                    self.passed += data
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _challenge(self):
        return 'Basic realm="x"' if self.auth == "Basic" else (
            f'Digest realm="x", qop="auth", nonce="{self._nonce}", algorithm={self.auth}')

    def _knows(self, head, method, target):
        if self.auth is None:
            return True
        given = re.search(r"^Proxy-Authorization: (\w+) (.*)\r$", head, re.M | re.I)
        if not given:
            return False
        if self.auth == "Basic":
            return given[1] == "Basic" and base64.b64decode(given[2]).decode() == f"{USER}:{PASSWORD}"
        f = {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^,\s]*)', given[2])}

        def h(text):
            return hashlib.new(self.auth.replace("-", "").lower(), text.encode()).hexdigest()
        return given[1] == "Digest" and f["nonce"] == self._nonce and f["response"] == h(":".join([
            h(f"{USER}:x:{PASSWORD}"), self._nonce, f["nc"], f["cnonce"], "auth", h(f"{method}:{target}")]))
