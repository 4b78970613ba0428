"""The refresh_token grant of clients whose key is in a TPM: renewals are processes, and a device has what no process inherits."""

import pytest

from mxtest import tpm
from mxtest.recorder import Recorder, token
from mxtest.refresh import BOX, FIRST, Store, again, daemon

pytestmark = pytest.mark.skipif(tpm.lacks() is not None, reason=str(tpm.lacks()))


@pytest.fixture
def chip(up, workdir):
    return up(tpm.Tpm(workdir / "tpm"))


@pytest.fixture
def store(workdir):
    return Store(workdir / "state")


@pytest.fixture
def recorder(up, pki):
    return up(Recorder(pki.cert())).script(token("access-0", refresh_token="second"))


def by_chip(key, **more):
    return {"client_auth": None, "key": key, "assertion_algorithm": "PS256", **more}


def test_each_renewal_signs(up, workdir, pki, recorder, store, chip, binaries):
    store.put(FIRST)
    tokend = up(chip.apply(daemon(workdir, recorder.url, pki, store, client=by_chip(tpm.KEY))))
    assert tokend.sasl(BOX).ok and again(tokend).ok, tokend.log()
    assert [b"client_assertion=" in r.body for r in recorder.requests] == [True, True] and store.get() == "second"


def test_a_pin_that_was_refused_is_sent_no_more(up, workdir, pki, recorder, store, chip, binaries):
    """The daemon starts with the right one: what the renewals hear of a wrong one must outlive them."""
    store.put(FIRST)
    tokend = daemon(workdir, recorder.url, pki, store, client=by_chip(tpm.PIN_KEY, key_passphrase_file="secret:pin"))
    tokend.secrets["pin"] = tpm.PIN
    up(chip.apply(tokend))
    assert tokend.sasl(BOX).ok, tokend.log()
    tokend.write_secret("pin", "4712")
    assert again(tokend).code == "key-pin-refused"
    before = chip.refusals()
    for _ in range(2):
        assert again(tokend).code == "key-pin-refused"
    assert before > 0 and chip.refusals() == before
    tokend.write_secret("pin", tpm.PIN + "\n")
    assert again(tokend).ok
