"""A real systemd with our units as they are shipped: whatever happens to the daemon, it comes back, and with its tokens.

Each test counts what the identity provider is asked: a token that was kept is served with the same id and no request.
"""

import os
import re
import shutil
import signal
import threading
from pathlib import Path

import pytest

from mxtest import net, paths, postfix_host, wire
from mxtest.nspawn import Container, Service, Unavailable
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder, token
from mxtest.tokend import to_yaml

BOX = "app@example.test"


@pytest.fixture(scope="module")
def endpoint(pki):
    recorder = Recorder(pki.cert())
    recorder.start()
    yield recorder
    recorder.stop()


@pytest.fixture(scope="module")
def container(binaries):
    """Booted once for all tests of this file."""
    folder = net.private_dir("mxn")
    box = Container(folder)
    try:
        yield box.start()
    except Unavailable as why:
        pytest.skip(f"NO REAL SYSTEMD HERE, its tests do not run: {why}")
    finally:
        box.stop()
        net.remove_dir(folder)


@pytest.fixture(scope="module")
def installed(container, endpoint, pki):
    service = Service(container, {}, {}, {"c.secret": "a secret of the tests"}, pki.ca)
    service.clients = {"c": {"provider": "custom", "token_endpoint": endpoint.url, "grant": "client_credentials",
                             "client_id": "c", "client_secret_file": f"{service.folder}/c.secret", "scope": "mail",
                             "client_auth": "client_secret_post", "ca_file": f"{service.folder}/ca.pem"}}
    service.accounts = {BOX: {"client": "c", "allow_users": ["root"]}}
    return service


class Asked:
    """The token at hand (id) and what the provider has been asked since."""

    def __init__(self, service, endpoint):
        self.service, self.endpoint = service, endpoint
        self.id = service.sasl(BOX).token_id
        endpoint.clear()

    def kept(self):
        """The same token, nothing was asked for, and the store holds one descriptor."""
        reply = self.service.sasl(BOX)
        assert reply.ok and reply.token_id == self.id, (reply, self.service.box.journal(self.service.unit)[-3000:])
        assert len(self.endpoint.requests) == 0
        assert self.service.show("NFileDescriptorStore") == "1"

    def fetched_once_at_most(self):
        replies = [self.service.sasl(BOX) for _ in range(3)]
        assert all(r.ok for r in replies) and len(self.endpoint.requests) <= 1, replies


@pytest.fixture
def service(installed):
    """Installed, configured, not running; stopped afterwards, its journal shown if the test failed."""
    installed.write()
    yield installed
    print(installed.box.journal(installed.unit)[-4000:])
    installed.ctl("stop", installed.unit, installed.socket_unit)
    installed.no_drop_ins()
    installed.ctl("reset-failed", check=False)


@pytest.fixture
def running(service, endpoint):
    """Started and with a token: Asked."""
    endpoint.script(*(token(f"token-{os.urandom(8).hex()}") for _ in range(50)))
    service.ctl("start", service.unit)
    return Asked(service, endpoint)


def test_start(service, running):
    """By Type=notify: it answers when "systemctl start" returns; and it runs in its sandbox."""
    assert service.show("ActiveState") == "active" and service.show("Type") == "notify"
    assert service.box.show(service.socket_unit, "ActiveState") == "active", "the socket comes with it"
    assert service.show("WatchdogUSec") == "30s" and service.show("NRestarts") == "0"
    running.kept()
    pid = service.outer_pid()
    status = dict(ln.split(":\t", 1) for ln in open(f"/proc/{pid}/status").read().splitlines())
    assert "0" not in status["Uid"].split() and int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    root = f"/proc/{pid}/root"
    assert os.statvfs(root + os.path.dirname(service.program)).f_flag & os.ST_RDONLY, "ProtectSystem=strict"
    assert os.statvfs(root + service.folder).f_flag & os.ST_RDONLY
    assert not os.statvfs(root + "/run/mta-xoauth2").f_flag & os.ST_RDONLY
    assert "watchdog" not in service.box.journal(service.unit).lower()
    line = re.findall("sandbox no_capabilities=.*", service.box.journal(service.unit))[-1]
    assert "no_capabilities=yes no_new_privileges=yes" in line, line
    assert " seccomp=yes" in line and (" landlock=yes" in line or "this kernel has no Landlock" in line), line
    assert os.sched_getscheduler(pid) == os.SCHED_BATCH, "the unit has it, since the daemon may not ask for it"


@pytest.mark.parametrize("private", ["no", "yes"])
def test_why_users_are_not_private(service, endpoint, private):
    """With PrivateUsers=yes an asker who is listed looks like uid 65534, and is refused: the unit does not have it."""
    endpoint.clear()
    endpoint.script(token("token-of-mail"))
    tool = "/" + str(next(service.box.root.glob("usr/**/bin/mta-xoauth2")).relative_to(service.box.root))
    service.write(to_yaml({"clients": service.clients, "accounts": {BOX: {"client": "c", "allow_token_users": ["mail"]}}}))
    service.drop_in("users.conf", f"[Service]\nPrivateUsers={private}\n")
    service.ctl("start", service.unit)
    done = service.box.run("setpriv", "--reuid=mail", "--regid=mail", "--clear-groups", tool, "token", BOX, check=False)
    said = service.box.journal(service.unit)
    assert (done.returncode == 0) == (private == "no"), done.stdout + done.stderr + said[-2000:]
    assert ("uid=65534" in said) == (private == "yes")


def test_socket_activation(service, endpoint):
    """The socket alone: the first asker starts the daemon and is answered."""
    endpoint.clear()
    service.ctl("start", service.socket_unit)
    assert service.show("ActiveState") == "inactive"
    assert service.sasl(BOX).ok and len(endpoint.requests) == 1
    assert service.show("ActiveState") == "active"


def test_reload(service, running):
    pid = service.main_pid()
    service.accounts["two@example.test"] = service.accounts[BOX]
    try:
        service.write()
        service.ctl("reload", service.unit)
        wait_for("the new account", lambda: service.sasl("two@example.test").ok)
        running.kept()
    finally:
        del service.accounts["two@example.test"]
    service.write("clients: [")
    done = service.ctl("reload", service.unit, check=False)
    assert done.returncode != 0, "a broken configuration fails the reload"
    running.kept()
    assert service.sasl("two@example.test").ok, "the old configuration stays in force"
    assert service.main_pid() == pid and service.show("ActiveState") == "active"


def test_restart(service, running):
    for _ in range(3):
        pid = service.main_pid()
        service.ctl("restart", service.unit)
        assert service.main_pid() not in (0, pid)
        running.kept()


def test_kill_9(service, running):
    """Who asks while it is away waits in the socket's queue and is answered."""
    for n in (1, 2):
        pid = service.main_pid()
        os.kill(service.outer_pid(), signal.SIGKILL)
        answers = []
        asker = threading.Thread(target=lambda got=answers: got.append(service.sasl(BOX)))
        asker.start()
        asker.join(30)
        assert answers and answers[0].ok and answers[0].token_id == running.id
        assert service.wait_ready(pid) and service.show("NRestarts") == str(n)
        running.kept()


def test_it_never_gives_up(service, running):
    """A dozen deaths in a row, which would be beyond systemd's usual limit of five in ten seconds."""
    service.drop_in("fast.conf", "[Service]\nRestartSec=50ms\n")
    assert service.show("StartLimitIntervalUSec") == "0"
    pid = service.main_pid()
    for _ in range(12):
        os.kill(service.outer_pid(), signal.SIGKILL)
        pid = service.wait_ready(pid)
    running.kept()


def test_watchdog(service, running):
    """A daemon that hangs (it is stopped) is killed and started anew. In half the time it lives: it is fed."""
    service.drop_in("dog.conf", "[Service]\nWatchdogSec=1s\nRestartSec=100ms\n")
    service.ctl("restart", service.unit)
    pid, restarts = service.main_pid(), service.show("NRestarts")
    os.kill(service.outer_pid(), signal.SIGSTOP)
    service.wait_ready(pid)
    assert service.show("NRestarts") == str(int(restarts) + 1)
    assert "Watchdog timeout" in service.box.journal(service.unit)
    running.kept()


def test_a_fed_watchdog_kills_nobody(service, running):
    service.drop_in("dog.conf", "[Service]\nWatchdogSec=1s\n")
    service.ctl("restart", service.unit)
    pid = service.main_pid()
    service.box.run("sleep", "3")
    assert service.main_pid() == pid and service.show("NRestarts") == "0"
    running.kept()


def test_stop_and_start(service, running):
    """systemd 252 drops the store with the service: one fetch per client at most."""
    service.ctl("stop", service.unit, service.socket_unit)
    assert service.main_pid() == 0 and not service.socket.exists()
    service.ctl("start", service.unit)
    running.fetched_once_at_most()


def test_daemon_reexec(service, running):
    """systemd's own exchange, as its package's upgrade does it: the store goes with it."""
    pid = service.main_pid()
    service.ctl("daemon-reexec")
    assert service.main_pid() == pid
    running.kept()
    os.kill(service.outer_pid(), signal.SIGKILL)
    service.wait_ready(pid)
    running.kept()


def test_upgrade(service, running):
    """Another binary in its place, as a package manager puts it there, then a restart."""
    program = service.box.path(service.program)
    new = program.with_name(program.name + ".new")
    shutil.copy2(program, new)
    with open(new, "ab") as f:
        f.write(b"another build")
    old = os.stat(f"/proc/{service.outer_pid()}/exe")
    os.replace(new, program)
    running.kept()
    service.ctl("restart", service.unit)
    now = os.stat(f"/proc/{service.outer_pid()}/exe")
    assert (now.st_ino, now.st_size) == (program.stat().st_ino, old.st_size + 13) and now.st_ino != old.st_ino
    running.kept()


def test_the_socket_in_postfix_chroot(service, running):
    """The drop-in from the examples, put there as its own first lines say."""
    example = next(service.box.root.glob("usr/**/examples/postfix-chroot.conf"))
    text = example.read_text()
    target = re.search(r"Copy to (\S+), then", text)[1]
    commands = re.findall(r"^#   (systemctl .*)$", text, re.M)
    assert len(commands) == 4
    service.box.run("mkdir", "-p", os.path.dirname(target))
    shutil.copy(example, service.box.path(target))
    for command in commands:
        service.box.run(*command.split())
    running.fetched_once_at_most()
    jailed = "/var/spool/postfix/run/mta-xoauth2/tokend.sock"
    outer, service.socket = service.socket, service.box.path(jailed)
    try:
        running.fetched_once_at_most()
        for folder in ("/var/spool/postfix", "/var/spool/postfix/run", "/var/spool/postfix/run/mta-xoauth2"):
            assert service.box.path(folder).stat().st_uid == 0
        running.id = service.sasl(BOX).token_id
        running.endpoint.clear()
        pid = service.main_pid()
        os.kill(service.outer_pid(), signal.SIGKILL)
        running.kept()
        assert service.wait_ready(pid)
    finally:
        service.socket = outer
    running.kept()
    assert service.box.journal(service.unit).count("handed_over=yes") >= 2


def end_by_kill(service):
    os.kill(service.outer_pid(), signal.SIGKILL)


def end_by_watchdog(service):
    os.kill(service.outer_pid(), signal.SIGSTOP)


def ask(service):
    try:
        service.sasl("r@example.test")
    except OSError:
        pass            # its daemon was killed


@pytest.fixture(scope="module")
def postfix(container):
    """Debian's Postfix in it, with its own units; not running."""
    if paths.postfix_root() == Path("/"):
        pytest.skip("Postfix is installed on this machine; the unpacked one is wanted")
    postfix_host.install(container)
    return container


def page_yaml():
    """The sockets of doc/postfix.md's socketmap door."""
    part = re.search(r"(?m)^## The socketmap door\n(.*)", (paths.TOP / "doc/postfix.md").read_text(), re.S)[1]
    return re.search(r"```yaml\n(.*?)```", part, re.S)[1]


def install_example(service, name):
    """As its first lines say; what is to be done then is in those of postfix-chroot.conf."""
    examples = {n: next(service.box.root.glob(f"usr/**/examples/{n}")).read_text() for n in (name, "postfix-chroot.conf")}
    target = re.search(r"Copy to (\S+?)[,;]", examples[name])[1]
    service.box.run("mkdir", "-p", os.path.dirname(target))
    service.box.path(target).write_text(examples[name])
    for command in re.findall(r"^#   (systemctl .*)$", examples["postfix-chroot.conf"], re.M):
        service.box.run(*command.split())


def as_postfix(service, *argv, **more):
    return service.box.run("setpriv", "--reuid=postfix", "--regid=postfix", "--clear-groups", *argv, **more)


def test_the_socketmap_door(service, running, postfix):
    """socketmap.conf beside postfix-chroot.conf, with the page's sockets: Postfix's own table finds the token, as its user."""
    text = to_yaml({"clients": service.clients, "accounts": {BOX: {**service.accounts[BOX], "allow_token_users": ["postfix"]}}})
    install_example(service, "postfix-chroot.conf")
    service.write(page_yaml() + text)
    install_example(service, "socketmap.conf")
    for folder in ("/run", "/var/spool/postfix/run"):
        table = f"socketmap:unix:{folder}/mta-xoauth2/socketmap.sock:auth"
        found = as_postfix(service, "postmap", "-q", BOX, table).stdout
        assert re.fullmatch(rf"{BOX}:token-\w+\n", found), found
        missing = as_postfix(service, "postmap", "-q", "nobody@example.org", table, check=False)
        assert missing.returncode != 0 and BOX not in missing.stdout
    service.ctl("restart", service.unit)
    assert as_postfix(service, "postmap", "-q", BOX, table).stdout == found, "the same token"
    os.kill(service.outer_pid(), signal.SIGKILL)
    assert as_postfix(service, "postmap", "-q", BOX, table).stdout == found, "who asks meanwhile is answered"


def test_postfix_enable(service, running, postfix):
    """With the real systemctl: the socket in the chroot is the socket unit's, and Postfix runs by its own units."""
    box, config = service.box, service.box.path(service.config)
    tool = "/" + str(next(box.root.glob("usr/**/bin/mta-xoauth2")).relative_to(box.root))
    folder, before = config.parent, config.read_text()
    postfix_files = {p: p.read_bytes() for p in (box.root / "etc/postfix").iterdir() if p.is_file()}
    main = box.root / "etc/postfix/main.cf"
    main.write_text(re.sub("(?m)^(import_environment = .*SASL_PATH=).*", rf"\1{os.path.dirname(plugin(box))}", main.read_text()))
    postfix_files[main] = main.read_bytes()
    box.run("systemctl", "start", "postfix@-.service", "postfix.service")
    try:
        done = box.run(tool, "postfix", "enable", "--relayhost", "[localhost]:587", "--account", BOX, "--yes")
        assert "+ListenStream=/var/spool/postfix/run/mta-xoauth2/tokend.sock" in done.stdout, done.stdout
        for words in ("postfix: reloaded", "token daemon: reloaded", f"gets a login for {BOX}"):
            assert words in done.stdout, done.stdout + done.stderr
        assert not done.stderr, done.stderr
        sockets = service.ctl("show", "-p", "Listen", service.socket_unit).stdout
        assert "/var/spool/postfix/run/mta-xoauth2/tokend.sock" in sockets and "/run/mta-xoauth2/tokend.sock" in sockets
        assert service.show("ActiveState") == box.show(service.socket_unit, "ActiveState") == "active"
        jailed = box.path("/var/spool/postfix/run/mta-xoauth2/tokend.sock")
        assert wire.ask(jailed, "SASL", 15, mech="XOAUTH2", account=BOX, host="localhost", port=587).ok
        assert (folder / "conf.d/50-postfix-etc-postfix.yaml").read_text().count("[postfix]") == 1
        assert "refreshing the Postfix mail system" in box.path("/var/log/mail.log").read_text()
        assert box.run(tool, "postfix", "status", check=False).stdout.count("wrong ") == 0
        done = box.run(tool, "postfix", "disable", "--yes")
        assert not jailed.exists() and not (folder / "conf.d/50-postfix-etc-postfix.yaml").exists()
        assert {p: p.read_bytes() for p in (box.root / "etc/postfix").iterdir() if p.is_file()} == postfix_files
        assert config.read_text() == before and service.sasl(BOX).ok
        sockets = service.ctl("show", "-p", "Listen", service.socket_unit).stdout
        assert "postfix" not in sockets and box.show("postfix@-.service", "ActiveState") == "active"
    finally:
        box.run("systemctl", "stop", "postfix.service", "postfix@-.service")


def plugin(box):
    """Where `make install` has put it."""
    return "/" + str(next(box.root.glob("usr/**/sasl2/libmta-xoauth2.so")).relative_to(box.root))


ENDS = {"kill -9": end_by_kill, "stop": lambda s: s.ctl("stop", s.unit), "restart": lambda s: s.ctl("restart", s.unit),
        "signal to all": lambda s: s.ctl("kill", "-s", "HUP", s.unit), "watchdog": end_by_watchdog}


@pytest.mark.parametrize("name", ENDS)
def test_a_renewal_outlives_the_daemon(service, endpoint, name):
    """systemd sends its signals to all processes of a service: the one that waits for the next refresh token stays."""
    tmpfiles = next(service.box.root.glob("usr/**/tmpfiles.d/mta-xoauth2.conf")).read_text()
    folder = service.box.path(re.search(r"^d (\S+/lib/mta-xoauth2) 0700", tmpfiles, re.M)[1])
    assert folder.stat().st_mode & 0o7777 == 0o700 and folder.stat().st_uid != 0
    file = folder / "r.refresh"
    file.write_text("first\n")
    file.chmod(0o600)
    os.chown(file, folder.stat().st_uid, folder.stat().st_gid)
    service.drop_in("dog.conf", f"[Service]\nWatchdogSec={1 if name == 'watchdog' else 30}s\nRestartSec=100ms\n")
    service.clients["r"] = {"provider": "custom", "token_endpoint": endpoint.url, "grant": "refresh_token", "client_id": "r",
                            "client_auth": "none", "ca_file": f"{service.folder}/ca.pem"}
    service.accounts["r@example.test"] = {"client": "r", "allow_users": ["root"]}
    try:
        service.write()
        endpoint.clear()
        endpoint.script(Answer(token("r-1", refresh_token="second").body, delay=3), token("r-2", refresh_token="third"))
        service.ctl("start", service.unit)
        asker = threading.Thread(target=ask, args=(service,))
        asker.start()
        wait_for("the request", lambda: endpoint.requests)
        ENDS[name](service)
        wait_for("the next refresh token", lambda: file.read_text() == "second\n", 10)
        asker.join()
        service.ctl("start", service.unit)
        service.wait_ready()
        assert wait_for("a token", lambda: service.sasl("r@example.test").ok)
        assert all(b"refresh_token=first" not in r.body for r in endpoint.requests[1:])
    finally:
        del service.clients["r"], service.accounts["r@example.test"]
        service.write()


def test_systemd_understands_every_line(service):
    """By systemd-analyze, and by what it has logged about them in all these tests."""
    done = service.box.run("systemd-analyze", "verify", "--man=no", service.unit, service.socket_unit)
    assert not [ln for ln in (done.stdout + done.stderr).splitlines() if "mta-xoauth2" in ln]
    said = service.box.journal()
    assert not re.search(r"mta-xoauth2-tokend\.(service|socket):\d+:", said)
    assert not re.search(r"Unknown (key|section|lvalue)", said)
