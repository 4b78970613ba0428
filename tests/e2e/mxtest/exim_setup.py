"""mta-xoauth2 exim enable and its companions, on a private Exim that knows nothing of XOAUTH2."""

import hashlib
import subprocess

from .alone import BOX

PIECES = "/usr/share/doc/mta-xoauth2/examples/exim"


class Setup:
    """way: an EximWay whose Exim is bare; tool(...) runs the admin tool in its world."""

    def __init__(self, way, workdir):
        self.way, self.exim, self.tokend = way, way.exim, way.tokend
        self.etc, self.state = way.exim.etc / "exim4", workdir / "state"
        self.relay = "[{}]:{}".format(*way.exim.relay)
        self.told = way.exim.dir / "var/told"
        way.exim._program("systemctl", 'echo "$@" >>/var/told')

    def argv(self, action, *more):
        return ["mta-xoauth2", "exim", action, "--config", self.tokend.config, "--state", self.state, "--socket",
                "/run/mta-xoauth2/tokend.sock", "--pieces", PIECES, *more]

    def tool(self, action, *more, env=None):
        """CompletedProcess. enable gets its relay and --yes, unless `more` begins with None."""
        if more[:1] == (None,):
            more = more[1:]
        elif action == "enable":
            more = ("--relayhost", self.relay, "--account", BOX, "--yes", *more)
        elif action == "disable":
            more = ("--yes", *more)
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"} | (env or {})
        return subprocess.run(["nsenter", f"--mount=/proc/{self.exim.proc.pid}/ns/mnt", "--wd=/",
                               "env", *(f"{k}={v}" for k, v in env.items()), *map(str, self.argv(action, *more))],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)

    def files(self, made=True):
        """{path: (mode, uid, gid, sha256)} of Exim's configuration, and of the daemon's; made: what Exim reads, too."""
        found = {}
        for top in (self.etc, self.tokend.dir, self.exim.dir / "var/lib/exim4"):
            for path in sorted([top, *top.rglob("*")]):
                if path.name == "tokend.log" or path.is_socket() or (not made and path.name.startswith("config.auto")):
                    continue
                st = path.lstat()
                content = "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
                found[str(path)] = (oct(st.st_mode), st.st_uid, st.st_gid, content)
        return found

    def kept(self):
        return sorted(p.name for p in (self.state / "exim").glob("*") if not p.name.endswith(".lock"))

    def debconf(self, old, new):
        path = self.etc / "update-exim4.conf.conf"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
