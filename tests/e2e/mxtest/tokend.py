"""Our daemon, mta-xoauth2-tokend, with a configuration of its own."""

import json
import os
import pwd
import shutil
import signal
import subprocess

from . import paths, wire
from .proc import Failed, supervisor, wait_for


def to_yaml(value, indent=0):
    """YAML of nested dicts, lists and scalars; strings are always quoted."""
    pad = "  " * indent
    if isinstance(value, dict):
        out = []
        for k, v in value.items():
            key = k if k.replace("_", "").isalnum() else json.dumps(k)
            if isinstance(v, (dict, list)) and v:
                out.append(f"{pad}{key}:\n{to_yaml(v, indent + 1)}")
            else:
                out.append(f"{pad}{key}: {_scalar(v)}\n")
        return "".join(out)
    out = []
    for item in value:
        if isinstance(item, dict):
            text = to_yaml(item, indent + 1)
            out.append(pad + "- " + text[len(pad) + 2:])
        else:
            out.append(f"{pad}- {_scalar(item)}\n")
    return "".join(out)


def _scalar(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    return json.dumps(value)


class Tokend:
    """clients, accounts and top are the sections of tokend.yaml; secrets: {file name: content} put beside it.

    In `clients` a value "secret:NAME" stands for the path of that file. as_root: started as root, it drops to the user
    mta-xoauth2; else it runs as the current user; attribute user: started as that one; launcher: words of a command that
    starts it; options: more of the daemon's own. jail: a Postfix; a second socket is made at the same absolute path below its queue folder. Tokens are not kept
    over a restart unless `top` has token_cache: a path, or None for the daemon's own default. socketmap: a door for that too.
    """

    def __init__(self, folder, clients=None, accounts=None, secrets=None, top=None, jail=None, config_text=None, socketmap=False):
        self.dir = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.clients, self.accounts, self.secrets = clients or {}, accounts or {}, dict(secrets or {})
        self.top, self.jail, self.config_text = dict(top or {}), jail, config_text
        self.run_dir = folder / "run"
        self.socket = self.run_dir / "tokend.sock"
        self.door = self.run_dir / "socketmap.sock" if socketmap else None
        self.config = folder / "tokend.yaml"
        self.log_file = folder / "tokend.log"
        self.environment, self.user, self.launcher = {}, None, os.environ.get("MX_LAUNCHER", "").split()
        self.options = []
        self.proc = None

    @property
    def jail_socket(self):
        """The socket as seen from outside the jail."""
        return self.jail.queue_dir / str(self.socket).lstrip("/")

    def secret_path(self, name):
        return self.dir / name

    def write_secret(self, name, content):
        """Writes a secret file, readable for root and the daemon's group."""
        path = self.dir / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
        self._own(path)

    def _own(self, path):
        if os.geteuid() == 0:
            os.chown(path, 0, pwd.getpwnam(self.user or "mta-xoauth2").pw_gid)
            path.chmod(0o640)
        else:
            path.chmod(0o600)

    def _resolve(self, value):
        if isinstance(value, dict):
            return {k: self._resolve(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._resolve(v) for v in value]
        if isinstance(value, str) and value.startswith("secret:"):
            return str(self.dir / value[7:])
        return value

    def write(self):
        """Writes the configuration and secrets (SIGHUP or start makes them count)."""
        sockets = [self.socket] + ([self.jail_socket] if self.jail else [])
        doors = [s.with_name(self.door.name) for s in sockets] if self.door else []
        for s in sockets:
            s.parent.mkdir(parents=True, exist_ok=True)
            for d in s.parents:
                if d == self.dir.parent or (self.jail and d == self.jail.queue_dir):
                    break
                d.chmod(0o755)
        for name, content in self.secrets.items():
            data = content if isinstance(content, bytes) else content.encode()
            if (self.dir / name).exists() and (self.dir / name).read_bytes() == data:
                self._own(self.dir / name)  # not written again: a daemon that reads it then would find an empty file
            else:
                self.write_secret(name, content)
        if self.config_text is not None:
            self.config.write_text(self.config_text)
        else:
            listen = [{"path": str(s)} for s in sockets] + [{"path": str(s), "protocol": "socketmap"} for s in doors]
            top = {"listen": listen, "token_cache": "none", **self.top}
            self.config.write_text(to_yaml({**{k: v for k, v in top.items() if v is not None},
                                          "clients": self._resolve(self.clients),
                                          "accounts": self._resolve(self.accounts)}))
        self.config.chmod(0o644)

    def argv(self):
        program = paths.ours("tokend")
        if self.user:       # the tree may lie where only root can go, as below /root
            program = self.dir / "mta-xoauth2-tokend"
            shutil.copy(paths.ours("tokend"), program)
        return [*self.launcher, program, "--config", self.config, "--foreground", *self.options]

    def start(self, wait=True, env=None):
        """Starts the daemon; wait: until it answers PING on every socket."""
        self.write()
        base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        self.proc = supervisor.start(self.argv(), self.log_file, env={**base, **self.environment, **(env or {})},
                                     user=self.user, group=self.user)
        if wait:
            def up():
                if self.proc.poll() is not None:
                    raise Failed(f"mta-xoauth2-tokend ended with {self.proc.returncode}:\n{self.log()[-3000:]}")
                return wire.ping(self.socket) and (not self.jail or wire.ping(self.jail_socket))
            wait_for(lambda: f"mta-xoauth2-tokend to answer:\n{self.log()[-3000:]}", up)
        return self

    def stop(self, seconds=10.0):
        """SIGTERM; returns the exit status."""
        status = None
        if self.proc:
            status = supervisor.stop(self.proc, seconds)
            self.proc = None
        return status

    def kill(self):
        """SIGKILL, as a crash would be."""
        if self.proc:
            self.proc.kill()
            self.proc.wait()
            supervisor.stop(self.proc)
            self.proc = None

    def restart(self):
        self.stop()
        return self.start()

    def hup(self):
        self.proc.send_signal(signal.SIGHUP)

    def reload(self, pattern="reload", seconds=10):
        """Writes the configuration anew, SIGHUP, and waits for a further log line with `pattern`."""
        before = self.log().count(pattern)
        self.write()
        self.hup()
        wait_for(lambda: f"{pattern!r} in the daemon's log:\n{self.log()[-2000:]}",
                 lambda: self.log().count(pattern) > before, seconds)

    def check(self):
        """mta-xoauth2-tokend --check on the written configuration; CompletedProcess."""
        self.write()
        return subprocess.run([str(a) for a in [paths.ours("tokend"), "--config", self.config, "--check"]],
                              capture_output=True, text=True, timeout=30)

    def tool(self, *args, seconds=30):
        """The admin tool with this socket (and configuration, for check); CompletedProcess."""
        env = {**os.environ, "MTA_XOAUTH2_SOCKET": str(self.socket)}
        config = ["--config", str(self.config)] if "check" in args[:1] else []
        return subprocess.run([str(paths.ours("tool")), *map(str, args), *config], capture_output=True, text=True,
                              timeout=seconds, env=env)

    def ask(self, verb, **fields):
        return wire.ask(self.socket, verb, **fields)

    def sasl(self, account, mech="XOAUTH2", **more):
        return wire.sasl(self.socket, account, mech, **more)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_log(self, text, seconds=10):
        """Waits for a log line with this text and returns it."""
        return wait_for(lambda: f"{text!r} in the daemon's log:\n{self.log()[-2000:]}",
                        lambda: next((ln for ln in self.log().splitlines() if text in ln), None), seconds)


def memory(tokend):
    """What the daemon has resident, in kB; 0 of a sanitizer's build, which keeps what is freed and maps terabytes."""
    fields = dict(ln.split(":", 1) for ln in open(f"/proc/{tokend.proc.pid}/status").read().splitlines() if ":" in ln)
    return 0 if int(fields["VmSize"].split()[0]) > 1 << 30 else int(fields["VmRSS"].split()[0])


def limit(tokend, *options):
    """prlimit(1) on a running daemon, by its own user: root may lack the right within a container."""
    user = pwd.getpwuid(int(open(f"/proc/{tokend.proc.pid}/status").read().split("Uid:")[1].split()[0])).pw_name
    run = subprocess.run(["/usr/bin/prlimit", "--pid", str(tokend.proc.pid), *options], user=user, group=pwd.getpwnam(user).pw_gid,
                         extra_groups=[], cwd="/", capture_output=True, text=True, timeout=30)
    if run.returncode != 0:
        raise Failed(f"prlimit {options}: {run.stderr}")
