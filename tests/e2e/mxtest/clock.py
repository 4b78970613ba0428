"""Moves the daemon's clocks (clock/mxclock.c)."""

import math
import mmap
import re
import struct
import time
from pathlib import Path

from . import wire
from .proc import run, wait_for

_SOURCE = Path(__file__).resolve().parents[1] / "clock" / "mxclock.c"


class Clock:
    """apply(tokend) before its start; advance(seconds) and to(seconds) move the time of all daemons it was applied to."""

    def __init__(self, folder):
        self._ahead, self._began = 0, time.monotonic()
        self._file, self._library = folder / "clock", folder / "mxclock.so"
        self._tokends = []
        self._file.write_bytes(struct.pack("q", 0))
        self._file.chmod(0o644)
        run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", self._library, _SOURCE, "-ldl"])
        with open(self._file, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), 8)

    def environment(self):
        # a sanitizer's library would have to be the first one; that it is not does no harm here
        return {"LD_PRELOAD": str(self._library), "MXCLOCK_FILE": str(self._file), "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def apply(self, tokend):
        tokend.environment |= self.environment()
        self._tokends.append(tokend)
        return tokend

    def advance(self, seconds):
        running = [t for t in self._tokends if t.proc]
        for tokend in running:
            self._settle(tokend)
        self._ahead += seconds
        self._write()
        for tokend in running:
            wire.ping(tokend.socket)

    def set(self, boot):
        """Makes their CLOCK_BOOTTIME so many seconds, as exactly as can be. What is under way there is the caller's affair,
        and that they look at the clock."""
        self._ahead = boot - time.clock_gettime(time.CLOCK_BOOTTIME)
        self._write()

    def boot(self):
        """Their CLOCK_BOOTTIME."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self._ahead

    def _write(self):
        self._map[:] = struct.pack("q", round(self._ahead * 1e9))

    @staticmethod
    def _settle(tokend):
        """Waits until no request is under way, whose timeout the jump would be, and the daemon sleeps in its loop."""
        wait_for("the daemon's requests to end", lambda: not re.search(r"\tstate=(first|refresh)\t", tokend.ask("STATUS").body))
        stat = Path(f"/proc/{tokend.proc.pid}/stat")
        wait_for("the daemon to sleep", lambda: stat.read_text().rpartition(") ")[2].startswith("S"))

    def now(self):
        """Seconds of the daemon's time since this clock was made: what passed, and what was added."""
        return time.monotonic() - self._began + self._ahead

    def to(self, seconds):
        """Moves on to that time; a test that is late already stays where it is."""
        self.advance(max(0, math.ceil(seconds - self.now())))
