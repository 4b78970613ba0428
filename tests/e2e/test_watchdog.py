"""The watchdog: the loop says that it turns, at half the interval, and a daemon that hangs says nothing."""

import signal
import time

import pytest

from mxtest import wire
from mxtest.alone import BOX, lone_tokend
from mxtest.handover import Keeper
from mxtest.proc import wait_for
from mxtest.recorder import Recorder


@pytest.fixture
def watched(up, workdir, pki, binaries):
    """watched(**environment): (keeper, daemon), the daemon started by it and ready."""
    def make(**environment):
        recorder = up(Recorder(pki.cert()))
        tokend = lone_tokend(workdir / "t", recorder.url, pki.ca)
        keeper = Keeper(workdir, workdir / "sd" / "one.sock")
        up.append(keeper)
        up.append(tokend)
        keeper.start(tokend, **environment)
        wait_for("READY=1", lambda: keeper.said("READY"))
        return keeper, tokend
    return make


def test_it_is_fed_and_a_daemon_that_hangs_does_not_feed_it(watched, workdir):
    keeper, tokend = watched(WATCHDOG_USEC="200000")
    began = time.monotonic()
    wait_for("five reports", lambda: len(keeper.said("WATCHDOG")) >= 5)
    assert time.monotonic() - began > 0.35, "five at half the interval take half a second"
    assert set(keeper.said("WATCHDOG")) == {"1"}
    assert wire.sasl(workdir / "sd" / "one.sock", BOX).ok
    tokend.proc.send_signal(signal.SIGSTOP)
    time.sleep(0.2)  # what was on its way is here
    before = len(keeper.said("WATCHDOG"))
    time.sleep(0.6)
    assert len(keeper.said("WATCHDOG")) == before
    tokend.proc.send_signal(signal.SIGCONT)
    wait_for("it to go on", lambda: len(keeper.said("WATCHDOG")) > before)
    assert tokend.stop() == 0 and keeper.said("STOPPING") == ["1"]


@pytest.mark.parametrize("environment", [
    {}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "often"},
    {"WATCHDOG_USEC": "-200000"}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "x"},
    {"WATCHDOG_USEC": "99999999999999999999"}])
def test_nobody_watches_or_another_process_is_meant(watched, workdir, environment):
    keeper, _ = watched(**environment)
    time.sleep(0.3)
    assert not keeper.said("WATCHDOG") and wire.sasl(workdir / "sd" / "one.sock", BOX).ok
