"""mta-xoauth2 postfix enable and its companions, on a private Postfix that knows nothing of XOAUTH2."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from . import paths
from .chain import BOX, Chain
from .postfix import Postfix
from .proc import run

_KILL = Path(__file__).resolve().parents[1] / "kill" / "mxkill.c"


class Bare(Postfix):
    """As it is before anybody thought of XOAUTH2; `more` lines for main.cf."""

    more = ""

    def configure(self):
        if (self.etc / "main.cf").exists():  # a restart: what the tool wrote stays
            return
        super().configure()
        main = (self.etc / "main.cf").read_text()
        main = re.sub(r"(?m)^(relayhost|smtp_sasl_\w+|smtp_tls_security_level) = .*\n", "", main)
        (self.etc / "main.cf").write_text(main + "# the last line that somebody wrote\n" + self.more)
        (self.etc / "sasl_passwd").unlink()


class Setup:
    """chain: .postfix and .tokend among it; tool(...) runs the admin tool on them. sudo postfix enable, in short.
    chain: more for Chain."""

    def __init__(self, workdir, pki, chroot=True, lines="", accounts=None, **chain):
        self.chain = Chain(workdir, pki, chroot=chroot, **chain)
        self.postfix = Bare(workdir / "p", self.chain.postfix.relay, BOX, pki.ca, chroot=chroot)
        self.postfix.more, self.postfix.socket = lines, self.chain.tokend.socket
        self.chain.postfix, self.tokend = self.postfix, self.chain.tokend
        self.tokend.jail = None
        self.tokend.accounts = accounts or {"*@example.test": {"client": "chain"}}
        self.state = workdir / "state"
        self.relay = "[{}]:{}".format(*self.chain.postfix.relay)
        self.workdir = workdir

    def configure(self):
        """Files without servers."""
        self.postfix.configure()
        self.postfix._make_queue()
        self.tokend.write()
        (self.tokend.dir / "conf.d").mkdir(exist_ok=True)
        return self

    def argv(self, action, *more):
        return [paths.ours("tool"), "postfix", action, "--instance", self.postfix.etc, "--state", self.state, "--config",
                self.tokend.config, "--socket", self.tokend.socket, *more]

    def tool(self, action, *more, env=None, seconds=120):
        """CompletedProcess. enable gets its relay and --yes, unless `more` begins with None."""
        if more[:1] == (None,):
            more = more[1:]
        elif action == "enable":
            more = ("--relayhost", self.relay, "--account", BOX, "--yes", *more)
        elif action == "disable":
            more = ("--yes", *more)
        return subprocess.run([str(a) for a in self.argv(action, *more)], capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, env=self.environment() | (env or {}))

    def in_namespace(self, *lines):
        """A script with mounts of its own; $ENABLE and $DISABLE are commands, $ETC is Postfix's folder."""
        env = self.environment() | {
            "ENABLE": shlex.join(map(str, self.argv("enable", "--relayhost", self.relay, "--account", BOX, "--yes"))),
            "DISABLE": shlex.join(map(str, self.argv("disable", "--yes"))), "ETC": str(self.postfix.etc)}
        env["PATH"] = f"{self.workdir}/bin:" + env["PATH"]
        return subprocess.run(["unshare", "-m", "sh", "-c", "\n".join(("set -eu", *lines))], capture_output=True, text=True, env=env,
                              timeout=120, stdin=subprocess.DEVNULL)

    def environment(self):
        return {"PATH": f"{self.postfix.root}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

    def files(self):
        """{path: (mode, uid, gid, sha256)} of Postfix's configuration and the daemon's, folders too; and of the chroot."""
        found = {}
        for top in (self.postfix.etc, self.tokend.dir, self.postfix.queue_dir):
            for path in sorted([top, *top.rglob("*")]):
                if path.name in ("tokend.log",) or path.is_socket() or path.is_fifo():
                    continue
                if top == self.postfix.queue_dir and path.relative_to(top).parts[:1] not in ((), ("run",)):
                    continue
                st = path.lstat()
                content = "folder" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
                found[str(path)] = (oct(st.st_mode), st.st_uid, st.st_gid, content)
        return found

    def kept(self):
        """What is left in the state folder beside the lock."""
        return sorted(p.name for p in (self.state / "postfix").glob("*") if not p.name.endswith(".lock"))

    def _kept_folders(self):
        return [self.postfix.etc, self.tokend.dir, self.state, self.postfix.queue_dir]

    def save(self):
        """A copy of all that the tool changes, for restore()."""
        copy = self.workdir / "saved"
        copy.mkdir()
        for path in self._kept_folders():
            run(["cp", "-a", path, copy / path.name])
        return copy

    def restore(self, copy):
        for path in self._kept_folders():
            shutil.rmtree(path)
            run(["cp", "-a", copy / path.name, path])


class Killer:
    """env(n): the n-th change to a file system ends the tool with SIGKILL, before it is made. calls(env) counts them."""

    def __init__(self, folder):
        self.library = folder / "mxkill.so"
        self.count = folder / "calls"
        run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", self.library, _KILL, "-ldl"])

    def env(self, n):
        return {"LD_PRELOAD": str(self.library), "MXKILL_AT": str(n), "MXKILL_COUNT": str(self.count),
                "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}

    def calls(self):
        return len(self.count.read_bytes()) if self.count.exists() else 0

    def forget(self):
        if self.count.exists():
            os.unlink(self.count)
