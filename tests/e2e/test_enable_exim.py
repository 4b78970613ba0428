"""mta-xoauth2 exim enable, disable, status, on Debian's own Exim: set up, mail flows, set back byte for byte."""

import hashlib
import json
import shutil
import signal
import subprocess

import pytest

from mxtest import paths
from mxtest.alone import BOX
from mxtest.exim import USER, commands
from mxtest.setup import Killer

DEBIAN = ["split", "unsplit"]
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


@pytest.fixture
def setup(exim_way, workdir, pki):
    def make(variant="split", **arguments):
        arguments = {"accounts": {BOX: {"allow_users": ["root"]}}} | arguments
        way = exim_way(variant=variant, bare=True, change={"macros": [("CA = system", f"CA = {pki.ca}")]}, **arguments)
        return Setup(way, workdir)
    return make


def fine(done, *words):
    return refused(done, 0, *words)


def refused(done, status, *words):
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    for word in words:
        assert word in said, said
    return done


@pytest.mark.parametrize("variant", DEBIAN)
def test_enable_deliver_disable(setup, variant):
    s = setup(variant)
    before = s.files()
    done = fine(s.tool("enable"), "exim: reloaded", "token daemon: reloaded", f"user {USER} gets a login for {BOX}",
                f"+MTA_XOAUTH2_MAILBOX = {BOX}", f"+    allow_users: [{USER}]", f"{variant} configuration, type smarthost",
                "hosts_require_auth of remote_smtp_smarthost is", "passwd.client has no password")
    assert ("+++ /etc/exim4/conf.d/auth/25_mta-xoauth2" in done.stdout) == (variant == "split")
    assert s.told.read_text().splitlines() == ["is-active --quiet exim4.service", "reload-or-restart exim4.service"]
    s.exim.send(BOX)
    s.way.arrived(1)
    assert s.exim.lines("=> .*T=mta_xoauth2 .* A=mta_xoauth2 ")
    status = fine(s.tool("status"), 'by "exim enable", all as it left it: ' + f"{s.relay} {BOX}",
                  f"the token daemon answers {USER}")
    assert "wrong" not in status.stdout
    assert json.loads(fine(s.tool("status", "--json")).stdout)["mail_server"] == "exim"
    fine(s.tool("disable"), "Exim is as it was before")
    assert s.files() == before and s.kept() == []
    assert "mta_xoauth2" not in s.exim.exim("-bP", "router_list").stdout
    fine(s.tool("status"), 'none: "exim enable" has not been run')


@pytest.mark.parametrize("variant", DEBIAN)
def test_a_satellite(setup, variant):
    """Debian's other type with a smarthost: mail for users of this host leaves as well, as the mailbox."""
    s = setup(variant)
    s.debconf("configtype='smarthost'", "configtype='satellite'")
    s.debconf("readhost=''", "readhost='example.test'")
    s.exim.run(["update-exim4.conf"])
    before = s.files()
    fine(s.tool("enable"), "type satellite", f"user {USER} gets a login for {BOX}")
    s.exim.send(BOX)
    s.exim.send(recipient="root")       # as cron does it
    assert [m[:2] for m in s.way.arrived(2)] == [(BOX, ["someone@example.net"]), (BOX, ["root@example.test"])]
    assert len(s.exim.lines("=> .*T=mta_xoauth2 .* A=mta_xoauth2 ")) == 2
    fine(s.tool("disable"))
    assert s.files() == before


@pytest.mark.parametrize("variant", DEBIAN)
def test_it_is_what_the_commands_of_the_manual_do(setup, variant):
    s = setup(variant)
    fine(s.tool("enable"))
    made = s.exim.dir / "var/lib/exim4/config.autogenerated"
    by_tool = [ln.rstrip() for ln in made.read_text().splitlines()]    # the test's editor leaves a blank
    fine(s.tool("disable"))
    s.exim.run(["sh", "-e", "-c", commands(f"Debian, {variant}")])
    assert [ln.rstrip() for ln in made.read_text().splitlines()] == by_tool
    refused(s.tool("enable"), 3, "is this set up by hand?", "nothing was changed")
    fine(s.tool("status"), "by hand: there is a transport mta_xoauth2")


@pytest.mark.parametrize("variant", DEBIAN)
def test_idempotent_and_dry_run(setup, variant):
    s = setup(variant)
    before = s.files()
    fine(s.tool("enable", "--dry-run"), f"+MTA_XOAUTH2_MAILBOX = {BOX}", "Nothing was changed: --dry-run")
    refused(s.tool("enable", None, "--relayhost", s.relay, "--account", BOX), 2, "no terminal to ask at")
    assert s.files() == before and s.kept() == [] and not s.told.exists()
    fine(s.tool("enable"))
    after = s.files()
    fine(s.tool("enable"), "set up already; nothing was changed")
    refused(s.tool("enable", None, "--relayhost", s.relay, "--account", "b@example.test", "--yes"), 3,
            "mta-xoauth2 exim disable")
    fine(s.tool("disable", "--dry-run"), f"-MTA_XOAUTH2_MAILBOX = {BOX}")
    assert s.files() == after
    fine(s.tool("disable"))
    assert s.files() == before
    fine(s.tool("disable"), "Nothing to take back")
    assert s.files() == before


@pytest.mark.parametrize("variant", DEBIAN)
def test_local_edits_are_kept(setup, variant):
    s = setup(variant)
    template, macros = s.etc / "exim4.conf.template", s.etc / "exim4.conf.localmacros"
    if variant == "unsplit":
        macros.write_text(macros.read_text().rstrip("\n"))    # somebody's editor leaves the last line without an end
        s.exim.run(["update-exim4.conf"])
    before, text = s.files(), template.read_text()
    fine(s.tool("enable"))
    if variant == "unsplit":
        template.write_text("# at the top\n" + template.read_text() + "# at the end\n")
        edited = "# at the top\n" + text + "# at the end\n"
    else:
        other = s.etc / "conf.d/router/185_mine"
        other.write_text("# mine\n")
    fine(s.tool("enable"), "set up already")
    fine(s.tool("disable"))
    if variant == "unsplit":
        assert template.read_text() == edited
        template.write_text(text)
    else:
        assert other.read_text() == "# mine\n"
        other.unlink()
    s.exim.run(["update-exim4.conf"])
    assert s.files() == before


@pytest.mark.parametrize("variant", DEBIAN)
def test_edits_of_our_own_lines_are_refused(setup, variant):
    s = setup(variant)
    before = s.files()
    fine(s.tool("enable"))
    path = s.etc / ("conf.d/main/000_mta-xoauth2" if variant == "split" else "exim4.conf.localmacros")
    text = path.read_text()
    path.write_text(text.replace("SENDERS =", "SENDERS = *@example.test"))
    edited = s.files()
    refused(s.tool("disable"), 3, f"{path.relative_to(s.exim.dir)} was edited since", "MTA_XOAUTH2_SENDERS = *@example.test")
    assert s.files() == edited and s.kept() != []
    fine(s.tool("status"), "was edited since")
    path.write_text(text)
    fine(s.tool("disable"))
    assert s.files() == before


@pytest.mark.parametrize("variant", DEBIAN)
def test_what_exim_would_not_take_is_taken_back(setup, variant):
    """A piece with an option that no Exim has."""
    s = setup(variant)
    (s.exim.samples / "transport").open("a").write("  no_such_option = 1\n")
    before = s.files()
    refused(s.tool("enable"), 3, "no_such_option", "all of it is taken back")
    assert s.files() == before and s.kept() == []
    assert "mta_xoauth2" not in s.exim.exim("-bP", "transport_list").stdout


def test_a_router_that_gets_lost_is_taken_back(setup):
    """Syntax is fine, but no mail would go this way."""
    s = setup("split")
    (s.exim.samples / "router").write_text("# nothing\n")
    before = s.files()
    refused(s.tool("enable"), 3, "the router mta_xoauth2 is not in", "all of it is taken back")
    assert s.files() == before and s.kept() == []


def own_configuration(s):
    shutil.copy(s.exim.dir / "var/lib/exim4/config.autogenerated", s.etc / "exim4.conf")


def not_debians(s):
    (s.etc / "update-exim4.conf.conf").unlink()


def other_type(s):
    s.debconf("configtype='smarthost'", "configtype='internet'")


def other_host(s):
    s.debconf("dc_smarthost='localhost::", "dc_smarthost='smtp.example.org::")


def several_hosts(s):
    s.debconf(f"localhost::{s.exim.relay[1]}", f"localhost::{s.exim.relay[1]};other.example.org")


def computed(s):
    s.debconf("dc_smarthost='localhost", "dc_smarthost='$X")


def password(key):
    def change(s):
        (s.etc / "passwd.client").open("a").write(f"{key}:user:hunter2\n")
    return change


def a_file(s):
    (s.etc / "conf.d/router/190_mta-xoauth2").write_text("# mine\n")


def a_link(s):
    (s.etc / "conf.d/auth/25_mta-xoauth2").symlink_to("/etc/hosts")


def no_pieces(s):
    (s.exim.samples / "auth").unlink()


def too_old(s):
    s.exim._program("exim4", 'echo "Exim version 4.95 #2 built"; echo "Configuration file is /var/lib/exim4/config.autogenerated"')


def no_account(s):
    s.tokend.accounts = {"*@example.org": {"client": "c"}}
    s.tokend.write()


def other_relay(s):
    s.tokend.accounts = {BOX: {"client": "c", "relays": ["smtp.example.org"]}}
    s.tokend.write()


def broken(s):
    s.tokend.config.write_text("clients: {\n")


@pytest.mark.parametrize("change,said", [
    (own_configuration, "/exim.conf shows how"), (not_debians, "/exim.conf"), (other_type, 'dc_eximconfig_configtype is "internet"'),
    (other_host, 'dc_smarthost is "smtp.example.org::'), (several_hosts, "dc_smarthost is"), (computed, "dc_smarthost is computed"),
    (password("localhost"), "passwd.client has a password"), (password("*"), "passwd.client has a password"),
    (a_file, "190_mta-xoauth2 is there already"), (a_link, "is a symbolic link"), (no_pieces, "/auth is not there"),
    (too_old, "version 4.95 is too old"), (no_account, "has no account for"), (other_relay, 'add that name to its "relays"'),
    (broken, "mta-xoauth2 check"),
], ids=lambda p: getattr(p, "__name__", None))
def test_refused_with_the_reason(setup, change, said):
    s = setup("split")
    change(s)
    before = s.files()
    done = refused(s.tool("enable"), 3, said, "nothing was changed")
    assert "hunter2" not in done.stdout + done.stderr
    assert s.files() == before and s.kept() == []


@pytest.mark.parametrize("line", ["begin retry\n", "smarthost:\n"])
def test_a_template_without_its_lines_is_refused(setup, line):
    s = setup("unsplit")
    path = s.etc / "exim4.conf.template"
    text = path.read_text()
    assert text.count("\n" + line) == 1
    for odd in (text.replace("\n" + line, "\n#" + line), text + line):
        path.write_text(odd)
        refused(s.tool("enable"), 3, f'has not one line that begins with "{line.strip()}"', "nothing was changed")
        assert path.read_text() == odd and s.kept() == []


@pytest.mark.parametrize("more,said", [
    (("--account", "a b@example.test"), "must be an address"), (("--account", "${run{x}}@example.test"), "must be an address"),
    (("--relayhost", "localhost:587"), "must look like"), (("--relayhost", "[::1]:587"), "must be a name"),
    (("--json",), "--json is an option of status"), (("--pieces", "x"), "absolute paths"),
], ids=str)
def test_command_lines_that_are_refused(binaries, more, said):
    argv = [paths.ours("tool"), "exim", "enable", "--relayhost", "[localhost]:1", "--account", BOX, *more]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    refused(done, 2, said)


@pytest.mark.parametrize("variant", DEBIAN)
@pytest.mark.parametrize("action", ["enable", "disable"])
def test_killed_now_and_then(setup, workdir, variant, action):
    """Whatever was done by then, the next run finds it and makes it whole."""
    s = setup(variant)
    killer, before = Killer(workdir), s.files()
    fine(s.tool("enable", env=killer.env(0)))
    after, steps = s.files(), killer.calls()
    killer.forget()
    fine(s.tool("disable", env=killer.env(0)))
    assert s.files() == before
    steps = steps if action == "enable" else killer.calls()
    assert steps > 20
    for n in range(9, steps + 1, 17):
        if action == "disable":
            fine(s.tool("enable"))
        done = s.tool(action, env=killer.env(n))
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), (n, done.stdout, done.stderr)
        if action == "enable" and n % 2:
            fine(s.tool("enable"))
            assert s.files() == after, n
        fine(s.tool("disable"))
        assert s.files() == before and s.kept() == [], n
