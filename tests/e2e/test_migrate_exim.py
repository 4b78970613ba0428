"""A password relay of Debian's Exim: its passwords stay for other servers, and none is tried where the token goes."""

import re

import pytest

from mxtest import exim
from mxtest.chain import BOX, Chain
from mxtest.exim import USER, Exim
from mxtest.exim_setup import Setup
from mxtest.relay import REFUSED, Relay
from mxtest.setup import Killer

DEBIAN = ["split", "unsplit"]
PASSWORD = "hunter2^the+password"


def fine(done, *words, status=0):
    assert done.returncode == status, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout + done.stderr, done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    return done


class Way:
    """Exim -> Dovecot, which takes tokens and passwords; and a second server that knows passwords alone, and has an alias:
    Exim looks passwords up by the canonical name."""

    def __init__(self, workdir, pki, variant):
        self.chain = Chain(workdir, pki, dovecot={"password": PASSWORD}, account={"allow_users": ["root"]})
        self.chain.tokend.jail, self.tokend = None, self.chain.tokend
        self.other = Relay(pki.cert("other", ("other.example.test", "alias.example.test")), offer="AUTH PLAIN LOGIN")
        self.exim = Exim(workdir / "x", ("localhost", self.chain.dovecot.port), BOX, pki.ca, self.tokend.run_dir,
                         variant=variant, bare=True, change={"macros": [("CA = system", f"CA = {pki.ca}")]},
                         extra=f"REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES = {pki.ca}")

    def start(self):
        self.chain.start(without=("postfix",))
        self.other.start()
        self.exim.start()
        return self

    def stop(self):
        self.exim.stop()
        self.other.stop()
        self.chain.stop()

    def send(self, recipient="someone@example.net"):
        self.exim.send(BOX, recipient)
        return self.exim.lines("=> ")[-1]


@pytest.fixture
def setup(up, workdir, pki, binaries):
    if exim.refused():
        pytest.skip(f"no mount namespace here: {exim.refused()}")

    def make(variant, *lines):
        s = Setup(up(Way(workdir, pki, variant)), workdir)
        s.exim.run(["sh", "-c", "echo 127.0.0.1 other.example.test alias.example.test >>/etc/hosts"])
        router = ("other:\n  driver = manualroute\n  domains = other.example\n  transport = remote_smtp_smarthost\n"
                  f"  route_list = * alias.example.test::{s.way.other.port} byname\n\n")
        if variant == "split":
            (s.etc / "conf.d/router/150_other").write_text(router)
        else:
            path = s.etc / "exim4.conf.template"
            path.write_text(path.read_text().replace("\nbegin routers\n", "\nbegin routers\n\n" + router))
        s.passwords = s.etc / "passwd.client"
        s.passwords.write_text(s.passwords.read_text() + "\n".join(lines) + "\n")
        s.exim.run(["update-exim4.conf"])
        return s
    return make


@pytest.mark.parametrize("variant,key", [("split", "localhost"), ("unsplit", "*")])
def test_there_and_back(setup, variant, key):
    s = setup(variant, f"other.example.test:second@example.test:{PASSWORD}2", f"{key}:{BOX}:{PASSWORD}")
    before, text = s.files(), s.passwords.read_bytes()
    assert " A=plain " in s.way.send() and " A=plain " in s.way.send("x@other.example")
    done = fine(s.tool("enable", None, "--relayhost", s.relay, "--yes"),
                "has passwords, also for this server: it stays as it is", f"gets a login for {BOX}", "client_condition")
    assert done.stdout.count("+  client_condition = ${if !eq{$transport_name}") == 3   # cram_md5, plain, login
    assert s.passwords.read_bytes() == text
    assert " T=mta_xoauth2 " in (line := s.way.send()) and " A=mta_xoauth2 " in line
    assert " T=remote_smtp_smarthost " in (line := s.way.send("y@other.example")) and " A=plain " in line
    assert [r.decode() for r in s.way.other.sessions[-1].responses] == [f"\0second@example.test\0{PASSWORD}2"]
    fine(s.tool("enable", None, "--relayhost", s.relay, "--yes"), "set up already")
    fine(s.tool("status"), 'by "exim enable", all as it left it')
    fine(s.tool("disable"))
    assert s.files() == before and s.kept() == []
    assert " A=plain " in s.way.send() and " A=plain " in s.way.send("z@other.example")
    assert len(s.way.chain.sink.mails()) == 3 and len(s.way.other.mails) == 3


@pytest.mark.parametrize("variant", DEBIAN)
def test_after_a_refused_token_no_password_is_tried(exim_way, workdir, pki, variant):
    """The server would take it. Without the conditions it gets it: the check is one."""
    relay = Relay(pki.cert(), offer="AUTH PLAIN LOGIN XOAUTH2", answer=REFUSED)
    way = exim_way(variant=variant, bare=True, relay=relay, accounts={BOX: {"allow_users": ["root"]}},
                   change={"macros": [("CA = system", f"CA = {pki.ca}")]})
    s = Setup(way, workdir)
    (s.etc / "passwd.client").open("a").write(f"*:{BOX}:{PASSWORD}\n")
    fine(s.tool("enable"))
    mail = s.exim.send(BOX)
    way.deferred(mail, -42, "refused the access token")
    assert "AUTH XOAUTH2" in relay.commands and not [c for c in relay.commands if "PLAIN" in c or "LOGIN" in c]
    name = "conf.d/auth/30_exim4-config_examples" if variant == "split" else "exim4.conf.template"
    path = s.etc / name
    text = path.read_text()
    path.write_text(re.sub(r"  client_condition = .*transport_name.*\n", "", text))
    s.exim.run(["update-exim4.conf"])
    sessions = len(relay.sessions)
    s.exim.flush()
    assert [c for session in relay.sessions[sessions:] for c in session.commands if "AUTH PLAIN" in c], relay.commands
    del relay.sessions[sessions:]       # what must hold of all others is looked at in the end
    path.write_text(text)
    s.exim.run(["update-exim4.conf"])


def test_a_new_client(setup, workdir):
    s = setup("split", f"localhost:{BOX}:{PASSWORD}")
    s.tokend.accounts = {"*@elsewhere.test": {"client": "chain"}}
    s.tokend.write()
    before = s.files()
    fine(s.tool("enable", None, "--relayhost", s.relay, "--yes"), "has no account for", status=3)
    new = ("--tenant", "contoso.onmicrosoft.com", "--client-id", "11111111-2222-3333-4444-555555555555", "--secret-file",
           str(s.tokend.secret_path("chain.secret")))
    done = s.tool("enable", None, "--relayhost", s.relay, "--yes", *new)
    # all is set up; the preset's tokens go to Microsoft's servers alone
    fine(done, "provider: exchange-online", 'tenant: "contoso.onmicrosoft.com"', f"allow_users: [root, {USER}]",
         "all is set up, but the token daemon has no login", status=3)
    fine(s.tokend.tool("check"), "no errors")
    fine(s.tool("disable"))
    assert s.files() == before and s.kept() == []


def test_no_account_anywhere(setup):
    s = setup("split", f"localhost:user:{PASSWORD}")
    before = s.files()
    fine(s.tool("enable", None, "--relayhost", s.relay, "--yes"), "enable needs --account", status=2)
    assert s.files() == before


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_killed_now_and_then(setup, workdir, action):
    s = setup("split", f"localhost:{BOX}:{PASSWORD}")
    killer, before = Killer(workdir), s.files()
    fine(s.tool("enable", env=killer.env(0)))
    after, steps = s.files(), killer.calls()
    killer.forget()
    fine(s.tool("disable", env=killer.env(0)))
    steps = steps if action == "enable" else killer.calls()
    for n in range(13, steps + 1, 29):
        if action == "disable":
            fine(s.tool("enable"))
        assert s.tool(action, env=killer.env(n)).returncode != 0
        if action == "enable" and n % 2:
            fine(s.tool("enable"))
            assert s.files() == after, n
        fine(s.tool("disable"))
        assert s.files() == before and s.kept() == [], n
