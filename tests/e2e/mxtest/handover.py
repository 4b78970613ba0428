"""Socket activation without systemd: we make the sockets, a launcher becomes the daemon, as sd_listen_fds(3) has it."""

import socket
import sys

from .proc import supervisor

# The child's half, for LISTEN_PID, which no parent can know: descriptors to 3, 4, ..., then the daemon takes the process over.
_LAUNCHER = """
import os, sys
high = [os.dup2(int(fd), 100 + i, inheritable=False) for i, fd in enumerate(sys.argv[1].split(","))]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
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
                s.listen(128)
            self.sockets.append(s)

    def start(self, tokend, **environment):
        fds = [s.fileno() for s in self.sockets]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "LISTEN_FDS": str(len(fds)), **environment}
        tokend.write()
        tokend.proc = supervisor.start([sys.executable, "-c", _LAUNCHER, ",".join(map(str, fds)), *tokend.argv()],
                                       tokend.log_file, env=env, pass_fds=fds)
        return tokend

    def stop(self):
        for s in self.sockets:
            s.close()
