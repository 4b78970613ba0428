"""Processes: started apart from our pipes, ended for certain, nothing left over.

The running Python is made a child subreaper, so that a daemon's orphans come to us and can be found and ended.
"""

import atexit
import ctypes
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A process did not start, or a condition did not come true in time."""


def wait_for(what, condition, seconds=20.0, step=0.01):
    """Waits until condition() is true and returns its value; Failed with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failed(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(step)


def _in_child(die_with_parent, parent):
    def run():
        # Postfix' master closes every descriptor there could be: with a limit of millions that takes seconds
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limit = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        if die_with_parent:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)
    return run


def _stat(pid):
    """(parent, state) of a process, or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), fields[0]


def _started(pid):
    """The start time of a process in clock ticks, which with its id names it for certain; None if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def stop_kept(kept, seconds=10.0):
    """Ends processes that release() let go, newest first; returns how many were running."""
    running = [(pid, at) for pid, at in reversed(kept) if _started(pid) == at]
    for sig in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + seconds
        for pid, at in running:
            if _started(pid) == at:
                os.kill(pid, sig)
                while _started(pid) == at and time.monotonic() < deadline:
                    time.sleep(0.01)
    return len(running)


def command_of(pid):
    """The command line of a process for messages."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return raw or Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def descendants(root=None):
    """All living processes below root (default: this one), zombies left out."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            st = _stat(int(name))
            if st:
                parents[int(name)] = st
    found, todo = [], [root or os.getpid()]
    while todo:
        above = todo.pop()
        for pid, (parent, state) in parents.items():
            if parent == above:
                todo.append(pid)
                if state not in "ZX":
                    found.append(pid)
    return found


class Supervisor:
    """Owns every process that tests start. One for a run: `supervisor`."""

    def __init__(self):
        self.keep = False  # started processes may outlive us: see release()
        self._procs = []
        self._pid = None

    def _adopt(self):
        if self._pid != os.getpid():
            self._pid = os.getpid()
            _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
            atexit.register(self._at_exit, self._pid)

    def _at_exit(self, pid):
        if pid == os.getpid():
            self.stop_all()

    def start(self, argv, log, env=None, cwd="/", user=None, group=None, pass_fds=()):
        """Starts a daemon that stays in the foreground; output goes to the file `log`. pass_fds: descriptors it inherits."""
        self._adopt()
        with open(log, "ab") as out:
            proc = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                    cwd=cwd, start_new_session=True, user=user, group=group,
                                    extra_groups=[] if group else None, pass_fds=pass_fds,
                                    preexec_fn=_in_child(not self.keep, os.getpid()))
        self._procs.append(proc)
        return proc

    def stop(self, proc, seconds=10.0, sig=signal.SIGTERM):
        """Ends one process: the signal, and SIGKILL after the deadline. Returns its exit status."""
        if proc.poll() is None:
            proc.send_signal(sig)
            try:
                proc.wait(seconds)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()
        if proc in self._procs:
            self._procs.remove(proc)
        return proc.returncode

    def left_over(self):
        """[(pid, command)] of processes below us that are not one of ours still running."""
        known = {p.pid for p in self._procs if p.poll() is None}
        below = set()
        for pid in known:
            below.update(descendants(pid))
        return [(p, command_of(p)) for p in descendants() if p not in known and p not in below]

    def release(self):
        """Forgets the running processes, which stay; returns [[pid, start time]] for stop_kept()."""
        kept = [[p.pid, _started(p.pid)] for p in self._procs if p.poll() is None]
        for p in self._procs:
            p.returncode = 0  # no warning about a running child
        self._procs.clear()
        self._pid = None
        return kept

    def stop_all(self):
        """Ends everything, newest first, and whatever descendants remain."""
        for proc in reversed(list(self._procs)):
            self.stop(proc)
        if self._pid != os.getpid():
            return
        for sig, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            rest = descendants()
            for pid in rest:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            if self._gone(rest, seconds):
                break

    @staticmethod
    def _gone(pids, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for pid in pids:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass
            if not [p for p in pids if (st := _stat(p)) and st[1] not in "ZX"]:
                return True
            time.sleep(0.01)
        return False


supervisor = Supervisor()


def raise_on_sigterm():
    """SIGTERM and SIGHUP end the program as Ctrl-C does: with its clean-up."""
    def handler(signum, _frame):
        raise SystemExit(128 + signum)
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, handler)


def run(argv, seconds=60.0, check=True, env=None, input=None, user=None, cwd=None):
    """Runs a command to its end; returns CompletedProcess with text output; Failed with its output if it fails."""
    try:
        done = subprocess.run([str(a) for a in argv], capture_output=True, timeout=seconds, env=env, input=input,
                              text=True, errors="replace", user=user, cwd=cwd,
                              stdin=subprocess.DEVNULL if input is None else None)
    except subprocess.TimeoutExpired as err:
        raise Failed(f"{argv[0]}: not done within {seconds:g} s") from err
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done
