"""Token requests through proxies that want a user name and a password, and past them."""

import base64
import os
import stat

import pytest

from mxtest.alone import BOX, SECRET, lone_tokend
from mxtest.names import Names
from mxtest.pki import Pki
from mxtest.proc import wait_for
from mxtest.proxies import PASSWORD, USER, Microsocks, StandIn, Tinyproxy
from mxtest.recorder import Recorder, token

PAIR = f"{USER}:{PASSWORD}\n"
REAL = {"tinyproxy": Tinyproxy, "microsocks": Microsocks}


@pytest.fixture
def endpoint(up, pki):
    return up(Recorder(pki.cert())).script(token(end="keep"))


def behind(workdir, pki, endpoint, proxy, pair=PAIR, client=None, **more):
    """A daemon that asks the endpoint through the proxy. pair None: no proxy_credentials_file."""
    keys = {"proxy": proxy.url, **({"proxy_credentials_file": "secret:proxy"} if pair is not None else {}), **(client or {})}
    tokend = lone_tokend(workdir / "t", endpoint.url, pki.ca, keys, **more)
    if pair is not None:
        tokend.secrets["proxy"] = pair
    return tokend


def secret_in(text):
    return any(s in text for s in (PASSWORD, base64.b64encode(PAIR.strip().encode()).decode(), SECRET))


@pytest.mark.parametrize("which", REAL)
def test_a_token_through_a_real_proxy(up, workdir, pki, binaries, endpoint, which):
    proxy = up(REAL[which](workdir / "proxy"))
    tokend = behind(workdir, pki, endpoint, proxy)
    assert tokend.check().returncode == 0, tokend.check().stderr
    assert up(tokend).sasl(BOX).ok, tokend.log()
    assert len(endpoint.requests) == 1
    wait_for("the proxy's log", lambda: proxy.tunnels())
    assert all(f":{endpoint.port}" in str(t) for t in proxy.tunnels())
    assert not secret_in(tokend.log()) and SECRET not in proxy.log() and "proxy-authorization" not in endpoint.requests[0].headers
    command = open(f"/proc/{tokend.proc.pid}/cmdline").read() + open(f"/proc/{tokend.proc.pid}/environ").read()
    assert not secret_in(command)
    assert all(method == "CONNECT" for method, _ in proxy.tunnels()) if which == "tinyproxy" else True


@pytest.mark.parametrize("which", REAL)
def test_a_wrong_password_is_told_and_mended_without_a_reload(up, workdir, pki, binaries, endpoint, which):
    proxy = up(REAL[which](workdir / "proxy"))
    tokend = up(behind(workdir, pki, endpoint, proxy, f"{USER}:something-else"))
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("config", "proxy-auth"), (reply, tokend.log())
    assert "refuses the user name or the password" in reply.text and str(tokend.secret_path("proxy")) in reply.text
    tokend.write_secret("proxy", PAIR)
    tokend.wait_log("file_changed client=c ")
    wait_for("a token", lambda: tokend.sasl(BOX).ok)
    assert not secret_in(tokend.log()) and "something-else" not in tokend.log()


@pytest.mark.parametrize("which", REAL)
def test_without_credentials_the_key_is_named(up, workdir, pki, binaries, endpoint, which):
    proxy = up(REAL[which](workdir / "proxy"))
    tokend = up(behind(workdir, pki, endpoint, proxy, None))
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("config", "proxy-auth"), (reply, tokend.log())
    assert "USER:PASSWORD" in reply.text and "proxy_credentials_file" in reply.text and not endpoint.requests


@pytest.mark.parametrize("auth", ["Basic", "MD5", "SHA-256"])
def test_the_proxy_sees_connect_alone(up, workdir, pki, binaries, endpoint, auth):
    """Whatever it asks for: to the proxy goes what it needs, and through it bytes of TLS."""
    proxy = up(StandIn(auth))
    tokend = up(behind(workdir, pki, endpoint, proxy))
    assert tokend.sasl(BOX).ok, (tokend.log(), proxy.heads)
    assert proxy.tunnels == [f"127.0.0.1:{endpoint.port}"] and {h.split(" ")[0] for h in proxy.heads} == {"CONNECT"}
    for head in proxy.heads:
        assert SECRET not in head and "client-request-id" not in head.lower() and "\r\nAuthorization:" not in head
        assert auth == "Basic" or PASSWORD not in head
    assert SECRET.encode() not in proxy.passed and PASSWORD.encode() not in proxy.passed and len(proxy.passed) > 500
    assert not secret_in(tokend.log())
    # the tunnel is kept: the next token asks for no other one
    assert tokend.ask("FLUSH", account=BOX).ok and tokend.sasl(BOX).ok
    assert len(proxy.tunnels) == 1 and len(endpoint.requests) == 2


def test_a_proxy_of_https_with_a_ca_of_ones_own(up, workdir, pki, binaries, endpoint):
    proxy = up(StandIn("Basic", pki.cert()))
    tokend = up(behind(workdir, pki, endpoint, proxy))
    assert tokend.sasl(BOX).ok, tokend.log()
    assert proxy.tunnels


def test_a_proxy_of_https_whose_ca_is_not_known(up, workdir, pki, binaries, endpoint):
    proxy = up(StandIn("Basic", Pki(workdir / "other", "another CA").cert()))
    tokend = up(behind(workdir, pki, endpoint, proxy))
    reply = tokend.sasl(BOX)
    assert reply.code == "tls-untrusted-ca" and "the https proxy on the way to" in reply.text, reply
    assert not proxy.heads and not endpoint.requests


@pytest.mark.parametrize("pair, code", [
    ("no colon here\n", "proxy-credentials-malformed"), (":password\n", "proxy-credentials-malformed"), ("", "secret-empty"),
    ("a:b\nc:d\n", "secret-malformed"), ("a:b\r\r\n", "secret-malformed")], ids=["no colon", "no user", "empty", "two lines", "CR"])
def test_the_file_is_judged_when_it_is_read(up, workdir, pki, binaries, endpoint, pair, code):
    """At the check and again at each request; no other credential is tried for it."""
    proxy = up(StandIn("Basic"))
    client = {"client_secret_file": None, "credentials": [{"client_secret_file": "secret:c.secret"}, {"client_secret_file": "secret:d"}]}
    tokend = behind(workdir, pki, endpoint, proxy, client=client)
    tokend.secrets["d"] = "another secret"
    up(tokend)
    tokend.secrets["proxy"] = pair
    check = tokend.check()
    line = next(n for n, ln in enumerate(tokend.config.read_text().splitlines(), 1) if "proxy_credentials_file" in ln)
    assert check.returncode == 3 and f":{line}:29: error: the proxy credentials file " in check.stderr, check.stderr
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("config", code) and "proxy credentials file" in reply.text, reply
    assert "credential_failed" not in tokend.log() and not proxy.heads


def test_a_file_that_everybody_may_read_is_refused(up, workdir, pki, binaries, endpoint):
    proxy = up(StandIn("Basic"))
    tokend = up(behind(workdir, pki, endpoint, proxy))
    path = tokend.secret_path("proxy")
    path.chmod(stat.S_IMODE(os.stat(path).st_mode) | 4)
    reply = tokend.sasl(BOX)
    assert reply.code == "secret-world-readable" and f"chmod o-r {path}" in reply.text


PAST = {"name": "provider.test", "domain": ".test", "domain without a dot": "test", "all": "*", "among others": ["x.example", "provider.test"],
        "upper case": "PROVIDER.test"}
THROUGH = {"end of a name": "rovider.test", "below": "a.provider.test", "another": "example.test", "address of the name": "127.0.0.1"}


@pytest.mark.parametrize("way, no_proxy", [("past", v) for v in PAST.values()] + [("through", v) for v in THROUGH.values()],
                         ids=[*PAST, *THROUGH])
def test_no_proxy_for_names(up, workdir, pki, binaries, way, no_proxy):
    names = Names(workdir / "names", provider="127.0.0.1")
    if why := names.refused():
        pytest.skip(f"no mount namespace here: {why}")
    endpoint = up(Recorder(pki.cert("moving", ("provider.test",))))
    proxy = StandIn("Basic")
    proxy.heads = heads = []
    up(proxy)
    tokend = lone_tokend(workdir / "t", f"https://provider.test:{endpoint.port}/token", pki.ca,
                         {"proxy": proxy.url, "no_proxy": no_proxy, "proxy_credentials_file": "secret:proxy"})
    tokend.secrets["proxy"] = PAIR
    up(names.apply(tokend))
    reply = tokend.sasl(BOX)
    if way == "past":
        assert reply.ok and not heads, reply
    else:   # the stand-in does not know the name
        assert heads and heads[-1].startswith(f"CONNECT provider.test:{endpoint.port} ") and not endpoint.requests


@pytest.mark.parametrize("way, no_proxy", [("past", "127.0.0.1"), ("past", "127.0.0.0/8"), ("past", ["10.0.0.0/8", "127.0.0.1/32"]),
                                           ("through", "127.0.0.2"), ("through", "10.0.0.0/8"), ("through", "0.1")])
def test_no_proxy_for_addresses(up, workdir, pki, binaries, endpoint, way, no_proxy):
    proxy = up(StandIn("Basic"))
    tokend = up(behind(workdir, pki, endpoint, proxy, client={"no_proxy": no_proxy}))
    assert tokend.sasl(BOX).ok and bool(proxy.tunnels) == (way == "through")


def test_what_is_reached_without_the_proxy_is_not_blamed_on_it(up, workdir, pki, binaries):
    """And the proxy's file is not even read."""
    proxy = up(StandIn("Basic"))
    tokend = lone_tokend(workdir / "t", "https://127.0.0.1:1/token", pki.ca,
                         {"proxy": proxy.url, "no_proxy": "127.0.0.1", "proxy_credentials_file": "secret:proxy"})
    tokend.secrets["proxy"] = PAIR
    up(tokend)
    tokend.secret_path("proxy").unlink()
    assert tokend.sasl(BOX, deadline_ms=1500).code == "connect-refused"
