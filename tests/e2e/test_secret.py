"""A wrong secret: mail waits and says what to do; the provider is not hammered, whatever the queue holds."""

import pytest

from mxtest.chain import BOX
from mxtest.clock import Clock
from mxtest.proc import wait_for

WRONG = "not the secret at all"


@pytest.fixture
def wrong(make_chain, workdir):
    """A chain whose daemon has the wrong secret, and its clock."""
    def make(**arguments):
        chain = make_chain(without=("tokend", "postfix"), **arguments)
        chain.tokend.secrets["chain.secret"] = WRONG
        clock = Clock(workdir)
        clock.apply(chain.tokend).start()
        chain.postfix.start()
        return chain, clock
    return make


def deferred(chain):
    return chain.postfix.statuses()["deferred"]


def test_the_mail_log_has_the_providers_error_and_the_next_step(wrong):
    chain, _ = wrong()
    chain.postfix.send()
    status, line = chain.outcome()
    assert status == "deferred" and "dsn=4.7.0" in line and "authentication failure" in line
    warning, = chain.postfix.lines("warning: SASL authentication failure: mta-xoauth2: ")
    for part in (BOX, "localhost", 'client "chain"', "HTTP 401 invalid_client", "client_secret_file",
                 "[client-rejected]"):
        assert part in warning, (part, warning)
    failed = chain.tokend.wait_log("fetch_failed client=chain")
    for part in ("class=provider", "http=401", 'error="invalid_client"', 'description="client authentication failed"'):
        assert part in failed, (part, failed)
    assert not chain.dovecot.logins() and WRONG not in chain.postfix.log() + chain.tokend.log()


def test_an_entra_error_is_explained(wrong):
    """The provider says what Entra says: number and trace id reach the daemon's log, the remedy the mail log too."""
    trace = "0f8b6f3e-1111-2222-3333-444455556666"
    chain, _ = wrong()
    chain.idp.refuse("chain", error="invalid_client", error_description="AADSTS7000222: The provided client secret keys "
                     f"for app 'x' are expired. Trace ID: {trace} Correlation ID: {trace} Timestamp: 2024-05-06 07:08:09Z")
    chain.postfix.send()
    warning, = chain.postfix.wait_log("warning: SASL authentication failure: mta-xoauth2: ")
    for part in ("AADSTS7000222", "the secret has run out", "create a new client secret in Entra", trace,
                 "[client-secret-expired]"):
        assert part in warning, (part, warning)
    failed = chain.tokend.wait_log("fetch_failed client=chain")
    assert "aadsts=7000222" in failed and f'trace_id="{trace}"' in failed and f'correlation_id="{trace}"' in failed


def test_at_most_three_token_requests_in_ten_minutes_for_200_messages(wrong):
    """All 200 messages ask at once at the beginning; then the queue is tried again and again for ten minutes.

    The daemon's time is moved, Postfix's is not, so every round is a flush. What is held: 60 s, 5 minutes, 15 minutes.
    """
    chain, clock = wrong(postfix={"extra": "smtp_destination_concurrency_failed_cohort_limit = 1000"})
    chain.postfix.send(200)
    wait_for(lambda: f"200 deferrals: {chain.postfix.statuses()}", lambda: deferred(chain) >= 200, 60, 0.1)
    asked = chain.tokend.log().count("refused verb=SASL")
    assert asked >= 200 and chain.idp.token_requests() == 1
    second = None       # when the second request had been made, at the latest
    for until in (25, 80, 200, 310, 420, 500, 595):
        clock.to(until)
        before, began = deferred(chain), clock.now()
        chain.postfix.flush()
        wait_for(lambda: f"more deferrals: {chain.postfix.statuses()}", lambda b=before: deferred(chain) >= b + 200, 60, 0.1)
        requests = chain.idp.token_requests()   # exact, but for a hold that ends in the middle of a slow machine's round
        least = 1 + (began >= 65) + (second is not None and began >= second + 305)
        assert least <= requests <= 1 + (clock.now() >= 60) + (clock.now() >= 360), f"{requests} at {began} to {clock.now()} s"
        second = second or (clock.now() if requests == 2 else None)
    assert 595 <= clock.now() < 1200 and chain.tokend.log().count("refused verb=SASL") >= 8 * 200
    assert chain.idp.counts()["status"] == {"401": 3}
    assert len(chain.postfix.queue()) == 200 and chain.postfix.statuses()["bounced"] == 0


def test_mended_secret_and_reload_deliver(wrong):
    """The administrator puts the right secret into the file and reloads: no hold is waited out."""
    chain, _ = wrong()
    chain.postfix.send(3)
    chain.postfix.wait_log("status=deferred", 3)
    chain.tokend.secrets["chain.secret"] = chain.secret
    chain.tokend.reload("reloaded")
    chain.postfix.retry()
    chain.sink.wait(3)
    chain.postfix.wait_empty()
    assert chain.postfix.statuses()["bounced"] == 0 and chain.idp.counts()["status"] == {"200": 1, "401": 1}


def test_what_the_provider_mends_is_used_when_the_hold_is_over(make_chain, workdir):
    """Nothing changes on this host, so nothing can be noticed: the hold of a minute ends by itself."""
    chain = make_chain(without=("tokend", "postfix"))
    clock = Clock(workdir)
    clock.apply(chain.tokend).start()
    chain.postfix.start()
    chain.idp.refuse("chain", error="invalid_client", error_description="disabled")
    chain.postfix.send(1)
    chain.outcome()
    chain.idp.allow("chain")
    clock.advance(61)
    chain.postfix.flush()
    chain.sink.wait(1)
    assert chain.idp.token_requests() == 2


@pytest.mark.parametrize("how", ["written", "renamed over", "symbolic link exchanged"])
def test_mended_secret_is_noticed(wrong, how):
    """Without reload, flush or waiting: the daemon sees that the file behind the failure is another one."""
    chain, _ = wrong()
    path = chain.tokend.secret_path("chain.secret")
    if how == "symbolic link exchanged":        # as Kubernetes exchanges secrets
        chain.tokend.write_secret("old", WRONG)
        chain.tokend.write_secret("new", chain.secret)
        path.unlink()
        path.symlink_to("old")
    chain.postfix.send(1)
    chain.outcome()
    if how == "written":
        chain.tokend.write_secret("chain.secret", chain.secret)
    elif how == "renamed over":
        chain.tokend.write_secret("new", chain.secret)
        chain.tokend.secret_path("new").rename(path)
    else:
        path.with_name("link").symlink_to("new")
        path.with_name("link").rename(path)
    chain.tokend.wait_log("file_changed client=chain")
    chain.tokend.wait_log("fetch_ok client=chain")
    chain.postfix.flush()
    chain.sink.wait(1)
    assert chain.idp.counts()["status"] == {"200": 1, "401": 1}
