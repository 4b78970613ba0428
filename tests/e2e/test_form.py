"""Secrets of any bytes arrive at the token endpoint as they are: form-encoded to the letter, both ways to send them.

Microsoft's secrets are a line of text, so control characters are refused there; any other provider gets what the file holds.
"""

import base64
import urllib.parse

import pytest

from mxtest.alone import BOX, lone_tokend, oauth_client
from mxtest.idp import Idp
from mxtest.recorder import Recorder
from mxtest.tokend import Tokend

VSCHAR = "".join(map(chr, range(0x20, 0x7f)))
ALL = bytes(range(256))


def form(data):
    """Form encoding, written down once more from its rules (WHATWG URL: application/x-www-form-urlencoded)."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._"
    return "".join(chr(b) if b in plain else "+" if b == 0x20 else f"%{b:02X}" for b in data)


def body_of(secret):
    return f"grant_type=client_credentials&client_id=chain&client_secret={form(secret)}&scope=mail".encode()


def secret_of(body):
    """As a server decodes it."""
    fields = urllib.parse.parse_qsl(body.decode("ascii"), encoding="latin1", strict_parsing=True)
    value, = (v for k, v in fields if k == "client_secret")
    return value.encode("latin1")


def test_every_byte_value_by_post(up, workdir, pki, binaries):
    """One client per value, the value in the middle of its secret, and one client with all of them."""
    recorder = up(Recorder(pki.cert()))
    secrets = {f"s{b}": b"begin" + bytes([b]) + b"the end of it" for b in range(256)} | {"all": ALL}
    tokend = Tokend(workdir / "t", {n: oauth_client(recorder.url, pki.ca, f"{n}.secret") for n in secrets},
                    {f"{n}@example.test": {"client": n} for n in secrets}, {f"{n}.secret": s for n, s in secrets.items()})
    up(tokend)
    for name in secrets:
        assert tokend.sasl(f"{name}@example.test").ok, name
    got = {r.body for r in recorder.requests}
    assert got == {body_of(s) for s in secrets.values()}
    assert {secret_of(body) for body in got} == set(secrets.values())
    head = recorder.requests[0].headers
    assert head["content-type"] == "application/x-www-form-urlencoded" and head["accept"] == "application/json"
    assert "authorization" not in head and int(head["content-length"]) == len(recorder.requests[0].body)


def test_every_byte_value_by_basic(up, workdir, pki, binaries):
    """RFC 6749 section 2.3.1: id and secret are form-encoded first. Neither appears in the body."""
    recorder = up(Recorder(pki.cert()))
    up(lone_tokend(workdir / "t", recorder.url, pki.ca, {"auth": "client_secret_basic", "client_id": VSCHAR[1:]},
                   secret=ALL)).sasl(BOX)
    request, = recorder.requests
    scheme, _, pair = request.headers["authorization"].partition(" ")
    assert scheme == "Basic" and base64.b64decode(pair).decode() == f"{form(VSCHAR[1:].encode())}:{form(ALL)}"
    assert request.body == b"grant_type=client_credentials&scope=mail"


@pytest.mark.parametrize("auth", ["client_secret_post", "client_secret_basic"])
def test_the_full_range_of_rfc_6749_at_a_real_provider(up, workdir, pki, binaries, auth):
    """VSCHAR is all a secret may hold by RFC 6749 appendix A.2; oidc-provider compares it after its own decoding."""
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "id:" + VSCHAR[1:], "client_secret": VSCHAR, "auth": auth, "sub": BOX}]))
    tokend = up(lone_tokend(workdir / "t", idp.token_endpoint, pki.ca, {"auth": auth, "client_id": "id:" + VSCHAR[1:]},
                            secret=VSCHAR))
    reply = tokend.sasl(BOX)
    assert reply.ok, (reply, tokend.log())
    assert idp.requests()[0]["auth"] == ("basic" if auth == "client_secret_basic" else "body")
    assert idp.counts()["status"] == {"200": 1}


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_one_line_end_is_stripped(up, workdir, pki, binaries, ending):
    recorder = up(Recorder(pki.cert()))
    up(lone_tokend(workdir / "t", recorder.url, pki.ca, secret=b"trailing blank stays " + ending)).sasl(BOX)
    assert recorder.requests[0].body == body_of(b"trailing blank stays ")


@pytest.mark.parametrize("byte, said", [(0, "a NUL byte (is it UTF-16?)"), (0x0a, "more than one line"), (0x0d, "a carriage return"),
                                        (0x01, "a control character"), (0x7f, "a control character")])
def test_control_characters(up, workdir, pki, binaries, byte, said):
    """Sent, with a warning, by a provider that may have such secrets; refused where they cannot be right."""
    recorder = up(Recorder(pki.cert()))
    secret = b"begin" + bytes([byte]) + b"the end of it"
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, secret=secret)
    checked = tokend.check()
    assert checked.returncode == 0 and said in checked.stderr and "the end of it" not in checked.stderr
    assert up(tokend).sasl(BOX).ok and recorder.requests[0].body == body_of(secret)
    entra = lone_tokend(workdir / "entra", recorder.url, pki.ca, secret=secret)
    entra.clients["c"] = {"provider": "exchange-online", "tenant": "contoso.example", "client_id": "id",
                          "client_secret_file": "secret:c.secret"}
    checked = entra.check()
    assert checked.returncode == 3 and f"the secret file holds {said}" in checked.stderr
    assert "the end of it" not in checked.stderr


@pytest.mark.parametrize("spoil, code, said", [
    (lambda path: path.write_bytes(b"\n"), "secret-empty", "is empty"),
    (lambda path: path.unlink(), "secret-missing", "does not exist"),
    (lambda path: path.chmod(0o644), "secret-world-readable", "open to every user of this host"),
    (lambda path: path.chmod(0o600), "secret-unreadable", "user mta-xoauth2 may not read"),
], ids=["emptied", "removed", "opened to all", "closed to the daemon"])
def test_a_secret_file_spoilt_while_the_daemon_runs(up, workdir, pki, binaries, spoil, code, said):
    recorder = up(Recorder(pki.cert()))
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca))
    spoil(tokend.secret_path("c.secret"))
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("config", code) and said in reply.text
    assert not recorder.requests and recorder.connections == 0
