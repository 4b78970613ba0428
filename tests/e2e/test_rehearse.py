"""`mta-xoauth2 rehearse`, installed, by an ordinary user: what it shows, what it leaves, and that it believes no daemon at its word."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mxtest import net, paths, users
from mxtest.netns import Network
from mxtest.proc import run, wait_for
from mxtest.terminal import Terminal

PERSON = f"mx-person{os.getpid() % 10000}"    # whose processes are counted: nobody else's
SCENES = ["delivery", "expiry", "outage", "rejected", "hve", "throttled"]
BAD = {"delivery": "forgetful", "expiry": "stale", "outage": "forgetful", "rejected": "deaf", "hve": "stale", "throttled": "forgetful"}
SECRET = "a secret of the rehearsal"


class Installed:
    """The tree as "make install" makes it, and a person with a folder for temporary files."""

    def __init__(self, folder):
        root = folder / "root"
        run(["make", "-C", paths.build_dir(), "install", f"DESTDIR={root}"])
        self.tool = next(root.rglob("bin/mta-xoauth2"))
        self.daemon = next(root.rglob("sbin/mta-xoauth2-tokend"))
        self.pieces = next(root.rglob("share/mta-xoauth2/rehearse"))
        run(["chmod", "-R", "a+rX", root])
        users.ensure([PERSON])
        self.folder, self.bad = folder, folder / "badtokend.py"
        shutil.copy(Path(__file__).parent / "mxtest/badtokend.py", self.bad)

    def tmp(self, name):
        """A folder of the person's own; what is left in there counts."""
        path = self.folder / name
        path.mkdir()
        shutil.chown(path, PERSON, PERSON)
        return path

    def argv(self, *more, daemon=None):
        return [str(self.tool), "rehearse", "--pieces", str(self.pieces), "--daemon", str(daemon or self.daemon), *map(str, more)]

    def liar(self, mode):
        """A program that is a daemon of this kind."""
        path = self.folder / f"liar-{mode}"
        path.write_text(f"#!/bin/sh\nexec /usr/bin/python3 {self.bad} {mode} {self.daemon} \"$@\"\n")
        path.chmod(0o755)
        return path

    def start(self, tmp, argv, launcher=()):
        me = pwd.getpwnam(PERSON)
        become = ["/usr/bin/setpriv", f"--reuid={me.pw_uid}", f"--regid={me.pw_gid}", "--clear-groups"]
        return subprocess.Popen([*launcher, *become, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                cwd="/", env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp), "SECRET_OF_THE_CALLER": "x"})


def of_person():
    """Processes of the person's."""
    uid, found = pwd.getpwnam(PERSON).pw_uid, []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}").st_uid == uid or f"Uid:\t{uid}\t" in open(f"/proc/{pid}/status").read():
                if " Z " not in open(f"/proc/{pid}/stat").read().rpartition(")")[2][:3]:
                    found.append((pid, open(f"/proc/{pid}/cmdline").read()))
        except OSError:
            pass
    return found


def no_routes(network):
    """How often somebody in that network wanted to send where no route leads, by IPv4 or IPv6."""
    text = run([*network.launcher, "cat", "/proc/net/snmp", "/proc/net/snmp6"]).stdout
    names, values = [line.split() for line in text.splitlines() if line.startswith("Ip:")]
    return int(values[names.index("OutNoRoutes")]) + int(re.search(r"Ip6OutNoRoutes\s+(\d+)", text)[1])


@pytest.fixture(scope="module")
def installed(binaries):
    folder = net.private_dir("mxr")
    folder.chmod(0o755)
    yield Installed(folder)
    run(["/usr/sbin/userdel", PERSON], check=False)     # of this run alone
    if not os.environ.get("MX_KEEP_DIRS"):
        net.remove_dir(folder)


@pytest.fixture(scope="module")
def played(installed):
    """All scenarios at once, in a network that has a loopback alone; {name: (status, shown, seconds, what is left)}."""
    network = Network(installed.folder)
    if network.refused():
        pytest.skip(f"no network of our own here: {network.refused()}")
    network.start()
    try:
        begin, procs = time.monotonic(), {}
        for name in SCENES:
            tmp = installed.tmp(f"good-{name}")
            procs[name] = (tmp, installed.start(tmp, installed.argv("--scenario", name), network.launcher))
        result = {}
        for name, (tmp, proc) in procs.items():
            shown = proc.communicate(timeout=60)[0]
            result[name] = (proc.returncode, shown, time.monotonic() - begin, os.listdir(tmp))
        quiet = no_routes(network)
        run([*network.launcher, "/usr/bin/python3", "-c", "import socket; socket.socket().connect_ex(('192.0.2.1', 25))"])
        yield {"attempts": (quiet, no_routes(network)), **result}
    finally:
        network.stop()


@pytest.mark.parametrize("name", SCENES)
def test_scenario_is_seen(played, name):
    status, shown, seconds, left = played[name]
    assert status == 0, shown
    assert re.search(r"All \d promises were seen, in [\d.]+ seconds\.\n$", shown), shown
    assert "NOT SEEN" not in shown
    assert "daemon | fetch_ok client=" in shown and "daemon | answer verb=SASL uid=%d " % pwd.getpwnam(PERSON).pw_uid in shown
    assert "Remember:" in shown and shown.count("   look: ") >= 1
    assert left == [] and seconds < 25
    assert SECRET not in shown and "eyJ" not in shown and "dXNlcj" not in shown


def test_no_scenario_leaves_the_loopback(played):
    assert played["attempts"] == (0, 1)     # none of theirs; ours, which shows that it is counted


def test_each_scenario_shows_its_own(played):
    assert "server | 235 2.7.0 Authentication successful" in played["delivery"][1]
    assert "not shown)" in played["delivery"][1]
    tokens = set(re.findall(r"fetch_ok client=rehearsal token=(\w+)", played["expiry"][1]))
    assert len(tokens) >= 3
    assert "fetch_failed client=rehearsal class=temp code=provider-unavailable http=503" in played["outage"][1]
    assert "the daemon says: temp: " in played["outage"][1]
    assert "535 5.7.3 Authentication unsuccessful" in played["rejected"][1]
    assert [m for m in re.findall(r"token_rejected .* dropped=(\w+)", played["rejected"][1])] == ["yes", "no"]
    assert "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon" in played["hve"][1]
    assert "on_hold client=rehearsal code=provider-throttled in_ms=5000" in played["throttled"][1]


def test_nothing_runs_on_and_nobody_elses_files_are_read(played, installed):
    assert of_person() == []
    trace = shutil.which("strace")
    if trace is None:
        pytest.skip("strace is not installed")
    tmp = installed.tmp("traced")
    log = tmp / "trace"
    proc = installed.start(tmp, [trace, "-f", "-qq", "-e", "trace=openat,open,connect,bind", "-o", str(log), *installed.argv()])
    shown = proc.communicate(timeout=60)[0]
    if "ptrace" in shown and proc.returncode != 0:
        pytest.skip("no ptrace here")
    assert proc.returncode == 0, shown
    opened = log.read_text()
    assert "/etc/mta-xoauth2" not in opened and "/run/mta-xoauth2" not in opened and "/etc/postfix" not in opened
    for address in re.findall(r'sin_addr=inet_addr\("([^"]+)"\)', opened):
        assert address == "127.0.0.1", address
    assert str(tmp) in opened


@pytest.mark.parametrize("name", SCENES)
def test_a_daemon_that_plays_it_false_is_found_out(installed, name):
    tmp = installed.tmp(f"bad-{name}")
    proc = installed.start(tmp, installed.argv("--scenario", name, daemon=installed.liar(BAD[name])))
    shown = proc.communicate(timeout=60)[0]
    assert proc.returncode == 1, shown
    assert "NOT SEEN: " in shown and "FAILED: " in shown.splitlines()[-1] + shown.splitlines()[-2] + shown.splitlines()[-3], shown
    assert os.listdir(tmp) == []
    wait_for(lambda: f"processes to end: {of_person()}", lambda: not of_person(), 5)


def test_broken_daemons(installed):
    for daemon, status, words in ((installed.liar("torn"), 1, "NOT SEEN: "), ("/bin/false", 1, "has ended with status 1"),
                                  ("/nowhere/tokend", 3, "cannot be started")):
        tmp = installed.tmp("broken-" + Path(daemon).name)
        proc = installed.start(tmp, installed.argv(daemon=daemon))
        shown = proc.communicate(timeout=60)[0]
        assert (proc.returncode, words in shown) == (status, True), shown
        assert "Traceback" not in shown and os.listdir(tmp) == []


@pytest.mark.parametrize("moment", ["at once", "after 15 ms", "after 30 ms", "after 60 ms", "after 120 ms", "while certificates are made", "The stage", "fetch_ok", "mail 3"])
def test_ctrl_c_leaves_nothing(installed, moment):
    tmp = installed.tmp("ctrl-c-" + moment.replace(" ", "-"))
    terminal = Terminal(installed.argv("--scenario", "expiry"), env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp)}, user=PERSON).start()
    try:
        if moment == "while certificates are made":
            wait_for("certificates", lambda: list(tmp.glob("*/openssl.cnf")), 10, 0.001)
        elif moment.startswith("after"):
            time.sleep(int(moment.split()[1]) / 1000)   # a moment of Python's own start
        elif moment != "at once":
            terminal.see(moment)
        terminal.type("\x03")
        assert terminal.ends(10) == -signal.SIGINT, terminal.shown
        assert "Traceback" not in terminal.shown
    finally:
        terminal.stop()
    assert os.listdir(tmp) == []
    wait_for(lambda: f"processes to end: {of_person()}", lambda: not of_person(), 5)


def test_a_reader_that_goes_away(installed):
    tmp = installed.tmp("pipe")
    proc = installed.start(tmp, installed.argv("--scenario", "expiry"))
    proc.stdout.readline()
    proc.stdout.close()
    assert proc.wait(20) == 75
    assert os.listdir(tmp) == []
    wait_for(lambda: f"processes to end: {of_person()}", lambda: not of_person(), 5)


def test_killed_it_leaves_no_daemon(installed):
    tmp = installed.tmp("killed")
    proc = installed.start(tmp, installed.argv("--scenario", "expiry"))
    wait_for("the daemon", lambda: any("mta-xoauth2-tokend" in c for _, c in of_person()), 10)
    proc.kill()
    proc.communicate()
    wait_for(lambda: f"processes to end: {of_person()}", lambda: not of_person(), 5)


def test_keep_and_list_and_wrong_names(installed):
    tmp = installed.tmp("keep")
    proc = installed.start(tmp, installed.argv("--keep"))
    shown = proc.communicate(timeout=60)[0]
    kept = Path(re.search(r"^Kept: (.*)$", shown, re.M)[1])
    assert proc.returncode == 0 and kept.parent == tmp
    assert "fetch_ok" in (kept / "tokend.log").read_text() and (kept / "told").read_text() in shown
    assert kept.stat().st_mode & 0o777 == 0o700
    proc = installed.start(tmp, [str(installed.tool), "check", "--config", str(kept / "tokend.yaml")])
    assert "no errors, no warnings" in proc.communicate(timeout=60)[0] and proc.returncode == 0
    proc = installed.start(tmp, installed.argv("--list"))
    listed = proc.communicate(timeout=60)[0]
    assert [line.split()[0] for line in listed.splitlines()] == SCENES and proc.returncode == 0
    proc = installed.start(tmp, installed.argv("--scenario", "delivry"))
    assert "did you mean delivery?" in proc.communicate(timeout=60)[0] and proc.returncode == 2


def test_without_python_it_says_so(installed):
    """In a mount namespace where there is none."""
    hide = "for p in /usr/bin/python3 /usr/local/bin/python3; do test ! -e $p || mount --bind /dev/null $(readlink -f $p) || exit 99; done; exec \"$@\""
    done = subprocess.run(["unshare", "-m", "sh", "-c", hide, "sh", *installed.argv()], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})
    if "unshare" in done.stderr or done.returncode == 99:
        pytest.skip(f"no mount namespace here: {done.stderr}")
    assert done.returncode == 3 and "there is no python3; install it" in done.stderr, done.stderr


READ_ONLY = ["unshare", "-m", "sh", "-ec", "mount --make-rprivate /; for d in /tmp /var/tmp; do mount --bind $d $d; mount -o remount,bind,ro $d; done; exec \"$@\"", "sh"]


def test_a_tmp_that_cannot_be_written(installed):
    """It says so, and what to do; nothing is made anywhere else. With TMPDIR it plays."""
    if (probe := subprocess.run([*READ_ONLY, "true"], capture_output=True, text=True)).returncode:
        pytest.skip(f"no mount namespace here: {probe.stderr}")
    before = set(os.listdir("/")) | set(os.listdir("/dev/shm"))
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
    for user in ([], ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"]):
        done = subprocess.run([*READ_ONLY, *user, *installed.argv()], capture_output=True, text=True, env=env, cwd="/", timeout=60)
        assert done.returncode == 3 and "/tmp or /var/tmp" in done.stderr and "TMPDIR=/PLACE" in done.stderr, done.stderr
    assert set(os.listdir("/")) | set(os.listdir("/dev/shm")) == before
    shm = Path(f"/dev/shm/mx-rehearse-{os.getpid()}")
    shm.mkdir()
    try:
        done = subprocess.run([*READ_ONLY, *installed.argv()], capture_output=True, text=True, env=env | {"TMPDIR": str(shm)}, cwd="/", timeout=60)
        assert done.returncode == 0 and not os.listdir(shm), done.stdout + done.stderr
    finally:
        shm.rmdir()
