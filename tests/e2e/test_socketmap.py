"""The socketmap door: what it answers, to whom, and what it bears."""

import re
import signal
import subprocess
import threading
import time

import pytest

from mxtest import wire
from mxtest.alone import BOX, lone_tokend, oauth_client
from mxtest.clock import Clock
from mxtest.google import DOMAIN, Google
from mxtest.handover import Sockets
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder, token
from mxtest.socketmap import Door, ask, ask_as, netstring
from mxtest.tokend import Tokend

REFUSED = "server localhost[127.0.0.1]:587 said: 535 5.7.3 Authentication unsuccessful"
DENIED = 'TEMP denied by the token daemon\'s policy; its log has the reason, in the line that begins with "denied" [denied]'


@pytest.fixture
def recorder(up, pki):
    return up(Recorder(pki.cert()))


@pytest.fixture
def make(up, workdir, pki, recorder, binaries):
    """A daemon with the door, and an endpoint that plays a script."""
    def start(account=None, accounts=None, wait=True, **top):
        more = {"accounts": accounts} if accounts else {}
        tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, account={"allow_token_users": ["root", "postfix"], **(account or {})},
                             top=top, socketmap=True, **more)
        up.append(tokend)
        return tokend.start() if wait else tokend
    return start


def late(value, seconds):
    answer = token(value)
    answer.delay = seconds
    return answer


def told(tokend, event):
    """How many lines of this event the daemon has written."""
    return len(re.findall(rf"(?m)^{event} ", tokend.log()))


# --- table auth -----------------------------------------------------------------------------------------------------------------


def test_user_and_token(make, recorder):
    recorder.script(token("T0KEN-~+/.x=="))
    tokend = make()
    assert ask(tokend.door, f"auth {BOX}") == f"OK {BOX}:T0KEN-~+/.x=="
    line = tokend.wait_log("answer verb=TOKEN")
    assert f'uid=0 account="{BOX}"' in line and "client=c token=" in line and "T0KEN" not in tokend.log()


def test_the_accounts_user_is_the_one_that_is_named(make):
    tokend = make(account={"user": "mailbox@example.test"})
    assert ask(tokend.door, f"auth {BOX}").startswith("OK mailbox@example.test:")


def test_a_user_that_postfix_would_cut(make, recorder):
    tokend = make(account={"user": "a:b@example.test"})
    answer = ask(tokend.door, f"auth {BOX}")
    assert answer.startswith("TEMP ") and "first colon" in answer and answer.endswith(" [user-with-colon]")
    assert not recorder.requests


def test_who_may_not_learns_nothing(make, recorder):
    """One answer to an account that is not there and to one of others: the log tells them apart. Nothing but TEMP keeps mail."""
    tokend = make(account={"allow_token_users": ["postfix"]})
    assert ask(tokend.door, f"auth {BOX}") == DENIED == ask(tokend.door, "auth nobody@example.org")
    assert "reason=uid-not-listed-for-token" in tokend.wait_log("denied verb=TOKEN uid=0")
    assert "account-unknown" in tokend.wait_log('account="nobody@example.org"')
    assert not recorder.requests
    assert ask_as("postfix", tokend.door, f"auth {BOX}").startswith(f"OK {BOX}:")
    assert ask_as("daemon", tokend.door, f"auth {BOX}") == DENIED


@pytest.mark.parametrize("request_", ["auth", "auth ", "auth \x01", "auth a\tb@example.test", "auth a\xff".encode("latin1"),
                                     "auth " + "a" * 321, "", " ", "nix x", "AUTH x", "feedback"])
def test_what_is_no_request(make, request_):
    """The connection stays; nobody is bounced for it."""
    tokend = make()
    with Door(tokend.door) as door:
        answer = door.ask(request_)
        assert answer.startswith("TEMP bad request: ") and re.search(r" \[(bad-request|unknown-table)\]$", answer)
        assert door.ask(f"auth {BOX}").startswith("OK ")


def test_the_providers_word_reaches_the_mail_log(make, recorder):
    recorder.script(Answer({"error": "invalid_client"}, status=401))
    tokend = make()
    answer = ask(tokend.door, f"auth {BOX}")
    assert answer.startswith(f"TEMP {BOX}: ") and "\n" not in answer and answer.endswith("]")
    assert f"[{tokend.sasl(BOX).code}]" in answer


def test_a_token_that_takes_its_time(make, recorder):
    """Requests behind one that waits have their turn after it, in order; also one that drops tokens."""
    recorder.script(late("slow", 0.7), token("next"))
    tokend = make()
    with Door(tokend.door) as door:
        began = time.monotonic()
        door.send(netstring(f"auth {BOX}") + netstring(f"feedback {REFUSED}") + netstring("auth x@example.org") +
                  netstring(f"auth {BOX}")[:-3])
        assert door.read() == f"OK {BOX}:slow" and time.monotonic() - began > 0.6
        assert door.read() == "NOTFOUND " and door.read() == DENIED
        tokend.wait_log("token_rejected")
        door.send(netstring(f"auth {BOX}")[-3:])
        assert door.read().startswith(f"OK {BOX}:")


def test_a_provider_that_is_silent(make, recorder):
    recorder.script(Answer(hang=True))
    tokend = make(deadline="1s")
    with Door(tokend.door) as door:
        began = time.monotonic()
        answer = door.ask(f"auth {BOX}")
        assert answer.startswith(f"TEMP {BOX}: ") and 0.8 < time.monotonic() - began < 3
        assert door.ask("auth x@example.org") == DENIED


# --- the connection -------------------------------------------------------------------------------------------------------------


def test_byte_by_byte_and_all_at_once(make):
    tokend = make()
    request = netstring(f"auth {BOX}")
    with Door(tokend.door) as door:
        for i in range(len(request)):
            door.send(request[i:i + 1])
            time.sleep(0.002)
        one = door.read()
        assert one.startswith("OK ")
        door.send(request * 1000)
        assert [door.read() for _ in range(1000)] == [one] * 1000
    assert ask(tokend.door, f"auth {BOX}") == one


def test_a_reader_that_is_slow(make, recorder):
    """More answers than a socket holds: none is lost, none comes twice, and others have theirs meanwhile."""
    recorder.script(token("x" * 8000))
    tokend = make()
    with Door(tokend.door) as door:
        sender = threading.Thread(target=door.send, args=(netstring(f"auth {BOX}") * 500,))
        sender.start()
        time.sleep(0.5)
        assert tokend.sasl(BOX).ok
        assert {door.read() for _ in range(500)} == {f"OK {BOX}:{'x' * 8000}"}
        sender.join()


def test_a_reader_that_never_reads_is_let_go(make, recorder):
    recorder.script(token("x" * 8000))
    tokend = make()
    with Door(tokend.door) as door:
        door.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                door.socket.send(netstring(f"auth {BOX}") * 100)
        wait_for("the daemon to close it", lambda: "connections=1\t" in tokend.ask("STATUS").body, 10, 0.1)


@pytest.mark.parametrize("garbage", [b"x", b"01:a,", b"3:abcd", b"8001:", b"99999999999:", b"GET / HTTP/1.0\r\n\r\n",
                                     b"4:nix \n,"])
def test_what_is_no_netstring_ends_the_connection(make, garbage):
    tokend = make()
    with Door(tokend.door) as door:
        door.send(garbage)
        assert door.read() is None
    assert "code=bad-netstring" in tokend.wait_log("refused verb=none")
    assert ask(tokend.door, f"auth {BOX}").startswith("OK ")


def test_the_longest_request(make):
    tokend = make()
    with Door(tokend.door) as door:
        assert door.ask("feedback " + "x" * 7991) == "NOTFOUND "
        door.send(netstring("feedback " + "x" * 7992))
        assert door.read() is None


def test_idle_connections(make):
    """Who has been granted something may be silent for a while, as Postfix is between two mails; others may not."""
    tokend = make(request_timeout="500ms")
    with Door(tokend.door) as known, Door(tokend.door) as half:
        assert known.ask(f"auth {BOX}").startswith("OK ")
        half.send(b"15:auth")
        began = time.monotonic()
        assert half.read() is None and time.monotonic() - began < 2
        time.sleep(0.7)
        assert known.ask(f"auth {BOX}").startswith("OK ")
    assert ask_as("daemon", tokend.door, "auth x") == DENIED
    silent = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(5); s.recv(1)"
    done = subprocess.run(["/usr/bin/python3", "-c", silent, str(tokend.door)], user="daemon", capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr    # let go within these 5 s


def test_each_door_knows_the_others_language(make):
    tokend = make()
    reply = wire.ask(tokend.door, "PING")
    assert (reply.class_, reply.code) == ("bad-request", "socketmap-only") and "another entry" in reply.text
    assert wire.exchange(tokend.socket, netstring(f"auth {BOX}") + b"\n").startswith(b"ERR\tbad-request\t")


def test_too_many_connections(make):
    """Also when it is busy it says so in this language."""
    tokend = make(max_connections_per_uid=4)
    doors = [Door(tokend.door) for _ in range(4)]
    assert [d.ask(f"auth {BOX}")[:3] for d in doors] == ["OK "] * 4
    with Door(tokend.door) as more:
        assert more.read().startswith("TEMP the token daemon is busy: ")
        assert more.read() is None
    doors.pop().socket.close()
    wait_for("room again", lambda: (ask(tokend.door, f"auth {BOX}") or "").startswith("OK "), 5, 0.05)
    for d in doors:
        d.socket.close()


def test_the_end(make, recorder):
    """Idle connections do not hold it up; one that waits for its token gets it first."""
    recorder.script(late("late", 1))
    tokend = make()
    idle, busy = Door(tokend.door), Door(tokend.door)
    busy.send(netstring(f"auth {BOX}"))
    wait_for("its request", lambda: recorder.requests)
    tokend.proc.send_signal(signal.SIGTERM)
    assert idle.read() is None
    assert busy.read() == f"OK {BOX}:late" and busy.read() is None
    assert tokend.proc.wait(5) == 0


def test_a_reload_changes_the_language(make):
    tokend = make()
    both = [{"path": str(tokend.socket)}, {"path": str(tokend.door)}]
    with Door(tokend.door) as door:
        tokend.top["listen"] = both
        tokend.reload("reloaded ")
        assert door.ask(f"auth {BOX}").startswith("OK ")     # what is open stays as it is
    assert wire.ping(tokend.door)
    tokend.top["listen"][1]["protocol"] = "socketmap"
    tokend.reload("reloaded ")
    assert ask(tokend.door, f"auth {BOX}").startswith("OK ")


def test_a_socket_of_systemd_speaks_what_its_path_says(make, up, workdir):
    tokend = make(wait=False)
    sockets = Sockets(tokend.socket, tokend.door)
    up.append(sockets)
    sockets.start(tokend)
    tokend.wait_log("ready ")
    assert f"listening path={tokend.door} handed_over=yes protocol=socketmap" in tokend.log()
    assert wire.ping(tokend.socket) and ask(tokend.door, f"auth {BOX}").startswith("OK ")


# --- table feedback -------------------------------------------------------------------------------------------------------------


def rejected(tokend, count):
    """The lines token_rejected, once there are so many."""
    wait_for(lambda: f"{count} token_rejected:\n{tokend.log()}", lambda: told(tokend, "token_rejected") >= count)
    return [ln for ln in tokend.log().splitlines() if ln.startswith("token_rejected")]


def test_a_refused_login_drops_the_token(make, recorder):
    recorder.script(token("one"), token("two"))
    tokend = make()
    old = tokend.sasl(BOX).token_id
    assert ask(tokend.door, f"feedback {REFUSED}") == "NOTFOUND "
    line, = rejected(tokend, 1)
    assert f'client=c token={old} dropped=yes challenge="" reply="535 5.7.3 Authentication unsuccessful"' in line
    assert tokend.sasl(BOX).token == "two"
    assert ask(tokend.door, f"feedback {REFUSED}") == "NOTFOUND "       # a second one within the minute: noted, not obeyed
    assert "dropped=yes" not in "".join(rejected(tokend, 3)[1:]) and tokend.sasl(BOX).token == "two"
    assert len(recorder.requests) == 2


@pytest.mark.parametrize("status", ["2.0.0 Ok: queued", "server localhost[127.0.0.1] said: 454 4.7.0 Temporary",
                                    "server elsewhere.test[127.0.0.1] said: 535 5.7.3 no", "",
                                    "server localhost[127.0.0.1] said: 5351 no", "server ",
                                    "server evil.test[1.2.3.4] said: 550 server localhost[127.0.0.1] said: 535"])
def test_what_changes_nothing(make, recorder, status):
    tokend = make()
    tokend.sasl(BOX)
    assert ask(tokend.door, f"feedback {status}") == "NOTFOUND "
    assert re.search("reason=(no-535|nothing-handed-out)", tokend.wait_log("feedback_ignored uid=0"))
    assert told(tokend, "token_rejected") == 0 and tokend.sasl(BOX).ok and len(recorder.requests) == 1


def test_only_who_had_a_token_can_have_it_dropped(make, recorder):
    tokend = make()
    tokend.sasl(BOX)
    assert ask_as("daemon", tokend.door, f"feedback {REFUSED}") == "NOTFOUND "
    assert ask_as("postfix", tokend.door, f"feedback {REFUSED}") == "NOTFOUND "
    assert told(tokend, "feedback_ignored") == 2 and told(tokend, "token_rejected") == 0
    assert tokend.sasl(BOX).ok and len(recorder.requests) == 1


def test_garrulous_feedback_does_not_fill_the_log(make):
    tokend = make()
    with Door(tokend.door) as door:
        for _ in range(300):
            assert door.ask("feedback x") == "NOTFOUND "
    assert 20 <= told(tokend, "feedback_ignored") <= 40


def test_tokens_of_table_auth_are_meant_too(make, up, pki, workdir, recorder):
    """They name no server when they are handed out: those that may go to this one are meant."""
    second = up(Recorder(pki.cert()))
    tokend = make(wait=False)
    tokend.clients["d"] = oauth_client(second.url, pki.ca)
    tokend.accounts = {BOX: {"client": "c", "allow_token_users": ["root"], "relays": ["localhost"]},
                       "b@example.test": {"client": "d", "allow_token_users": ["root"], "relays": ["smtp.example.test"]}}
    tokend.start()
    for box in (BOX, "b@example.test"):
        assert ask(tokend.door, f"auth {box}").startswith("OK ")
    assert ask(tokend.door, f"feedback {REFUSED}") == "NOTFOUND "
    line, = rejected(tokend, 1)
    assert "client=c " in line and "dropped=yes" in line


def test_a_minute_old_is_too_old(make, recorder, workdir):
    tokend = make(wait=False)
    clock = Clock(workdir)
    clock.apply(tokend).start()
    tokend.sasl(BOX)
    clock.advance(61)
    assert ask(tokend.door, f"feedback {REFUSED}") == "NOTFOUND "
    assert "nothing-handed-out" in tokend.wait_log("feedback_ignored")
    tokend.sasl(BOX)
    assert ask(tokend.door, f"feedback {REFUSED}") == "NOTFOUND "
    assert "dropped=yes" in rejected(tokend, 1)[0]


def test_a_client_that_a_reload_took_away(make, recorder, up, pki):
    tokend = make(wait=False)
    tokend.clients["d"] = oauth_client(recorder.url, pki.ca)
    tokend.accounts["b@example.test"] = {"client": "d", "allow_users": ["root"], "allow_token_users": ["root"]}
    tokend.start()
    assert tokend.sasl("b@example.test").ok and ask(tokend.door, "auth b@example.test").startswith("OK ")
    del tokend.clients["d"], tokend.accounts["b@example.test"]
    tokend.reload("reloaded ")
    assert ask(tokend.door, f"feedback {REFUSED}") == "NOTFOUND "
    assert "nothing-handed-out" in tokend.wait_log("feedback_ignored")


def test_tokens_of_mailboxes(up, workdir, pki, binaries):
    """Where each mailbox has a token of its own, the one that was handed out is dropped."""
    google = up(Google(workdir / "g", pki, pki.client("google")))
    a, b = f"a@{DOMAIN}", f"b@{DOMAIN}"
    tokend = up(Tokend(workdir / "t", {"g": {
        "provider": "google-workspace", "service_account_file": "secret:account.json", "token_endpoint": google.token_endpoint,
        "ca_file": str(pki.ca)}}, {"*": {"client": "g", "allow_token_users": ["root"]}},
        secrets={"account.json": google.key_file()}, socketmap=True))
    first = ask(tokend.door, f"auth {a}")
    assert first.startswith(f"OK {a}:") and ask(tokend.door, "auth no-mailbox").endswith("[mailbox-needed]")
    old = tokend.sasl(b, host="smtp.gmail.com").token
    assert f"OK {b}:{old}" != first and old not in first
    assert ask(tokend.door, "feedback server smtp.gmail.com[192.0.2.1]:587 said: 535 5.7.8 no") == "NOTFOUND "
    assert all("dropped=yes" in ln for ln in rejected(tokend, 2))
    assert ask(tokend.door, f"auth {a}") not in (first, None) and tokend.sasl(b, host="smtp.gmail.com").token != old


def test_counted(make):
    tokend = make()
    ask(tokend.door, f"auth {BOX}"), tokend.sasl(BOX), ask(tokend.door, f"feedback {REFUSED}")
    text = tokend.ask("METRICS").body
    assert 'mta_xoauth2_requests_total{verb="TOKEN"} 1\n' in text and 'mta_xoauth2_requests_total{verb="REJECTED"} 1\n' in text
    assert re.search(r"mta_xoauth2_rejected_total [12]\n", text)
