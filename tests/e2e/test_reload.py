"""SIGHUP: a wrong configuration changes nothing, a right one all at once; tokens of clients that stay the same stay too."""

import json
import os
import pwd
import threading
import time

import pytest

from mxtest import wire
from mxtest.alone import BOX, SECRET, lone_tokend, oauth_client
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder, token

OTHER = "other@example.test"


@pytest.fixture
def recorder(up, pki):
    """Every token it gives out is another one."""
    return up(Recorder(pki.cert())).script(*(token(f"token-{n}") for n in range(50)))


@pytest.fixture
def tokend(up, workdir, pki, recorder, binaries):
    daemon = lone_tokend(workdir / "t", recorder.url, pki.ca, accounts={BOX: {"client": "c"}, OTHER: {"client": "d"}})
    daemon.clients["d"] = oauth_client(recorder.url, pki.ca, client_id="another")
    daemon.run_dir.mkdir(parents=True)
    os.chown(daemon.run_dir, pwd.getpwnam("mta-xoauth2").pw_uid, -1)  # as /run/mta-xoauth2 is
    return up(daemon)


def both(tokend):
    return tokend.sasl(BOX).token_id, tokend.sasl(OTHER).token_id


def reload_by_signal(tokend):
    tokend.reload("\nreload")


def reload_by_verb(tokend):
    tokend.write()
    return tokend.ask("RELOAD")


BROKEN = {
    "unknown key": ("clients:\n  c:\n    provider: custom\n    clint_id: x\n", "clint_id"),
    "no YAML": ("clients: [\n", "tokend.yaml:"),
    "empty": ("", "tokend.yaml"),
    "undefined client": ("undefined", "nosuch"),
}


@pytest.mark.parametrize("name", [*BROKEN, "missing", "secret closed", "socket that cannot be made"])
def test_a_wrong_configuration_changes_nothing(tokend, recorder, name):
    before = both(tokend)
    original = tokend.config.read_text()
    said = "reload_failed"
    if name in BROKEN:
        text, said = BROKEN[name]
        tokend.config.write_text(original.replace('client: "c"', 'client: "nosuch"') if text == "undefined" else text)
    elif name == "missing":
        tokend.config.unlink()
    elif name == "secret closed":
        tokend.secret_path("c.secret").chmod(0o644)
        said = "open to every user of this host"
    else:
        tokend.config.write_text(original.replace(str(tokend.run_dir), "/proc/nobody/makes/folders/here"))
        said = "listen_failed path=/proc/nobody"
    tokend.hup()
    line = tokend.wait_log("reload_failed code=")
    assert "the old configuration stays in force" in line
    assert said in tokend.log()
    assert both(tokend) == before and len(recorder.requests) == 2
    assert tokend.ask("STATUS").ok and tokend.proc.poll() is None
    tokend.secrets = {"c.secret": SECRET}
    reload_by_signal(tokend)
    assert "reloaded clients=2 accounts=2" in tokend.log() and both(tokend) == before


def test_the_verb_answers_with_the_mistake(tokend):
    tokend.config_text = "clients:\n  c:\n    provider: nonsense\n"
    reply = reload_by_verb(tokend)
    assert not reply.ok and reply.class_ == "config" and "tokend.yaml:3:" in reply.text
    tokend.config_text = None
    assert reload_by_verb(tokend).ok and tokend.sasl(BOX).ok


def test_only_the_client_that_changed_loses_its_token(tokend, recorder):
    c, d = both(tokend)
    tokend.clients["d"]["scope"] = "another"
    reload_by_signal(tokend)
    assert tokend.sasl(BOX).token_id == c and len(recorder.requests) == 2
    assert tokend.sasl(OTHER).token_id != d and len(recorder.requests) == 3
    assert b"scope=another" in recorder.requests[2].body


@pytest.mark.parametrize("change", [
    lambda t: t.top.update(log_level="debug"), lambda t: t.accounts.update({"x@y.test": {"client": "c"}}),
    lambda t: t.clients.update(e=dict(t.clients["c"], client_id="e")), lambda t: None,
    lambda t: t.clients["c"].update(timeout="7s"),
], ids=["log level", "account", "client", "nothing", "timeout"])
def test_tokens_stay_when_their_clients_do(tokend, recorder, change):
    before = both(tokend)
    change(tokend)
    reload_by_signal(tokend)
    assert both(tokend) == before and len(recorder.requests) == 2


def test_accounts_come_and_go_and_users_are_looked_up(tokend):
    ask = {"mech": "XOAUTH2", "account": BOX}
    assert wire.ask_as("postfix", tokend.socket, "SASL", **ask).code == "denied"
    tokend.accounts[BOX]["allow_users"] = ["postfix"]
    del tokend.accounts[OTHER]
    reload_by_signal(tokend)
    assert wire.ask_as("postfix", tokend.socket, "SASL", **ask).ok
    assert tokend.sasl(BOX).code == "denied" and tokend.sasl(OTHER).code == "denied"


def test_sockets_come_and_go(tokend):
    second = tokend.run_dir / "second.sock"
    tokend.top["listen"] = [{"path": str(tokend.socket)}, {"path": str(second), "mode": "0600"}]
    reload_by_signal(tokend)
    assert wire.ping(second) and wire.ping(tokend.socket) and os.stat(second).st_mode & 0o777 == 0o600
    tokend.top["listen"] = [{"path": str(second)}]
    reload_by_signal(tokend)
    assert wire.ping(second) and not tokend.socket.exists()


def test_a_socket_that_cannot_be_made_leaves_none_behind(tokend, workdir):
    """All or nothing: of two new sockets the first could be made. Nobody may be left waiting at it."""
    first, roots = tokend.run_dir / "first.sock", workdir / "of-root" / "second.sock"
    roots.parent.mkdir(mode=0o755)
    tokend.top["listen"] = [{"path": str(p)} for p in (tokend.socket, first, roots)]
    tokend.write()
    tokend.hup()
    assert "cannot be made" in tokend.wait_log("listen_failed path=" + str(roots))
    tokend.wait_log("reload_failed")
    assert not first.exists() and not roots.exists() and wire.ping(tokend.socket)
    del tokend.top["listen"]
    reload_by_signal(tokend)
    assert wire.ping(tokend.socket)


def test_askers_in_the_queue_survive_a_reload(tokend, recorder):
    """Their client is the same: they get what was asked for. It changed: they get what the new one gets."""
    for change in (False, True):
        before = len(recorder.requests)
        recorder.script(Answer({"access_token": "slow", "token_type": "Bearer", "expires_in": 3600}, delay=1.0), token("new"))
        tokend.ask("FLUSH", account=BOX)
        answers = []
        asker = threading.Thread(target=lambda got=answers: got.append(tokend.sasl(BOX)))
        asker.start()
        wait_for("the request", lambda n=before: len(recorder.requests) > n)
        if change:
            tokend.clients["c"]["scope"] = "changed"
        reload_by_signal(tokend)
        asker.join(10)
        assert answers[0].ok and answers[0].token == ("new" if change else "slow")


def test_postfix_notices_nothing(make_chain):
    chain = make_chain(postfix={"extra": "smtp_connection_cache_on_demand = no"})
    for n in range(5):
        chain.postfix.send(2, subject=f"round {n}")
        chain.tokend.reload("\nreloaded")
    chain.sink.wait(10)
    chain.postfix.wait_empty()
    assert chain.postfix.statuses() == {"sent": 10, "deferred": 0, "bounced": 0} and chain.idp.token_requests() == 1


MANY = 20000


@pytest.fixture
def crowded(tokend):
    """tokend with so many clients that to read them takes a while; crowded(n) writes the first n of them."""
    folder = tokend.dir / "conf.d"
    folder.mkdir()
    sample = tokend._resolve(tokend.clients["c"])

    def write(n=MANY):
        keys = "".join(f"    {k}: {json.dumps(v)}\n" for k, v in sample.items())
        text = "clients:\n" + "".join(f"  m{i}:\n{keys}" for i in range(n)) + "accounts:\n" + "".join(
            f"  m{i}@many.test: {{client: m{i}}}\n" for i in range(n))
        (folder / "many.yaml").write_text(text)
    return write


def test_answers_go_on_while_a_large_configuration_is_read(tokend, recorder, crowded):
    """The reload of 20,000 more clients is one asker's; others get their answers meanwhile, and keep their tokens."""
    before = both(tokend)
    crowded()
    replies, meanwhile = [], 0
    reloader = threading.Thread(target=lambda: replies.append(tokend.ask("RELOAD", seconds=60)))
    reloader.start()
    while reloader.is_alive():
        assert both(tokend) == before
        meanwhile += 1
    reloader.join()
    assert replies[0].ok and meanwhile >= 10, f"{meanwhile} answers during the reload"
    assert tokend.sasl("m17@many.test").ok and len(recorder.requests) == 3
    crowded(1)
    assert tokend.ask("RELOAD", seconds=60).ok and both(tokend) == before and len(recorder.requests) == 3
    assert tokend.sasl("m17@many.test").code == "denied" and tokend.sasl("m0@many.test").ok
    assert f"reloaded clients={MANY + 2} " in tokend.log() and "reloaded clients=3 " in tokend.log()


def test_a_reload_asked_for_during_another_sees_the_newest_file(tokend, crowded):
    """The second asker's file was written after the first reading had begun: its answer is about that file."""
    both(tokend)
    crowded()
    first, second = [], []
    one = threading.Thread(target=lambda: first.append(tokend.ask("RELOAD", seconds=60)))
    one.start()
    wait_for("the reading to begin", lambda: tokend.ask("STATUS").ok)
    tokend.hup()
    tokend.config.write_text(tokend.config.read_text().replace("provider", "nonsense"))
    two = threading.Thread(target=lambda: second.append(tokend.ask("RELOAD", seconds=60)))
    two.start()
    one.join(60)
    two.join(60)
    assert second[0].code == "configuration-wrong" and "nonsense" in second[0].text
    tokend.write()
    assert tokend.ask("RELOAD", seconds=60).ok and tokend.sasl(BOX).ok


def test_stopped_while_a_configuration_is_read(tokend, crowded):
    both(tokend)
    crowded()
    tokend.hup()
    assert tokend.stop() == 0
    assert "stopped status=0" in tokend.log()


def test_waiters_of_a_removed_client_are_answered(tokend, recorder):
    recorder.script(Answer(hang=True), token("next"))
    answers = []
    asker = threading.Thread(target=lambda: answers.append(tokend.sasl(OTHER, deadline_ms=20000)))
    asker.start()
    wait_for("the request", lambda: len(recorder.requests) == 1)
    del tokend.clients["d"], tokend.accounts[OTHER]
    reload_by_signal(tokend)
    asker.join(10)
    assert (answers[0].class_, answers[0].code) == ("temp", "client-removed") and tokend.sasl(BOX).ok


@pytest.mark.parametrize("late", [0.0, 0.05, 0.3])
def test_a_stop_during_a_reload_opens_no_socket_again(tokend, recorder, crowded, late):
    """Somebody still waits for a hanging provider, a large configuration is being read, and the daemon is told to stop."""
    recorder.script(Answer({"access_token": "slow", "token_type": "Bearer", "expires_in": 3600}, delay=3.0))
    answers = []
    asker = threading.Thread(target=lambda: answers.append(tokend.sasl(BOX)))
    asker.start()
    wait_for("the request", lambda: len(recorder.requests) == 1)
    crowded()
    tokend.hup()
    time.sleep(late)            # in which stage it is then is left to chance; each must hold
    tokend.proc.terminate()
    tokend.wait_log("stopping signal=15")
    for _ in range(40):
        with pytest.raises(OSError):
            tokend.ask("PING", seconds=0.5)
        time.sleep(0.02)
    asker.join(10)
    assert answers[0].ok and tokend.proc.wait(10) == 0
    stopped = tokend.log().partition("stopping signal=15")[2]
    assert "listening path=" not in stopped and "listen_failed" not in stopped
