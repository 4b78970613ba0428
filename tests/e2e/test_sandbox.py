"""The daemon shuts itself in: what is in force, what it says of that, and that a reload still gets what it names anew."""

import os
import pwd

import pytest

from mxtest import exposition, wire
from mxtest.alone import BOX, lone_tokend
from mxtest.proc import descendants, wait_for
from mxtest.recorder import Answer, Recorder, token
from mxtest.refresh import FIRST, ask_beside, daemon, in_flight, recorder, store  # noqa: F401

PARTS = ["no_capabilities", "no_new_privileges", "landlock", "seccomp"]


@pytest.fixture
def lone(up, workdir, pki, binaries):
    endpoint = up(Recorder(pki.cert()))
    return lone_tokend(workdir / "t", endpoint.url, pki.ca)


def of_process(pid):
    return dict(ln.split(":\t", 1) for ln in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in ln)


def said(tokend):
    """{part: yes or no} of the log line, which stands once."""
    lines = [ln for ln in tokend.log().splitlines() if ln.startswith("sandbox ")]
    assert len(lines) == 1, tokend.log()
    return dict(word.split("=", 1) for word in lines[0].split(" text=")[0].split()[1:])


def in_force(tokend):
    """What STATUS, METRICS and the tool say; they agree with the log."""
    status = tokend.ask("STATUS").body.splitlines()[0]
    parts = dict(f.split("=", 1) for f in status.split("\t")[1:])["sandbox"].split(",")
    body = tokend.ask("METRICS").body
    exposition.parse(body)
    assert all(f'mta_xoauth2_sandbox{{part="{p}"}} {int(p in parts)}\n' in body for p in PARTS), body
    assert said(tokend) == {p: "yes" if p in parts else "no" for p in PARTS}
    assert "sandbox " + ",".join(parts) in tokend.tool("status").stdout
    return parts


def needed(tokend, part):
    parts = in_force(tokend)
    if part not in parts:
        pytest.skip(f"{part.upper()} IS NOT IN FORCE HERE: " + next(ln for ln in tokend.log().splitlines() if ln.startswith("sandbox ")))


def test_privileges(up, lone):
    """Started by root, as its own user: nothing of root's is left, and nobody of that user may look into it."""
    up(lone)
    pid, uid = lone.proc.pid, pwd.getpwnam("mta-xoauth2").pw_uid
    assert in_force(lone)[:2] == PARTS[:2]
    status = of_process(pid)
    assert set(status["Uid"].split()) == {str(uid)} and status["NoNewPrivs"] == "1"
    assert all(int(status[k], 16) == 0 for k in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    limits = next(ln for ln in open(f"/proc/{pid}/limits") if ln.startswith("Max core file size")).split()
    assert limits[4:6] == ["0", "0"]
    if int(status["VmSize"].split()[0]) < 1 << 30:      # a sanitizer's build has to be looked into
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0, "PR_SET_DUMPABLE 0 makes /proc root's"


def test_seccomp(up, lone):
    """All threads of it, and a token is got all the same."""
    up(lone)
    needed(lone, "seccomp")
    assert lone.sasl(BOX).ok
    tasks = os.listdir(f"/proc/{lone.proc.pid}/task")
    assert tasks and all(of_process(f"{lone.proc.pid}/task/{t}")["Seccomp"] == "2" for t in tasks)


def test_ambient_capabilities_are_dropped(up, workdir, lone):
    """As a service manager hands them over (AmbientCapabilities=)."""
    lone.launcher = ["/usr/bin/setpriv", "--reuid=mta-xoauth2", "--regid=mta-xoauth2", "--clear-groups",
                     "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    workdir.chmod(0o755)
    lone.write()
    user = pwd.getpwnam("mta-xoauth2")
    os.chown(lone.run_dir, user.pw_uid, user.pw_gid)
    up(lone)
    status = of_process(lone.proc.pid)
    assert all(int(status[k], 16) == 0 for k in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    assert in_force(lone)[0] == "no_capabilities"


def test_a_renewal_is_shut_in_too(up, workdir, pki, recorder, store, binaries):  # noqa: F811
    store.put(FIRST)
    recorder.script(Answer(token("access-0", refresh_token="second").body, delay=1.5))
    tokend = up(daemon(workdir, recorder.url, pki, store))
    needed(tokend, "seccomp")
    thread, replies = ask_beside(tokend)
    in_flight(recorder)
    children = descendants(tokend.proc.pid)
    assert children and all(of_process(p)["Seccomp"] == "2" and of_process(p)["NoNewPrivs"] == "1" for p in children)
    thread.join()
    assert replies[0].ok and store.get() == "second"


def test_without(up, lone):
    """--no-sandbox, to find out whether a fault is the sandbox's."""
    argv = lone.argv
    lone.argv = lambda: [*argv(), "--no-sandbox"]
    up(lone)
    assert in_force(lone) == PARTS[:2] and of_process(lone.proc.pid)["Seccomp"] in ("0", "2")
    assert "switched off by --no-sandbox" in lone.log() and lone.sasl(BOX).ok


def test_a_reload_with_another_socket(up, workdir, lone):
    """In a folder that was not there when the daemon shut itself in."""
    up(lone)
    needed(lone, "landlock")
    folder = workdir / "later"
    folder.mkdir()
    user = pwd.getpwnam("mta-xoauth2")
    os.chown(folder, user.pw_uid, user.pw_gid)
    lone.top["listen"] = [{"path": str(lone.socket)}, {"path": str(folder / "sub" / "s.sock")}]
    lone.reload("reloaded ")
    assert wire.ping(folder / "sub" / "s.sock")
    assert "restart_needed" not in lone.log()


def test_a_reload_with_another_secret(up, workdir, lone):
    """Whatever the daemon's user may read it may read: secrets move."""
    up(lone)
    elsewhere = workdir / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    file = elsewhere / "c.secret"
    file.write_text("another one\n")
    os.chown(file, 0, pwd.getpwnam("mta-xoauth2").pw_gid)
    file.chmod(0o640)
    lone.clients["c"]["client_secret_file"] = str(file)
    lone.reload("reloaded ")
    assert lone.sasl(BOX).ok


def test_a_reload_with_another_metrics_file(up, workdir, lone):
    """Nothing is written where nothing was to be written at the start; the log says so, and a restart mends it."""
    up(lone)
    needed(lone, "landlock")
    folder = workdir / "metrics"
    folder.mkdir()
    user = pwd.getpwnam("mta-xoauth2")
    os.chown(folder, user.pw_uid, user.pw_gid)
    lone.top["metrics_file"] = str(folder / "m.prom")
    lone.reload("reloaded ")
    line = lone.wait_log("restart_needed folder=")
    assert str(folder) in line and "metrics_file" in line
    lone.wait_log("metrics_file_failed")
    assert lone.sasl(BOX).ok and not (folder / "m.prom").exists()
    lone.restart()
    wait_for("the metrics", lambda: (folder / "m.prom").exists())
