"""STATUS and METRICS: what they say, in which form, while how much else goes on; and METRICS as a file."""

import os
import pwd
import re
import socket
import stat
import subprocess
import threading
import time

import pytest

from mxtest import exposition, wire
from mxtest.alone import BOX, lone_tokend, oauth_client
from mxtest.proc import wait_for
from mxtest.tokend import limit, memory
from mxtest.recorder import Answer, Recorder, token

P = "mta_xoauth2_"
DAY = 86400


@pytest.fixture
def recorder(up, pki):
    return up(Recorder(pki.cert()))


@pytest.fixture
def lone(workdir, pki, recorder, binaries):
    def make(**more):
        return lone_tokend(workdir / "t", recorder.url, pki.ca, **more)
    return make


def metrics(tokend):
    return exposition.parse(tokend.ask("METRICS").body)


def status(tokend):
    """[(word, {key: value})] of the answer to STATUS."""
    body = tokend.ask("STATUS").body
    assert body.endswith("\n")
    lines = [line.split("\t") for line in body[:-1].split("\n")]
    return [(word, dict(f.split("=", 1) for f in fields)) for word, *fields in lines]


def of_client(tokend, name):
    return next(f for word, f in status(tokend) if word == "client" and f["name"] == name)


def date(seconds_from_now):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + seconds_from_now))


# --- the checker itself -----------------------------------------------------------------------------------------------------------

HEAD = "# HELP x_total X.\n# TYPE x_total counter\n"
HISTO = "# HELP h H.\n# TYPE h histogram\n"


@pytest.mark.parametrize("text", [
    "", HEAD + "x_total 1", HEAD + "x_total 1\n" + HEAD, HEAD + "y 1\n", "x_total 1\n", HEAD + "x_total{a=\"b} 1\n", HEAD + "x_total{a='b'} 1\n",
    HEAD + "x_total 1\nx_total 1\n", HEAD + "x_total{a=\"1\",a=\"2\"} 1\n", HEAD + "x_total  1\n", HEAD + "x_total one\n", HEAD + "x_total -1\n",
    HEAD + "x_total{a=\"\\q\"} 1\n", HEAD + "\n", "# TYPE x counter\n# HELP x X.\nx 1\n", "# HELP x X.\n# TYPE x nonsense\n", "# HELP x X.\nx 1\n",
    HISTO, HISTO + 'h_bucket{le="1"} 1\nh_sum 1\nh_count 1\n', HISTO + 'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    HISTO + 'h_bucket{le="2"} 1\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n', HISTO + 'h_bucket{le="+Inf"} 1\nh_count 1\n',
    HISTO + 'h_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n', HISTO + "h 1\n",
])
def test_the_checker_is_strict(text):
    with pytest.raises(AssertionError):
        exposition.parse(text)


def test_the_checker_takes_what_is_right():
    f = exposition.parse(HEAD + 'x_total{a="q\\"\\\\\\n",b=""} 1\n' + HISTO +
                         'h_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 3\nh_sum 9.25\nh_count 3\n')
    assert f["x_total"].value(a='q"\\\n', b="") == 1 and f["h"].value("h_sum") == 9.25


# --- what they say ----------------------------------------------------------------------------------------------------------------


def test_metrics_of_a_busy_daemon(up, lone, recorder, pki):
    """Every family is valid, the numbers are those of what was done, and no address of all that is anywhere in it."""
    tokend = lone(top={"log_level": "debug"})
    boxes = [f"box{n}@place{n}.test" for n in range(30)]
    tokend.accounts = {**{b: {"client": "c", "allow_token_users": ["root"]} for b in boxes},
                       "no@failing.test": {"client": "failing"}, "no@idle.test": {"client": "idle"}}
    tokend.clients["c"]["secret_expires"] = date(40 * DAY)
    tokend.clients["failing"] = oauth_client("https://127.0.0.1:1/token", pki.ca, secret_expires="2026-01-01")
    tokend.clients["idle"] = oauth_client(recorder.url, pki.ca)
    up(tokend)
    before = metrics(tokend)
    for b in boxes:
        assert tokend.sasl(b).ok and tokend.ask("TOKEN", account=b).ok
        assert tokend.ask("REJECTED", account=b, host="localhost", token_id="another").ok
        assert tokend.sasl("stranger-" + b).code == "denied"
    assert tokend.ask("SASL", mech="XOAUTH2", account="no@failing.test", host="x", deadline_ms=300).class_ == "temp"
    assert wire.Reply(wire.exchange(tokend.socket, b"GET / HTTP/1.0\r\n\r\n")).code == "unknown-version"
    text = tokend.ask("METRICS").body
    after = exposition.parse(text)
    assert len(after) >= 22 and all(name.startswith(P) for name in after)

    def grown(family, **labels):
        return after[P + family].value(**labels) - before[P + family].value(**labels)
    assert grown("requests_total", verb="SASL") == 61 and grown("requests_total", verb="TOKEN") == 30
    assert grown("requests_total", verb="REJECTED") == 30 and grown("requests_total", verb="none") == 1
    assert grown("answers_total", **{"class": "denied"}) == 30 and grown("answers_total", **{"class": "temp"}) == 1
    assert grown("rejected_total") == 30 and grown("fetch_total", result="ok") == 1
    assert grown("fetch_total", result="temporary") >= 1 and after[P + "fetch_total"].value(result="permanent") == 0
    answered = after[P + "answer_duration_seconds"]
    assert answered.value(P + "answer_duration_seconds_count", kind="token") == 91
    assert answered.value(P + "answer_duration_seconds_sum", kind="token") >= 0.2, "one waited for its deadline"
    fetched = after[P + "fetch_duration_seconds"].value(P + "fetch_duration_seconds_count")
    assert fetched == sum(after[P + "fetch_total"].samples.values())
    assert after[P + "client_failing"].labels("client") == ["c", "failing", "idle"]
    assert after[P + "client_failing"].value(client="failing") == 1 and after[P + "client_failing"].value(client="c") == 0
    assert after[P + "token_seconds_to_expiry"].labels("client") == ["c"]
    assert 3500 < after[P + "token_seconds_to_expiry"].value(client="c") <= 3600
    assert 38 * DAY < after[P + "credential_expiry_seconds"].value(client="c") <= 40 * DAY
    assert after[P + "credential_expiry_seconds"].value(client="failing") < 0
    assert abs(after[P + "last_success_timestamp_seconds"].value(client="c") - time.time()) < 60
    assert after[P + "build_info"].labels("version") and after[P + "bugs_total"].value() == 0
    assert after[P + "clients"].value() == 3 and after[P + "accounts"].value() == 32
    assert abs(after[P + "start_time_seconds"].value() - time.time()) < 120
    assert after[P + "config_last_reload_successful"].value() == 1
    assert "@" not in text and "place" not in text and "failing.test" not in text and "stranger" not in text


def test_the_reload_s_result(up, lone):
    tokend = up(lone())
    assert "reload_ago" not in status(tokend)[0][1]
    good = tokend.config_text
    tokend.config_text = "clients: [\n"
    tokend.write()
    assert tokend.ask("RELOAD").code == "configuration-wrong"
    daemon = status(tokend)[0][1]
    assert daemon["reload_code"] == "configuration-wrong" and "tokend.yaml" in daemon["reload_error"]
    assert metrics(tokend)[P + "config_last_reload_successful"].value() == 0
    check = tokend.tool("status", "--check")
    assert check.returncode == 1 and check.stdout.startswith("WARNING - the last reload failed, "), check.stdout
    assert "warning: the last reload failed" in tokend.tool("status").stdout
    tokend.config_text = good
    tokend.reload("\nreloaded")
    daemon = status(tokend)[0][1]
    assert "reload_ago" in daemon and "reload_code" not in daemon
    assert tokend.tool("status", "--check").returncode == 0


def test_what_happened_last_night_is_still_told(up, lone, recorder):
    tokend = up(lone(client={"backoff_min": "100ms", "backoff_max": "1s"}))
    recorder.script(Answer({"error": "server_error"}, status=503), token())
    assert tokend.sasl(BOX).ok
    c = of_client(tokend, "c")
    assert c["last_failure_class"] == "temp" and c["last_failure_code"] and "failed_ago" not in c and "error" not in c
    assert (c["fetches"], c["fetches_ok"], c["fetches_temporary"], c["fetches_permanent"]) == ("2", "1", "1", "0")
    assert int(c["last_success_ago"]) < 60 and c["margin"] == "300"
    assert "mended: " + c["last_failure_code"] in tokend.tool("status").stdout
    assert tokend.tool("status", "--check").returncode == 0


@pytest.mark.parametrize("life, status_, said", [(1200, 1, "failed to renew"), (930, 2, "without a token")])
def test_a_token_serves_while_it_has_its_margin(up, lone, recorder, life, status_, said):
    """As with hve: 900 s must be left, also in an outage. A token with more serves though it could not be renewed; one that lives for
    less has life left and is of no use all the same."""
    tokend = up(lone(client={"min_remaining": 900, "stale_until": 0, "backoff_min": "60s"}))
    recorder.script(token(expires_in=life), Answer({"error": "server_error"}, status=503))
    assert tokend.sasl(BOX).ok
    if status_ == 2:
        recorder.script(token(expires_in=890))
        tokend.ask("FLUSH", account=BOX)
        assert tokend.sasl(BOX).code == "token-too-short"
    else:
        assert tokend.ask("REJECTED", account=BOX, host="localhost", token_id=tokend.sasl(BOX).token_id).ok
        wait_for("the failure", lambda: "failed_ago" in of_client(tokend, "c"))
    assert of_client(tokend, "c").get("margin", "900") == "900"
    check = tokend.tool("status", "--check")
    assert check.returncode == status_ and said in check.stdout, (check.stdout, status(tokend))


def test_users_are_told_apart(up, lone):
    tokend = up(lone(top={"max_connections_per_uid": 4, "request_timeout": "30s"}))
    for _ in range(3):
        assert wire.ask_as("postfix", tokend.socket, "SASL", mech="XOAUTH2", account=BOX).ok
        assert wire.ask_as("daemon", tokend.socket, "SASL", mech="XOAUTH2", account=BOX).code == "denied"
    lines = {int(f["uid"]): f for word, f in status(tokend) if word == "user"}
    postfix, other = lines[pwd.getpwnam("postfix").pw_uid], lines[pwd.getpwnam("daemon").pw_uid]
    assert (postfix["requests"], postfix["answers"], postfix["denied"]) == ("3", "3", "0")
    assert (other["requests"], other["answers"], other["denied"], other["connections"]) == ("3", "0", "3", "0")
    shown = tokend.tool("status").stdout
    assert re.search(r"^postfix +0 +3 +3 +0 +0$", shown, re.M) and re.search(r"^daemon +0 +3 +0 +3 +0$", shown, re.M)


# --- many clients -----------------------------------------------------------------------------------------------------------------

MANY = 5000


@pytest.fixture
def many(up, lone):
    tokend = lone()
    tokend.write()
    text = tokend.config.read_text()
    entry = "".join(text[text.index('  c:\n'):].split("accounts:")[0])
    more = "".join(entry.replace("  c:\n", f"  client-{n:05}:\n", 1) for n in range(MANY))
    tokend.config_text = text.replace(entry, entry + more)
    return up(tokend)


def slow_asker(tokend, verb):
    """A socket with a small buffer that has asked and not read."""
    s = socket.socket(socket.AF_UNIX)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(20)
    s.connect(str(tokend.socket))
    s.sendall(wire.line(verb))
    return s


def rest_of(s):
    chunks = []
    while chunk := s.recv(1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)


def test_a_long_answer_does_not_stop_the_others(many):
    """Twenty who have asked and do not read: the others are answered meanwhile, and each answer is whole in the end."""
    before = memory(many)
    askers = [slow_asker(many, verb) for verb in ("STATUS", "METRICS") * 10]
    assert [many.sasl(BOX).ok for _ in range(20)] == [True] * 20
    assert "connections=21" in many.ask("STATUS").body.split("\n")[0], "they are all still waiting"
    assert memory(many) - before < 20 * 400 + 4096, "a piece for each, not the whole"
    texts = []
    for s in askers:        # looked at below: who takes nothing for two seconds is let go
        texts.append(rest_of(s).decode())
        s.close()
    for n, text in enumerate(texts):
        assert text.startswith("OK\n") and text.endswith("\n")
        if n % 2 == 0:
            assert text.count("\nclient\t") == MANY + 1
        else:
            assert len(exposition.parse(text[3:])[P + "client_failing"].samples) == MANY + 1


def test_who_does_not_take_the_answer_is_let_go(many):
    askers = [slow_asker(many, "STATUS") for _ in range(5)]
    wait_for("the connections to be closed", lambda: "\tconnections=1\t" in many.ask("STATUS").body.split("\n")[0], 10)
    assert many.log().count("answer verb=STATUS ") >= 5, "they are told of"
    for s in askers:
        s.close()


@pytest.mark.parametrize("verb", ["STATUS", "METRICS"])
def test_a_reload_ends_a_long_answer_visibly(many, verb):
    s = slow_asker(many, verb)
    many.hup()
    many.wait_log("reloaded clients=")
    text = rest_of(s)
    assert text.startswith(b"OK\n") and not text.endswith(b"\n")
    assert many.ask(verb).body.endswith("\n")


def test_the_tool_asks_again_when_a_reload_came_between(many):
    """Reloads without an end: every answer that is shown is whole, and most are."""
    stop = threading.Event()

    def reloading():
        while not stop.is_set():
            assert many.ask("RELOAD").ok
            time.sleep(0.15)
    reloader = threading.Thread(target=reloading)
    reloader.start()
    try:
        done = [many.tool("status", "--json") for _ in range(5)]
    finally:
        stop.set()
        reloader.join()
    assert {d.returncode for d in done} <= {0, 4}, done
    for d in done:
        assert d.stdout.count('"state"') == (MANY + 1 if d.returncode == 0 else 0)
        assert d.returncode == 0 or "not complete" in d.stderr


# --- the file ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(workdir):
    """A folder that the daemon's user may write in."""
    path = workdir / "textfile"
    path.mkdir()
    os.chown(path, pwd.getpwnam("mta-xoauth2").pw_uid, -1)
    path.chmod(0o755)
    return path


def with_file(place, interval="1s"):
    return {"metrics_file": str(place / "mta.prom"), "metrics_interval": interval}


def written(place, since=0):
    path = place / "mta.prom"
    wait_for("the file to be written", lambda: path.exists() and path.stat().st_mtime_ns > since)
    return path


def test_the_file_is_what_metrics_say(up, lone, place):
    tokend = up(lone(top=with_file(place, "1h")))
    path = written(place)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644 and os.listdir(place) == ["mta.prom"]
    assert list(exposition.parse(path.read_text())) == list(metrics(tokend))
    assert tokend.sasl(BOX).ok
    since = path.stat().st_mtime_ns
    tokend.reload("\nreloaded")
    families = exposition.parse(written(place, since).read_text())
    assert families[P + "requests_total"].value(verb="SASL") == 1
    del tokend.top["metrics_file"], tokend.top["metrics_interval"]
    tokend.reload("\nreloaded")
    before = path.read_bytes()
    assert tokend.sasl(BOX).ok and path.read_bytes() == before, "it is left as it was"


def test_no_reader_ever_sees_half_a_file(many, place):
    """Written again and again by reloads, some of them in its midst, while somebody reads all the time."""
    many.config_text = f"metrics_file: {place / 'mta.prom'}\nmetrics_interval: 1s\n" + many.config_text
    many.restart()          # a reload may not write where nothing was to be written: test_sandbox.py
    path, seen = written(place), set()
    stop = threading.Event()
    wrong = []

    def read():
        while not stop.is_set():
            data = path.read_bytes()
            seen.add(hash(data))
            if data.count(b"client_failing{") != MANY + 1 or not data.endswith(b"\n"):
                wrong.append(data[-200:])
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(5):
            assert many.ask("RELOAD").ok
            since = path.stat().st_mtime_ns
            wait_for("another", lambda t=since: path.stat().st_mtime_ns > t)
    finally:
        stop.set()
        reader.join()
    assert not wrong and len(seen) > 4
    exposition.parse(path.read_text())


def failures(tokend):
    return tokend.log().count("metrics_file_failed ")


def test_a_folder_that_may_not_be_written(up, lone, place):
    """One line when it begins, one when it is over; the daemon goes on. A reload that changes nothing does not repeat it."""
    os.chown(place, 0, 0)
    tokend = up(lone(top=with_file(place)))
    line = tokend.wait_log("metrics_file_failed ")
    assert str(place) in line and "Permission denied" in line and "user mta-xoauth2" in line and "ReadWritePaths=" in line
    tokend.reload("\nreloaded")
    time.sleep(2.2)  # two intervals
    assert failures(tokend) == 1 and tokend.sasl(BOX).ok and os.listdir(place) == []
    os.chown(place, pwd.getpwnam("mta-xoauth2").pw_uid, -1)
    tokend.wait_log("metrics_file_written ")
    path = written(place)
    assert failures(tokend) == 1 and exposition.parse(path.read_text())
    since = path.stat().st_mtime_ns
    written(place, since)
    assert tokend.log().count("metrics_file_written ") == 1


def test_a_full_disk_leaves_the_old_file(up, lone, place):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "none", str(place)], capture_output=True).returncode != 0:
        pytest.skip("SKIPPED: a small file system cannot be mounted here")
    try:
        tokend = up(lone(top=with_file(place)))
        path = written(place)
        filler = place / "filler"
        with open(filler, "wb", buffering=0) as f:
            with pytest.raises(OSError):
                while True:
                    f.write(b"x" * 4096)
        line = tokend.wait_log("metrics_file_failed ")
        assert "No space left on device" in line
        assert exposition.parse(path.read_text()) and sorted(os.listdir(place)) == ["filler", "mta.prom"]
        since = path.stat().st_mtime_ns
        assert tokend.sasl(BOX).ok and failures(tokend) == 1
        filler.unlink()
        tokend.wait_log("metrics_file_written ")
        families = exposition.parse(written(place, since).read_text())
        assert families[P + "requests_total"].value(verb="SASL") == 1
        tokend.stop()
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_file_size_limit_does_not_kill(up, lone, place):
    tokend = up(lone(top=with_file(place)))
    path = written(place)
    limit(tokend, "--fsize=1000:1000")
    # the log is a file too here; what counts is that the daemon lives and the file is whole
    time.sleep(2.2)
    assert tokend.proc.poll() is None and tokend.sasl(BOX).ok
    assert exposition.parse(path.read_text()) and os.listdir(place) == ["mta.prom"]


def test_what_lies_in_the_way(up, lone, place, workdir):
    """A file of a crash is replaced, a planted link is not followed, and what cannot be removed is said."""
    victim = workdir / "victim"
    victim.write_text("precious")
    victim.chmod(0o666)
    (place / "mta.prom.tmp").symlink_to(victim)
    tokend = up(lone(top=with_file(place)))
    written(place)
    assert victim.read_text() == "precious" and os.listdir(place) == ["mta.prom"]
    (place / "mta.prom.tmp").mkdir()
    assert "cannot be removed" in tokend.wait_log("metrics_file_failed ")
    (place / "mta.prom.tmp").rmdir()
    tokend.wait_log("metrics_file_written ")


def test_the_folder_is_gone(up, lone, place):
    tokend = up(lone(top=with_file(place)))
    written(place)
    os.rename(place, place.parent / "away")
    assert "No such file or directory" in tokend.wait_log("metrics_file_failed ")
    os.rename(place.parent / "away", place)
    tokend.wait_log("metrics_file_written ")
