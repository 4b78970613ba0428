"""A host with Debian's Postfix as its package leaves it: real names and paths, /etc/postfix, the chroot, postmulti(1); in a mount
namespace, so that this machine's are not touched. Of what a page prints the port alone is replaced.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import paths
from .postfix import dynamic_maps
from .proc import Failed, run, supervisor, wait_for

SERVER = "127.0.0.7"
NAME = "smtp.office365.com"

# /usr is the machine's, with Debian's postfix and our files laid over it.
_MOUNT = """
hostname host.contoso.com && mount -t overlay -o "ro,lowerdir=$1/usr:$2/usr:/usr" overlay /usr && mount --bind "$1/etc" /etc &&
mount --bind "$1/var/lib" /var/lib && mount --bind "$1/var/spool" /var/spool && mount --bind "$1/var/log" /var/log &&
mount --bind "$1/local" "$4" && mount --bind "$3" "$1/local/etc/mta-xoauth2" && mount --bind "$3/run" "$1/run/mta-xoauth2" &&
mount --bind "$1/local/etc/mta-xoauth2" "$4/etc/mta-xoauth2" && mount --rbind "$1/run" /run && echo up && exec sleep 3600
"""

_LISTENER = f"""
service submission-login {{
  inet_listener submission {{
    address = 127.0.0.1 {SERVER}
  }}
}}
"""

_ETC = ("passwd", "group", "nsswitch.conf", "services", "protocols", "ld.so.cache", "localtime")

# What its package asks for, what a test's network lacks, and where the plugin is: the build may have another prefix.
_MAIN = """
myhostname = host.contoso.com
mydestination = $myhostname, localhost
relayhost =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
maillog_file = /var/log/mail.log
smtp_host_lookup = native
smtp_dns_support_level = disabled
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C SASL_PATH={sasl}
"""


def dovecot_of(pki):
    """Arguments of Chain's Dovecot: it is NAME, and listens at SERVER too."""
    return {"mechanisms": "xoauth2", "cert": pki.cert("exchange-" + NAME, names=(NAME,)), "extra": _LISTENER}


def _package(tree, etc, main):
    """What the package's scripts make of its files; main: lines for main.cf."""
    share = tree / "usr/share/postfix"
    shutil.copytree(tree / "etc/postfix", etc, dirs_exist_ok=True)
    for theirs, name in (("main.cf.dist", "main.cf.proto"), ("master.cf.dist", "master.cf.proto"), ("makedefs.out",) * 2):
        shutil.copy(share / theirs, etc / name)
    (etc / "dynamicmaps.cf").write_text(dynamic_maps(tree))
    (etc / "main.cf").write_text((share / "main.cf.debian").read_text() + main)
    master = (share / "master.cf.dist").read_text()
    (etc / "master.cf").write_text(re.sub(r"(?m)^smtp +inet", "#smtp inet", master, count=1))  # nobody's port 25


def install(box):
    """Into a container of nspawn.py: the package's files, with the libraries they want, its user and its unit; not started."""
    tree = paths.postfix_root().resolve()
    for part in ("usr", "lib"):
        shutil.copytree(tree / part, box.root / part, symlinks=True, dirs_exist_ok=True)
    run_path = box.root / str(tree).lstrip("/") / "usr/lib"
    run_path.mkdir(parents=True)
    (run_path / "postfix").symlink_to("/usr/lib/postfix")
    programs = [*(tree / "usr/sbin").iterdir(), *(tree / "usr/lib/postfix/sbin").iterdir()]
    for lib in set(re.findall(r"=> (/(?:usr/)?lib/\S+)", run(["ldd", *programs], check=False).stdout)):
        if not (box.root / lib[1:]).exists():
            shutil.copy(lib, box.root / lib[1:])
    (box.root / "etc/postfix").mkdir(exist_ok=True)
    _package(tree, box.root / "etc/postfix", _MAIN.format(sasl=paths.debian_sasl_dir()))
    (box.root / "etc/aliases").write_text("postmaster: root\n")
    for name in ("var/spool/postfix", "var/lib/postfix"):
        (box.root / name).mkdir(exist_ok=True)
    box.run("sh", "-c", "useradd --system --user-group --no-create-home --home-dir /var/spool/postfix postfix && "
            "groupadd --system postdrop && chown postfix /var/lib/postfix && hostname host.contoso.com && newaliases && systemctl daemon-reload")


class PostfixHost:
    """chain: one whose Dovecot has a certificate for NAME and listens at SERVER, as dovecot_of() has it. main: more lines for main.cf. start() makes the host and has Postfix and the daemon running on it."""

    def __init__(self, folder, chain, main=""):
        self.dir, self.chain, self.tokend, self.main, self.proc, self.local = folder, chain, chain.tokend, main, None, None
        self.ports = {"587": str(chain.dovecot.port)}

    @staticmethod
    def refused():
        """Why there can be no such host here; "" where there can."""
        if paths.postfix_root() == Path("/"):
            return "Postfix is installed on this machine; the unpacked one is wanted"
        done = subprocess.run(["unshare", "-m", "-u", "mount", "--bind", "/usr", "/mnt"], capture_output=True, text=True)
        return f"no mount namespace here: {done.stderr.strip()}" if done.returncode else ""

    def start(self):
        tree = paths.postfix_root().resolve()
        for name in ("etc/postfix", "etc/ssl/certs", "local/etc/mta-xoauth2", "run/mta-xoauth2", "usr/bin", "var/lib/postfix",
                     "var/spool/postfix", "var/log"):
            (self.dir / name).mkdir(parents=True, exist_ok=True)
        for path in (self.dir, *(self.dir / n for n in ("etc", "local", "local/etc", "run", "usr", "usr/bin", "var", "var/spool", "var/spool/postfix"))):
            path.chmod(0o755)
        etc = self.dir / "etc"
        for name in _ETC:
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), etc / name)
        shutil.copytree("/etc/alternatives", etc / "alternatives", symlinks=True)   # of awk
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{SERVER} {NAME}\n127.0.0.9 host.contoso.com host\n")
        (etc / "aliases").write_text("postmaster: root\n")
        (etc / "resolv.conf").write_text("")
        shutil.copy(self.chain.pki.ca, etc / "ssl/certs/ca-certificates.crt")
        _package(tree, etc / "postfix", _MAIN.format(sasl=paths.debian_sasl_dir()) + self.main)
        shutil.copy(paths.ours("tool"), self.dir / "usr/bin/mta-xoauth2")
        (self.dir / "usr/sbin").mkdir()
        for name in ("postdrop", "postqueue"):     # what everybody may do
            shutil.copy(tree / "usr/sbin" / name, self.dir / "usr/sbin")
            shutil.chown(self.dir / "usr/sbin" / name, "root", "postdrop")
            (self.dir / "usr/sbin" / name).chmod(0o2755)
        plugins = self.dir / str(paths.debian_sasl_dir()).lstrip("/")
        plugins.mkdir(parents=True)
        shutil.copy(paths.ours("plugin").resolve(), plugins / "libmta-xoauth2.so")
        local = Path(re.search(r"\((/\S+)/etc/mta-xoauth2/tokend.yaml\)", self.tokend.tool("check", "--help").stdout)[1])
        self.local = local      # our prefix, writable there
        (self.dir / str(local).lstrip("/")).mkdir(parents=True, exist_ok=True)
        self.tokend.write()
        log = self.dir / "world.log"
        self.proc = supervisor.start(["unshare", "-m", "-u", "sh", "-c", _MOUNT, "sh", self.dir, tree, self.tokend.dir, local], log)
        wait_for("the mounts", lambda: "up" in log.read_text() or self.proc.poll() is not None)
        if self.proc.poll() is not None:
            raise Failed(f"no mount namespace: {log.read_text()}")
        shutil.chown(self.dir / "var/lib/postfix", "postfix")
        if (done := self.run("newaliases && /usr/lib/postfix/configure-instance.sh - && postfix start", check=False)).returncode:
            raise Failed(f"postfix start: {done.stdout}{done.stderr}{self.log()}")
        self.tokend.launcher = self.argv(None)
        self.tokend.start()
        return self

    def stop(self):
        """Every instance, and whatever of it does not hear."""
        self.tokend.stop()
        if self.proc:
            self.run("postmulti -p stop || postfix stop", check=False)
            supervisor.stop(self.proc)
            self.proc = None

    def here(self, text):
        for ours, theirs in self.ports.items():
            text = re.sub(rf"\b{ours}\b", theirs, text)
        return text

    def argv(self, command):
        """The words that run a shell command on the host as root; None: the words before a command of its own."""
        ns = f"/proc/{self.proc.pid}/ns"
        enter = ["nsenter", f"--mount={ns}/mnt", f"--uts={ns}/uts", "--wd=/"]
        return enter if command is None else [*enter, "env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                                              "sh", "-e", "-c", command]

    def run(self, command, **kw):
        return run(self.argv(command), env={"PATH": os.environ["PATH"]}, **kw)

    def log(self):
        path = self.dir / "var/log/mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_log(self, pattern, seconds=30):
        """The first line of the mail log that matches."""
        return wait_for(lambda: f"{pattern!r} in the mail log:\n{self.log()[-3000:]}\n{self.tokend.log()[-1500:]}",
                        lambda: next((ln for ln in self.log().splitlines() if re.search(pattern, ln)), None), seconds, 0.05)

    def files(self):
        """{path: text} of what Postfix and the daemon are set up by."""
        found = {}
        for top in ("etc/postfix", "etc/postfix-out", "local/etc"):
            for path in sorted((self.dir / top).rglob("*")):
                if path.is_file():
                    found[str(path.relative_to(self.dir))] = path.read_bytes()
        for path in sorted(self.tokend.dir.rglob("*.yaml")):
            found[path.name] = path.read_bytes()
        return found
