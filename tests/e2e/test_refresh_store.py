"""The refresh token's file: two daemons on it, disks and folders that fail, dead grants, and nothing of it elsewhere."""

import os
import shutil
import subprocess
import threading
import time

import pytest

from mxtest.alone import BOX
from mxtest.proc import descendants, wait_for
from mxtest.recorder import Answer, token
from mxtest.refresh import (FIRST, Store, again, ask_beside, daemon, idp, in_flight, recorder, sent, store, tokend,  # noqa: F401
                            unharmed)
from test_herd import LIMITS  # noqa: F401


def test_two_daemons_on_one_file(up, workdir, pki, idp, store, binaries):
    both = [up(daemon(workdir, idp.token_endpoint, pki, store, name)) for name in ("t", "u")]
    failed = []

    def renew(tokend):
        for _ in range(15):
            reply = again(tokend)
            if not reply.ok and reply.code != "refresh-token-busy":
                failed.append(reply)
    threads = [threading.Thread(target=renew, args=(t,)) for t in both]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed and idp.token_requests() > 15
    unharmed(idp)
    store.tidy()


# --- what fails --------------------------------------------------------------------------------------------------


@pytest.fixture
def little_disk(workdir):
    """A file system of 64 kB for the store."""
    folder = workdir / "state"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


BRIEF = {"backoff_max": "1s"}


def refused_unsent(tokend, recorder, class_, code):
    reply = tokend.sasl(BOX, deadline_ms=500)
    assert (reply.class_, reply.code) == (class_, code) and not recorder.requests, reply
    assert "c.refresh" in reply.text and "client \"c\"" in reply.text


def test_a_full_disk_is_found_before_the_token_is_used(little_disk, up, workdir, pki, recorder, binaries):
    store = Store(little_disk)
    store.put(FIRST)
    ballast = os.open(little_disk / "ballast", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(ballast, b"x" * 4096)
    os.close(ballast)
    tokend = up(daemon(workdir, recorder.url, pki, store, client=BRIEF))
    refused_unsent(tokend, recorder, "temp", "refresh-token-unwritable")
    (little_disk / "ballast").unlink()
    wait_for("the next try", lambda: tokend.sasl(BOX).ok)
    assert store.get() == "second" and len(recorder.requests) == 1


def test_a_disk_that_became_read_only(little_disk, up, workdir, pki, recorder, binaries):
    store = Store(little_disk)
    store.put(FIRST)
    subprocess.run(["mount", "-o", "remount,ro", little_disk], check=True)
    tokend = up(daemon(workdir, recorder.url, pki, store, client=BRIEF))
    refused_unsent(tokend, recorder, "temp", "refresh-token-unwritable")
    subprocess.run(["mount", "-o", "remount,rw", little_disk], check=True)
    wait_for("the next try", lambda: tokend.sasl(BOX).ok)
    assert store.get() == "second" and len(recorder.requests) == 1


def test_a_folder_that_is_not_the_daemons(up, workdir, pki, recorder, store, binaries):
    store.put(FIRST)
    os.chown(store.dir, 0, 0)
    store.dir.chmod(0o755)
    tokend = up(daemon(workdir, recorder.url, pki, store, client=BRIEF))
    tokend.reload("reloaded")
    assert "may not write to" in tokend.log()
    refused_unsent(tokend, recorder, "temp", "refresh-token-unwritable")
    os.chown(store.dir, *store.ids)
    wait_for("the next try", lambda: tokend.sasl(BOX).ok)
    assert store.get() == "second"


def symlink(store):
    store.file.rename(store.dir / "real")
    store.file.symlink_to("real")


def fifo(store):
    store.file.unlink()
    os.mkfifo(store.file, 0o600)
    os.chown(store.file, *store.ids)


BROKEN = {
    "missing": (lambda s: s.file.unlink(), "refresh-token-missing"),
    "no folder": (lambda s: shutil.rmtree(s.dir), "refresh-token-missing"),
    "a symbolic link": (symlink, "refresh-token-symlink"),
    "a pipe": (fifo, "refresh-token-not-a-file"),
    "two names": (lambda s: os.link(s.file, s.dir / "second"), "refresh-token-linked"),
    "another's": (lambda s: (os.chown(s.file, 12345, -1), s.file.chmod(0o600)), "refresh-token-unreadable"),
    "root's": (lambda s: os.chown(s.file, 0, 0), "refresh-token-unreadable"),
    "open to the group": (lambda s: s.file.chmod(0o640), "refresh-token-exposed"),
    "open to all": (lambda s: s.file.chmod(0o604), "refresh-token-exposed"),
    "empty": (lambda s: s.put(""), "refresh-token-empty"),
    "two lines": (lambda s: s.put("a\nb"), "refresh-token-malformed"),
    "too long": (lambda s: s.put("x" * 16385), "refresh-token-too-long"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_not_right(up, workdir, pki, recorder, store, binaries, name):
    """It keeps nobody from starting, is never sent, and a login mends it without a restart."""
    damage, code = BROKEN[name]
    store.put(FIRST)
    damage(store)
    tokend = up(daemon(workdir, recorder.url, pki, store))
    refused_unsent(tokend, recorder, "config", code)
    assert FIRST not in tokend.log()
    Store(store.dir)
    store.put("from-a-login")
    wait_for("the login to be seen", lambda: tokend.sasl(BOX).ok, 5)
    assert [sent(r) for r in recorder.requests] == ["from-a-login"] and store.get() == "second"


def test_a_grant_that_is_dead_until_the_next_login(up, workdir, pki, idp, store, binaries):
    tokend = up(daemon(workdir, idp.token_endpoint, pki, store))
    backup = store.get()
    assert tokend.sasl(BOX).ok
    store.put(backup)                                   # what a restored backup does
    reply = again(tokend)
    assert (reply.class_, reply.code) == ("provider", "refresh-token-refused"), reply
    assert "mta-xoauth2 login" in reply.text and not idp.alive(idp.used)
    asked = idp.token_requests()
    for _ in range(20):
        assert tokend.sasl(BOX).code == "refresh-token-refused"
    assert idp.token_requests() == asked, "answered from memory"
    store.put(idp.grant("chain")["refresh_token"])
    wait_for("the login to be seen", lambda: tokend.sasl(BOX).ok, 5)
    assert "refresh token" in tokend.wait_log("file_changed client=c")


@pytest.mark.parametrize("number, code", [(700082, "refresh-token-expired"), (70008, "refresh-token-expired"),
                                          (50173, "refresh-token-revoked"), (70043, "refresh-token-expired"),
                                          (0, "refresh-token-refused")])
def test_what_the_provider_says_of_a_dead_one(tokend, recorder, store, number, code):
    text = f"AADSTS{number}: The token has ended." if number else "Token has been expired or revoked."
    recorder.script(Answer({"error": "invalid_grant", "error_description": text, "error_codes": [number] if number else []}, status=400))
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("provider", code) and "mta-xoauth2 login" in reply.text
    assert store.get() == FIRST


def test_a_successor_that_cannot_be_stored_at_once(tokend, recorder, store):
    """The provider has ended the old one: it is tried again, loudly, and nobody gets the access token before."""
    recorder.script(Answer(token("access-0", refresh_token="second").body, delay=0.7))
    thread, replies = ask_beside(tokend)
    in_flight(recorder)
    wait_for("the room for it", lambda: (store.dir / "c.refresh.new").exists())
    os.chown(store.dir, 0, 0)
    store.dir.chmod(0o755)
    tokend.wait_log("refresh_token_not_stored client=c")
    time.sleep(0.5)
    assert not replies and store.get() == FIRST
    os.chown(store.dir, *store.ids)
    thread.join()
    assert replies[0].token == "access-0" and store.get() == "second"
    assert tokend.log().count("refresh_token_not_stored") == 1 and len(recorder.requests) == 1


def test_a_successor_that_is_never_stored(tokend, recorder, store):
    recorder.script(Answer(token("access-0", refresh_token="second").body, delay=0.7))
    thread, replies = ask_beside(tokend)
    in_flight(recorder)
    wait_for("the room for it", lambda: (store.dir / "c.refresh.new").exists())
    os.chown(store.dir, 0, 0)
    store.dir.chmod(0o755)
    line = tokend.wait_log("refresh_token_lost client=c", 15)
    assert "could not be stored" in line and "mta-xoauth2 login" in line
    thread.join()
    assert not replies[0].ok and store.get() == FIRST
    assert "access-0" not in tokend.log() and "second" not in tokend.log()


def test_a_lost_answer_is_not_asked_for_twice_at_once(tokend, recorder, store):
    """The provider may have ended the token: within one renewal it is never sent a second time."""
    recorder.script(Answer(raw=b""), token("access-1", refresh_token="second"))
    reply = tokend.sasl(BOX)
    assert reply.ok and len(recorder.requests) == 2
    assert tokend.log().count("fetch_failed") == 1 and tokend.log().count("fetch_ok") == 1


def test_no_refresh_token_where_it_does_not_belong(make_chain, store):
    chain = make_chain(without=("tokend", "postfix"), auth="none", top={"log_level": "debug"},
                       client={"grant": "refresh_token", "client_secret_file": None, "refresh_token_file": str(store.file)},
                       idp_client={"refresh": True})
    seen = [chain.idp.grant("chain")["refresh_token"]]
    store.put(seen[0])
    chain.tokend.start()
    chain.postfix.start()
    chain.deliver(1)
    seen.append(store.get())
    assert chain.tokend.ask("FLUSH", account=BOX).ok and chain.tokend.sasl(BOX).ok
    seen.append(store.get())
    store.put(seen[0])
    assert chain.tokend.ask("FLUSH", account=BOX).ok and chain.tokend.sasl(BOX).code == "refresh-token-refused"
    assert len(set(seen)) == 3
    places = {"log": chain.tokend.log(), "mail log": chain.postfix.log(), "STATUS": chain.tokend.ask("STATUS").body}
    for pid in (chain.tokend.proc.pid, *descendants(chain.tokend.proc.pid)):
        for file in ("cmdline", "environ"):
            places[f"{file} of {pid}"] = open(f"/proc/{pid}/{file}", "rb").read().decode("latin1")
    for where, text in places.items():
        assert not any(s in text for s in seen), where
    files = subprocess.run(["grep", "-rlF", "-e", seen[0], "-e", seen[1], "-e", seen[2], str(store.dir.parent)], capture_output=True,
                           text=True, check=False).stdout.split()
    assert files == [str(store.file)]


def test_two_clients_may_not_share_a_file(workdir, pki, recorder, store, binaries):
    store.put(FIRST)
    tokend = daemon(workdir, recorder.url, pki, store)
    tokend.clients["d"] = dict(tokend.clients["c"])
    check = tokend.check()
    assert check.returncode == 3 and "client \"c\"'s already" in check.stderr + check.stdout


def test_many_accounts_at_once(up, workdir, pki, recorder, store, binaries):
    """Sixteen processes at a time, and the others in their turn."""
    recorder.script(Answer(token().body, delay=0.3))
    tokend = daemon(workdir, recorder.url, pki, store, top=LIMITS)
    for n in range(40):
        Store(store.dir).put(f"token-{n}")
        store.file.rename(store.dir / f"{n}.refresh")
        tokend.clients[f"c{n}"] = {**tokend.clients["c"], "refresh_token_file": str(store.dir / f"{n}.refresh")}
        tokend.accounts[f"{n}@example.test"] = {"client": f"c{n}", "allow_users": ["root"]}
    up(tokend)
    replies, most = [], 0
    threads = [threading.Thread(target=lambda k=n: replies.append(tokend.sasl(f"{k}@example.test"))) for n in range(40)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, len(descendants(tokend.proc.pid)))
        time.sleep(0.02)
    assert len(replies) == 40 and all(r.ok for r in replies), [r for r in replies if not r.ok][:3]
    assert 8 <= most <= 16 and {sent(r) for r in recorder.requests} == {f"token-{n}" for n in range(40)}
