"""The refresh_token grant: each token is used once, its successor is stored before anything else, whatever dies or fails."""

import os
import random
import shutil
import signal
import time

import pytest

from mxtest.alone import BOX, SECRET
from mxtest.idp import Idp
from mxtest.proc import descendants, run, wait_for
from mxtest.recorder import Answer, token
from mxtest.refresh import (FIRST, SEED, again, ask_beside, daemon, idp, in_flight, recorder, sent, store, tokend,  # noqa: F401
                            unharmed)
from test_herd import ASKERS, LIMITS, Gated, Herd, descriptors, together  # noqa: F401

# --- the usual way -----------------------------------------------------------------------------------------------


def test_rotation_with_a_provider_that_minds_reuse(up, workdir, pki, idp, store, binaries):
    tokend = up(daemon(workdir, idp.token_endpoint, pki, store))
    seen = [store.get()]
    for n in range(20):
        reply = tokend.sasl(BOX) if n == 0 else again(tokend)
        assert reply.ok, reply
        seen.append(store.get())        # the answer comes when it is stored, not before
        store.tidy()
    assert len(set(seen)) == 21 and idp.token_requests() == 20
    unharmed(idp)
    assert tokend.log().count("refresh_token_stored client=c") == 20
    wait_for("the processes of the renewals to be gone", lambda: not descendants(tokend.proc.pid))
    assert not any(s in tokend.log() for s in seen)


def test_over_a_restart(up, workdir, pki, idp, store, binaries):
    tokend = up(daemon(workdir, idp.token_endpoint, pki, store))
    for end in (tokend.stop, tokend.kill, tokend.stop):
        assert tokend.sasl(BOX).ok
        end()
        tokend.start()
    assert tokend.sasl(BOX).ok and idp.token_requests() == 4
    unharmed(idp)


def test_the_request_to_the_byte(tokend, recorder, store):
    assert tokend.sasl(BOX).token == "access-0"
    assert recorder.requests[0].body == (b"grant_type=refresh_token&refresh_token=first%7ERefresh.Token_0%2F%2B%3D&client_id=chain"
                                         b"&scope=mail")
    assert "authorization" not in recorder.requests[0].headers and store.get() == "second"
    assert again(tokend).ok and sent(recorder.requests[1]) == "second"


OLD_STAYS = {"absent": {}, "empty": {"refresh_token": ""}, "null": {"refresh_token": None}, "the same": {"refresh_token": FIRST},
             "a number": {"refresh_token": 7}, "two lines": {"refresh_token": "a\nb"}, "beyond ASCII": {"refresh_token": "\u00fc"},
             "too long": {"refresh_token": "x" * 16385}}


@pytest.mark.parametrize("name", OLD_STAYS)
def test_a_reply_without_another_token(tokend, recorder, store, name):
    recorder.script(token("access-0", **OLD_STAYS[name]))
    inode = store.file.stat().st_ino
    assert tokend.sasl(BOX).token == "access-0"
    assert store.get() == FIRST and store.file.stat().st_ino == inode
    assert again(tokend).ok and sent(recorder.requests[1]) == sent(recorder.requests[0])
    loud = name in ("a number", "two lines", "beyond ASCII", "too long")
    assert ("refresh_token_malformed client=c" in tokend.log()) == loud
    store.tidy()


def test_the_same_token_under_another_status_that_means_success(tokend, recorder, store):
    """Replies are scrubbed of what was sent where they are errors: here that would store asterisks."""
    recorder.script(Answer(token("access-0", refresh_token=FIRST).body, status=201))
    assert tokend.sasl(BOX).token == "access-0" and store.get() == FIRST


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("escapes", [{}, {"/": r"\/"}, {"/": r"\/", "+": r"\u002B", "=": r"\u003d"}], ids=["plain", "PHP", ".NET"])
def test_a_provider_that_repeats_the_token_in_an_error(tokend, recorder, store, status, escapes):
    said = "".join(escapes.get(c, c) for c in FIRST)
    recorder.script(Answer('{"error": "invalid_grant", "error_description": "what is %s?"}' % said, status=status))
    reply = tokend.sasl(BOX)
    assert not reply.ok and "what is ****" in tokend.wait_log("fetch_failed")
    assert FIRST not in tokend.log() + reply.text and store.get() == FIRST


def test_a_successor_that_comes_with_an_access_token_of_no_use(tokend, recorder, store):
    """The old one is dead all the same. What the daemon replaces itself is no reason to try again at once."""
    recorder.script(token("not a token", refresh_token="second"))
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("provider", "reply-token-malformed") and store.get() == "second"
    time.sleep(2.5)
    assert len(recorder.requests) == 1 and "file_changed" not in tokend.log()
    recorder.script(token("access-1", refresh_token="third"))
    store.put("from-a-login")
    wait_for("the hold to end", lambda: tokend.sasl(BOX).ok, 5)
    assert sent(recorder.requests[1]) == "from-a-login" and store.get() == "third"


@pytest.mark.parametrize("auth", ["client_secret_post", "client_secret_basic"])
def test_a_confidential_client_whose_first_secret_is_refused(up, workdir, pki, store, binaries, auth):
    """The next credential is tried with the same refresh token, which the provider has not touched."""
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "chain", "client_secret": SECRET, "auth": auth, "refresh": True}]))
    made = idp.grant("chain")
    idp.used = made["grant"]
    store.put(made["refresh_token"])
    tokend = daemon(workdir, idp.token_endpoint, pki, store, client={
        "client_auth": auth, "credentials": [{"client_secret_file": "secret:old"}, {"client_secret_file": "secret:c.secret"}]})
    tokend.secrets["old"] = "a secret that has run out"
    up(tokend)
    assert tokend.sasl(BOX).ok and again(tokend).ok
    assert [r["status"] for r in idp.requests()] == [401, 200, 200] and idp.alive(idp.used)
    assert tokend.log().count("credential_failed") == 1, "that it rotates is no reason to try the old secret again"


def test_a_thousand_askers_cause_one_renewal(up, workdir, pki, recorder, store, binaries):
    store.put(FIRST)
    tokend = up(daemon(workdir, recorder.url, pki, store, top=LIMITS))
    together(tokend, recorder, Gated("first"))
    assert ASKERS == 1000 and len(recorder.requests) == 1


def test_a_thousand_askers_at_a_provider_that_minds_reuse(up, workdir, pki, idp, store, binaries):
    """Three times: the first token, and two rotations of it under load."""
    tokend = up(daemon(workdir, idp.token_endpoint, pki, store, top=LIMITS))
    for n in range(1, 4):
        replies = Herd(tokend.socket).ask().replies()
        assert len(replies) == ASKERS and all(r.ok for r in replies), [r for r in replies if not r.ok][:3]
        assert len({r.token_id for r in replies}) == 1 and idp.token_requests() == n
        assert tokend.ask("FLUSH", account=BOX).ok
    unharmed(idp)
    store.tidy()


def test_a_mail_through_postfix(make_chain, workdir, store):
    chain = make_chain(without=("tokend", "postfix"), auth="none",
                       client={"grant": "refresh_token", "client_secret_file": None, "refresh_token_file": str(store.file)},
                       idp_client={"refresh": True})
    made = chain.idp.grant("chain")
    store.put(made["refresh_token"])
    chain.tokend.start()
    chain.postfix.start()
    chain.deliver(2)
    assert chain.idp.counts()["grant"] == {"refresh_token": 1} and store.get() != made["refresh_token"]
    store.tidy()


# --- what dies ---------------------------------------------------------------------------------------------------


def test_the_daemon_is_killed_while_the_provider_thinks(tokend, recorder, store):
    recorder.script(Answer(token(refresh_token="second").body, delay=1.5), token("access-1", refresh_token="third"))
    thread, _ = ask_beside(tokend)
    in_flight(recorder)
    tokend.kill()
    thread.join()
    tokend.start()
    assert store.get() == FIRST
    started = time.monotonic()
    reply = tokend.sasl(BOX)            # waits while the first renewal goes on
    assert reply.token == "access-1", reply
    assert time.monotonic() - started < 8
    assert [sent(r) for r in recorder.requests][1:] == ["second"] and store.get() == "third"
    assert "refresh-token-busy" in tokend.log()
    store.tidy()


@pytest.mark.parametrize("how", ["stop", "SIGHUP to all", "client removed"])
def test_a_renewal_goes_on_to_its_end(tokend, recorder, store, how):
    recorder.script(Answer(token("access-0", refresh_token="second").body, delay=1.5))
    thread, replies = ask_beside(tokend)
    in_flight(recorder)
    child = wait_for("the renewal's process", lambda: descendants(tokend.proc.pid))
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(child[0], sig)          # as systemd does with all of a service
    if how == "stop":
        started = time.monotonic()
        assert tokend.stop() == 0 and time.monotonic() - started < 5
    elif how == "client removed":
        tokend.clients = {"d": {**tokend.clients["c"], "refresh_token_file": str(store.dir / "d")}}
        tokend.accounts[BOX]["client"] = "d"
        tokend.reload("reloaded")
    thread.join()
    wait_for("the successor", lambda: store.get() == "second")
    if how != "client removed":
        assert replies[0].token == "access-0"
        store.tidy()
    if how != "stop":
        wait_for("the process to be gone and reaped", lambda: not os.path.exists(f"/proc/{child[0]}"))


@pytest.mark.parametrize("what", ["another file", "another scope", "flush", "flush and rejected"])
def test_what_happens_to_the_client_in_mid_renewal(tokend, recorder, store, what):
    """The renewal that is under way ends as it would; nobody sends its token again, and whoever waits gets an answer."""
    recorder.script(Answer(token("access-0", refresh_token="second").body, delay=1.5),
                    token("access-1", refresh_token="third"))
    thread, replies = ask_beside(tokend)
    in_flight(recorder)
    other = store.dir / "other.refresh"
    if what == "another file":
        shutil.copy2(store.file, other)
        other.write_text("of-another-grant\n")
        os.chown(other, *store.ids)
        tokend.clients["c"]["refresh_token_file"] = str(other)
        tokend.reload("reloaded")
    elif what == "another scope":
        tokend.clients["c"]["scope"] = "mail other"
        tokend.reload("reloaded")
    else:
        assert tokend.ask("FLUSH", account=BOX).ok
        if what == "flush and rejected":
            assert tokend.ask("REJECTED", account=BOX).ok
    thread.join()
    assert replies[0].ok, replies
    wait_for("the renewal to end", lambda: not descendants(tokend.proc.pid))
    used = [sent(r) for r in recorder.requests]
    assert len(set(used)) == len(used)
    if what == "another file":
        assert used[1] == "of-another-grant" and store.get() == "second" and other.read_text() == "third\n"
    elif what == "another scope":
        assert used[1] == "second" and store.get() == "third" and b"mail%20other" in recorder.requests[1].body.replace(b"+", b"%20")
    else:
        assert len(used) == 1 and store.get() == "second"


def test_the_renewal_is_killed(tokend, recorder, store):
    recorder.script(Answer(hang=True), token("access-1", refresh_token="second"))
    thread, replies = ask_beside(tokend)
    in_flight(recorder)
    os.kill(wait_for("the renewal's process", lambda: descendants(tokend.proc.pid))[0], signal.SIGKILL)
    thread.join()
    assert replies[0].token == "access-1" and "code=renewal-lost" in tokend.log()
    store.tidy()


def test_what_the_renewal_has_open(tokend, recorder, store):
    """Neither listeners nor askers nor the daemon's other connections; and no secret where others look."""
    recorder.script(Answer(token("access-0", refresh_token="second").body, delay=1.0))
    thread, _ = ask_beside(tokend)
    in_flight(recorder)
    pid = wait_for("the renewal's process", lambda: descendants(tokend.proc.pid))[0]
    links = {int(n): os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
    files = [v for v in links.values() if v.startswith("/") and not v.startswith(("/dev/", str(tokend.dir)))]
    assert sorted(os.path.basename(v) for v in files) == ["c.refresh.lock", "c.refresh.new", "state"], links
    ours = {os.readlink(f"/proc/{tokend.proc.pid}/fd/{n}") for n in os.listdir(f"/proc/{tokend.proc.pid}/fd") if int(n) > 2}
    assert not {v for n, v in links.items() if n > 2 and v.startswith("socket:")} & ours
    assert "Max core file size        0                    0" in open(f"/proc/{pid}/limits").read()
    assert os.stat(f"/proc/{pid}/environ").st_uid == os.stat(f"/proc/{tokend.proc.pid}/environ").st_uid, "as little to be traced"
    for where in ("environ", "cmdline"):
        assert FIRST.encode() not in open(f"/proc/{pid}/{where}", "rb").read()
    status = dict(ln.split(":", 1) for ln in open(f"/proc/{pid}/status").read().splitlines())
    ignored, caught = int(status["SigIgn"], 16), int(status["SigCgt"], 16)
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        assert ignored >> (sig - 1) & 1
    assert not (ignored | caught) >> (signal.SIGALRM - 1) & 1, "its own clock ends it"
    thread.join()


def test_a_renewal_that_hangs(up, workdir, pki, recorder, store, binaries):
    """Its own clock ends it: the time for the request, ten seconds for the store, five more. The daemon goes on meanwhile."""
    store.put(FIRST)
    pipe = workdir / "ca.pipe"          # who opens it waits for ever
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    tokend = up(daemon(workdir, recorder.url, pki, store, client={"ca_file": str(pipe), "timeout": "1s", "connect_timeout": "1s"}))
    began = time.monotonic()
    assert tokend.sasl(BOX, deadline_ms=300).code == "provider-slow" and tokend.ask("PING").ok
    tokend.wait_log("code=renewal-lost", 20)
    assert 14 < time.monotonic() - began < 19 and not recorder.requests


SLOW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>
int open(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
	if (strstr(path, "tokend.yaml") != NULL && access(getenv("MX_SLOW"), F_OK) == 0)
		usleep(1500000);
	return real(path, flags, 0600);
}
"""


def test_no_process_is_made_while_a_configuration_is_read(up, workdir, pki, recorder, store, binaries):
    """By a thread, which may hold any lock of the libraries; the renewal begins when it has ended."""
    store.put(FIRST)
    (workdir / "slow.c").write_text(SLOW)
    run(["cc", "-shared", "-fPIC", "-o", workdir / "slow.so", workdir / "slow.c", "-ldl"])
    tokend = daemon(workdir, recorder.url, pki, store)
    tokend.environment = {"LD_PRELOAD": str(workdir / "slow.so"), "MX_SLOW": str(workdir / "slow"),
                          "ASAN_OPTIONS": "verify_asan_link_order=0"}
    up(tokend)
    (workdir / "slow").touch()
    tokend.hup()
    wait_for("the thread", lambda: len(os.listdir(f"/proc/{tokend.proc.pid}/task")) == 2)
    thread, replies = ask_beside(tokend)
    time.sleep(0.7)
    assert not descendants(tokend.proc.pid) and not recorder.requests and "reloaded" not in tokend.log()
    thread.join()
    assert replies[0].ok and store.get() == "second" and tokend.wait_log("reloaded ")


def test_a_daemon_that_stops_takes_the_token_along(tokend, recorder, store):
    """Nobody waits for it any more, but it is on its way."""
    recorder.script(Answer(token("access-0", refresh_token="second").body, delay=1.5))
    assert tokend.sasl(BOX, deadline_ms=200).code == "provider-slow"
    assert tokend.stop() == 0 and store.get() == "second"
    assert "fetch_ok client=c" in tokend.log()


def test_a_second_signal_ends_that_wait(tokend, recorder, store):
    recorder.script(Answer(token("access-0", refresh_token="second").body, delay=1.5))
    assert tokend.sasl(BOX, deadline_ms=200).code == "provider-slow"
    tokend.proc.send_signal(signal.SIGTERM)
    tokend.wait_log("stopping ")
    assert tokend.stop() == 0 and store.get() == FIRST
    wait_for("the renewal to finish by itself", lambda: store.get() == "second")


def test_two_hundred_kills(up, workdir, pki, idp, store, binaries):
    """kill -9 of the daemon at any moment, most of them around a renewal: no token is used twice, and none is lost."""
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    tokend = up(daemon(workdir, idp.token_endpoint, pki, store))
    assert tokend.sasl(BOX).ok
    began = time.monotonic()
    for n in range(200):
        thread, _ = ask_beside(tokend)
        time.sleep(dice.triangular(0, 0.06, 0.02))
        tokend.kill()
        thread.join()
        tokend.start()
    took = time.monotonic() - began
    wait_for("the last renewal to leave its lock", lambda: again(tokend).ok, 20, 0.2)
    assert idp.token_requests() > 100, "hardly any round had a renewal"
    unharmed(idp)
    store.tidy()
    print(f"{idp.token_requests()} renewals in {took:.1f} s")
    assert took < 60
