"""A host for the recipes of doc/clients.md: its files, names and paths are those of the page, in a mount namespace.

Dovecot is smtp.office365.com and outlook.office365.com there, our tool and plugin are where `make install` puts them,
and the daemon's socket is where they look for it. Of the page the two ports alone are replaced.
"""

import os
import pwd
import re
import shutil
from pathlib import Path

from . import paths, users
from .net import free_port
from .proc import Failed, run, supervisor, wait_for

USER = "mx-alice"       # the page's alice
SERVER = "127.0.0.7"    # not 127.0.0.1, of which sendmail believes that all its names are its own
PAGE = paths.TOP / "doc/clients.md"

# /usr is the machine's, with Debian's sendmail and our files laid over it.
_MOUNT = """
hostname mta.example.test && mount -t overlay -o "ro,lowerdir=$1/usr:$2/usr:/usr" overlay /usr && mount --bind "$1/etc" /etc &&
mount --bind "$1/home" /home &&
mount --bind "$1/var/lib" /var/lib && mount --bind "$1/var/spool" /var/spool && mount --bind "$1/var/mail" /var/mail &&
mount --bind "$3" "$1/run/mta-xoauth2" && mount --rbind "$1/run" /run && echo up && exec sleep 3600
"""

_ETC = ("group", "nsswitch.conf", "services", "protocols", "ld.so.cache", "localtime")


def section(heading):
    """The page's text below a heading, up to the next one."""
    return re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", PAGE.read_text(), re.M | re.S)[1]


def files(heading):
    """{path: text} of the files that a section shows: a line with the path in backquotes and a colon at its end."""
    return dict(re.findall(r"^(?:[^\n]* )?`([~/][^`\n]+)`[^\n]*:\n\n```\n(.*?)```", section(heading), re.M | re.S))


def commands(heading):
    """Its blocks of shell commands."""
    return re.findall(r"```sh\n(.*?)```", section(heading), re.S)


class Host:
    """chain: one without Postfix, its Dovecot with imaps(); start() makes the host."""

    def __init__(self, folder, chain):
        users.ensure([USER])
        self.dir, self.chain, self.proc = folder, chain, None
        self.home = folder / "home/alice"
        self.ports = {"587": str(chain.dovecot.port), "993": str(chain.imaps)}

    def start(self):
        for name in ("etc/mail/m4", "etc/ssl/certs", "home/alice", "run/mta-xoauth2", "usr/bin", "usr/sbin", "var/lib/sendmail/host_status",
                     "var/spool/mqueue", "var/mail"):
            (self.dir / name).mkdir(parents=True, exist_ok=True)
        for name in ("", "home", "etc", "var", "run"):
            (self.dir / name).chmod(0o755)
        shutil.chown(self.home, USER)
        (self.dir / "var/spool/mqueue").chmod(0o700)
        etc = self.dir / "etc"
        for name in _ETC:
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), etc / name)
        (etc / "passwd").write_text(Path("/etc/passwd").read_text() + "smmta:x:64801:64801::/:/bin/false\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{SERVER} smtp.office365.com outlook.office365.com\n"
                                   "127.0.0.9 mta.example.test mta\n")
        self._sendmail()
        self.trust(self.chain.pki)
        shutil.copy(paths.ours("tool"), self.dir / "usr/bin/mta-xoauth2")
        plugins = self.dir / str(paths.debian_sasl_dir()).lstrip("/")
        plugins.mkdir(parents=True)
        shutil.copy(paths.ours("plugin").resolve(), plugins / "libmta-xoauth2.so")
        cyrus = self.dir / "usr/lib/cyrus"
        cyrus.mkdir(parents=True)
        (cyrus / "bin").symlink_to(paths.program("imtest").resolve().parent)
        sendmail = paths.sendmail_root()
        log = self.dir / "world.log"
        self.proc = supervisor.start(["unshare", "-m", "-u", "sh", "-c", _MOUNT, "sh", self.dir, sendmail, self.chain.tokend.run_dir], log)
        wait_for("the mounts", lambda: "up" in log.read_text() or self.proc.poll() is not None)
        if self.proc.poll() is not None:
            raise Failed(f"no mount namespace: {log.read_text()}")
        return self

    def _sendmail(self):
        """What its packages' scripts would have made."""
        mail, tree = self.dir / "etc/mail", paths.sendmail_root()
        shutil.copytree(tree / "etc/mail", mail, dirs_exist_ok=True)
        shutil.copy(mail / "service.switch-nodns", mail / "service.switch")
        shutil.copy(tree / "usr/share/sendmail/cf/debian/sendmail.mc", mail)
        for name in ("m4/dialup.m4", "m4/provider.m4", "local-host-names", "trusted-users", "aliases"):
            (mail / name).touch()
        (self.dir / "usr/sbin/sendmail").symlink_to("../libexec/sendmail/sendmail")

    def stop(self):
        if self.proc:
            supervisor.stop(self.proc)
            self.proc = None

    def trust(self, pki):
        """The host's certificates."""
        shutil.copy(pki.ca, self.dir / "etc/ssl/certs/ca-certificates.crt")

    def here(self, text):
        """The page's text with the ports of this host."""
        for ours, theirs in self.ports.items():
            text = re.sub(rf"\b{ours}\b", theirs, text)
        return text

    def put(self, heading):
        """Writes the files that the section shows."""
        for name, text in files(heading).items():
            path = self.home / name[2:] if name.startswith("~/") else self.dir / name[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name == "sendmail.mc":
                text = path.read_text().replace("\nMAILER_DEFINITIONS", "\n" + text + "MAILER_DEFINITIONS")
            path.write_text(self.here(text))
            path.chmod(0o600)
            if name.startswith("~/"):
                shutil.chown(path, USER)

    def argv(self, command, root=False):
        """The words that run a shell command on the host, in the user's home."""
        who = [] if root else ["setpriv", f"--reuid={USER}", f"--regid={pwd.getpwnam(USER).pw_gid}", "--clear-groups"]
        ns = f"/proc/{self.proc.pid}/ns"
        return ["nsenter", f"--mount={ns}/mnt", f"--uts={ns}/uts", "--wd=/", *who, "env", "-i", "HOME=/home/alice",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=xterm", "sh", "-e", "-c", "cd\n" + command]

    def run(self, command, root=False, **kw):
        return run(self.argv(command, root), env={"PATH": os.environ["PATH"]}, **kw)


def listeners(port):
    """Lines for Dovecot: IMAP with TLS from the start, and the server's own address."""
    return f"""
service imap-login {{
  inet_listener imaps {{
    address = {SERVER}
    port = {port}
    ssl = yes
  }}
}}
service submission-login {{
  inet_listener submission {{
    address = 127.0.0.1 {SERVER}
  }}
}}
"""


def recipe_chain(make_chain, pki, names=("smtp.office365.com", "outlook.office365.com"), **arguments):
    """Started by make_chain, with the names, the account and the mechanisms that the page has."""
    port = free_port()
    text = section("Before you begin")
    allow = {key: [USER if u == "alice" else u for u in re.search(rf"{key}: \[(.*?)\]", text)[1].split(", ")]
             for key in ("allow_users", "allow_token_users")}
    dovecot = {"mechanisms": "xoauth2", "cert": pki.cert("exchange-" + names[0], names=names), "extra": listeners(port),
               **arguments.pop("dovecot", {})}
    users.ensure([USER])
    chain = make_chain(without=("postfix",), chroot=False, box="app@contoso.com", account=allow, dovecot=dovecot, **arguments)
    chain.imaps = port
    return chain
