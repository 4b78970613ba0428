"""Calls of a program to the system that are short, interrupted, or fail (faults/mxfault.c)."""

import mmap
import struct
from pathlib import Path

from .proc import run

_SOURCE = Path(__file__).resolve().parents[1] / "faults" / "mxfault.c"
_KINDS = {"short": 1, "eintr": 2, "emfile": 4, "enospc": 8}


class Faults:
    """apply(tokend) before its start; arm() and calm() at any time. Nothing happens until it is armed."""

    def __init__(self, folder):
        self._file, self._library = folder / "faults", folder / "mxfault.so"
        self._file.write_bytes(bytes(24))
        self._file.chmod(0o666)
        run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", self._library, _SOURCE, "-ldl"])
        with open(self._file, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), 24)

    def apply(self, tokend):
        # a sanitizer's library would have to be the first one; that it is not does no harm here
        tokend.environment |= {"LD_PRELOAD": str(self._library), "MXFAULT_FILE": str(self._file),
                               "ASAN_OPTIONS": "verify_asan_link_order=0"}
        return self

    def arm(self, *kinds, at=0, per_mille=0, seed=0):
        """at: the n-th call, once; else so many of a thousand, the same ones for a seed."""
        self.calm()
        mask = sum(_KINDS[k] for k in kinds)
        self._map[4:24] = struct.pack("5I", at, per_mille, seed & 0xffffffff, 0, 0)
        self._map[0:4] = struct.pack("I", mask)

    def calm(self):
        """Returns how many calls were hit since it was armed."""
        self._map[0:4] = bytes(4)
        return struct.unpack("I", self._map[20:24])[0]
