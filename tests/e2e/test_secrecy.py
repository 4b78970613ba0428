"""After a run with everything logged: no secret and no token in a log, on a command line or in an environment."""

import base64
import os
import re
import urllib.parse
from pathlib import Path

import pytest

from mxtest import smtpauth
from mxtest.chain import BOX, SECRET
from mxtest.proc import descendants

WRONG = "another secret, and a wrong one: &=+%"


def forms(secret):
    """The ways a secret may be written: plain, form-encoded (both alphabets), in JSON, in base64 at each of three offsets."""
    raw = secret.encode()
    found = {secret, urllib.parse.quote_plus(secret), urllib.parse.quote(secret), raw.hex()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).decode()
        found.add(text[4 if shift else 0:-4].rstrip("="))  # without what depends on the neighbours
    return found


def tokens_of(chain, mech):
    """A token and what is sent with it; also each part of a JWT, which is as good as the whole to somebody who reads logs."""
    token = chain.tokend.ask("TOKEN", account=BOX).token
    response = base64.b64encode(smtpauth.initial_response(mech.upper(), BOX, token)).decode()
    parts = [p for p in token.split(".")[1:] if len(p) > 40]
    return forms(token) | {response, response[64:-64], *parts}


def traces(chain):
    """{where: what is to be read there}: logs of daemon and mail server, and /proc of all processes of both."""
    found = {"daemon's log": chain.tokend.log(), "mail log": chain.postfix.log()}
    for name, top in (("daemon", chain.tokend.proc.pid), ("postfix", chain.postfix.proc.pid)):
        for pid in [top, *descendants(top)]:
            for file in ("cmdline", "environ"):
                try:
                    found[f"{file} of {name} {pid}"] = Path(f"/proc/{pid}/{file}").read_bytes().decode("latin1")
                except OSError:
                    pass
    return found


def clean(chain, secrets):
    places = traces(chain)
    assert len(places) > 8 and all(places[k] for k in ("daemon's log", "mail log"))
    for where, text in places.items():
        for secret in secrets:
            assert secret not in text, f"{secret[:12]}... in {where}"


@pytest.mark.parametrize("auth", ["client_secret_post", "client_secret_basic"])
@pytest.mark.parametrize("mech", ["xoauth2", "oauthbearer"])
def test_nothing_shows_after_deliveries_and_a_rejection(make_chain, mech, auth):
    chain = make_chain(mechanism=mech, auth=auth, check="introspection", top={"log_level": "debug"},
                       idp_client={"bytes": 500}, postfix={"extra": "smtp_connection_cache_on_demand = no"})
    secrets = forms(SECRET)
    chain.deliver(2)
    secrets |= tokens_of(chain, mech)
    chain.idp.revoke_all()
    chain.postfix.send()
    chain.postfix.wait_log("said: 535")
    chain.postfix.flush()
    chain.sink.wait(3)
    secrets |= tokens_of(chain, mech)
    assert chain.tokend.ask("STATUS").ok and chain.tokend.ask("METRICS").ok
    for reply in (chain.tokend.ask("STATUS"), chain.tokend.ask("METRICS")):
        assert not any(s in reply.body for s in secrets)
    clean(chain, secrets)
    for word in ("fetch_ok", "token_rejected", "refresh_planned", "answer verb=SASL"):
        assert word in chain.tokend.log(), "the log is not that of a run that says all"


@pytest.mark.parametrize("fault", ["wrong secret", "provider repeats it", "reload", "crash of the provider"])
def test_nothing_shows_after_failures(make_chain, fault):
    """Errors are where secrets slip out, most of all when the provider repeats what it was sent."""
    chain = make_chain(without=("tokend", "postfix"), top={"log_level": "debug"})
    chain.tokend.secrets["chain.secret"] = WRONG
    chain.tokend.start()
    chain.postfix.start()
    if fault == "provider repeats it":
        chain.idp.refuse("chain", error="invalid_client", error_description=f"the secret {WRONG} is wrong",
                         headers={"X-Echo": urllib.parse.quote_plus(WRONG)})
    elif fault == "crash of the provider":
        chain.idp.set(refuse={"status": 500, "body": f"<pre>client_secret={urllib.parse.quote_plus(WRONG)} {WRONG}</pre>"})
    chain.postfix.send()
    status, _ = chain.outcome()
    assert status == "deferred"
    if fault == "reload":
        chain.tokend.secret_path("chain.secret").chmod(0o644)
        chain.tokend.hup()
        chain.tokend.wait_log("reload_failed")
    chain.tokend.wait_log("fetch_failed")
    clean(chain, forms(WRONG))


def test_the_daemon_cannot_be_traced_or_dumped(make_chain):
    """Its memory holds the token; its files under /proc are root's alone, and a core is never written."""
    chain = make_chain(without=("idp", "dovecot", "sink", "postfix"), chroot=False)
    pid = chain.tokend.proc.pid
    if any("asan" in line for line in open(f"/proc/{pid}/maps")):
        pytest.skip("a sanitizer's build has to be traceable")
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0, "dumpable: its own user could read it"
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
