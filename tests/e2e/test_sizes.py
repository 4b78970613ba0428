"""Tokens from a third of a kilobyte, which fit into the AUTH line, to the longest a server takes."""

import re

import pytest

from mxtest.chain import BOX
from mxtest.idp import NpmSmtpServer

# Postfix itself shows (and only in a test may it) what it sends; the response follows AUTH in the same line or not.
DEBUG = "debug_peer_list = 127.0.0.1"


def token_bytes(chain):
    return int(re.search(r" bytes=(\d+)", chain.tokend.wait_log("fetch_ok")).group(1))


@pytest.mark.parametrize("size", [300, 2048, 4096, 6000])
@pytest.mark.parametrize("mech", ["xoauth2", "oauthbearer"])
def test_postfix_to_dovecot(make_chain, mech, size):
    opaque = size == 300  # no signed JWT is as short as that
    chain = make_chain(mechanism=mech, check="introspection" if opaque else "jwt", idp_client={"bytes": size},
                       postfix={"extra": DEBUG})
    chain.deliver(1)
    assert abs(token_bytes(chain) - size) <= 4
    auth, = chain.postfix.lines(rf"> localhost\[127.0.0.1\]:\d+: AUTH {mech.upper()}")
    inline = re.search(rf"AUTH {mech.upper()} (\S+)$", auth)
    assert bool(inline) == opaque, "inline only where RFC 4954's 512 octets allow it"
    assert f"method={mech.upper()}" in chain.dovecot.wait_log("Login: user=<" + BOX)
    chain.postfix.wait_log("status=sent")
    assert chain.postfix.statuses() == {"sent": 1, "deferred": 0, "bounced": 0}


def test_8_kb_by_xoauth2_to_npm_smtp_server(make_chain, up, workdir, pki):
    """This server takes lines of 12 KB, and here one token alone: the very one that the daemon holds."""
    chain = make_chain(without=("dovecot", "sink", "postfix"), idp_client={"bytes": 8192})
    token = chain.tokend.ask("TOKEN", account=BOX).token
    npm = up(NpmSmtpServer(workdir / "npm", pki, users={BOX: token}))
    chain.postfix.relay = ("localhost", npm.port)
    chain.postfix.start()
    chain.postfix.send(subject="big")
    assert "Subject: big" in npm.wait_mails(1)[0]["data"]
    assert 8188 <= len(token) <= 8196 and token_bytes(chain) == len(token)
    assert f"method=XOAUTH2 user={BOX} token_bytes={len(token)} secure=true ok=true" in npm.log()
    assert chain.idp.token_requests() == 1


@pytest.mark.parametrize("room", [1000, 4000])
def test_a_response_too_long_for_the_asker_is_an_error_not_cut(make_chain, room):
    """max= is Exim's way to say how much it can send."""
    chain = make_chain(without=("dovecot", "sink", "postfix"), idp_client={"bytes": 4096}, chroot=False)
    reply = chain.tokend.sasl(BOX, max=room)
    assert not reply.ok and (reply.class_, reply.code) == ("config", "response-too-long") and str(room) in reply.text
    raw = chain.tokend.ask("RAW", mech="XOAUTH2", account=BOX, host="localhost", max=room).raw
    assert raw.startswith(b"ERR config response-too-long")
    assert chain.tokend.sasl(BOX, max=8000).ok and chain.idp.token_requests() == 1
