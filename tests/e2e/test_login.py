"""mta-xoauth2 login: from a person's consent to a delivered mail, and all that can go wrong between the two."""

import fcntl
import json
import os
import pwd
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mxtest import browser, paths
from mxtest.chain import BOX, SECRET
from mxtest.clock import Clock
from mxtest.login import (CODE, GRANTED, OLD, PENDING, World, bodies, codes, error, fake, idp, public, rec,  # noqa: F401
                          shown_code, store, world)
from mxtest.proc import wait_for
from mxtest.recorder import Answer, token
from mxtest.terminal import Terminal


# --- the way it is meant -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["none", "client_secret_basic"])
def test_a_login_mends_the_running_daemon_and_a_mail_goes_out(make_chain, up, workdir, pki, auth):
    chain = make_chain(
        without=("tokend", "postfix"), auth=auth, idp_client=public(client_id="chain", auth=auth, **(
            {"client_secret": None} if auth == "none" else {})),
        client={"grant": "refresh_token", "scope": "mail offline_access", **(
            {"client_secret_file": None} if auth == "none" else {})})
    path = store(workdir / "store")
    entry = chain.tokend.clients["chain"]
    entry["device_authorization_endpoint"], entry["refresh_token_file"] = chain.idp.issuer + "/device/auth", str(path)
    chain.tokend.start()
    chain.postfix.start()
    pid = chain.tokend.proc.pid
    chain.postfix.send(subject="before")
    line, = chain.postfix.wait_log("status=deferred")
    assert "mta-xoauth2 login" in chain.postfix.log() and "[refresh-token-missing]" in chain.postfix.log()
    assert chain.idp.token_requests() == 0
    terminal = up(Terminal([paths.ours("tool"), "login", BOX, "--config", chain.tokend.config],
                           {"PATH": "/usr/bin:/bin", "MTA_XOAUTH2_SOCKET": str(chain.tokend.socket)}))
    uri, code = shown_code(terminal)
    assert uri == chain.idp.issuer + "/device" and re.fullmatch(r"[A-Z]{4}-[A-Z]{4}", code)
    assert f"{uri}?user_code={code}" in terminal.shown
    wait_for("a question that is pending", lambda: [r for r in chain.idp.requests() if r.get("error") == "authorization_pending"])
    assert not path.exists()
    running = {f: Path(f"/proc/{terminal.proc.pid}/{f}").read_bytes().decode("latin1") for f in ("cmdline", "environ")}
    assert "done" in browser.agree(pki.ca, uri, code)
    assert terminal.ends() == 0, terminal.shown
    assert "consent given" in terminal.shown and str(path) in terminal.shown and "the daemon has a token" in terminal.shown
    chain.postfix.flush()
    mail, = chain.sink.wait(1, 60)
    assert mail.subject == "before"
    assert chain.tokend.proc.pid == pid and chain.tokend.proc.poll() is None
    st = path.stat()
    assert (st.st_mode & 0o7777, pwd.getpwuid(st.st_uid).pw_name) == (0o600, "mta-xoauth2")
    lock = path.with_name(path.name + ".lock").stat()
    assert (lock.st_mode & 0o7777, lock.st_uid) == (0o600, st.st_uid)
    used = [r["auth"] for r in chain.idp.requests() if r["path"] in ("/token", "/device/auth")]
    assert set(used) == {"basic" if auth == "client_secret_basic" else "body"}
    kept = path.read_text().strip()
    bare = chain.tokend.ask("TOKEN", account=BOX).token
    for where, text in {"terminal": terminal.shown, "daemon's log": chain.tokend.log(), "mail log": chain.postfix.log(),
                        **running}.items():
        for secret in (kept, bare, bare.split(".")[-1], SECRET):
            assert secret not in text, f"{secret[:8]}... in {where}"


def test_the_requests_to_the_byte_and_nothing_secret_shown(fake, rec):
    rec.script(codes(), PENDING, GRANTED)
    terminal = fake.login()
    assert terminal.ends() == 0, terminal.shown
    ask = f"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code={CODE}&client_id=pub"
    assert bodies(rec) == ["client_id=pub&scope=mail+offline_access", ask, ask]
    assert [r.target for r in rec.requests] == ["/device", "/token", "/token"]
    assert all("authorization" not in r.headers for r in rec.requests)
    fake.untouched("new-refresh-token")
    for secret in (CODE, "new-refresh-token", "new-access-token", OLD):
        assert secret not in terminal.shown
    assert "WDJB-MJHT" in terminal.shown and "or open" not in terminal.shown
    assert "as box@example.test:" in terminal.shown, "the mailbox is who has to agree"


def test_plain_lines_where_no_terminal_is(fake, rec):
    rec.script(codes(), PENDING, GRANTED)
    done = fake.piped()
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stdout and "\x1b" not in done.stdout
    assert "waiting for consent: 10 minutes left\n" in done.stdout and done.stdout.count("minutes left") == 1
    assert "the daemon was not told" in done.stderr and "will find the refresh token by itself" in done.stderr


def test_slow_down_is_for_good(fake, rec):
    rec.script(codes(interval=1), error("slow_down"), PENDING, GRANTED)
    assert fake.piped().returncode == 0
    at = [r.at for r in rec.requests]
    gaps = [b - a for a, b in zip(at, at[1:])]
    assert 0.9 < gaps[0] < 3 and all(5.9 < gap < 9 for gap in gaps[1:]), gaps


def test_the_provider_goes_and_comes_back(fake, rec):
    """Ever more seldom while it is away; and what is said of it is said once."""
    rec.script(codes(interval=1), PENDING)
    terminal = fake.login()
    shown_code(terminal)
    wait_for("the first question", lambda: len(rec.requests) >= 2)
    rec.stop()
    terminal.see("connect-refused|nobody listens|refused.*trying again")
    left = time.monotonic()
    time.sleep(3.5)
    rec.script(GRANTED).start()
    terminal.see("the provider answers again|consent given")
    assert terminal.ends() == 0, terminal.shown
    assert terminal.shown.count("trying again") == 1
    assert rec.requests[-1].at - left > 3.5
    assert fake.stored() == "new-refresh-token"


def test_an_outage_of_the_provider_is_waited_out(fake, rec):
    rec.script(codes(), Answer("<html>down", status=503), Answer({"error": "server_error"}, status=500), PENDING, GRANTED)
    terminal = fake.login()
    assert terminal.ends(40) == 0, terminal.shown
    assert "trying again" in terminal.shown and "the provider answers again" in terminal.shown


# --- the ways it ends without ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["the button", "at the consent"])
def test_declined(world, idp, pki, how):
    terminal = world.login()
    uri, code = shown_code(terminal)
    if how == "the button":
        browser.abort(pki.ca, uri, code)
    else:
        idp.set("pub", decline=True)
        browser.agree(pki.ca, uri, code)
    assert terminal.ends() == 5
    assert "consent was declined, and nothing is stored" in terminal.shown
    assert world.stored() is None and not list(world.path.parent.glob("*.new"))


def test_declined_as_microsoft_says_it(fake, rec):
    rec.script(codes(), error("authorization_declined", error_description="AADSTS70016: no"))
    done = fake.piped()
    assert done.returncode == 5 and "consent was declined" in done.stderr
    fake.untouched()


@pytest.mark.parametrize("by", ["the provider", "the clock"])
def test_expired(fake, rec, by):
    rec.script(*[codes(), error("expired_token")] if by == "the provider" else [codes(expires_in=2), PENDING])
    done = fake.piped()
    assert done.returncode == 75 and "the code has expired" in done.stderr and "run this again" in done.stderr
    fake.untouched()


def test_expired_at_a_terminal_and_a_new_code(world, idp, pki):
    """The real provider's word for it; Enter brings the next one."""
    idp.set("pub", codeLifetime=1)
    terminal = world.login()
    _, first = shown_code(terminal)
    terminal.type("\n")     # of an impatient person: no answer to what is asked later
    terminal.see("Press Enter for a new code")
    idp.set("pub", codeLifetime=None)
    time.sleep(0.7)
    assert terminal.shown.count("enter ") == 1
    before = len(terminal.shown)
    terminal.type("\n")
    wait_for("the second code", lambda: re.search(r"enter +\S+.*left", terminal.shown[before:], re.S))
    second = re.search(r"enter +(\S+)", terminal.shown[before:]).group(1)
    assert second != first
    browser.agree(pki.ca, idp.issuer + "/device", second)
    assert terminal.ends() == 0 and world.stored()


def test_expired_at_a_terminal_and_enough(fake, rec):
    rec.script(codes(), error("expired_token"))
    terminal = fake.login()
    terminal.see("Press Enter for a new code")
    terminal.type("\x03")
    assert terminal.ends() == -signal.SIGINT and "nothing is stored" in terminal.shown
    fake.untouched()


@pytest.mark.parametrize("when", ["between two questions", "during one", "before the codes are there"])
def test_interrupted(fake, rec, when):
    """Nothing is stored, nothing is left, nothing is asked any more, and a shell hears of the signal."""
    rec.script(*{"between two questions": [codes(interval=60)], "during one": [codes(), Answer(hang=True)],
                 "before the codes are there": [Answer(hang=True)]}[when])
    terminal = fake.login()
    asked = {"between two questions": 1, "during one": 2, "before the codes are there": 1}[when]
    wait_for("the request", lambda: len(rec.requests) >= asked)
    if when == "between two questions":
        shown_code(terminal)
    started = time.monotonic()
    terminal.type("\x03")
    assert terminal.ends(5) == -signal.SIGINT
    assert time.monotonic() - started < 3
    assert "stopped; nothing is stored" in terminal.shown and len(rec.requests) == asked
    fake.untouched()


def test_other_ends(fake, rec):
    """What the provider says otherwise is told, with what it means, and no more questions are asked."""
    rec.script(codes(), error("invalid_grant", error_description="device code not found"))
    done = fake.piped()
    assert done.returncode == 5 and "device code not found" in done.stderr and "nothing is stored" in done.stderr
    assert len(rec.requests) == 2
    rec.clear()
    rec.script(error("invalid_client", 401, error_description="AADSTS7000218: no secret", error_codes=[7000218]))
    done = fake.piped()
    assert done.returncode == 5 and "AADSTS7000218" in done.stderr and len(rec.requests) == 1
    rec.script(Answer({"device_code": CODE}))
    done = fake.piped()
    assert done.returncode == 5 and "user_code" in done.stderr and CODE not in done.stderr + done.stdout
    fake.untouched()


def test_no_refresh_token_in_the_reply(fake, rec):
    for scope, mend in (("mail offline_access", "lets this application have any"), ("mail", 'add "offline_access"')):
        fake.tokend.clients["c"]["scope"] = scope
        fake.tokend.write()
        rec.script(codes(), token("access-alone", scope="mail"))
        done = fake.piped()
        assert done.returncode == 5 and mend in done.stderr and "nothing is stored" in done.stderr
    assert "access-alone" not in done.stderr + done.stdout
    fake.untouched()


def test_a_narrower_scope_is_warned_of(fake, rec):
    rec.script(codes(), token("t", refresh_token="new-refresh-token", scope="openid User.Read"))
    done = fake.piped()
    assert done.returncode == 0 and 'did not grant "mail", only "openid User.Read"' in done.stderr
    assert fake.stored() == "new-refresh-token"


def test_hostile_text_stays_text(fake, rec):
    rec.script(codes(user_code="A\x1b]0;x\x07B", verification_uri="https://id.test/\x1b[2J",
                     verification_uri_complete="https://id.test/?c=\u202egnp"),
               error("access_denied", error_description="\x1b[31mred\x07"))
    terminal = fake.login()
    assert terminal.ends() == 5
    assert "\x1b" not in terminal.shown and "\x07" not in terminal.shown and "\u202e" not in terminal.shown


# --- before anything is asked --------------------------------------------------------------------------------------------------


def test_a_store_that_cannot_be_written_is_found_first(fake, rec):
    fake.path.parent.chmod(0o755)
    os.chown(fake.path.parent, 0, 0)
    done = fake.piped()
    assert done.returncode == 75 and "Permission denied" in done.stderr and "nothing was asked" in done.stderr
    os.rename(fake.path.parent, fake.path.parent.with_name("elsewhere"))
    done = fake.piped()
    assert done.returncode == 3 and f"install -d -o mta-xoauth2 -m 700 {fake.path.parent}" in done.stderr
    assert not rec.requests


def test_who_may(fake, rec, workdir):
    program = workdir / "mta-xoauth2"
    program.write_bytes(paths.ours("tool").read_bytes())
    program.chmod(0o755)

    def as_user(user):
        return subprocess.run([str(a) for a in fake.argv(program=program)], env=fake.env(), capture_output=True, text=True, timeout=30,
                              stdin=subprocess.DEVNULL, user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=[], cwd="/")
    rec.script(codes(), GRANTED)
    done = as_user("nobody")
    assert done.returncode == 3 and f"sudo -u mta-xoauth2 mta-xoauth2 login {BOX}" in done.stderr and not rec.requests
    fake.untouched()
    fake.tokend.start()
    done = as_user("mta-xoauth2")
    assert done.returncode == 0, done.stderr
    assert "not seen whether the daemon gets a token" in done.stderr and "admin_users" in done.stderr
    fake.untouched("new-refresh-token")


def test_what_is_wrong_with_the_configuration(fake, rec):
    done = fake.piped(account="apq@example.test")
    assert done.returncode == 3 and f'did you mean "{BOX}"?' in done.stderr
    entry = fake.tokend.clients["c"]
    del entry["device_authorization_endpoint"]
    fake.tokend.write()
    done = fake.piped()
    assert done.returncode == 3 and 'lacks "device_authorization_endpoint"' in done.stderr
    done = fake.piped("--browser")
    assert done.returncode == 3 and 'lacks "authorization_endpoint"' in done.stderr
    for key in ("refresh_token_file", "client_auth"):
        del entry[key]
    entry.update(grant="client_credentials", client_secret_file="secret:s")
    fake.tokend.secrets["s"] = SECRET
    fake.tokend.write()
    done = fake.piped()
    assert done.returncode == 3 and "needs no login" in done.stderr and "grant: refresh_token" in done.stderr
    fake.tokend.config.write_text("clients: [\n")
    done = fake.piped()
    assert done.returncode == 3 and "tokend.yaml:" in done.stderr and "error:" in done.stderr
    assert not rec.requests


# --- with others at the same time ------------------------------------------------------------------------------------------------


def test_a_credential_of_the_unit_is_not_there_for_a_login(up, workdir, pki, rec):
    """Said before anybody agrees, with the way to hand it over; which is a way."""
    world = World(up, workdir, pki, rec.url, rec.url.replace("/token", "/device"), OLD, client_auth="client_secret_post",
                  client_secret_file="credential:pub")
    got = world.piped()
    assert got.returncode == 3 and "systemd-run --pty --uid=mta-xoauth2 -p LoadCredential=pub:/PATH" in got.stderr
    assert not rec.requests
    world.untouched()
    given = workdir / "given"
    given.mkdir()
    (given / "pub").write_text(SECRET)
    for path in (given, given / "pub"):
        os.chown(path, pwd.getpwnam("mta-xoauth2").pw_uid, -1)
        path.chmod(0o700 if path is given else 0o400)
    rec.script(codes(), GRANTED)
    terminal = up(Terminal(world.argv(), world.env() | {"CREDENTIALS_DIRECTORY": str(given)}))
    assert terminal.ends() == 0, terminal.shown
    world.untouched("new-refresh-token")


def test_the_old_token_serves_until_there_is_another(world, idp, pki):
    """While somebody reads a code, the daemon goes on renewing: login does not keep its lock."""
    first = world.login()
    browser.agree(pki.ca, *shown_code(first))
    assert first.ends() == 0
    world.tokend.start()
    assert world.tokend.ask("TOKEN", account=BOX).ok
    second = world.login()
    shown_code(second)
    with open(world.path.with_name("c.refresh.lock"), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    before = world.stored()
    assert world.tokend.ask("FLUSH", account=BOX).ok
    assert world.tokend.ask("TOKEN", account=BOX).ok, world.tokend.log()
    assert world.stored() != before, "the provider rotates"
    second.type("\x03")
    assert second.ends() == -signal.SIGINT
    assert world.tokend.ask("FLUSH", account=BOX).ok and world.tokend.ask("TOKEN", account=BOX).ok


def test_a_daemon_that_renews_is_waited_for(fake, rec):
    rec.script(codes(), GRANTED)
    lock = open(fake.path.with_name("c.refresh.lock"), "a+b")
    os.chown(lock.fileno(), fake.path.stat().st_uid, -1)
    os.chmod(lock.fileno(), 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    terminal = fake.login()
    time.sleep(0.7)
    assert not rec.requests and terminal.proc.poll() is None
    fcntl.flock(lock, fcntl.LOCK_UN)
    terminal.see("WDJB-MJHT")
    fcntl.flock(lock, fcntl.LOCK_EX)
    wait_for("the grant", lambda: len(rec.requests) >= 2)
    time.sleep(0.5)
    fake.untouched()
    fcntl.flock(lock, fcntl.LOCK_UN)
    lock.close()
    assert terminal.ends() == 0
    fake.untouched("new-refresh-token")


def test_a_daemon_that_renews_slowly_is_waited_for(up, workdir, pki, rec):
    """Consent is not lost because the daemon's own request takes the time that the configuration allows it."""
    slow = World(up, workdir, pki, rec.url, rec.url.replace("/token", "/device"), OLD, timeout="5m")
    clock = Clock(workdir)
    rec.script(codes(), GRANTED)
    terminal = up(Terminal(slow.argv(), slow.env() | clock.environment()))
    terminal.see("WDJB-MJHT")
    with open(slow.path.with_name("c.refresh.lock"), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wait_for("the grant", lambda: len(rec.requests) >= 2)
        time.sleep(0.5)
        clock.advance(300)
        time.sleep(0.7)
        slow.untouched()
        assert terminal.proc.poll() is None, terminal.shown
    assert terminal.ends() == 0
    slow.untouched("new-refresh-token")


def test_two_logins_at_a_time(world, idp, pki):
    """Each has its code; the one that ends last is who counts."""
    one, two = world.login(), world.login()
    (uri, code1), (_, code2) = shown_code(one), shown_code(two)
    assert code1 != code2
    browser.agree(pki.ca, uri, code2)
    assert two.ends() == 0
    kept = world.stored()
    browser.agree(pki.ca, uri, code1)
    assert one.ends() == 0
    assert world.stored() not in (None, kept)
    world.tokend.start()
    assert world.tokend.ask("TOKEN", account=BOX).ok


def test_another_person_agrees(world, idp, pki):
    """What the daemon had of the first one goes at once."""
    world.tokend.start()
    for who in ("first@example.test", "second@example.test"):
        idp.set("pub", sub=who)
        terminal = world.login()
        browser.agree(pki.ca, *shown_code(terminal))
        assert terminal.ends() == 0, terminal.shown
        assert "the daemon has a token" in terminal.shown
        claims = json.loads(_b64(world.tokend.ask("TOKEN", account=BOX).token.split(".")[1]))
        assert claims["sub"] == who


def _b64(text):
    import base64
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_daemon_gets_no_token_with_it(fake, rec):
    """Stored, and useless: said at once and not by the next mail."""
    fake.tokend.start()
    rec.script(codes(), GRANTED, error("invalid_grant", error_description="no such token"))
    done = fake.piped()
    assert done.returncode == 5 and "the daemon gets no token with it" in done.stderr
    assert fake.stored() == "new-refresh-token"


def test_the_daemon_has_another_configuration(fake, rec):
    fake.tokend.accounts = {"other@example.test": {"client": "c"}}
    fake.tokend.start()
    fake.tokend.accounts = {BOX: {"client": "c"}}
    fake.tokend.write()
    rec.script(codes(), GRANTED)
    done = fake.piped()
    assert done.returncode == 3 and "mta-xoauth2 reload" in done.stderr
    assert fake.stored() == "new-refresh-token"


# --- by a browser ------------------------------------------------------------------------------------------------------------------
