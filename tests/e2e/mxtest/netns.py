"""A network of the test's own: a namespace with a loopback and rules, nothing else."""

import ctypes
import os
import subprocess
import threading

from .proc import run, supervisor, wait_for

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """launcher starts a program in it, call(f) runs f in it: sockets made there belong to it. Needs rights: see refused().

    lose(sport=N) drops the packets from that port in silence (family "-4" or "-6"), unreachable() refuses every way; back() takes all of it back.
    """

    def __init__(self, folder):
        self._log, self.proc = folder / "network.log", None

    def refused(self):
        """Why this machine does not let us; "" where it does."""
        done = subprocess.run(["unshare", "-n", "sh", "-c", "ip link set lo up && ip rule add pref 5 ipproto tcp sport 1 blackhole"],
                              capture_output=True, text=True)
        return done.stderr.strip() or f"exit {done.returncode}" if done.returncode else ""

    def start(self):
        self.proc = supervisor.start(["unshare", "-n", "sh", "-c", "ip link set lo up && for v in -4 -6; do "
                                      "ip $v rule add pref 10 lookup local && ip $v rule del pref 0 || exit; done; echo up && exec sleep 1000"], self._log)
        wait_for("the network", lambda: self._log.exists() and "up" in self._log.read_text())
        return self

    def stop(self):
        supervisor.stop(self.proc)

    @property
    def launcher(self):
        return ["nsenter", f"--net=/proc/{self.proc.pid}/ns/net"]

    def call(self, f):
        result = []

        def inside():
            fd = os.open(f"/proc/{self.proc.pid}/ns/net", os.O_RDONLY)
            try:
                if _libc.setns(fd, CLONE_NEWNET) != 0:
                    result.append(OSError(ctypes.get_errno(), "setns"))
                    return
                result.append(f())
            except BaseException as err:    # handed to the caller
                result.append(err)
            finally:
                os.close(fd)
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    def _rule(self, *words):
        run([*self.launcher, "ip", "rule", *words])

    def lose(self, sport, family="-4"):
        run([*self.launcher, "ip", family, "rule", "add", "pref", "5", "ipproto", "tcp", "sport", sport, "blackhole"])

    def unreachable(self):
        self._rule("add", "pref", "5", "unreachable")

    def back(self):
        self._rule("del", "pref", "5")
