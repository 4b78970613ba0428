"""mta-xoauth2 diagnose beside Debian's own Exim: the links on this host, as Exim itself says how it is set up."""

import time

import pytest

from mxtest.alone import BOX
from mxtest.diagnose import diagnose

TRANSPORT = "hosts_require_auth = *"


@pytest.fixture
def look(exim_way, pki):
    """look(**arguments of EximWay) -> (way, a function that gives the Report)."""
    def make(**arguments):
        change = {"macros": [("CA = system", f"CA = {pki.ca}")]} if arguments.get("bare") else None
        way = exim_way(**({"change": change} if change else {}) | arguments)

        def report(*more):
            inside = ["nsenter", f"--mount=/proc/{way.exim.proc.pid}/ns/mnt", "--wd=/"]
            return diagnose(BOX, "--config", way.tokend.config, "--socket", "/run/mta-xoauth2/tokend.sock", *more,
                            inside=inside, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        return way, report
    return make


@pytest.mark.parametrize("variant", ["plain", "split", "unsplit"])
def test_sound(look, variant):
    way, report = look(variant=variant)
    r = report().sound()
    assert r.links["mail-server"] == ("ok", f"Exim sends by transport mta_xoauth2 to localhost:{way.exim.relay[1]}")
    assert set(r.marks("policy", "daemon", "socket", "login", "mechanism", "tls")) == {"ok"}
    assert r.links["socket"][1] == "the daemon answers Debian-exim at /run/mta-xoauth2/tokend.sock"
    assert r.links["login"][1].endswith(f"as {BOX}")
    assert set(r.marks("plugin", "refusals")) == {"skip"}
    way.exim.send(BOX)
    way.arrived(1)


def test_login_not_required(look):
    """Without it a refused login is followed by an attempt without one, and that by a bounce."""
    way, report = look(change={"transport": [(TRANSPORT, "hosts_try_auth = *")]})
    r = report().broken("login", "exim-require-auth", 1, "hosts_require_auth = * in transport mta_xoauth2")
    assert "goes on without a login" in r.json["evidence"][0]


def test_no_authenticator(look):
    _, report = look(bare=True)
    r = report("--mta", "exim").broken("login", "exim-no-authenticator", 1, "mta-xoauth2 exim enable", f"--account {BOX}")
    assert "remote_smtp_smarthost" in r.links["mail-server"][1]
    r = report("--relay", "localhost:25").sound()
    assert r.links["mail-server"][0] == "skip" and "no authenticator XOAUTH2" in r.links["mail-server"][1]


def test_tls_avoided(look):
    _, report = look(change={"transport": [(TRANSPORT, TRANSPORT + "\n  hosts_avoid_tls = *")]})
    report().broken("tls", "exim-avoid-tls", 1, "hosts_avoid_tls")


def test_tls_not_required(look):
    _, report = look(change={"transport": [("hosts_require_tls = *", "# no hosts_require_tls")]})
    r = report().sound()
    assert r.links["tls"][0] == "note" and "hosts_require_tls" in r.links["tls"][1]


def test_user_not_allowed(look):
    _, report = look(accounts={BOX: {"allow_users": ["root"]}})
    report().broken("policy", "uid-not-listed", 3, "allow_users: [root, Debian-exim]")


def test_logs_in_as_somebody_else(look):
    way, report = look(variant="split")
    macros = way.exim.etc / "exim4/conf.d/main/000_mta-xoauth2"
    text = macros.read_text()
    assert f"MTA_XOAUTH2_MAILBOX = {BOX}" in text
    macros.write_text(text.replace(f"MTA_XOAUTH2_MAILBOX = {BOX}", "MTA_XOAUTH2_MAILBOX = somebody@example.org"))
    way.exim.run(["update-exim4.conf"])
    report().broken("login", "exim-unknown-account", 1, f"MTA_XOAUTH2_MAILBOX = {BOX}")


def test_socket_elsewhere(look):
    way, report = look(variant="split")
    macros = way.exim.etc / "exim4/conf.d/main/000_mta-xoauth2"
    macros.write_text(macros.read_text().replace("/run/mta-xoauth2/tokend.sock", "/run/mta-xoauth2/other.sock"))
    way.exim.run(["update-exim4.conf"])
    report().broken("socket", "socket-elsewhere", 1, "MTA_XOAUTH2_SOCKET", "/run/mta-xoauth2/tokend.sock")


def test_password_beside(look):
    way, report = look(variant="split")
    (way.exim.etc / "exim4/passwd.client").write_text("localhost:user:a password\n")
    r = report().sound()
    assert r.links["mechanism"][0] == "note" and "passwd.client has passwords" in r.links["mechanism"][1]
    assert "a password\n" not in r.said


DENIED = ('type=AVC msg=audit({when}.123:77): avc:  denied  {{ connectto }} for  pid=815 comm="exim4" '
          'path="/run/mta-xoauth2/tokend.sock" scontext=system_u:system_r:exim_t:s0 '
          'tcontext=system_u:system_r:unconfined_service_t:s0 tclass=unix_stream_socket permissive=0\n')
OTHERS = ('type=AVC msg=audit({when}.123:78): avc:  denied  {{ read }} for  pid=9 comm="cat" name="shadow" '
          'scontext=system_u:system_r:init_t:s0 tclass=file permissive=0\n')


def test_refused_by_selinux(look):
    """As auditd writes it. One that is old may have been mended since."""
    way, report = look()
    audit = way.exim.dir / "var/log/audit/audit.log"
    audit.parent.mkdir()
    now = int(time.time())
    audit.write_text(OTHERS.format(when=now))
    assert report().sound().links["confinement"][0] != "note"
    audit.write_text(DENIED.format(when=now - 4000) + OTHERS.format(when=now))
    r = report().sound()
    assert r.links["confinement"] == ("note", "SELinux refused exim_t the way to the daemon 66 min ago, and not since")
    audit.write_text(DENIED.format(when=now - 60) + OTHERS.format(when=now))
    r = report().broken("confinement", "selinux-denied", 1, "audit2allow")
    assert "exim_t" in r.cause and any('comm="exim4"' in e for e in r.json["evidence"])
    audit.write_text((DENIED.format(when=now) + "x" * 1000 + "\n") * 1200 + DENIED.format(when=now))
    report().broken("confinement", "selinux-denied", 1)
