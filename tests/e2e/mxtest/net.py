"""Free ports of the loopback, and private folders."""

import fcntl
import os
import random
import shutil
import socket
import tempfile
from pathlib import Path

from .paths import CACHE

_given = set()
_random = random.SystemRandom()
_claims = None


def _claimed(port):
    """Whether no other run has it: a lock on the port's byte of a file, held to the end of this one."""
    global _claims
    try:
        if _claims is None:
            CACHE.mkdir(parents=True, exist_ok=True)
            _claims = open(CACHE / "ports.lock", "a")
        fcntl.lockf(_claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    except PermissionError:
        pass    # not root: then nothing of this runs beside others
    return True


def free_port():
    """A TCP port of 127.0.0.1 that nobody uses and that was not given before, in this run or in one beside it.

    Below the kernel's range for outgoing connections (32768 and up), so that none of those takes it meanwhile.
    """
    while True:
        port = _random.randrange(20000, 32000)
        if port in _given or not _claimed(port):
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def port_open(port, seconds=0.5):
    """Whether something listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), seconds).close()
        return True
    except OSError:
        return False


def private_dir(name="mx"):
    """A new folder with a short path (UNIX sockets go into it), which other users may enter but not list."""
    path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=os.environ.get("MX_TMPDIR", "/tmp")))
    path.chmod(0o711)
    return path


def remove_dir(path):
    shutil.rmtree(path, ignore_errors=True)
