"""What may go wrong at the token endpoint, one row each: what the asker hears, how soon, and what the endpoint saw.

All rows run in one daemon, with a client and an endpoint for each: what the daemon holds of one must not touch the others.
"""

import gzip
import json
import re
import ssl
import time
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest

from mxtest import net
from mxtest.alone import SECRET, oauth_client
from mxtest.names import Names
from mxtest.net import free_port
from mxtest.pki import Pki
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Deaf, Recorder
from mxtest.tokend import Tokend

MIB = 1 << 20
TOKEN = "a-token-of-the-fault-tests"
LIFE = 3600
HELD = {"backoff_min": "20s", "backoff_max": "20s"}     # so that the first failure is the answer, and requests can be counted
BRIEF = {"timeout": "1s", "connect_timeout": "1s"}      # for the rows that wait for nothing
JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html; charset=utf-8"}
OK = None


class Nobody:
    """No endpoint at all."""

    def __init__(self, url):
        self.requests, self.connections, self.url = [], 0, url

    def start(self):
        return self

    def stop(self):
        pass


@dataclass
class Fault:
    """answers: what the endpoint plays; make(pki, other) -> the endpoint, where it is not a plain Recorder.

    class_ None: the asker gets the token. within: seconds, at the latest. requests and connections: exactly what the endpoint saw.
    hold: (from, to) seconds until the daemon tries again, as STATUS says. warm: a first token came over a connection that was kept,
    and was flushed; between(endpoint) comes then. deadline: the asker's, in milliseconds. client: keys of its own.
    """

    name: str
    answers: tuple = ()
    class_: str = OK
    code: str = ""
    said: tuple = ()
    within: float = 5.0
    requests: int = 1
    connections: int = 1
    make: object = None
    client: dict = field(default_factory=dict)
    hold: tuple = None
    warm: bool = False
    between: object = None
    deadline: int = 0
    life: tuple = (LIFE - 20, LIFE)


def good(**more):
    return {"access_token": TOKEN, "token_type": "Bearer", "expires_in": LIFE, **more}


def without(key):
    return {k: v for k, v in good().items() if k != key}


def early_hints(code):
    return Answer(raw=b"HTTP/1.1 %d Whatever\r\nLink: </x>; rel=preload\r\n\r\n" % code + granted().head() + granted().body)


def granted(end="close", **more):
    return Answer(good(**more), end=end)


def raw(body, head="HTTP/1.1 200 OK", **more):
    """A reply of these bytes with a head of our own; more: the Answer's."""
    body = body if isinstance(body, bytes) else body.encode()
    return Answer(raw=f"{head}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body, **more)


def bomb():
    packed = gzip.compress(b" " * 30 * MIB + json.dumps(good()).encode())
    return Answer(packed, headers={"Content-Encoding": "gzip"})


def when(seconds):
    """Retry-After as a date, so many seconds after the reply's own Date; that clock is an hour behind ours."""
    now = time.time() - 3600
    return {"Retry-After": formatdate(now + seconds, usegmt=True), "Date": formatdate(now, usegmt=True)}


def cert(**arguments):
    """make= for a Recorder with another certificate: a name of Pki's methods, or other= for somebody else's CA."""
    def make(pki, other):
        how = arguments.get("how", "cert")
        return Recorder(getattr(other if arguments.get("other") else pki, how)(), max_tls=arguments.get("max_tls"))
    return make


def stage(wait, say, end):
    return lambda pki, other: Recorder(pki.cert(), before_tls=(wait, say, end))


def nobody(url):
    return lambda pki, other: Nobody(url)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le"
BODY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"access_token\": \"" + TOKEN.encode()
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"         # TLS: fatal, handshake_failure
OLD_ALERT = b"\x15\x03\x03\x00\x02\x02\x46"     # TLS: fatal, protocol_version

SILENT = ("did not answer in time",)
LOST = ("the connection broke before the answer was complete",)
NOT_JSON = ("instead of JSON", "did not come from the identity provider")
LIFETIME = ("expires_in", "whole number of seconds from 1 to 2592000")


def status(code, class_, error_code, said=(), body=b"", headers=HTML, name="", **more):
    return Fault(f"{code} {name or 'with a page'}", (Answer(body or "<h1>no</h1>", code, headers),), class_, error_code,
                 (f"HTTP {code}", *said), **more)


def oauth_error(code, error, class_, error_code, **more):
    return status(code, class_, error_code, (error,), {"error": error, "error_description": "So it is."}, JSON,
                  f"with the error {error}", **more)


NO_REQUEST = {"requests": 0}
NOTHING = {"requests": 0, "connections": 0}

FAULTS = [
    # --- no connection ---
    Fault("name that is none", (), "temp", "dns-failed", ("cannot be resolved", "resolver"),
          make=nobody("https://no-such-host.test/token"), **NOTHING),
    Fault("refused", (), "temp", "connect-refused", ("the connection was refused", "firewall"),
          make=lambda pki, other: Nobody(f"https://127.0.0.1:{free_port()}/token"), **NOTHING),
    Fault("packets dropped", (), "temp", "connect-timeout", ("no connection came about in time", "proxy"),
          make=lambda pki, other: Deaf(), client=BRIEF, **NOTHING),
    # --- TLS ---
    Fault("reset after accept", (), "temp", "tls-handshake-failed", ("the TLS handshake", "openssl s_client"),
          make=stage(False, b"", "reset"), **NO_REQUEST),
    Fault("closed after accept", (), "temp", "tls-handshake-failed", ("the TLS handshake", "openssl s_client"),
          make=stage(False, b"", "close"), **NO_REQUEST),
    Fault("hang after accept", (), "temp", "tls-timeout", ("the TLS handshake", "in time"),
          make=stage(False, b"", "hang"), client=BRIEF, **NO_REQUEST),
    Fault("reset in the handshake", (), "temp", "tls-handshake-failed", ("the TLS handshake", "openssl s_client"),
          make=stage(True, b"\x16\x03\x03\x00\x7a\x02\x00", "reset"), **NO_REQUEST),
    Fault("hang in the handshake", (), "temp", "tls-timeout", ("the TLS handshake", "in time"),
          make=stage(True, b"\x16\x03\x03\x00\x7a\x02\x00", "hang"), client=BRIEF, **NO_REQUEST),
    Fault("TLS alert", (), "temp", "tls-handshake-failed", ("handshake", "openssl s_client"),
          make=stage(True, ALERT, "close"), **NO_REQUEST),
    Fault("TLS alert about the version", (), "temp", "tls-version", ("TLS 1.2 or newer",),
          make=stage(True, OLD_ALERT, "close"), **NO_REQUEST),
    Fault("TLS 1.1 only", (), "temp", "tls-version", ("TLS 1.2 or newer",), make=cert(max_tls=ssl.TLSVersion.TLSv1_1), **NO_REQUEST),
    Fault("plain HTTP on the port", (), "temp", "tls-handshake-failed", ("does not speak TLS", "port"),
          make=stage(True, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "close"), **NO_REQUEST),
    Fault("a mail server on the port", (), "temp", "tls-handshake-failed", ("does not speak TLS", "port"),
          make=stage(False, b"220 mail.example.test ESMTP\r\n", "hang"), **NO_REQUEST),
    Fault("wrong name", (), "temp", "tls-name-mismatch", ("for another name",), make=cert(how="wrong_name"), **NO_REQUEST),
    Fault("expired", (), "temp", "tls-cert-expired", ("has expired", "clock"), make=cert(how="expired"), **NO_REQUEST),
    Fault("not valid yet", (), "temp", "tls-cert-expired", ("not valid yet", "clock"), make=cert(how="early"), **NO_REQUEST),
    Fault("untrusted CA", (), "temp", "tls-untrusted-ca", ("a CA that is not trusted", "ca_file"), make=cert(other=True), **NO_REQUEST),
    Fault("self-signed", (), "temp", "tls-untrusted-ca", ("a CA that is not trusted", "ca_file"), make=cert(how="self_signed"),
          **NO_REQUEST),
    # --- after the request ---
    Fault("reset after the request", (Answer(raw=b"", end="reset"),), "temp", "connection-lost", LOST),
    Fault("closed after the request", (Answer(raw=b""),), "temp", "connection-lost", LOST),
    Fault("hang after the request", (Answer(hang=True),), "temp", "provider-timeout", SILENT, client=BRIEF),
    Fault("reset amid the headers", (Answer(raw=HEAD, end="reset"),), "temp", "connection-lost", LOST),
    Fault("closed amid the headers", (Answer(raw=HEAD),), "temp", "connection-lost", LOST),
    Fault("hang amid the headers", (Answer(raw=HEAD, end="hang"),), "temp", "provider-timeout", SILENT, client=BRIEF),
    Fault("reset amid the body", (Answer(raw=BODY, end="reset"),), "temp", "connection-lost", LOST),
    Fault("closed amid the body", (Answer(raw=BODY),), "temp", "connection-lost", LOST),
    Fault("hang amid the body", (Answer(raw=BODY, end="hang"),), "temp", "provider-timeout", SILENT, client=BRIEF),
    Fault("one byte a second", (Answer(good(), dribble=1.0),), "temp", "provider-timeout", SILENT, client={"timeout": "3s"}, within=8),
    Fault("no HTTP", (Answer(raw=b"220 mail.example.test ESMTP\r\n"),), "temp", "reply-not-http", ("does not speak HTTP",)),
    # --- redirects ---
    *(Fault(f"{code}", (Answer(b"", code, {"Location": "https://user:hidden@evil.example/x"}),), "config", "redirect-refused",
            (f"HTTP {code}", "points to evil.example", "never followed"), hold=(50, 60)) for code in (301, 302, 303, 307, 308)),
    # --- statuses ---
    status(400, "config", "reply-not-json", NOT_JSON, hold=(50, 60)),
    status(401, "config", "reply-not-json", NOT_JSON, hold=(50, 60)),
    status(403, "config", "reply-not-json", NOT_JSON, hold=(50, 60)),
    status(404, "config", "reply-not-json", NOT_JSON, hold=(50, 60)),
    status(405, "config", "reply-not-json", NOT_JSON, hold=(50, 60)),
    status(408, "temp", "provider-unavailable", hold=(5, 20)),
    status(429, "temp", "provider-throttled", ("fewer requests",), hold=(5, 20)),
    status(500, "temp", "provider-unavailable", hold=(5, 20)),
    status(502, "temp", "provider-unavailable", hold=(5, 20)),
    status(503, "temp", "provider-unavailable", hold=(5, 20)),
    status(504, "temp", "provider-unavailable", hold=(5, 20)),
    oauth_error(400, "invalid_scope", "provider", "scope-rejected", hold=(50, 60)),
    oauth_error(401, "invalid_client", "provider", "client-rejected", hold=(50, 60)),
    oauth_error(403, "access_denied", "provider", "policy-blocked", hold=(50, 60)),
    oauth_error(404, "not_found", "provider", "provider-refused", hold=(50, 60)),
    oauth_error(405, "invalid_request", "provider", "request-malformed", hold=(50, 60)),
    oauth_error(408, "timeout", "temp", "provider-unavailable", hold=(5, 20)),
    oauth_error(429, "slow_down", "temp", "provider-throttled", hold=(5, 20)),
    oauth_error(500, "server_error", "temp", "provider-unavailable", hold=(5, 20)),
    oauth_error(502, "whatever", "temp", "provider-unavailable", hold=(5, 20)),
    oauth_error(503, "temporarily_unavailable", "temp", "provider-unavailable", hold=(5, 20)),
    oauth_error(504, "whatever", "temp", "provider-unavailable", hold=(5, 20)),
    Fault("204", (Answer(raw=b"HTTP/1.1 204 No Content\r\n\r\n"),), "temp", "reply-not-json", ("HTTP 204", "an empty body")),
    Fault("200 with an error", (Answer({"error": "invalid_client", "error_description": "So it is."}),), "provider", "client-rejected",
          ("HTTP 200", "invalid_client"), hold=(50, 60)),
    # --- Retry-After ---
    *(Fault(f"Retry-After: {name}", (Answer(b"", 503, headers),), "temp", "provider-unavailable", ("HTTP 503",), hold=hold)
      for name, headers, hold in (
          ("seconds", {"Retry-After": "120"}, (100, 120)),
          ("more than an hour", {"Retry-After": "86400"}, (3580, 3600)),
          ("beyond every number", {"Retry-After": "9" * 40}, (3580, 3600)),
          ("date", when(120), (100, 120)),
          ("past date", when(-120), (5, 20)),
          ("date in a week", when(7 * 86400), (3580, 3600)),
          ("date without a Date", {"Retry-After": formatdate(time.time() + 1800, usegmt=True)}, (1000, 1800)),
          ("negative", {"Retry-After": "-5"}, (5, 20)),
          ("garbage", {"Retry-After": "in a moment"}, (5, 20)))),
    # --- bodies ---
    Fault("captive portal", (Answer("<html>Sign in to the guest network</html>", headers=HTML),), "temp", "reply-not-json",
          (*NOT_JSON, "text/html")),
    Fault("empty", (Answer(b""),), "temp", "reply-not-json", ("an empty body",)),
    Fault("truncated", (Answer(good(), truncate=60),), "temp", "connection-lost", LOST),
    Fault("truncated, unnoticed", (Answer(good(), truncate=60, length=False),), "temp", "reply-truncated", ("ends too early",)),
    Fault("deeply nested", (Answer("[" * 10000),), "temp", "reply-malformed", ("nested too deeply",)),
    Fault("an array", (Answer([good()]),), "temp", "reply-malformed", ("no JSON object",)),
    Fault("something behind the object", (Answer(json.dumps(good()) + "}"),), "temp", "reply-malformed", ("not well-formed JSON",)),
    Fault("10 MB", (Answer(b"x" * MIB, repeat_body=10),), "temp", "reply-too-large", ("1 MiB",)),
    Fault("10 MB of unknown length", (Answer(b"x" * MIB, repeat_body=10, length=False),), "temp", "reply-too-large", ("1 MiB",)),
    Fault("10 MB of an error", (Answer(b"x" * MIB, 400, repeat_body=10),), "temp", "reply-too-large", ("1 MiB",)),
    Fault("compressed bomb", (bomb(),), "temp", "reply-not-json", ("gzip", "not asked for")),
    Fault("invalid UTF-8", (raw(b'{"access_token": "\xff\xfe", "token_type": "Bearer"}'),), "temp", "reply-malformed", ("not UTF-8",)),
    Fault("a NUL", (raw(b'{"access_token": "a\0b", "token_type": "Bearer"}'),), "temp", "reply-malformed", ("not UTF-8",)),
    # --- tokens ---
    Fault("no token", (Answer(without("access_token")),), "provider", "reply-no-token", ("no access_token",), hold=(50, 60)),
    Fault("token_type mac", (Answer(good(token_type="mac")),), "provider", "reply-token-type", ("another type than Bearer",), hold=(50, 60)),
    Fault("token_type missing", (Answer(without("token_type")),), "provider", "reply-token-type", ("token_type",), hold=(50, 60)),
    Fault("control characters", (Answer(good(access_token="a\x01b\r\n")),), "provider", "reply-token-malformed", ("RFC 6750",), hold=(50, 60)),
    Fault("an empty token", (Answer(good(access_token="")),), "provider", "reply-token-malformed", ("empty",), hold=(50, 60)),
    Fault("too long a token", (Answer(good(access_token="t" * 8801)),), "provider", "reply-token-too-long", ("8800 bytes",), hold=(50, 60)),
    *(Fault(f"expires_in {value!r}", (Answer(json.dumps(good()).replace(str(LIFE), value)),), "provider", "reply-lifetime", LIFETIME,
            hold=(50, 60)) for value in ("0", "-1", "1e99", "3600.5", '"soon"', "[]", "99999999999999999999")),
    # --- odd, and taken all the same ---
    Fault('expires_in "3600"', (Answer(good(expires_in="3600")),)),
    Fault("expires_in 3600.0", (Answer(json.dumps(good()).replace("3600", "3600.0")),)),
    Fault("expires_in absent", (Answer(without("expires_in")),)),       # an hour is taken for granted
    Fault("expires_in null", (Answer(good(expires_in=None)),)),
    Fault("token_type bearer", (Answer(good(token_type="bEaReR")),)),
    Fault("content type text/html", (Answer(good(), headers=HTML),)),   # the JSON is judged, not its label
    Fault("no content type", (Answer(good(), headers={"Content-Type": None}),)),
    Fault("duplicated members", (raw('{"access_token": "old", "access_token": "%s", "token_type": "Bearer", "expires_in": 9, "expires_in": 3600}'
                                     % TOKEN),)),                       # the last one counts
    Fault("UTF-8 BOM", (raw(b"\xef\xbb\xbf" + json.dumps(good()).encode()),)),
    Fault("blanks around", (raw(b"\r\n\t " + json.dumps(good()).encode() + b"\r\n"),)),
    Fault("an empty error beside the token", (Answer(good(error="")),)),
    Fault("201", (Answer(good(), 201),)),
    Fault("HTTP/1.0", (raw(json.dumps(good()), "HTTP/1.0 200 OK"),)),
    Fault("100 Continue before it", (early_hints(100),)),
    Fault("103 Early Hints before it", (early_hints(103),)),
    Fault("200 headers", (Answer(good(), headers={f"X-{n}": "x" * 100 for n in range(200)}),)),
    Fault("a huge header", (Answer(good(), headers={"X-Huge": "x" * 60000}),)),
    Fault("more headers than there is room", (Answer(good(), headers={f"X-{n}": "x" * 60000 for n in range(20)}),), "temp",
          "reply-too-large", ("header",)),
    # --- in time, and not ---
    Fault("just before the deadline", (Answer(good(), delay=1.0),), deadline=4000, within=4),
    Fault("no sooner than the deadline", (Answer(good(), delay=3.0),), "temp", "provider-slow", ("within",), deadline=1000, within=3),
    # --- connections that were kept ---
    Fault("kept, and used again", (granted("keep"), granted("keep")), warm=True, requests=2, connections=1),
    Fault("kept, closed while idle", (granted("keep"), granted()), warm=True, between=lambda e: e.drop(), requests=2, connections=2),
    Fault("kept, reset while idle", (granted("keep"), granted()), warm=True, between=lambda e: e.drop(reset=True), requests=2, connections=2),
    Fault("kept, provider restarted", (granted("keep"), granted()), warm=True,
          between=lambda e: (e.stop(), e.drop(), e.start()), requests=2, connections=2),
    Fault("kept, closed without a word", (granted("keep"), Answer(raw=b""), granted()), warm=True, requests=3, connections=2),
    Fault("kept, reset without a word", (granted("keep"), Answer(raw=b"", end="reset"), granted()), warm=True, requests=3, connections=2),
    Fault("kept, without a word twice", (granted("keep"), Answer(raw=b"")), "temp", "connection-lost", LOST, warm=True, requests=3,
          connections=2),
    Fault("kept, cut amid the headers", (granted("keep"), Answer(raw=HEAD), granted()), "temp", "connection-lost", LOST, warm=True,
          requests=2, connections=1),
    Fault("kept, reset amid the body", (granted("keep"), Answer(raw=BODY, end="reset"), granted()), "temp", "connection-lost", LOST,
          warm=True, requests=2, connections=1),
    Fault("kept, and then silence", (granted("keep"), Answer(hang=True)), "temp", "provider-timeout", SILENT, warm=True, client=BRIEF,
          requests=2, connections=1),
    Fault("kept, refused then", (granted("keep"),), "temp", "connect-refused", ("refused",), warm=True,
          between=lambda e: (e.stop(), e.drop()), requests=1, connections=1),
]


def box(fault):
    return f"box{FAULTS.index(fault)}@example.test"


def client_of(fault):
    return f"c{FAULTS.index(fault)}"


@pytest.fixture(scope="module")
def stage_set(pki, binaries):
    """(the daemon, {row: its endpoint})"""
    folder = net.private_dir("mxf")
    other = Pki(folder / "other", "somebody else's CA")
    tokend = Tokend(folder / "t", secrets={"c.secret": SECRET}, top={"max_connections_per_uid": "1000", "max_connections": "1000"})
    endpoints, names = {}, Names(folder / "names")
    if not names.refused():
        names.apply(tokend)
    for fault in FAULTS:
        endpoint = fault.make(pki, other) if fault.make else Recorder(pki.cert()).script(*fault.answers)
        endpoints[fault.name] = endpoint.start()
        tokend.clients[client_of(fault)] = oauth_client(endpoint.url, pki.ca, **{**HELD, **fault.client})
        tokend.accounts[box(fault)] = {"client": client_of(fault), "allow_users": ["root"]}
    try:
        yield tokend.start(), endpoints
    finally:
        assert tokend.stop() == 0, tokend.log()[-3000:]
        for endpoint in endpoints.values():
            endpoint.stop()
        assert not re.search(r"^bug |Sanitizer|runtime error:", tokend.log(), re.M)
        net.remove_dir(folder)


def ask(tokend, fault):
    began = time.monotonic()
    reply = tokend.sasl(box(fault), **({"deadline_ms": fault.deadline} if fault.deadline else {}))
    return reply, time.monotonic() - began


def hold_of(tokend, fault):
    """Seconds until the next try, from STATUS."""
    line = next(ln for ln in tokend.ask("STATUS").body.splitlines() if f"\tname={client_of(fault)}\t" in f"\t{ln}\t")
    return int(re.search(r"\bnext_in=(\d+)", line).group(1))


def heard(fault, reply):
    if fault.class_ is OK:
        assert reply.ok and reply.token == TOKEN, reply
        assert fault.life[0] <= reply.expires_in <= fault.life[1], reply
        return
    assert (reply.class_, reply.code) == (fault.class_, fault.code), reply
    for part in (box(fault), f'client "{client_of(fault)}"', *fault.said):
        assert part in reply.text, (part, reply.text)


def saw(fault, endpoint):
    # the endpoint's thread may lag behind what it has sent
    wait_for(lambda: f"{fault.requests} requests, there were {len(endpoint.requests)}", lambda: len(endpoint.requests) >= fault.requests)
    assert (len(endpoint.requests), endpoint.connections) == (fault.requests, fault.connections)


def secret_free(tokend):
    log = tokend.log()
    assert TOKEN not in log and SECRET not in log and "hidden" not in log


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_fault(stage_set, fault):
    tokend, endpoints = stage_set
    endpoint = endpoints[fault.name]
    if fault.code == "dns-failed" and not tokend.launcher:
        pytest.skip("no mount namespace here, and so no hosts file of our own: a question would leave this machine")
    if fault.warm:
        first, _ = ask(tokend, fault)
        assert first.ok, first
        assert tokend.ask("FLUSH", account=box(fault)).ok
        if fault.between:
            fault.between(endpoint)
    reply, took = ask(tokend, fault)
    heard(fault, reply)
    assert took < fault.within
    if fault.class_ is not OK and fault.code != "provider-slow":
        line = tokend.wait_log(f"fetch_failed client={client_of(fault)} ")
        assert f"class={fault.class_} code={fault.code} " in line, line
    if fault.code == "provider-slow":   # the work ends once, for the cache
        tokend.wait_log(f"fetch_ok client={client_of(fault)} ")
        again, _ = ask(tokend, fault)
        assert again.ok and again.token == TOKEN
    else:
        again, _ = ask(tokend, fault)   # at once: from memory
        heard(fault, again)
    if fault.hold:
        assert fault.hold[0] <= hold_of(tokend, fault) <= fault.hold[1]
    saw(fault, endpoint)
    secret_free(tokend)


def test_the_table_is_long_enough():
    assert len(FAULTS) >= 40 and len({f.name for f in FAULTS}) == len(FAULTS)
