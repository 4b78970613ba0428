"""A private Exim: Debian's own binary, where Debian puts it, in a mount namespace; never the machine's.

The configuration is that of conf/exim, put in place by the very commands of doc/exim.md. MX_EXIM names another program to
take in the place of Debian's light one (4.96), for what newer ones do.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from . import paths, users
from .proc import Failed, run, supervisor, wait_for

USER = "Debian-exim"

_DEBCONF = """
dc_eximconfig_configtype='smarthost'
dc_other_hostnames='mta.example.test'
dc_local_interfaces='127.0.0.9'
dc_readhost='{readhost}'
dc_relay_domains=''
dc_minimaldns='false'
dc_relay_nets=''
dc_smarthost='{host}::{port}'
CFILEMODE='644'
dc_use_split_config='{split}'
dc_hide_mailname='{hide}'
dc_mailname_in_oh='true'
dc_localdelivery='mail_spool'
"""

_MOUNT = """
mount --bind "$1/etc" /etc && mount --bind "$1/var" /var && mount --bind "$1/sbin" /usr/sbin &&
mount --bind "$1/doc" /usr/share/doc && mount --bind "$2" "$1/run/mta-xoauth2" && mount --rbind "$1/run" /run &&
echo up && exec sleep 3600
"""

# Of the machine's own /etc: what the C library wants.
_ETC = ("passwd", "group", "nsswitch.conf", "services", "protocols", "ld.so.cache", "localtime")


def refused():
    """Why this machine does not let us have a namespace; "" where it does."""
    done = subprocess.run(["unshare", "-m", "mount", "--bind", "/usr", "/mnt"], capture_output=True, text=True)
    return done.stderr.strip() or f"exit {done.returncode}" if done.returncode else ""


def debians(heavy=False, new=False):
    """The program."""
    return Path(not (heavy or new) and os.environ.get("MX_EXIM") or paths.exim_root(heavy, new) / "usr/sbin/exim4")


def no_new_one():
    """Why there is no Exim of the backports; "" where there is."""
    try:
        return "" if paths.exim_root(new=True) else "?"
    except paths.Missing:
        return "no Exim of Debian's backports here: tests/lib/packages.sh says why"


def commands(heading):
    """The shell commands that doc/exim.md shows below a heading, up to the next one."""
    text = (paths.TOP / "doc/exim.md").read_text()
    part = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)[1]
    return "".join(re.findall(r"```sh\n(.*?)```", part, re.S))


class Speaker:
    """Somebody else at the daemon's socket, who says always the same. For "with"."""

    def __init__(self, path, said):
        self.path, self.said = path, said

    def __enter__(self):
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        os.chmod(self.path, 0o666)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self.path)

    def _serve(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            with conn:
                conn.recv(65536)
                conn.sendall(self.said)


class Exim:
    """relay: (host, port); run_dir: the folder of the daemon's socket. variant: "plain" (conf/exim/exim.conf), or Debian's
    configuration "split" or "unsplit". heavy, new: Debian's other programs, the latter of its backports.

    mailbox, senders, rewrite, cafile: what the macros say. change: {file of conf/exim: [(text, text in its place)]}, to
    show what would happen otherwise. hide: Debian's dc_hide_mailname. extra: lines for the main section. bare: Debian's
    configuration as it is without ours. hosts: more lines for /etc/hosts.
    """

    def __init__(self, folder, relay, mailbox, cafile, run_dir, variant="unsplit", heavy=False, new=False, senders="", rewrite=True,
                 change=None, hide=False, extra="", bare=False, hosts=""):
        users.ensure([USER])
        self.dir, self.relay, self.mailbox, self.cafile, self.run_dir = folder, relay, mailbox, cafile, run_dir
        self.variant, self.heavy, self.new, self.senders, self.rewrite = variant, heavy, new, senders, rewrite
        self.change, self.hide, self.extra, self.bare, self.hosts = dict(change or {}), hide, extra, bare, hosts
        self.etc, self.samples = folder / "etc", folder / "doc/mta-xoauth2/examples/exim"
        self.program, self.proc = folder / "sbin/exim4", None

    def start(self):
        """Makes its world and the configuration. There is no daemon: send() and flush() start every delivery."""
        for name in ("etc", "var/lib/exim4", "var/log/exim4", "var/spool/exim4", "var/mail", "sbin", "run/mta-xoauth2"):
            (self.dir / name).mkdir(parents=True, exist_ok=True)
        self.run_dir.mkdir(exist_ok=True)
        self.dir.chmod(0o755)
        owner = pwd.getpwnam(USER)
        for name in ("log", "spool"):
            os.chown(self.dir / "var" / name / "exim4", owner.pw_uid, owner.pw_gid)
        shutil.chown(self.dir / "var/mail", "root", "mail")
        (self.dir / "var/mail").chmod(0o2775)
        for name in _ETC:
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), self.etc / name)
        for name, text in (("hosts", "127.0.0.1 localhost\n127.0.0.9 mta.example.test mta\n" + self.hosts),
                           ("mailname", "mta.example.test\n"), ("email-addresses", ""), ("aliases", "")):
            (self.etc / name).write_text(text)
        shutil.copytree(paths.TOP / "conf/exim", self.samples)
        for name, pairs in self.change.items():
            text = (self.samples / name).read_text()
            for old, new in pairs:
                assert old in text, (name, old)
                text = text.replace(old, new)
            (self.samples / name).write_text(text)
        shutil.copy(debians(self.heavy, self.new), self.program)
        self.program.chmod(0o4755)
        for name in ("exim", "sendmail"):
            (self.dir / "sbin" / name).symlink_to("exim4")
        shutil.copy(paths.ours("tool"), self.dir / "sbin")
        shutil.copy(paths.exim_root() / "usr/sbin/update-exim4.conf", self.dir / "sbin")
        self._program("editor", f'exec sed -i {self._edits()} "$@"')
        self._program("systemctl", "echo systemctl \"$@\"")
        log = self.dir / "world.log"
        self.proc = supervisor.start(["unshare", "-m", "sh", "-c", _MOUNT, "sh", self.dir, self.run_dir], log)
        wait_for("the mounts", lambda: "up" in log.read_text() or self.proc.poll() is not None)
        if self.proc.poll() is not None:
            raise Failed(f"no mount namespace: {log.read_text()}")
        self.configure()
        return self

    def stop(self):
        """Ends the namespace; the program, which is setuid root, goes."""
        self.program.unlink(missing_ok=True)
        if self.proc:
            supervisor.stop(self.proc)
            self.proc = None

    def _program(self, name, text):
        path = self.dir / "sbin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def _edits(self):
        """What the administrator changes in the macros, for sed."""
        edits = [f"-e 's|^\\(MTA_XOAUTH2_{name} =\\).*|\\1 {value}|'" for name, value in (
            ("MAILBOX", self.mailbox), ("SENDERS", self.senders), ("CA", self.cafile))]
        return " ".join(edits if self.rewrite else edits + ["-e '/^MTA_XOAUTH2_REWRITE/d'"])

    def run(self, argv, **kw):
        """A command inside."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        return run(["nsenter", f"--mount=/proc/{self.proc.pid}/ns/mnt", "--wd=/", *argv], env=env, **kw)

    def configure(self):
        """The commands of doc/exim.md on a fresh /etc/exim4."""
        host, port = self.relay
        if self.variant == "plain":
            self.run(["sh", "-e", "-c", commands("Any other Exim")])
            conf = self.etc / "exim/exim.conf"
            text = conf.read_text().replace("smtp.office365.com::587", f"{host}::{port}")
            text = text.replace("= smtp.office365.com\n", f"= {host}\n")
            text = text.replace("127.0.0.1 ; ::1", "127.0.0.9")
            conf.write_text(re.sub(r"(?m)^(primary_hostname =).*", r"\1 mta.example.test\n" + self.extra, text))
            (self.etc / "exim4").mkdir(exist_ok=True)
            link = self.etc / "exim4/exim4.conf"    # where Debian's binary looks
            link.unlink(missing_ok=True)
            link.symlink_to("/etc/exim/exim.conf")
            return
        shutil.rmtree(self.etc / "exim4", ignore_errors=True)
        shutil.copytree(paths.exim_root() / "etc/exim4", self.etc / "exim4")
        os.chown(self.etc / "exim4/passwd.client", 0, pwd.getpwnam(USER).pw_gid)
        (self.etc / "exim4/update-exim4.conf.conf").write_text(_DEBCONF.format(
            host=host, port=port, split=str(self.variant == "split").lower(), hide=str(self.hide).lower(),
            readhost="hidden.example.test" if self.hide else ""))
        ours = f"primary_hostname = mta.example.test\n{self.extra}\n"
        if self.variant == "split":
            (self.etc / "exim4/conf.d/main/000_test").write_text(ours)
        else:
            (self.etc / "exim4/exim4.conf.localmacros").write_text(ours)
        self.run(["sh", "-e", "-c", "update-exim4.conf" if self.bare else commands(f"Debian, {self.variant}")])

    def version(self):
        return tuple(int(n) for n in re.search(r"Exim version (\d+)\.(\d+)", self.exim("-bV").stdout).groups())

    def exim(self, *args, **kw):
        return self.run(["exim4", *args], **kw)

    def send(self, sender=None, recipient="someone@example.net", subject="test", head=None, body="Hello.", deliver=True):
        """Hands in a mail and, unless deliver is False, waits until its delivery was tried; returns its id.

        sender None: as cron does it, for the user that runs this, root. head: the headers in place of the usual ones.
        """
        before = len(self.ids())
        head = head or f"From: {sender or 'root'}\nTo: {recipient}\nSubject: {subject}\n"
        envelope = [] if sender is None else ["-f", sender or "<>"]
        self.exim("-odf" if deliver else "-odq", "-i", *envelope, recipient, input=f"{head}\n{body}\n")
        return self.ids()[before]

    def flush(self, force=True):
        """A queue run; force: also those whose time has not come."""
        self.exim("-qff" if force else "-q")

    def ids(self):
        """The ids of all messages that the log shows as taken, in order."""
        return re.findall(r"(?m)^\S+ \S+ (\w+-\w+-\w+) <= ", self.log())

    def queue(self):
        """{id: "frozen" or "waiting"}"""
        found = re.findall(r"(?m)^\s*\S+\s+\S+ (\w+-\w+-\w+) .*?( \*\*\* frozen \*\*\*)?$", self.exim("-bp").stdout)
        return {i: "frozen" if frozen else "waiting" for i, frozen in found}

    def log(self, name="main"):
        path = self.dir / "var/log/exim4" / f"{name}log"
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self, pattern):
        """The main log's lines that match."""
        return [ln for ln in self.log().splitlines() if re.search(pattern, ln)]

    def outcomes(self):
        """{sent: n, deferred: n, failed: n} of deliveries in the log."""
        signs = re.findall(r"(?m)^\S+ \S+ \w+-\w+-\w+ (=>|->|==|\*\*) ", self.log())
        return {"sent": signs.count("=>") + signs.count("->"), "deferred": signs.count("=="), "failed": signs.count("**")}

    def forget(self):
        """Its queue and its logs go."""
        for mail in self.queue():
            self.exim("-Mrm", mail)
        for log in (self.dir / "var/log/exim4").iterdir():
            log.unlink()

    def written(self):
        """All that it wrote: spool, logs, hints, mailboxes."""
        return b"".join(p.read_bytes() for p in (self.dir / "var").rglob("*") if p.is_file())
