"""Away from sasl-xoauth2 by one command, and back by one: its plugin, its token file, its refresh token that rotates."""

import json
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from mxtest import tokenless
from mxtest.chain import BOX
from mxtest.idp import post_form
from mxtest.proc import wait_for
from mxtest.setup import Killer, Setup

SECRET = "a secret of sasl-xoauth2's: &=+%"
WRITTEN = quote(SECRET, safe="")    # the plugin does not encode what it sends
DAEMON = "mta-xoauth2"
REAL = os.environ.get("MX_SASL_XOAUTH2")    # a build of the real plugin, in place of the stand-in
TOKEN = "/etc/tokens/app"


def fine(done, *words, status=0):
    assert done.returncode == status, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout + done.stderr, done.stdout + done.stderr
    return done


class Old:
    """A Postfix that logs in by sasl-xoauth2: plugin, password map with a token file's path, token file in the chroot."""

    def __init__(self, workdir, pki, chroot=True, **token):
        self.s = s = Setup(workdir, pki, chroot=chroot, accounts={"*@elsewhere.test": {"client": "chain"}})
        self.idp = s.chain.idp
        self.idp.clients += [{"client_id": "mail", "client_secret": SECRET, "auth": "client_secret_post", "refresh": True,
                              "sub": BOX}]
        self.tokens = s.state / "tokens"
        self.tokens.mkdir(mode=0o700, parents=True)
        owner = pwd.getpwnam(DAEMON)
        os.chown(self.tokens, owner.pw_uid, owner.pw_gid)
        s.tokend.options = ["--no-sandbox"]     # which knows /var/lib/mta-xoauth2, but not this test's folder of tokens
        s.configure()
        with (s.postfix.etc / "main.cf").open("a") as f:
            f.write(f"relayhost = {s.relay}\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_mechanism_filter = xoauth2\n"
                    f"smtp_sasl_tls_security_options = noanonymous\nsmtp_tls_security_level = encrypt\n"
                    f"smtp_sasl_password_maps = texthash:{s.postfix.etc}/sasl_passwd\n")
        self.map = s.postfix.etc / "sasl_passwd"
        self.file = Path(f"{s.postfix.queue_dir}{TOKEN}") if chroot else workdir / "tokens/app"
        self.map.write_text(f"[other.example.test]:25 other:secret too\n{s.relay} {BOX}:{TOKEN if chroot else self.file}\n")
        self.map.chmod(0o600)
        self.file.parent.mkdir(parents=True)
        os.chown(self.file.parent, pwd.getpwnam("postfix").pw_uid, -1)
        self.plugin = s.postfix.plugin_dir() / "libsasl-xoauth2.so"
        if REAL:
            shutil.copy(REAL, self.plugin)
        else:
            tokenless.build(self.plugin, "-DTOKEN_FILES")
        self.store = self.tokens / "exo.refresh"
        self.more = {"client_id": "mail", "client_secret": WRITTEN, "ca_bundle_file": str(pki.ca),
                     "token_endpoint": "https://127.0.0.1:1/token", **token}

    def write(self, **token):
        self.file.write_text(json.dumps({**self.more, **token}, indent=2))
        self.file.chmod(0o600)
        os.chown(self.file, pwd.getpwnam("postfix").pw_uid, pwd.getpwnam("postfix").pw_gid)

    def start(self, up):
        """Servers, and a token file as a login has left it."""
        up.append(self.s.chain)
        self.s.chain.start()
        self.more["token_endpoint"] = self.idp.token_endpoint
        self.grant = self.idp.grant("mail", BOX)
        fresh = self.renew(self.grant["refresh_token"])
        self.write(refresh_token=fresh["refresh_token"], access_token=fresh["access_token"], expiry="2000000000")
        return self

    def renew(self, token):
        """As sasl-xoauth2 does it."""
        status, reply, _ = post_form(self.idp.token_endpoint, {
            "client_id": "mail", "client_secret": SECRET, "grant_type": "refresh_token", "refresh_token": token},
            self.idp.pki.ca)
        assert status == 200, reply
        return reply

    def token(self):
        return json.loads(self.file.read_text())

    def enable(self, *more, **kw):
        return self.s.tool("enable", None, "--relayhost", self.s.relay, "--yes", *more, **kw)

    def files(self):
        """All that has to be as it was but for the token file."""
        st = self.plugin.stat()
        return self.s.files() | {"plugin": (oct(st.st_mode), st.st_uid, st.st_gid, self.plugin.read_bytes())}

    def left_over(self):
        """In the state folder and beside the token file."""
        return self.s.kept() + [p.name for p in self.tokens.iterdir()] + \
            [p.name for p in self.file.parent.iterdir() if p != self.file]


def no_secret(old, *runs):
    for done in runs:
        for secret in (SECRET, WRITTEN, *(v for k, v in old.token().items() if k.endswith("_token"))):
            assert secret not in done.stdout + done.stderr


def mails(old, n=1):
    old.s.chain.deliver(n, sender=BOX)
    return old.s.chain


@pytest.mark.parametrize("kind", ["hash", "texthash"])
def test_a_password_relay(workdir, pki, up, binaries, kind):
    """PLAIN with the map's password, XOAUTH2, and PLAIN again."""
    s = Setup(workdir, pki)
    s.chain.dovecot.password, s.chain.dovecot.mechanisms = "hunter2", s.chain.dovecot.mechanisms + " plain login"
    s.configure()
    with (s.postfix.etc / "main.cf").open("a") as f:
        f.write(f"relayhost = {s.relay}\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
                f"smtp_sasl_mechanism_filter = plain, login\nsmtp_tls_security_level = encrypt\n"
                f"smtp_sasl_password_maps = {kind}:{s.postfix.etc}/sasl_passwd\n")
    passwords = s.postfix.etc / "sasl_passwd"
    passwords.write_text(f"{s.relay} {BOX}:hunter2\n")
    passwords.chmod(0o600)
    if kind != "texthash":
        s.postfix._command("postmap", "-c", s.postfix.etc, f"{kind}:{passwords}")
    for name in ("libplain.so", "liblogin.so"):
        shutil.copy(next(Path("/usr/lib").glob(f"*/sasl2/{name}")), s.postfix.plugin_dir())
    up.append(s.chain)
    s.chain.start()
    before = s.files()

    def method():
        count = len(s.chain.dovecot.logins())
        s.chain.deliver(1, sender=BOX)
        wait_for("the login", lambda: len(s.chain.dovecot.logins()) > count)
        return s.chain.dovecot.logins()[-1]
    assert "method=PLAIN" in method()
    done = fine(s.tool("enable", None, "--relayhost", s.relay, "--yes"), f"has a password for {s.relay}", f"gets a login for {BOX}")
    assert "hunter2" not in done.stdout + done.stderr
    assert "method=XOAUTH2" in method()
    fine(s.tool("disable"))
    assert s.files() == before and s.kept() == []
    assert "method=PLAIN" in method()


@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
def test_a_refresh_token_and_its_plugin(workdir, pki, up, binaries, chroot):
    """There and back with a provider that ends a grant when a refresh token is used twice."""
    old = Old(workdir, pki, chroot).start(up)
    text, first, before = old.file.read_bytes(), old.token()["refresh_token"], old.files()
    mails(old)
    assert old.idp.token_requests() == 1    # the test's own: the plugin had a token
    enabled = fine(old.enable(), "set aside", f"gets a login for {BOX}", "with its refresh token", f"{BOX}:***")
    assert not old.plugin.exists() and not old.file.exists()
    st = old.store.stat()
    assert oct(st.st_mode) == "0o100600" and st.st_uid == pwd.getpwnam(DAEMON).pw_uid
    assert old.store.read_text().strip() != first      # the login has renewed it
    mails(old)
    fine(old.enable(), "set up already")
    fine(old.s.tool("status"), 'by "postfix enable", all as it left it')
    assert old.s.tokend.ask("FLUSH", account=BOX).ok and old.s.tokend.sasl(BOX).ok
    newest = old.store.read_text().strip()
    disabled = fine(old.s.tool("disable"), "renewed meanwhile, and the newest one goes into", "Postfix is as it was before")
    assert old.files() == before and old.left_over() == []
    assert old.file.read_bytes() == text.replace(first.encode(), newest.encode())
    no_secret(old, enabled, disabled)
    mails(old)
    assert old.s.postfix.lines("postfix/smtp.*status=sent") and old.idp.alive(old.grant["grant"])
    if REAL and not chroot:     # it renews by itself: no authorities are in the chroot
        old.file.write_text(old.file.read_text().replace('"2000000000"', '"1"'))
        old.s.postfix._command("postfix", "-c", old.s.postfix.etc, "reload")
        mails(old)
        assert old.token()["refresh_token"] != newest
    assert old.renew(old.token()["refresh_token"])["access_token"] and old.idp.alive(old.grant["grant"])


def test_a_refresh_token_that_was_not_renewed_goes_back_byte_for_byte(workdir, pki, up, binaries):
    old = Old(workdir, pki, chroot=False).start(up)
    text, before = old.file.read_bytes(), old.files()
    old.s.tokend.stop()
    fine(old.enable(), "start it: its configuration has changed", status=4)
    assert not old.file.exists() and old.store.exists()
    fine(old.s.tool("disable"))
    assert old.file.read_bytes() == text and old.files() == before and old.left_over() == []


def test_client_credentials_and_its_plugin(workdir, pki, up, binaries):
    old = Old(workdir, pki)
    up.append(old.s.chain)
    old.s.chain.start()
    given = old.idp.token("chain", old.s.chain.secret)
    old.more |= {"client_id": "chain", "client_secret": quote(old.s.chain.secret), "token_endpoint": old.idp.token_endpoint}
    old.write(use_client_credentials="true", access_token=given["access_token"], expiry=2000000000)
    text, before = old.file.read_bytes(), old.files()
    if not REAL:    # the one that was built may be older than this grant
        mails(old)
    fine(old.enable(), "with its secret", f"gets a login for {BOX}")
    mails(old)
    assert old.file.read_bytes() == text
    fine(old.s.tool("disable"))
    assert old.file.read_bytes() == text and old.files() == before and old.left_over() == []


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_killed_now_and_then(workdir, pki, up, binaries, action):
    """The newest refresh token is never lost, and never used twice."""
    old = Old(workdir, pki, chroot=False).start(up)
    killer, before = Killer(workdir), old.files()
    fine(old.enable(env=killer.env(0)))
    steps = killer.calls()
    killer.forget()
    fine(old.s.tool("disable", env=killer.env(0)))
    steps = steps if action == "enable" else killer.calls()
    assert steps > 40
    for n in range(11, steps + 1, 17):
        if action == "disable":
            fine(old.enable())
        done = (old.enable if action == "enable" else lambda env: old.s.tool("disable", env=env))(env=killer.env(n))
        assert done.returncode == -signal.SIGKILL, (n, done.stdout, done.stderr)
        if action == "disable":     # the daemon goes on renewing for whoever still asks it
            old.s.tokend.ask("FLUSH", account=BOX)
            old.s.tokend.sasl(BOX)
        fine(old.s.tool("disable"))
        assert old.files() == before and old.left_over() == [], n
        assert old.idp.alive(old.grant["grant"]), n
    fresh = old.renew(old.token()["refresh_token"])
    assert fresh["access_token"] and old.idp.alive(old.grant["grant"])


def test_renewed_by_the_plugin_meanwhile(workdir, pki, up, binaries):
    """An smtp process that was on its way has written its file after it was taken: that one is the newest."""
    old = Old(workdir, pki, chroot=False).start(up)
    old.s.tokend.stop()
    before = old.files()
    fine(old.enable(), status=4)
    old.write(refresh_token="written-by-the-plugin", access_token="x", expiry="1")
    text = old.file.read_bytes()
    fine(old.s.tool("disable"))
    assert old.file.read_bytes() == text and old.files() == before and old.left_over() == []


def test_an_update_that_brings_the_plugin_back(workdir, pki, up, binaries):
    old = Old(workdir, pki, chroot=False).start(up)
    fine(old.enable())
    tokenless.build(old.plugin, "-DTOKEN_FILES", "-g")
    newer = old.plugin.read_bytes()
    fine(old.s.tool("status"), "knows XOAUTH2 too", status=1)
    fine(old.s.tool("disable"))
    assert old.plugin.read_bytes() == newer and old.left_over() == []


def in_etc(old, conf, *lines):
    """The tool with an /etc/sasl-xoauth2.conf; lines: a shell's, where "$@" is the tool."""
    etc = old.s.workdir / "etc-copy"
    if not etc.exists():
        shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
    (etc / "sasl-xoauth2.conf").write_text(conf)
    argv = [str(a) for a in old.s.argv("enable", "--relayhost", old.s.relay, "--yes")]
    script = "\n".join(("set -eu", f"mount --bind {etc} /etc", *lines))
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *argv], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env=old.s.environment())
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("no mounts here: " + done.stderr.splitlines()[0])
    return done


def test_its_configuration_is_read(workdir, pki, up, binaries):
    """What the token file does not have is /etc/sasl-xoauth2.conf's; what has no counterpart is named."""
    old = Old(workdir, pki, chroot=False).start(up)
    token = old.token()
    conf = {k: token.pop(k) for k in ("client_id", "client_secret", "token_endpoint", "ca_bundle_file")}
    conf |= {"refresh_window": "20", "log_full_trace_on_failure": "yes", "ca_certs_dir": "/opt/ca", "shiny": True}
    old.file.write_text(json.dumps({**token, "user": "app+2@example.test", "client_secret": WRITTEN}))
    before, text = old.files(), old.file.read_bytes()
    done = in_etc(old, json.dumps({**conf, "client_secret": "not this one"}), '"$@"')
    fine(done, "refresh_window is not taken over", "log_full_trace_on_failure is not taken over", '"shiny" is not taken over',
         '"ca_certs_dir" (/opt/ca) is not taken over', 'user: "app+2@example.test"', f'ca_file: "{pki.ca}"',
         'provider: custom', 'grant: "refresh_token"')
    assert (old.s.tokend.dir / "exo.secret").read_text() == SECRET + "\n"
    fine(old.s.tool("disable"))
    assert old.files() == before and json.loads(text).keys() == old.token().keys()


def other_line(old):
    with old.map.open("a") as f:
        f.write("[imap.example.test]:587 somebody:/etc/tokens/other\n")


def external(old):
    old.write(refresh_token="r", manage_token_externally="true")


def no_token(old):
    old.write(refresh_token="")


def no_json(old):
    old.file.write_text("{")


def no_https(old):
    old.write(refresh_token="r", token_endpoint="http://127.0.0.1/token")


def proxy_with_password(old):
    old.write(refresh_token="r", proxy="http://me:hunter2@127.0.0.1:3128")


def store_of_another(old):
    old.write(refresh_token="r")
    os.chown(old.tokens, 0, 0)


def store_is_there(old):
    old.write(refresh_token="r")
    old.store.write_text("x\n")


@pytest.mark.parametrize("change,said", [
    (other_line, "the map's line for [imap.example.test]:587 needs it"), (external, "manage_token_externally is set"),
    (no_token, "no usable refresh_token"), (no_json, "is not JSON"), (no_https, "no https URL"),
    (proxy_with_password, "proxy_credentials_file"), (store_of_another, "install -d -o mta-xoauth2 -m 700"),
    (store_is_there, "exo.refresh is there already"),
], ids=lambda p: getattr(p, "__name__", None))
def test_refused_with_the_reason(workdir, pki, binaries, change, said):
    old = Old(workdir, pki, chroot=False)
    old.write(refresh_token="r")
    change(old)
    before, text = old.files(), old.file.read_bytes()
    done = fine(old.enable(), said, "nothing was changed", status=3)
    assert "hunter2" not in done.stdout + done.stderr and WRITTEN not in done.stdout + done.stderr
    assert old.files() == before and old.file.read_bytes() == text and old.s.kept() == []


def test_with_sender_it_stays(workdir, pki, binaries):
    old = Old(workdir, pki, chroot=False)
    old.write(refresh_token="r")
    fine(old.enable("--sender", "@example.test"), "run this without --sender", "other mail still goes by its refresh token",
         status=3)


def presets():
    entra, google = "https://login.microsoftonline.{}/{}/oauth2/v2.0/token", "https://accounts.google.com/o/oauth2/token"
    return [
        ("smtp.office365.com", entra.format("com", "contoso.com"), ["provider: exchange-online", 'tenant: "contoso.com"']),
        ("smtp.office365.com", entra.format("com", "common"), ["provider: exchange-online", 'tenant: "common"']),
        ("smtp.office365.us", entra.format("us", "contoso.us"), ["provider: exchange-online", 'cloud: "gcc-high"']),
        ("smtp-mail.outlook.com", entra.format("com", "consumers"), ["provider: outlook.com", 'client_auth: "client_secret_post"']),
        ("smtp.gmail.com", google, ["provider: gmail"]),
        ("smtp.gmail.com", None, ["provider: gmail"]),
        ("smtp.example.org", "https://login.example.org/token", ["provider: custom", 'relays: ["smtp.example.org"]']),
    ]


@pytest.mark.parametrize("host,endpoint,lines", presets(), ids=lambda p: str(p)[:40] if not isinstance(p, list) else "")
def test_its_endpoint_tells_the_provider(workdir, pki, binaries, host, endpoint, lines):
    old = Old(workdir, pki, chroot=False)
    old.s.relay = f"[{host}]:587"
    old.map.write_text(f"{old.s.relay} {BOX}:{old.file}\n")
    main = old.s.postfix.etc / "main.cf"
    main.write_text("".join(ln for ln in main.read_text().splitlines(True) if not ln.startswith("relayhost")))
    old.more["client_id"] = "11111111-2222-3333-4444-555555555555"
    old.more.pop("token_endpoint")
    old.write(refresh_token="r", **({"token_endpoint": endpoint} if endpoint else {}))
    done = fine(old.enable(), *lines, status=4)
    assert "error" not in old.s.tokend.tool("check").stderr, done.stdout
    fine(old.s.tool("disable"))
    assert old.left_over() == []


def test_dpkg_is_told(workdir, pki, up, binaries):
    """The plugin is a package's, in a dpkg of the test's own: an update while it is set aside does not bring it back."""
    old = Old(workdir, pki, chroot=False).start(up)
    package, target = workdir / "package", old.plugin.parent
    for version in ("1", "2"):
        top = package / version
        (top / "DEBIAN").mkdir(parents=True)
        (top / "DEBIAN/control").write_text(f"Package: sasl-xoauth2\nVersion: {version}\nArchitecture: all\n"
                                            "Maintainer: nobody <n@example.test>\nDescription: x\n")
        folder = top / str(target)[1:]
        folder.mkdir(parents=True)
        tokenless.build(folder / old.plugin.name, "-DTOKEN_FILES", f"-DVERSION={version}", "-g" if version == "2" else "-g0")
    (workdir / "dpkg").mkdir()
    tool = [str(a) for a in old.s.argv("disable", "--yes")]
    done = in_etc(old, "{}", f"mount --bind {workdir}/dpkg /var/lib/dpkg", "mkdir /var/lib/dpkg/info /var/lib/dpkg/updates",
                  "touch /var/lib/dpkg/status", f"dpkg-deb -b {package}/1 {workdir}/1.deb", f"dpkg-deb -b {package}/2 {workdir}/2.deb",
                  f"dpkg --log=/dev/null --force-all -i {workdir}/1.deb", '"$@"', f"test ! -e {old.plugin}",
                  f"dpkg-divert --list | grep '{old.plugin.name}.mta-xoauth2'", f"dpkg --log=/dev/null --force-all -i {workdir}/2.deb",
                  f"test ! -e {old.plugin}", " ".join(tool), "dpkg-divert --list")
    fine(done, "set aside")
    assert "libsasl-xoauth2.so.mta-xoauth2" not in done.stdout.splitlines()[-1]
    assert old.plugin.read_bytes() == (package / "2" / str(old.plugin)[1:]).read_bytes()
    assert [p.name for p in target.iterdir() if p.name.startswith("libsasl")] == [old.plugin.name]


def test_which_plugin_cyrus_takes(workdir, pki, up, binaries):
    """Why it has to go: with both there, and a map that suits both, the mail goes by the other one."""
    old = Old(workdir, pki, chroot=False).start(up)
    assert (old.plugin.parent / "libmta-xoauth2.so").exists()
    mails(old)
    wait_for("its login", lambda: old.s.chain.dovecot.logins())
    assert "sasl_granted" not in old.s.tokend.log() and old.idp.token_requests() == 1
