"""A person at a terminal: a program with a pseudo-terminal of its own, what it shows, what is typed."""

import contextlib
import errno
import fcntl
import os
import pty
import re
import signal
import subprocess
import termios
import threading

from .proc import Failed, wait_for


def _own_terminal():
    for key in (signal.SIGINT, signal.SIGQUIT):     # ignored by whatever a shell has started in the background
        signal.signal(key, signal.SIG_DFL)
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """start() runs argv with the terminal; shown: all that it has shown. user: name to run as; env: its environment."""

    def __init__(self, argv, env=None, user=None):
        self.argv, self.env, self.user = [str(a) for a in argv], env, user
        self.shown, self.proc = "", None
        self._master = self._reader = self._name = None

    def start(self):
        self._master, slave = pty.openpty()
        self._name = os.ttyname(slave)
        self.proc = subprocess.Popen(self.argv, stdin=slave, stdout=slave, stderr=slave, env=self.env, user=self.user,
                                     group=self.user, extra_groups=[] if self.user else None, cwd="/",
                                     preexec_fn=_own_terminal)
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self):
        while True:
            try:
                chunk = os.read(self._master, 65536)
            except OSError as err:
                if err.errno == errno.EIO:
                    return
                raise
            if not chunk:
                return
            self.shown += chunk.decode("utf-8", "replace")

    def see(self, pattern, seconds=20):
        """Waits until this is shown; the match."""
        def found():
            match = re.search(pattern, self.shown)
            if not match and self.proc.poll() is not None and not self._reader.is_alive():
                raise Failed(f"{self.argv[1:]} ended with {self.proc.returncode} without {pattern!r}:\n{self.shown}")
            return match
        return wait_for(lambda: f"{pattern!r} on the terminal:\n{self.shown}", found, seconds)

    @contextlib.contextmanager
    def kept_open(self):
        """The terminal's descriptor: its modes are reset when nobody has it open any more."""
        fd = os.open(self._name, os.O_RDWR | os.O_NOCTTY)
        try:
            yield fd
        finally:
            os.close(fd)

    def type(self, text):
        os.write(self._master, text.encode())

    def ends(self, seconds=30):
        """Waits for the end; the exit status, negative for a signal."""
        try:
            status = self.proc.wait(seconds)
        except subprocess.TimeoutExpired as err:
            raise Failed(f"{self.argv[1:]} does not end:\n{self.shown}") from err
        self._reader.join(5)
        return status

    def stop(self):
        if self.proc is None:
            return
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGKILL)
            self.proc.wait()
        self._reader.join(5)
        os.close(self._master)
        self.proc = None
