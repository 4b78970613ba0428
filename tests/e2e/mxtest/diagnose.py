"""mta-xoauth2 diagnose on a chain of the tests."""

import json
import pwd
import subprocess

from . import paths
from .said import note


class Report:
    """What diagnose said: status, text (without --json), and of --json code, fix, cause, links {id: (mark, text)}, parts."""

    def __init__(self, done, parsed):
        self.status, self.said, self.json = done.returncode, done.stdout + done.stderr, parsed
        self.links = {ln["id"]: (ln["mark"], ln["text"]) for ln in parsed["links"]}
        self.parts = {ln["id"]: ln["part"] for ln in parsed["links"]}
        self.code, self.cause, self.fix = parsed["code"], parsed["cause"], parsed["fix"]

    def broken(self, link, code, status, *words):
        """Broken at this link, for this reason; `words` in the fix."""
        assert self.code == code, self.said
        assert self.links[link][0] == "broken", self.said
        assert list(self.links)[-1] == link, "it goes on behind the broken link"
        assert self.status == self.json["exit"] == status, self.said
        assert self.cause and self.json["verdict"] == "broken"
        for word in words:
            assert str(word) in self.fix, self.fix
        return self

    def sound(self, part="here"):
        """Nothing of that part is broken."""
        assert not [i for i, (mark, _) in self.links.items() if mark == "broken" and self.parts[i] == part], self.said
        return self

    def marks(self, *ids):
        return [self.links[i][0] for i in ids]


def environment():
    return {"PATH": f"{paths.postfix_root()}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def run_tool(*args, env=None, user=None, inside=(), seconds=60):
    """CompletedProcess. inside: words in front of the command, such as nsenter's."""
    tool = "mta-xoauth2" if inside else paths.ours("tool")
    extra = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    return subprocess.run([*map(str, inside), str(tool), "diagnose", *map(str, args)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=seconds, env=environment() | (env or {}), **extra)


def diagnose(*args, **more):
    """Report of `mta-xoauth2 diagnose ... --json`."""
    done = run_tool(*args, "--json", **more)
    try:
        parsed = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise AssertionError(f"no JSON (exit {done.returncode}): {done.stdout}{done.stderr}") from None
    return Report(done, note(parsed))


def of_chain(chain, *more, account=None, **how):
    """The same of a Chain: its Postfix, its daemon."""
    return diagnose(account or chain.box, "--instance", chain.postfix.etc, "--config", chain.tokend.config, "--socket",
                    chain.tokend.socket, "--timeout", "5", *more, **how)


def mend(report, socket=None):
    """Does what the fix says, in a shell, as somebody who pastes it."""
    env = environment()
    env["PATH"] = f"{paths.build_dir()}:{env['PATH']}"
    if socket:
        env["MTA_XOAUTH2_SOCKET"] = str(socket)
    done = subprocess.run(["sh", "-e", "-c", report.fix], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, f"{report.fix}\n{done.stdout}{done.stderr}"
