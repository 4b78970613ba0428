"""Where the token goes to: https alone, the system's CAs by default, and what the mail log says. The rest: test_faults.py."""

import time

import pytest

from mxtest.alone import BOX, SECRET, lone_tokend
from mxtest.recorder import Answer, Recorder

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


def test_the_systems_cas_are_the_default(up, workdir, pki, binaries):
    recorder = up(Recorder(pki.cert()))
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, HELD)
    del tokend.clients["c"]["ca_file"]
    refused(up(tokend), "temp", "tls-untrusted-ca", "ca_file")
    assert not recorder.requests


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_takes_the_secret_nowhere(up, workdir, pki, binaries, status):
    """The two kinds that would repeat the request with its body."""
    target, recorder = up(Recorder(pki.cert())), up(Recorder(pki.cert()))
    recorder.script(Answer(b"", status, {"Location": target.url}))
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca))
    refused(tokend, "config", "redirect-refused", f"points to 127.0.0.1:{target.port}")
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
