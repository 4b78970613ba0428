"""The daemon's sockets: its own, with mode and owner, and those systemd hands over; who may hold how many connections."""

import grp
import os
import pwd
import socket
import stat
import threading

import pytest

from mxtest import wire
from mxtest.alone import BOX, lone_tokend
from mxtest.handover import Sockets
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder

USER = "mta-xoauth2"


@pytest.fixture
def recorder(up, pki):
    return up(Recorder(pki.cert()))


@pytest.fixture
def lone(workdir, pki, recorder, binaries):
    """A daemon, not started; listen: what the configuration has, as a list of dicts."""
    def make(listen=None, **more):
        daemon = lone_tokend(workdir / "t", recorder.url, pki.ca, **more)
        if listen is not None:
            daemon.top["listen"] = listen
        return daemon
    return make


def uid(name):
    return pwd.getpwnam(name).pw_uid


def owned(path, name):
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, uid(name), grp.getgrnam(name).gr_gid)
    return path


def ended(tokend, status, *said):
    """It did not start: its exit status, and what it said."""
    assert tokend.proc.wait(10) == status, tokend.log()
    for part in said:
        assert part in tokend.log(), (part, tokend.log())


def identity(path):
    st = os.lstat(path)
    return st.st_dev, st.st_ino


def test_started_as_root_it_drops_to_its_user(up, lone):
    tokend = up(lone())
    fields = dict(ln.split(":", 1) for ln in (open(f"/proc/{tokend.proc.pid}/status").read().splitlines()))
    assert set(fields["Uid"].split()) == {str(uid(USER))}
    assert set(fields["Gid"].split()) == {str(grp.getgrnam(USER).gr_gid)}
    assert set(fields["Groups"].split()) <= {str(grp.getgrnam(USER).gr_gid)}
    assert int(fields["CapEff"], 16) == 0 and int(fields["CapPrm"], 16) == 0
    st = os.stat(tokend.socket)
    assert stat.S_ISSOCK(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o666 and st.st_uid == uid(USER)
    assert wire.ask_as("postfix", tokend.socket, "SASL", mech="XOAUTH2", account=BOX).ok


def test_started_unprivileged(up, lone):
    tokend = lone()
    owned(tokend.run_dir, "daemon")
    tokend.user = "daemon"
    up(tokend)
    assert os.stat(tokend.socket).st_uid == uid("daemon")
    assert wire.ask_as("postfix", tokend.socket, "SASL", mech="XOAUTH2", account=BOX).ok
    assert tokend.stop() == 0 and not tokend.socket.exists()


@pytest.mark.parametrize("user, said", [("nosuchuser", 'no user "nosuchuser"'), ("daemon", "user daemon may not read the secret")])
def test_a_user_that_will_not_do(lone, user, said):
    tokend = lone(top={"user": user})
    ended(tokend.start(wait=False), 3, said)
    tokend.stop()


@pytest.mark.parametrize("listen, mode, owner, group", [
    ({}, 0o666, USER, USER), ({"mode": "0600"}, 0o600, USER, USER), ({"mode": "660", "group": "mail"}, 0o660, USER, "mail"),
    ({"owner": "postfix", "group": "postfix", "mode": "0640"}, 0o640, "postfix", "postfix"),
    ({"owner": "root"}, 0o666, "root", "root"),
])
def test_mode_owner_and_group(up, lone, listen, mode, owner, group):
    tokend = lone()
    tokend.top["listen"] = [{"path": str(tokend.socket), **listen}]
    up(tokend)
    st = os.stat(tokend.socket)
    assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (mode, uid(owner), grp.getgrnam(group).gr_gid)


def test_several_sockets_and_missing_folders(up, lone, workdir):
    paths = [workdir / "t" / "run" / "tokend.sock", workdir / "one" / "a.sock", workdir / "two" / "deep" / "down" / "b.sock"]
    tokend = up(lone([{"path": str(p)} for p in paths]))
    assert [wire.sasl(p, BOX).ok for p in paths] == [True] * 3
    assert stat.S_IMODE(os.stat(paths[2].parent).st_mode) == 0o755
    assert tokend.log().count("listening path=") == 3


@pytest.mark.parametrize("how, left", [("stop", False), ("kill", True)])
def test_removed_at_the_end(up, lone, how, left):
    tokend = lone()
    owned(tokend.run_dir, USER)
    getattr(up(tokend), how)()
    assert tokend.socket.exists() == left


def test_in_a_folder_of_roots_it_stays_and_is_replaced(up, lone):
    """Within Postfix's queue the folder is root's, so the daemon, which is not root any more, cannot remove a name there."""
    tokend = up(lone())
    assert tokend.stop() == 0
    assert tokend.socket.exists()
    tokend.start()
    assert tokend.sasl(BOX).ok


def test_a_stale_socket_is_replaced(up, lone):
    tokend = up(lone())
    old = identity(tokend.socket)
    tokend.kill()
    with pytest.raises(ConnectionRefusedError):
        tokend.ask("PING")
    tokend.start()
    assert tokend.sasl(BOX).ok and identity(tokend.socket) != old


def test_a_live_socket_is_refused(up, lone, workdir, pki, recorder):
    tokend = up(lone())
    second = lone_tokend(workdir / "second", recorder.url, pki.ca, top={"listen": [{"path": str(tokend.socket)}]})
    old = identity(tokend.socket)
    ended(second.start(wait=False), 3, f"another daemon is listening on {tokend.socket}")
    assert tokend.sasl(BOX).ok and identity(tokend.socket) == old


@pytest.mark.parametrize("make", [lambda p: p.write_text("dear diary"), lambda p: p.symlink_to("/etc/hostname"),
                                  lambda p: p.mkdir()], ids=["file", "link", "folder"])
def test_what_is_no_socket_is_left_alone(lone, make):
    tokend = lone()
    tokend.run_dir.mkdir(parents=True)
    make(tokend.socket)
    before = os.lstat(tokend.socket)
    ended(tokend.start(wait=False), 3, f"{tokend.socket} exists and is no socket")
    assert os.lstat(tokend.socket).st_ino == before.st_ino
    tokend.stop()


# --- handed over ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def handed(lone, up):
    """handed(tokend, sockets): started with them."""
    def make(tokend, sockets, **environment):
        up.append(sockets)
        up.append(tokend)
        return sockets.start(tokend, **environment)
    return make


def test_sockets_of_systemd_are_used_as_they_are(lone, handed, workdir):
    paths = [workdir / "sd" / "one.sock", workdir / "sd" / "two.sock"]
    sockets = Sockets(*paths, mode=0o622)
    before = [(identity(p), os.stat(p).st_mode, os.stat(p).st_uid) for p in paths]
    tokend = lone()
    tokend.top["listen"] = [{"path": str(paths[0])}]
    handed(tokend, sockets)
    for p in paths:
        assert wire.sasl(p, BOX).ok
        assert f"listening path={p} handed_over=yes" in tokend.log()
    assert tokend.stop() == 0
    assert [(identity(p), os.stat(p).st_mode, os.stat(p).st_uid) for p in paths] == before, "neither changed nor removed"


def test_a_handed_socket_replaces_the_default_and_adds_to_named_ones(lone, handed, workdir):
    path = workdir / "sd" / "one.sock"
    tokend = handed(lone(), Sockets(path))
    tokend.wait_log("ready ")
    assert wire.ping(path) and wire.ping(tokend.socket)


def test_askers_wait_while_a_socket_activated_daemon_restarts(lone, handed, workdir, up):
    """The socket stays open, so that even an asker that never tries again gets its answer."""
    path = workdir / "sd" / "one.sock"
    sockets, tokend = Sockets(path), lone()
    handed(tokend, sockets)
    assert wire.sasl(path, BOX).ok
    for end in (tokend.stop, tokend.kill):
        end()
        answers = []
        asker = threading.Thread(target=lambda got=answers: got.append(wire.sasl(path, BOX)))
        asker.start()
        sockets.start(tokend)
        asker.join(10)
        assert answers and answers[0].ok


@pytest.mark.parametrize("environment", [{"LISTEN_FDS": "0"}, {"LISTEN_FDS": "x"}, {"LISTEN_FDS": "-1"}])
def test_no_descriptors_by_the_environment(lone, handed, workdir, environment):
    tokend = handed(lone(), Sockets(workdir / "sd" / "one.sock"), **environment)
    tokend.wait_log("ready ")
    assert tokend.sasl(BOX).ok and "handed_over=yes" not in tokend.log()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_a_handed_descriptor_of_another_kind(lone, handed, workdir, kind):
    tokend = handed(lone(), Sockets(workdir / "sd" / "one.sock", kind=kind))
    ended(tokend, 3, "descriptor 3 handed over by systemd is no listening UNIX stream socket", "ListenStream=")


# --- limits -----------------------------------------------------------------------------------------------------------------------


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(str(path))
    return s


def test_connections_of_one_user_are_capped(up, lone):
    tokend = up(lone(top={"max_connections_per_uid": 4, "request_timeout": "30s"}))
    idle = [connect(tokend.socket) for _ in range(4)]
    with connect(tokend.socket) as fifth:  # answered without having said anything
        reply = wire.Reply(fifth.recv(4096))
    assert (reply.class_, reply.code) == ("busy", "too-many-of-user") and "try again" in reply.text
    assert "turned_away code=too-many-of-user uid=0" in tokend.wait_log("turned_away")
    assert wire.ask_as("postfix", tokend.socket, "SASL", mech="XOAUTH2", account=BOX).ok, "another user is not concerned"
    idle.pop().close()
    wait_for("the place to be free", lambda: wire.ping(tokend.socket))
    for s in idle:
        s.close()


def test_connections_in_all_are_capped(up, lone):
    tokend = up(lone(top={"max_connections": 16, "request_timeout": "30s"}))
    idle = [connect(tokend.socket) for _ in range(16)]
    reply = wire.ask_as("postfix", tokend.socket, "SASL", mech="XOAUTH2", account=BOX)
    assert (reply.class_, reply.code) == ("busy", "too-many-connections")
    for s in idle:
        s.close()
    wait_for("the places to be free", lambda: wire.ping(tokend.socket))


def test_a_request_must_arrive_in_time(up, lone):
    tokend = up(lone(top={"request_timeout": "200ms"}))
    with connect(tokend.socket) as s:
        s.sendall(b"TOKEND/1\tPI")
        assert b"ERR\tbad-request\trequest-too-slow" in s.recv(4096)
    assert b"request-too-long" in wire.exchange(tokend.socket, b"TOKEND/1\tPING\tx=" + b"y" * 9000)


def test_a_half_closed_asker_waits_for_its_answer(up, lone, recorder):
    """As Exim's readsocket does; and one that is gone costs nothing."""
    tokend = up(lone())
    recorder.script(Answer({"access_token": "later", "token_type": "Bearer"}, delay=0.5))
    gone = connect(tokend.socket)
    gone.sendall(wire.line("SASL", mech="XOAUTH2", account=BOX))
    gone.close()
    raw = wire.exchange(tokend.socket, wire.line("RAW", mech="XOAUTH2", account=BOX, host="localhost"), half_close=True)
    assert raw == b"OK user=" + BOX.encode() + b"\x01auth=Bearer later\x01\x01" and len(recorder.requests) == 1
