"""The mail server refuses a token: its own words reach the mail log, the daemon drops that token, the next attempt delivers."""

import re

import pytest

from mxtest.chain import BOX
from mxtest.clock import Clock

NO_CACHE = {"extra": "smtp_connection_cache_on_demand = no"}


@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
@pytest.mark.parametrize("mech", ["xoauth2", "oauthbearer"])
def test_a_revoked_token(make_chain, mech, chroot):
    chain = make_chain(mechanism=mech, chroot=chroot, check="introspection", postfix=NO_CACHE)
    chain.deliver(1)
    old = re.search(r"token=(\S+)", chain.tokend.wait_log("fetch_ok")).group(1)
    assert chain.idp.revoke_all() == 1
    chain.postfix.send(subject="after the revocation")
    line, = chain.postfix.wait_log("status=deferred")
    assert re.search(r"dsn=4\.7\.\d+,", line) and "said: 535 5.7.8 Authentication failed" in line
    warning, = chain.postfix.lines("warning: SASL authentication failure: mta-xoauth2: ")
    for part in (BOX, "localhost", "the mail server refused the access token", "the daemon was told", "[token-rejected]"):
        assert part in warning, (part, warning)
    rejected = chain.tokend.wait_log("token_rejected client=chain")
    assert f"token={old} dropped=yes" in rejected
    assert ("invalid_token" if mech == "oauthbearer" else "401") in rejected.partition("challenge=")[2]
    chain.postfix.flush()
    assert chain.sink.wait(2)[1].subject == "after the revocation"
    chain.postfix.wait_empty()
    assert chain.postfix.statuses() == {"sent": 2, "deferred": 1, "bounced": 0}
    assert chain.idp.token_requests() == 2 and chain.tokend.sasl(BOX, mech.upper()).token_id != old


def test_at_most_one_new_token_a_minute(make_chain, workdir):
    """A server that refuses every token must not turn into a storm of token requests."""
    chain = make_chain(without=("tokend", "postfix"), check="introspection", postfix=NO_CACHE)
    clock = Clock(workdir)
    clock.apply(chain.tokend).start()
    chain.postfix.start()
    for n in range(1, 4):
        chain.tokend.sasl(BOX)
        chain.idp.revoke_all()
        chain.postfix.send() if n == 1 else chain.postfix.flush()
        chain.postfix.wait_log("said: 535", n)
    drops = [re.search("dropped=(yes|no)", ln).group(1) for ln in chain.tokend.log().splitlines() if "token_rejected" in ln]
    assert drops == ["yes", "no", "no"] and chain.idp.token_requests() == 2
    clock.advance(61)
    chain.postfix.flush()
    chain.postfix.wait_log("said: 535", 4)
    chain.postfix.flush()
    chain.sink.wait(1)
    assert chain.idp.token_requests() == 3 and chain.postfix.statuses()["bounced"] == 0


def test_a_report_about_another_token_changes_nothing(make_chain):
    chain = make_chain(without=("dovecot", "sink", "postfix"), chroot=False)
    token = chain.tokend.sasl(BOX).token_id
    assert chain.tokend.ask("REJECTED", account=BOX, host="localhost", token_id="0123456789abcdef").ok
    assert "dropped=no" in chain.tokend.wait_log("token_rejected")
    assert chain.tokend.sasl(BOX).token_id == token and chain.idp.token_requests() == 1


def test_what_a_server_says_cannot_forge_log_lines(make_chain):
    chain = make_chain(without=("dovecot", "sink", "postfix"), chroot=False)
    chain.tokend.sasl(BOX)
    evil = "eCIKc3RvcHBlZCBzdGF0dXM9MAo="  # x", a line end, "stopped status=0", a line end
    assert chain.tokend.ask("REJECTED", account=BOX, host="localhost", challenge=evil).ok
    line = chain.tokend.wait_log("token_rejected")
    assert "stopped status=0" in line and not any(ln.startswith("stopped") for ln in chain.tokend.log().splitlines())
