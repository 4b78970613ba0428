"""Socket activation without systemd: we make the sockets, a launcher becomes the daemon, as sd_listen_fds(3) has it."""

import os
import select
import socket
import sys
import threading

from .proc import supervisor

# The child's half, for the process ids that no parent can know: descriptors to 3, 4, ..., then the daemon takes over.
_LAUNCHER = """
import os, sys
high = [os.dup2(int(fd), 100 + i, inheritable=False) for i, fd in enumerate(sys.argv[1].split(",")) if fd]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid())
if "WATCHDOG_USEC" in os.environ:
    os.environ.setdefault("WATCHDOG_PID", str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Sockets:
    """Sockets at these paths that outlive the daemon; start(tokend) starts it with them."""

    def __init__(self, *where, kind=socket.SOCK_STREAM, mode=0o666):
        self.sockets = []
        for path in where:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(0o755)
            s = socket.socket(socket.AF_UNIX, kind)
            s.bind(str(path))
            path.chmod(mode)
            if kind == socket.SOCK_STREAM:
                s.listen(1024)
            self.sockets.append(s)

    def _more(self):
        """What else is handed over: descriptors, and variables."""
        return [], {}

    def start(self, tokend, **environment):
        stored, variables = self._more()
        fds = [s.fileno() for s in self.sockets] + stored
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "LISTEN_FDS": str(len(fds)), **variables,
               **tokend.environment, **environment}
        tokend.write()
        tokend.proc = supervisor.start([sys.executable, "-S", "-E", "-c", _LAUNCHER, ",".join(map(str, fds)), *tokend.argv()],
                                       tokend.log_file, env=env, user=tokend.user, group=tokend.user, pass_fds=fds)
        return tokend

    def stop(self):
        for s in self.sockets:
            s.close()


class Keeper(Sockets):
    """Sockets, a NOTIFY_SOCKET and a descriptor store, as systemd 252 has them for a service of Type=notify.

    messages: what the daemon said, a list of dicts in the order of arrival; stored: {name: [descriptors]}, handed over at
    each start behind the sockets, as FileDescriptorStoreMax= allows.
    """

    store_max = 4

    def __init__(self, folder, *where):
        super().__init__(*where)
        self.path = folder / "notify"
        self.messages, self.stored = [], {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.path.chmod(0o777)
        self._end, self._wake = os.pipe()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while True:
            ready, _, _ = select.select([self._socket, self._end], [], [])
            if self._end in ready:
                return
            data, fds, _, _ = socket.recv_fds(self._socket, 4096, 16)
            message = dict(ln.partition("=")[::2] for ln in data.decode("utf-8", "replace").splitlines())
            with self._lock:
                self.messages.append(message)
                self._store(message, fds)

    def _store(self, message, fds):
        name = message.get("FDNAME", "stored")
        if message.get("FDSTOREREMOVE") == "1":
            for fd in self.stored.pop(name, []):
                os.close(fd)
        for fd in fds:
            kept = [os.fstat(k) for k in self._all()]
            new = os.fstat(fd)
            if message.get("FDSTORE") == "1" and len(kept) < self.store_max and \
                    not any(os.path.samestat(new, k) for k in kept):
                self.stored.setdefault(name, []).append(fd)
            else:
                os.close(fd)

    def _all(self):
        return [fd for fds in self.stored.values() for fd in fds]

    def _more(self):
        with self._lock:
            names = ["mta-xoauth2-tokend.socket"] * len(self.sockets) + [n for n, fds in self.stored.items() for _ in fds]
            return self._all(), {"NOTIFY_SOCKET": str(self.path), "LISTEN_FDNAMES": ":".join(names)}

    def said(self, key):
        """The values of this variable, in the order they came."""
        with self._lock:
            return [m[key] for m in self.messages if key in m]

    def forget(self):
        """Loses the store, as "systemctl stop" does."""
        with self._lock:
            for fd in self._all():
                os.close(fd)
            self.stored.clear()

    def stop(self):
        super().stop()
        os.write(self._wake, b"x")
        self._thread.join()
        self.forget()
        self._socket.close()
        os.close(self._end)
        os.close(self._wake)
