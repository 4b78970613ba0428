"""What may go wrong at the token endpoint: each refused with its own message, soon, and the secret goes to no stranger."""

import ssl
import time

import pytest

from mxtest.alone import BOX, SECRET, lone_tokend
from mxtest.net import free_port
from mxtest.pki import Pki
from mxtest.recorder import Answer, Recorder
from mxtest.sink import Sink

SOON = 5.0  # seconds; the timeouts below are shorter
HELD = {"backoff_min": "10s", "backoff_max": "10s"}  # so that the first failure is the answer, and requests can be counted


def ask(tokend):
    began = time.monotonic()
    reply = tokend.sasl(BOX)
    return reply, time.monotonic() - began


def refused(tokend, class_, code, *said):
    """The asker hears code and message in time; the log has both, with what is known of the HTTP exchange."""
    reply, took = ask(tokend)
    assert (reply.class_, reply.code) == (class_, code), reply
    for part in (BOX, 'client "c"', *said):
        assert part in reply.text, (part, reply.text)
    assert took < SOON
    line = tokend.wait_log("fetch_failed client=c ")
    assert f"class={class_} code={code} " in line and all(part.replace('"', "\\x22") in line for part in said), line
    assert SECRET not in tokend.log()
    return line


CERTIFICATES = {
    "untrusted CA": (lambda pki, other: {"cert": other.cert()}, "tls-untrusted-ca", "a CA that is not trusted"),
    "expired": (lambda pki, other: {"cert": pki.expired()}, "tls-cert-expired", "its certificate has expired"),
    "wrong name": (lambda pki, other: {"cert": pki.wrong_name()}, "tls-name-mismatch", "its certificate is for another name"),
    "TLS 1.1 only": (lambda pki, other: {"cert": pki.cert(), "max_tls": ssl.TLSVersion.TLSv1_1}, "tls-version",
                     "it does not offer TLS 1.2 or newer"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_bad_tls(up, workdir, pki, binaries, name):
    make, code, said = CERTIFICATES[name]
    recorder = up(Recorder(**make(pki, Pki(workdir / "other", "somebody else's CA"))))
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca, HELD))
    refused(tokend, "temp", code, f"127.0.0.1:{recorder.port}", said)
    assert not recorder.requests and recorder.connections == 1, "one attempt, and no request got through"


def test_another_protocol(up, workdir, pki, binaries):
    """A mail server's port by mistake."""
    sink = up(Sink(workdir))
    tokend = up(lone_tokend(workdir / "t", f"https://127.0.0.1:{sink.port}/token", pki.ca, HELD))
    refused(tokend, "temp", "tls-handshake-failed", "it does not speak TLS")


def test_the_systems_cas_are_the_default(up, workdir, pki, binaries):
    recorder = up(Recorder(pki.cert()))
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, HELD)
    del tokend.clients["c"]["ca_file"]
    refused(up(tokend), "temp", "tls-untrusted-ca", "ca_file")
    assert not recorder.requests


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(up, workdir, pki, binaries, status):
    target, recorder = up(Recorder(pki.cert())), up(Recorder(pki.cert()))
    recorder.script(Answer(b"", status, {"Location": target.url}))
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca))
    refused(tokend, "config", "redirect-refused", f"HTTP {status}", f"points to 127.0.0.1:{target.port}", "never followed")
    assert len(recorder.requests) == 1 and target.connections == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/token", "HTTP://127.0.0.1:{port}/token", "127.0.0.1:{port}/token",
                                 "file:///etc/passwd"])
def test_plain_http_is_a_configuration_error(up, workdir, pki, binaries, url):
    """The daemon does not start at all, and says where and why."""
    recorder = up(Recorder())
    tokend = lone_tokend(workdir / "t", url.format(port=recorder.port), pki.ca)
    tokend.start(wait=False)
    assert tokend.proc.wait(10) == 3
    assert '"token_endpoint"' in tokend.log() and "https" in tokend.log() and "tokend.yaml:" in tokend.log()
    assert recorder.connections == 0 and not tokend.socket.exists()
    assert tokend.check().returncode == 3


MIB = 1 << 20
REPLIES = {
    "10 MB": (Answer(b"x" * MIB, repeat_body=10), "temp", "reply-too-large", "1 MiB"),
    "10 MB of unknown length": (Answer(b"x" * MIB, repeat_body=10, length=False), "temp", "reply-too-large", "1 MiB"),
    "10 MB of an error": (Answer(b"x" * MIB, 400, repeat_body=10), "temp", "reply-too-large", "1 MiB"),
    "HTML": (Answer("<html>Sign in to the guest network</html>", headers={"Content-Type": "text/html"}), "temp",
             "reply-not-json", "text/html"),
    "empty": (Answer(b""), "temp", "reply-not-json", "an empty body"),
    "not found": (Answer("<h1>404</h1>", 404, {"Content-Type": "text/html"}), "config", "reply-not-json", "HTTP 404"),
    "truncated": (Answer({"access_token": "t" * 400, "token_type": "Bearer"}, truncate=200), "temp", "connection-lost",
                  "before the answer was complete"),
    "truncated unnoticed": (Answer({"access_token": "t" * 400, "token_type": "Bearer"}, truncate=200, length=False), "temp",
                            "reply-truncated", "ends too early"),
    "no HTTP": (Answer(raw=b"220 mail.example.test ESMTP\r\n"), "temp", "reply-not-http", "does not speak HTTP"),
    "closed": (Answer(raw=b""), "temp", "connection-lost", "before the answer was complete"),
    "no token": (Answer({"token_type": "Bearer"}), "provider", "reply-no-token", "no access_token"),
    "another type": (Answer({"access_token": "t", "token_type": "mac"}), "provider", "reply-token-type", "Bearer"),
    "no token's letters": (Answer({"access_token": "a\x01b", "token_type": "Bearer"}), "provider", "reply-token-malformed",
                           "RFC 6750"),
    "negative lifetime": (Answer({"access_token": "t", "token_type": "Bearer", "expires_in": -1}), "provider",
                          "reply-lifetime", "expires_in"),
    "error": (Answer({"error": "invalid_scope", "error_description": "no\r\nsuch thing"}, 400), "provider", "scope-rejected",
              "HTTP 400 invalid_scope"),
    "unavailable": (Answer(b"", 503, {"Retry-After": "120"}), "temp", "provider-unavailable", "HTTP 503"),
    "slow down": (Answer({"error": "slow_down"}, 429, {"Retry-After": "120"}), "temp", "provider-throttled", "HTTP 429"),
}


@pytest.mark.parametrize("name", REPLIES)
def test_bad_replies(up, workdir, pki, binaries, name):
    answer, class_, code, said = REPLIES[name]
    recorder = up(Recorder(pki.cert())).script(answer)
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca, HELD))
    refused(tokend, class_, code, said)
    again, took = ask(tokend)
    assert (again.class_, again.code) == (class_, code) and took < 1, "held: the answer comes from memory"
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("name, answer, code", [
    ("silent", Answer(hang=True), "provider-timeout"),
    ("byte by byte", Answer({"access_token": "t" * 2000, "token_type": "Bearer"}, dribble=0.05), "provider-timeout"),
])
def test_slow_replies_end_at_the_timeout(up, workdir, pki, binaries, name, answer, code):
    recorder = up(Recorder(pki.cert())).script(answer)
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca, {"timeout": "1s", **HELD}))
    refused(tokend, "temp", code, "did not answer in time")
    assert len(recorder.requests) == 1


def test_nobody_listens(up, workdir, pki, binaries):
    tokend = up(lone_tokend(workdir / "t", f"https://127.0.0.1:{free_port()}/token", pki.ca,
                            HELD))
    refused(tokend, "temp", "connect-refused", "the connection was refused")


def test_the_mail_log_says_it_too(make_chain, workdir, pki):
    """Once through the whole chain: Postfix defers, names the cause, and the provider has not seen the secret."""
    chain = make_chain(without=("idp", "tokend", "dovecot"))
    chain.idp.cert = pki.expired()
    for server in (chain.idp, chain.dovecot, chain.tokend):
        server.start()
    chain.postfix.send()
    status, line = chain.outcome()
    assert status == "deferred" and "dsn=4.7.0" in line
    warning = chain.postfix.lines("warning: SASL authentication failure: mta-xoauth2: ")[0]
    assert "its certificate has expired" in warning and "[tls-cert-expired]" in warning and chain.box in warning
    assert chain.idp.counts()["total"] == 0 and chain.postfix.statuses()["bounced"] == 0
