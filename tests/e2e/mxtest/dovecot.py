"""A private Dovecot: submission with STARTTLS and IMAP, tokens checked by itself (JWT) or by introspection."""

import contextlib
import os
import signal
from pathlib import Path
from urllib.parse import quote

from . import paths
from .net import free_port, port_open
from .proc import Failed, descendants, run, supervisor, wait_for

_PASSDB = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {dir}/oauth2.conf.ext
}}
"""

_PLAIN = """
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
"""

_CONF = """
base_dir = {dir}/run
state_dir = {dir}/state
{tree}
log_path = {dir}/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S "
auth_verbose = yes
auth_debug = {debug}
protocols = submission imap
listen = 127.0.0.1
hostname = localhost
instance_name = {name}
default_internal_user = dovecot
default_internal_group = dovecot
default_login_user = dovenull
first_valid_uid = 1
mail_location = maildir:{dir}/mail/%u
ssl = {ssl}
{certs}
disable_plaintext_auth = {need_tls}
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
auth_cache_size = 0
{passdbs}
userdb {{
  driver = static
  args = uid=mail gid=mail home={dir}/mail/%u allow_all_users=yes
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_relay_trusted = no
submission_relay_ssl = no
submission_max_mail_size = 50M
mail_max_userip_connections = 100
submission_logout_format = in=%i out=%o
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service submission-login {{
  inet_listener submission {{
    address = 127.0.0.1
    port = {port}
  }}
  process_min_avail = 1
  service_count = 0
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
  service_count = 0
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


class DovecotSubmission:
    """Dovecot's submission and imap on loopback ports, relaying to `relay_port` (a Sink).

    check: "jwt" (local validation with the keys of `idp`) or "introspection" (opaque tokens). tls=False: no STARTTLS and
    plain mechanisms allowed on the bare wire. password: PLAIN and LOGIN are offered too, any user, this password.
    """

    def __init__(self, folder, pki, idp, relay_port, check="jwt", tls=True, mechanisms="xoauth2 oauthbearer",
                 password=None, username_claim="sub", cert=None, debug=False, extra=""):
        self.dir = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.pki, self.idp, self.relay_port, self.check, self.tls = pki, idp, relay_port, check, tls
        self.mechanisms = mechanisms + (" plain login" if password else "")
        self.password, self.username_claim, self.debug, self.extra = password, username_claim, debug, extra
        self.cert = cert or pki.cert()
        self.port, self.imap_port = free_port(), free_port()
        self.log_file = folder / "dovecot.log"
        self.proc = None

    def _write(self):
        root = paths.dovecot_root()
        tree = "" if root == Path("/") else f"libexec_dir = {root}/usr/lib/dovecot\nmail_plugin_dir = {root}/usr/lib/dovecot/modules"
        passdbs = _PASSDB.format(dir=self.dir)
        if self.password:
            passdbs += _PLAIN.format(password=self.password)
        certs = ""
        if self.tls:
            certs = f"ssl_cert = <{self.cert[0]}\nssl_key = <{self.cert[1]}\nssl_min_protocol = TLSv1.2\n"
        (self.dir / "mail").mkdir(exist_ok=True)
        os.chmod(self.dir / "mail", 0o1777)
        (self.dir / "dovecot.conf").write_text(_CONF.format(
            dir=self.dir, tree=tree, name=self.dir.name, ssl="required" if self.tls else "no", certs=certs,
            need_tls="yes" if self.tls else "no", mechanisms=self.mechanisms, passdbs=passdbs,
            relay_port=self.relay_port, port=self.port, imap_port=self.imap_port,
            debug="yes" if self.debug else "no") + self.extra)
        lines = [f"username_attribute = {self.username_claim}", "username_format = %Lu",
                 f"tls_ca_cert_file = {self.pki.ca}"]
        if self.check == "jwt":
            lines += ["introspection_mode = local", f"issuers = {self.idp.issuer}",
                      f"local_validation_key_dict = fs:posix:prefix={self.idp.keys_dir}/"]
        else:
            iid, isecret = (quote(v, safe="") for v in self.idp.introspector)
            lines += ["introspection_mode = post", "active_attribute = active", "active_value = true",
                      f"introspection_url = https://{iid}:{isecret}@127.0.0.1:{self.idp.port}/token/introspection"]
        conf = self.dir / "oauth2.conf.ext"
        conf.write_text("\n".join(lines) + "\n")
        conf.chmod(0o600)

    def start(self):
        self._write()
        self.proc = supervisor.start([paths.dovecot_root() / "usr/sbin/dovecot", "-F", "-c", self.dir / "dovecot.conf"],
                                     self.dir / "stderr.log")

        def up():
            if self.proc.poll() is not None:
                raise Failed(f"dovecot ended: {(self.dir / 'stderr.log').read_text()[-2000:]}{self.log()[-2000:]}")
            return port_open(self.port) and port_open(self.imap_port)
        wait_for("dovecot's ports", up)
        return self

    def stop(self):
        """SIGKILL for all of it: at SIGTERM its master takes a second's rest before it goes."""
        if self.proc:
            below = descendants(self.proc.pid)
            supervisor.stop(self.proc, sig=signal.SIGKILL)
            for pid in below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.proc = None

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def logins(self):
        """The log's lines of successful logins to submission."""
        return [line for line in self.log().splitlines() if "submission-login: Info: Login:" in line]

    def wait_log(self, text, seconds=10):
        """Waits for a line of the log with this text and returns it."""
        return wait_for(lambda: f"{text!r} in {self.log_file}:\n{self.log()[-1500:]}",
                        lambda: next((ln for ln in self.log().splitlines() if text in ln), None), seconds)

    def doveconf(self):
        """The configuration in force, as Dovecot prints it."""
        return run([paths.dovecot_root() / "usr/bin/doveconf", "-n", "-c", self.dir / "dovecot.conf"]).stdout
