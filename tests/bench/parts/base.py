"""What the parts share: a folder, certificates, a token endpoint, daemons, the host program."""

import os
import pwd
import random
import re
import shutil
import string
import subprocess
import tempfile
from pathlib import Path

from mxtest import net, paths, recorder
from mxtest.pki import Pki
from mxtest.proc import Failed
from mxtest.tokend import Tokend

from .report import Report, Skip

RELAY = "smtp.example.com"      # tests/bench/sasl.c
TOKEN_BYTES = 2048


class Bench:
    def __init__(self, quick):
        self.quick = quick
        self.report = Report()
        self.dir = net.private_dir("mxb")
        self.tmpfs = None       # a second folder, once somebody needs one on tmpfs
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.pki = Pki(self.dir / "pki")
        self.program = paths.build_dir() / "tests" / "bench" / "mxbench"
        self.plugin_dir = self._folder("ours", paths.ours("plugin"))
        self.empty_dir = self._folder("empty")
        self.both_dir = self._folder("both", paths.ours("plugin"), self._plain())

    def _folder(self, name, *plugins):
        path = self.dir / name
        path.mkdir()
        for p in plugins:
            (path / p.name).symlink_to(p)
        return path

    @staticmethod
    def _plain():
        try:
            return paths.debian_sasl_dir() / "libplain.so"
        except paths.Missing as err:
            for d in ("/usr/lib64/sasl2", "/usr/local/lib/sasl2"):
                if (Path(d) / "libplain.so").exists():
                    return Path(d) / "libplain.so"
            raise Skip(str(err)) from err

    def token_cache(self, name):
        """A value for the key of that name: a file on tmpfs that the daemon may make, or none where there is no tmpfs."""
        if not re.search(r"^\S+ /dev/shm tmpfs ", Path("/proc/mounts").read_text(), re.M):
            return "none"
        if self.tmpfs is None:
            self.tmpfs = Path(tempfile.mkdtemp(prefix="mxb-", dir="/dev/shm"))
            self.tmpfs.chmod(0o711)
        folder = self.tmpfs / name
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(folder, "mta-xoauth2")
        return str(folder / "tokens")

    def remove(self):
        """Removes the folders."""
        for folder in (self.dir, self.tmpfs):
            if folder:
                net.remove_dir(folder)

    def endpoint(self, delay=0.0):
        """A token endpoint over HTTPS; it records every request."""
        cert = self.pki.cert()
        # As random as a signature: a row of equal characters would flatter the branch prediction.
        token = recorder.token("".join(random.Random(7).choices(string.ascii_letters + string.digits + "-_", k=TOKEN_BYTES)))
        token.delay = delay
        return recorder.Recorder(cert).script(token).start()

    def daemon(self, name, url, clients=1, ca_file=True, top=None):
        """mta-xoauth2-tokend with clients c0, c1... and accounts user0@example.com..., log level as by default."""
        return Tokend(
            self.dir / name,
            clients={f"c{i}": {"provider": "custom", "client_id": f"client-{i}", "client_secret_file": "secret:secret",
                               "token_endpoint": url, "scope": "mail", **({"ca_file": str(self.pki.ca)} if ca_file else {})}
                     for i in range(clients)},
            accounts={f"user{i}@example.com": {"client": f"c{i}", "allow_users": [self.user]} for i in range(clients)},
            secrets={"secret": "the-secret-of-the-benchmark"}, top=top)

    def mxbench(self, *args, socket=None, seconds=300, cpu=None):
        env = {"PATH": "/usr/bin:/bin", "LANG": "C"}
        if socket:
            env["MTA_XOAUTH2_SOCKET"] = str(socket)
        env["MTA_XOAUTH2_TIMEOUT"] = "60"
        pin = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
        done = subprocess.run([str(self.program), *map(str, args)], capture_output=True, text=True, timeout=seconds, env=env,
                              preexec_fn=pin)
        if done.returncode != 0:
            raise Failed(f"mxbench {args[0]}: exit {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout

    @staticmethod
    def rollup(pid):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError as err:
            raise Skip(f"/proc/{pid}/smaps_rollup: {err.strerror} (the daemon forbids it to all but root)") from err
        return {k: int(v) for k, v in re.findall(r"^(Rss|Pss|Anonymous|Locked): +(\d+) kB", text, re.M)}
