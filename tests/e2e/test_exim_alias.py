"""A server whose name is an alias, as smtp.office365.com is: Exim goes by the canonical name, the daemon by the one that is meant."""

import pwd

import pytest

from mxtest.alone import BOX
from mxtest.exim import USER
from mxtest.relay import REFUSED, TAKEN, Relay

NAME = "alias.example.test"


@pytest.mark.parametrize("answer", [TAKEN, REFUSED], ids=["taken", "refused"])
@pytest.mark.parametrize("variant", ["split", "unsplit", "plain"])
def test_the_relay_is_the_one_that_is_meant(exim_way, pki, variant, answer):
    way = exim_way(variant=variant, relay=Relay(pki.cert("alias", (NAME,)), answer=answer), name=NAME,
                   hosts=f"127.0.0.1 canonical.example.test {NAME}\n", accounts={BOX: {"relays": [NAME]}})
    uid = pwd.getpwnam(USER).pw_uid
    way.exim.send(BOX)
    assert way.exim.lines("H=canonical.example.test"), way.exim.log()
    if answer == TAKEN:
        way.arrived(1)
    else:
        assert f'verb=REJECTED uid={uid} account="{BOX}" relay="{NAME}"' in way.tokend.log()
    assert f'verb=RAW uid={uid} account="{BOX}" relay="{NAME}"' in way.tokend.log()
