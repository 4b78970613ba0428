"""A Debian with a real systemd in a container (systemd-nspawn -b), our build installed in it by `make install`."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from . import paths, wire
from .proc import Failed, descendants, run, supervisor, wait_for
from .tokend import to_yaml

# nspawn makes control groups below its own; where no systemd runs that could give it some, it gets one for itself here.
_ENTER = """
for d in $1; do mkdir -p "$d/$2" && echo $$ >"$d/$2/cgroup.procs" || echo "no control group in $d"; done
shift 2
exec "$@"
"""


class Unavailable(Exception):
    """No container can be booted here; the text says why."""


def _hierarchies():
    """Mount points of the control group hierarchies that systemd uses: the second version's, and name=systemd."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ")[:3]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(before.split(" ")[4]))
    return found


class Container:
    """Attributes: root, its folder seen from outside; pid, its systemd; log_file, what it said at the boot.

    It shares the network: an endpoint of the tests on 127.0.0.1 can be reached from inside.
    """

    def __init__(self, folder):
        self.dir, self.root = folder, folder / "root"
        self.name = f"mx-{os.getpid()}"
        self.log_file = folder / "container.log"
        self.proc = self.pid = None

    def start(self):
        template = paths.CACHE / "systemd"
        if not (template / ".complete").exists():
            raise Unavailable(f"{template} is not there; tests/lib/packages.sh systemd makes it, or says why it cannot")
        try:
            nspawn = paths.program("systemd-nspawn")
        except paths.Missing as err:
            raise Unavailable(str(err)) from err
        run(["cp", "-a", "--reflink=auto", f"{template.resolve()}/.", self.root], 120)
        run(["make", "-s", "-C", paths.build_dir(), "install", f"DESTDIR={self.root}"], 120,
            env={**os.environ, "MAKEFLAGS": "", "MFLAGS": ""})
        self._boot(nspawn)
        return self

    def _boot(self, nspawn):
        argv = [nspawn, "--boot", "--quiet", "--register=no", f"--machine={self.name}", f"--directory={self.root}",
                "--console=pipe", "--link-journal=no", "--timezone=off", "--resolv-conf=off",
                # nspawn 252 does not know Landlock's calls, which any container may make
                "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"]
        if not Path("/run/systemd/system").exists():
            argv = ["/bin/sh", "-c", _ENTER, "sh", " ".join(map(str, _hierarchies())), self.name, *argv, "--keep-unit"]
        self.proc = supervisor.start(argv, self.log_file)

        def booted():
            if self.proc.poll() is not None:
                raise Unavailable(f"systemd-nspawn ended with {self.proc.returncode}: {self._said()}")
            self.pid = next((p for p in descendants(self.proc.pid) if self._is_first(p)), None)
            return self.pid and run([*self._inside(), "systemctl", "is-system-running"],
                                    check=False).stdout.strip() in ("running", "degraded")
        try:
            wait_for("a systemd that has booted", booted, 60, 0.1)
        except Failed as err:
            self.stop()
            raise Unavailable(f"the container does not boot: {err}: {self._said()}") from err

    def _said(self):
        return " / ".join(self.log_file.read_text(errors="replace").split("\n"))[-600:]

    @staticmethod
    def _is_first(pid):
        """Whether it is the first process of a namespace of process ids."""
        try:
            return re.search(r"^NSpid:\s+\d+\s+1$", Path(f"/proc/{pid}/status").read_text(), re.M)
        except OSError:
            return False

    def _inside(self):
        return ["nsenter", "-t", self.pid, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "env", "-i", "PATH=/usr/sbin:/usr/bin",
                "SYSTEMD_PAGER=", "LANG=C.UTF-8"]

    def run(self, *argv, check=True, seconds=60):
        """Runs a program inside, as root; CompletedProcess. "sh", "-c", ... for more than one."""
        return run([*self._inside(), *argv], seconds, check)

    def path(self, inside):
        """A path of the container as it is now, with all it has mounted (root shows the disk alone)."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def show(self, unit, key):
        """One property of a unit."""
        return self.run("systemctl", "show", "-p", key, "--value", unit).stdout.strip()

    def journal(self, unit=None):
        return self.run("journalctl", "-o", "cat", "--no-pager", *(["-u", unit] if unit else [])).stdout

    def stop(self):
        """At once: there is nothing in it that would have to end in order."""
        if self.proc:
            if self.pid and self.proc.poll() is None and self._is_first(self.pid):
                os.kill(self.pid, signal.SIGKILL)
                try:
                    self.proc.wait(20)
                except subprocess.TimeoutExpired:
                    pass
            supervisor.stop(self.proc, 20)
            self.proc = None
        wait_for(f"the control groups {self.name} to be empty", self._no_groups, 10, 0.1)
        shutil.rmtree(self.root, ignore_errors=True)

    def _no_groups(self):
        for top in _hierarchies():
            for d in sorted((top / self.name).glob("**/"), reverse=True):
                try:
                    d.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    return False  # somebody is still on the way out
        return True


class Service:
    """The daemon as a service of a container: configuration in its place, the units as they are shipped."""

    unit = "mta-xoauth2-tokend.service"
    socket_unit = "mta-xoauth2-tokend.socket"

    def __init__(self, container, clients, accounts, secrets, ca):
        self.box, self.clients, self.accounts = container, clients, accounts
        unit = next(container.root.glob("usr/**/" + self.unit))
        self.program = re.search(r"^ExecStart=(\S+)", unit.read_text(), re.M)[1]
        self.config = re.search(r"configuration \((/\S+?)\)", container.run(self.program, "--help").stdout)[1]
        self.folder = os.path.dirname(self.config)
        self.socket = container.path("/run/mta-xoauth2/tokend.sock")
        # as the README has it
        container.run("sh", "-c", "systemd-sysusers && systemd-tmpfiles --create mta-xoauth2.conf && systemctl daemon-reload")
        folder = container.path(self.folder)
        shutil.copy(ca, folder / "ca.pem")
        (folder / "ca.pem").chmod(0o644)
        for name, content in secrets.items():
            (folder / name).write_text(content)
            container.run("sh", "-c", f"cd {self.folder} && chgrp mta-xoauth2 {name} && chmod 640 {name}")

    def write(self, text=None):
        file = self.box.path(self.config)
        file.write_text(text or to_yaml({"clients": self.clients, "accounts": self.accounts}))
        file.chmod(0o644)

    def ctl(self, *args, **more):
        return self.box.run("systemctl", *args, **more)

    def show(self, key):
        return self.box.show(self.unit, key)

    def main_pid(self):
        """Its process id inside; 0: it is not running."""
        return int(self.show("MainPID"))

    def outer_pid(self):
        """Its process id as this side sees it."""
        inner = self.main_pid()
        for pid in descendants(self.box.proc.pid):
            try:
                if re.search(rf"^NSpid:\s+\d+\s+{inner}$", Path(f"/proc/{pid}/status").read_text(), re.M):
                    return pid
            except OSError:
                pass
        raise Failed(f"no process {inner} in the container")

    def drop_in(self, name, text, unit=None):
        folder = self.box.path(f"/etc/systemd/system/{unit or self.unit}.d")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        self.ctl("daemon-reload")

    def no_drop_ins(self):
        for unit in (self.unit, self.socket_unit):
            shutil.rmtree(self.box.path(f"/etc/systemd/system/{unit}.d"), ignore_errors=True)
        self.ctl("daemon-reload")

    def sasl(self, account, seconds=15):
        return wire.ask(self.socket, "SASL", seconds, mech="XOAUTH2", account=account, host="localhost", port=587)

    def wait_ready(self, other_than=None, seconds=30):
        """Waits until it runs and answers, as another process than that one; returns its id inside."""
        def up():
            pid = self.main_pid()
            return pid if pid not in (0, other_than) and self.show("SubState") == "running" and wire.ping(self.socket) else None
        return wait_for(lambda: f"the service to run:\n{self.box.journal(self.unit)[-2000:]}", up, seconds, 0.05)
