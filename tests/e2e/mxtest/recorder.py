"""A recording HTTPS endpoint for the fault tests: exact requests in, scripted replies out."""

import json
import socket
import ssl
import struct
import threading
import time
import warnings

from .net import free_port
from .proc import wait_for


class Request:
    """raw: every byte as sent; at: when it was here, by time.monotonic(); method, target, headers (names in lower case), body; tls: the protocol's name."""

    def __init__(self, raw, body, tls):
        head = raw[:len(raw) - len(body)].decode("latin1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        self.raw, self.body, self.tls = raw, body, tls
        self.method, self.target, self.version = first.split(" ", 2)
        self.peer = None    # (address, port) it came from
        self.at = time.monotonic()
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (ln.partition(":") for ln in lines)}


class Answer:
    """One scripted reply.

    body: bytes, str or something for JSON; delay: seconds before the first byte; dribble: seconds between octets;
    truncate: stop after so many octets of the body (the length promised is the whole one); raw: these bytes and no more;
    hang: take the request and say nothing; repeat_body: the body so many times over, sent without holding it; end: what
    follows, "close", "reset", "hang" or "keep" (the connection stays open for the next request).
    """

    def __init__(self, body=b"", status=200, headers=None, delay=0.0, dribble=0.0, truncate=None, raw=None, hang=False,
                 repeat_body=1, reason="Whatever", length=True, end="close"):
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        self.body = body.encode() if isinstance(body, str) else body
        self.status, self.headers, self.delay, self.dribble = status, dict(headers or {}), delay, dribble
        self.truncate, self.raw, self.hang, self.repeat_body = truncate, raw, hang, repeat_body
        self.reason, self.length, self.end = reason, length, end

    def head(self):
        headers = {"Content-Type": "application/json", "Connection": "keep-alive" if self.end == "keep" else "close",
                   **self.headers}
        if self.length:
            headers.setdefault("Content-Length", str(len(self.body) * self.repeat_body))
        lines = [f"HTTP/1.1 {self.status} {self.reason}"] + [f"{k}: {v}" for k, v in headers.items() if v is not None]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")


def token(value="recorded-token", expires_in=3600, end="close", **more):
    """The Answer of a provider that grants."""
    return Answer({"access_token": value, "token_type": "Bearer", "expires_in": expires_in, **more}, end=end)


def reset_on_close(conn):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Recorder:
    """HTTPS on a loopback port (plain HTTP with cert=None). script(...) sets the replies, in turn; the last one stays.

    max_tls: e.g. ssl.TLSVersion.TLSv1_1 for a server that speaks nothing newer. before_tls: what it does in place of the
    handshake: (wait for the client's first message?, bytes to send, "close", "reset" or "hang"). address: another loopback one.
    """

    def __init__(self, cert=None, max_tls=None, before_tls=None, address="127.0.0.1", port=None):
        self.address, self.port = address, port or free_port()
        self.cert, self.before_tls = cert, before_tls
        self.requests, self.connections, self.handshake_errors = [], 0, []
        self._open, self._listener = set(), None
        self._answers, self._lock = [token()], threading.Lock()
        self._stopping = threading.Event()
        self._context = None
        if cert:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*map(str, cert))
            self._context.set_alpn_protocols(["http/1.1"])
            if max_tls is not None:
                self._context.set_ciphers("ALL:@SECLEVEL=0")
                with warnings.catch_warnings():  # old on purpose
                    warnings.simplefilter("ignore", DeprecationWarning)
                    self._context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
                    self._context.maximum_version = max_tls

    @property
    def url(self):
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self.cert else 'http'}://{host}:{self.port}/token"

    def script(self, *answers):
        with self._lock:
            self._answers = list(answers)
        return self

    def start(self):
        self._stopping.clear()
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listener = socket.create_server((self.address, self.port), family=family, backlog=512)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self):
        """Nobody listens any more; open connections end as their script says, see drop()."""
        self._stopping.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def drop(self, reset=False):
        """Ends the connections that are open; returns how many there were."""
        with self._lock:
            conns = list(self._open)
        for conn in conns:
            try:
                if reset:
                    reset_on_close(conn)
                conn.shutdown(socket.SHUT_RD)   # wakes the thread that reads, which closes
            except OSError:
                pass
        wait_for("the connections to end", lambda: not self._open.intersection(conns))
        return len(conns)

    def clear(self):
        self.requests.clear()
        self.connections = 0

    def _accept(self, listener):
        while not self._stopping.is_set():
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        conn.settimeout(60)
        try:
            if self.before_tls:
                wait, say, end = self.before_tls
                if wait:
                    conn.recv(65536)
                conn.sendall(say)
                self._end(conn, end)
                return
            if self._context:
                conn = self._context.wrap_socket(conn, server_side=True)
        except (OSError, ssl.SSLError) as err:
            self.handshake_errors.append(str(err))
            conn.close()
            return
        with self._lock:
            self._open.add(conn)
        try:
            while request := self._read(conn):
                request.peer = conn.getpeername()
                with self._lock:
                    self.requests.append(request)
                    answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                self._reply(conn, answer)
                if answer.end != "keep":
                    self._end(conn, answer.end)
                    break
        except OSError:
            pass
        finally:
            conn.close()
            with self._lock:
                self._open.discard(conn)

    def _end(self, conn, how):
        if how == "hang":
            self._stopping.wait(120)
        elif how == "reset":
            time.sleep(0.05)    # what was sent is to arrive: a reset overtakes it
            reset_on_close(conn)
        conn.close()

    def _read(self, conn):
        raw = b""
        while b"\r\n\r\n" not in raw:
            chunk = conn.recv(65536)
            if not chunk:
                return None
            raw += chunk
        head, _, body = raw.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() == b"expect":
                conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < length:
            chunk = conn.recv(65536)
            if not chunk:
                return None
            raw, body = raw + chunk, body + chunk
        return Request(raw, body, conn.version() if self._context else None)

    def _reply(self, conn, answer):
        if answer.hang:
            self._stopping.wait(120)
            return
        if answer.delay:
            self._stopping.wait(answer.delay)
        if answer.raw is not None:
            conn.sendall(answer.raw)
            return
        head, body = answer.head(), answer.body
        if answer.truncate is not None:
            body = body[:answer.truncate]
        if answer.dribble:
            for octet in head + body:
                conn.sendall(bytes([octet]))
                time.sleep(answer.dribble)
            return
        conn.sendall(head)
        for _ in range(answer.repeat_body):
            conn.sendall(body)


class Deaf:
    """A port whose listener takes no more connections: the kernel drops the first packet of each, as a firewall would."""

    def __init__(self):
        self.requests, self.connections = [], 0
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/token"
        self._fill = []

    def start(self):
        for _ in range(2):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self._fill.append(s)
        return self

    def stop(self):
        for s in [*self._fill, self._listener]:
            s.close()
