"""No token without TLS: under Postfix's defaults the mechanisms do not exist where a password must not go."""

import pytest

from mxtest.wiretap import Wiretap

STRIPPED, BARE, ENCRYPTED = "stripped", "no STARTTLS", "TLS"


@pytest.fixture
def tapped(make_chain, up):
    """A chain with a tap on the wire; Postfix encrypts if it can ("may"), as its documentation recommends."""
    def make(wire, mechanisms="xoauth2, oauthbearer", sasl_tls_options=None):
        chain = make_chain(without=("postfix",), tls=wire != BARE, mechanism=mechanisms,
                           postfix={"tls_level": "may", "sasl_tls_options": sasl_tls_options})
        tap = up(Wiretap(chain.dovecot.port, strip_starttls=wire == STRIPPED))
        chain.postfix.relay = ("localhost", tap.port)
        chain.postfix.start()
        chain.postfix.send()
        return chain, tap
    return make


@pytest.mark.parametrize("mech", ["xoauth2", "oauthbearer"])
@pytest.mark.parametrize("options", [None, "noanonymous"], ids=["Postfix's defaults", "recommended"])
@pytest.mark.parametrize("wire", [BARE, STRIPPED])
def test_no_token_leaves_without_tls(tapped, wire, options, mech):
    chain, tap = tapped(wire, mech, options)
    status, line = chain.outcome()
    assert status == "deferred" and "no mechanism available" in line
    offer = tap.received.upper()
    assert mech.upper().encode() in offer or wire == STRIPPED, "the server does offer the mechanism"
    assert b"STARTTLS" not in offer
    assert b"EHLO" in tap.sent and b"AUTH" not in tap.sent.upper() and b"MAIL FROM" not in tap.sent.upper()
    assert "SASL" not in chain.tokend.log(), "the daemon was not even asked"
    assert chain.idp.token_requests() == 0 and not chain.dovecot.logins()
    assert chain.postfix.statuses()["bounced"] == 0 and len(chain.postfix.queue()) == 1


def test_postfix_defaults_admit_no_token_under_tls_either(tapped):
    """smtp_sasl_tls_security_options decides; its default is that of the bare wire."""
    chain, tap = tapped(ENCRYPTED)
    status, line = chain.outcome()
    assert status == "deferred" and "no mechanism available" in line
    assert b"STARTTLS" in tap.sent and chain.idp.token_requests() == 0 and not chain.dovecot.logins()


def test_under_tls_the_recommended_setting_admits_it(tapped):
    chain, tap = tapped(ENCRYPTED, sasl_tls_options="noanonymous")
    chain.sink.wait(1)
    assert b"STARTTLS" in tap.sent and b"AUTH" not in tap.sent and b"auth=Bearer" not in tap.sent
    assert chain.idp.token_requests() == 1
