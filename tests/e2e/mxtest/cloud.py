"""mta-xoauth2 setup exchange, and the script that it writes."""

import json
import re
import subprocess

from . import paths
from .proc import run
from .terminal import Terminal

ID = "5d1b2a30-aaaa-4bbb-8ccc-0123456789ab"
_PARSER = paths.TOP / "tests/powershell/parse.js"
_QUOTES = "'\u2018\u2019\u201a\u201b"


class ExchangeSetup:
    """In a folder: tokend.yaml (not there at first), conf.d, key and certificate, the script, the answers."""

    def __init__(self, folder, config=None, socket=None):
        self.dir = config.parent if config else folder / "etc"
        for d in (folder, self.dir):
            d.mkdir(exist_ok=True, parents=True)
        for d in (folder, self.dir):
            d.chmod(0o755)
        self.config = config or self.dir / "tokend.yaml"
        self.state, self.script = folder / "state", folder / "exchange-setup.ps1"
        self.socket = socket or folder / "none.sock"
        self.here = folder

    def argv(self, *words, **options):
        """options: name="x" is --name x, app_name="x" is --app-name x."""
        more = [w for k, v in options.items() for w in ("--" + k.replace("_", "-"), v)]
        return [paths.ours("tool"), "--socket", self.socket, "setup", "exchange", "--config", self.config, "--state", self.state, *words, *more]

    def run(self, *words, stdin=subprocess.DEVNULL, **options):
        return subprocess.run([str(a) for a in self.argv(*words, **options)], capture_output=True, text=True, timeout=60, stdin=stdin,
                              cwd=self.here, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})

    def first(self, *words, **options):
        """With the answers that have no default."""
        return self.run(*words, **{"tenant": "contoso.onmicrosoft.com", "mailbox": "app@contoso.com", "users": "root", **options})

    def terminal(self, *words, **options):
        return Terminal(self.argv(*words, output=self.script, **options), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})

    def yaml(self, name="exchange"):
        return self.dir / "conf.d" / f"{name}.yaml"

    def files(self):
        return {str(p): p.read_bytes() for top in (self.dir, self.here) for p in sorted(top.rglob("*")) if p.is_file()}


def parsed(script):
    """What the parser makes of it: wrong, strings, commands."""
    if not (_PARSER.parent / "node_modules").is_dir():
        raise paths.Missing(f"{_PARSER.parent}/node_modules is not there: run tests/lib/packages.sh idp")
    return json.loads(run([paths.program("node"), "--liftoff-only", _PARSER, script]).stdout)


def unquoted(literal):
    """What PowerShell takes a literal in single quotes for: any of five characters begins and ends it, two of them are one."""
    assert literal[0] in _QUOTES and literal[-1] in _QUOTES, literal
    out, rest = "", literal[1:-1]
    while rest:
        if rest[0] in _QUOTES:
            assert len(rest) > 1 and rest[1] in _QUOTES, f"it ends before {rest!r}"
            out, rest = out + rest[0], rest[2:]
        else:
            out, rest = out + rest[0], rest[1:]
    return out


def variable(text, name):
    """The value of $NAME = '...' in a script, which is all of its line."""
    return unquoted(re.search(rf"(?m)^\${name} = (.*)$", text)[1])


def mailboxes(text):
    block = re.search(r"(?ms)^\$Mailboxes = @\(\n(.*?)^\)$", text)[1]
    return [unquoted(line.strip().removesuffix(",")) for line in block.splitlines()]
