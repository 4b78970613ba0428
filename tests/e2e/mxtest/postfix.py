"""A private Postfix: own configuration, queue and data folders; never the machine's."""

import grp
import json
import os
import pwd
import re
import shutil
import time
from pathlib import Path

from . import paths
from .proc import Failed, run, supervisor, wait_for

_MAIN = """
compatibility_level = 3.6
config_directory = {etc}
queue_directory = {queue}
data_directory = {data}
{tree}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {log}
maillog_file_prefixes = {dir}
syslog_name = {name}
myhostname = mta.example.test
mydomain = example.test
myorigin = $mydomain
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
biff = no
smtp_host_lookup = native
smtp_dns_support_level = disabled
relayhost = {relayhost}
smtp_tls_security_level = {tls_level}
smtp_tls_CAfile = {cafile}
smtp_tls_loglevel = 1
smtp_tls_session_cache_database =
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:{etc}/sasl_passwd
smtp_sasl_mechanism_filter = {mechanisms}
{sasl_options}
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C {environment}
default_process_limit = 50
default_destination_concurrency_limit = {processes}
initial_destination_concurrency = {processes}
smtp_destination_concurrency_limit = {processes}
transport_retry_time = 60s
minimal_backoff_time = 300s
queue_run_delay = 300s
{extra}
"""

_MASTER = """
pickup    unix  n  -  {n}  60    1  pickup
cleanup   unix  n  -  {n}  -     0  cleanup
qmgr      unix  n  -  n    300   1  qmgr
tlsmgr    unix  -  -  {n}  1000? 1  tlsmgr
rewrite   unix  -  -  {n}  -     -  trivial-rewrite
bounce    unix  -  -  {n}  -     0  bounce
defer     unix  -  -  {n}  -     0  bounce
trace     unix  -  -  {n}  -     0  bounce
verify    unix  -  -  {n}  -     1  verify
flush     unix  n  -  {n}  1000? 0  flush
proxymap  unix  -  -  n    -     -  proxymap
smtp      unix  -  -  {c}  -     {processes}  smtp
relay     unix  -  -  {c}  -     {processes}  smtp
showq     unix  n  -  {n}  -     -  showq
error     unix  -  -  {n}  -     -  error
retry     unix  -  -  {n}  -     -  error
discard   unix  -  -  {n}  -     -  discard
local     unix  -  n  n    -     -  local
anvil     unix  -  -  {n}  -     1  anvil
scache    unix  -  -  {n}  -     1  scache
postlog   unix-dgram n - n  -    1  postlogd
"""


_QUEUE = "active bounce corrupt defer deferred flush hold incoming private saved trace".split()


def dynamic_maps(root):
    """Table types of packages of their own: those that are there, as their scripts write them into dynamicmaps.cf."""
    lines = (root / "usr/share/postfix/dynamicmaps.cf").read_text().splitlines(keepends=True)
    return "".join(ln for ln in lines if (root / "usr/lib/postfix" / (ln.split()[1:2] or ["-"])[0]).is_file())


class Postfix:
    """relay: (host, port), the account is the user of the password map, which holds no password unless `password` is given.

    chroot: smtp(8) in its jail; plugins: folders for SASL_PATH (default: one with our plugin alone); socket: the daemon's
    socket for MTA_XOAUTH2_SOCKET; tls_level "secure" or "may", "none"...; mechanisms: smtp_sasl_mechanism_filter;
    sasl_tls_options None: Postfix's defaults; processes: limit of smtp processes; extra: lines for main.cf; main: {name: value, or None for
    none} in place of what main.cf has; master: more lines for
    master.cf; maps: {file name: text} of more files beside them. In these three "/etc/postfix/" stands for this instance's folder.
    """

    def __init__(self, folder, relay, account, cafile="", chroot=True, plugins=None, socket=None, password=None,
                 tls_level="secure", mechanisms="xoauth2, oauthbearer", sasl_tls_options="noanonymous", processes=20,
                 environment=None, extra="", main=None, master="", maps=None):
        self.dir = folder
        self.relay, self.account, self.cafile, self.chroot = relay, account, cafile, chroot
        self.plugins, self.socket, self.password = plugins, socket, password
        self.tls_level, self.mechanisms, self.sasl_tls_options = tls_level, mechanisms, sasl_tls_options
        self.processes, self.environment, self.extra = processes, dict(environment or {}), extra
        self.main, self.master, self.maps = dict(main or {}), master, dict(maps or {})
        self.etc, self.queue_dir, self.data = folder / "etc", folder / "q", folder / "data"
        self.log_file = folder / "mail.log"
        self.root = paths.postfix_root()
        self.proc = None
        for d in (folder, self.etc, self.queue_dir, self.data):
            d.mkdir(parents=True, exist_ok=True)
            d.chmod(0o755)
        os.chown(self.data, pwd.getpwnam("postfix").pw_uid, 0)

    def plugin_dir(self):
        """A folder that holds our plugin alone."""
        path = self.dir / "sasl2"
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
        link = path / "libmta-xoauth2.so"
        if not link.exists():
            shutil.copy(paths.ours("plugin").resolve(), link)  # a copy: the build folder may be closed to postfix
        return path

    def configure(self):
        """Writes the configuration; after a start, reload() makes it count (restart() for the environment)."""
        host, port = self.relay
        hop = f"[{host}]:{port}"
        env = dict(self.environment)
        env["SASL_PATH"] = ":".join(str(p) for p in (self.plugins if self.plugins is not None else [self.plugin_dir()]))
        if self.socket:
            env["MTA_XOAUTH2_SOCKET"] = str(self.socket)
        sasl = "" if self.sasl_tls_options is None else f"smtp_sasl_tls_security_options = {self.sasl_tls_options}"
        tree = ""
        if self.root != Path("/"):
            tree = (f"daemon_directory = {self.root}/usr/lib/postfix/sbin\ncommand_directory = {self.root}/usr/sbin\n"
                    f"sendmail_path = {self.root}/usr/sbin/sendmail\nmailq_path = {self.root}/usr/bin/mailq\n"
                    f"newaliases_path = {self.root}/usr/bin/newaliases\nmeta_directory = {self.etc}\n"
                    f"shlib_directory = {self.root}/usr/lib/postfix")
        text = _MAIN.format(
            dir=self.dir, etc=self.etc, queue=self.queue_dir, data=self.data, tree=tree, log=self.log_file,
            name="postfix", relayhost=hop, tls_level=self.tls_level, cafile=self.cafile, mechanisms=self.mechanisms,
            sasl_options=sasl, environment=" ".join(f"{k}={v}" for k, v in env.items()), processes=self.processes,
            extra=self.extra)
        for key, value in self.main.items():
            text = re.sub(rf"(?m)^{re.escape(key)} *=.*\n", "", text) + \
                ("" if value is None else f"{key} = {self._here(value)}\n")
        (self.etc / "main.cf").write_text(text)
        (self.etc / "master.cf").write_text(_MASTER.format(n="n", c="y" if self.chroot else "n", processes=self.processes) +
                                            self._here(self.master))
        secret = f":{self.password}" if self.password else ""
        (self.etc / "sasl_passwd").write_text(f"{hop} {self.account}{secret}\n")
        (self.etc / "sasl_passwd").chmod(0o600)
        before = time.time() - 60  # Postfix waits two seconds for a file that has just changed
        for name, content in self.maps.items():
            (self.etc / name).write_text(self._here(content))
        for name in ("main.cf", "master.cf", "sasl_passwd", *self.maps):
            os.utime(self.etc / name, (before, before))
        if self.root != Path("/"):
            shutil.copy(self.root / "etc/postfix/postfix-files", self.etc)
            (self.etc / "dynamicmaps.cf").write_text(dynamic_maps(self.root))
        jail = self.queue_dir / "etc"
        jail.mkdir(exist_ok=True)
        (jail / "nsswitch.conf").write_text("hosts: files dns\nservices: files\n")
        (jail / "hosts").write_text("127.0.0.1 localhost\n")  # and the machine's own
        if Path("/etc/hosts").exists():
            with open(jail / "hosts", "a") as f:
                f.write(Path("/etc/hosts").read_text())
        for name in ("services", "resolv.conf", "localtime"):
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), jail / name)

    def _here(self, text):
        return text.replace("/etc/postfix/", f"{self.etc}/")

    def _command(self, name, *args, **kw):
        return run([self.root / "usr/sbin" / name, *args], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}, **kw)

    def _make_queue(self):
        """The queue's folders as Postfix' own postfix-files has them ("postfix check" would do it in 2.5 s)."""
        uid, gid = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        for name, group, mode in [(n, 0, 0o700) for n in _QUEUE] + [("public", gid, 0o710), ("maildrop", gid, 0o730)]:
            path = self.queue_dir / name
            path.mkdir(exist_ok=True)
            os.chown(path, uid, group)
            path.chmod(mode)
        (self.queue_dir / "pid").mkdir(exist_ok=True)

    def start(self):
        self.configure()
        start_log = self.dir / "start.log"
        self._make_queue()
        self.proc = supervisor.start([self.root / "usr/lib/postfix/sbin/master", "-c", self.etc, "-d"], start_log,
                                     env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}, cwd=self.dir)

        def up():
            if self.proc.poll() is not None:
                raise Failed(f"postfix ended with {self.proc.returncode}:\n{start_log.read_text()}{self.log()}")
            return "daemon started -- version" in self.log() and (self.queue_dir / "public/pickup").exists()
        wait_for(lambda: f"postfix to start:\n{start_log.read_text()}{self.log()}", up)
        return self

    def stop(self):
        if self.proc:
            supervisor.stop(self.proc)
            self.proc = None

    def restart(self):
        self.stop()
        if self.log_file.exists():
            self.log_file.rename(self.log_file.with_suffix(".old"))
        return self.start()

    def reload(self):
        self.configure()
        self._command("postfix", "-c", self.etc, "reload")

    def send(self, n=1, sender=None, recipient="someone@example.net", subject="test", body="Hello.", first=1):
        """Injects n mails (subjects "test 1" ... when n > 1); returns the subjects."""
        subjects = []
        for i in range(first, first + n):
            s = f"{subject} {i}" if n > 1 or first > 1 else subject
            text = f"From: {sender or self.account}\nTo: {recipient}\nSubject: {s}\n\n{body}\n"
            self._command("sendmail", "-C", str(self.etc), "-f", sender or self.account, "-i", recipient, input=text)
            subjects.append(s)
        return subjects

    def flush(self):
        """Tries everything in the queue now, back-off or not."""
        self._command("postqueue", "-c", self.etc, "-f")

    def retry(self):
        """Tries again what a log line has called deferred, once the queue manager is through with it: until then it would
        skip that."""
        wait_for(lambda: f"the queue to rest: {self.queue()}",
                 lambda: (q := self.queue()) and all(m["queue_name"] == "deferred" for m in q))
        self.flush()

    def queue(self):
        """What is queued: dicts with queue_name, queue_id, sender, recipients [{address, delay_reason}]."""
        out = self._command("postqueue", "-c", self.etc, "-j").stdout
        return [json.loads(line) for line in out.splitlines() if line.strip()]

    def delete_all(self):
        self._command("postsuper", "-c", self.etc, "-d", "ALL")

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def lines(self, pattern):
        """The mail log's lines that match a regular expression."""
        return [ln for ln in self.log().splitlines() if re.search(pattern, ln)]

    def wait_log(self, pattern, count=1, seconds=30):
        """Waits until `count` lines match; returns them."""
        wait_for(lambda: f"{count} lines with {pattern!r} in the mail log:\n{self.log()[-3000:]}",
                 lambda: len(self.lines(pattern)) >= count, seconds, 0.02)
        return self.lines(pattern)

    def statuses(self):
        """{sent: n, deferred: n, bounced: n} of deliveries in the log."""
        found = re.findall(r"postfix/(?:smtp|relay)\[\d+\]: \w+: to=.* status=(\w+)", self.log())
        return {s: found.count(s) for s in ("sent", "deferred", "bounced")}

    def wait_empty(self, seconds=60):
        wait_for(lambda: f"the queue to empty: {self.queue()}", lambda: not self.queue(), seconds, 0.1)
