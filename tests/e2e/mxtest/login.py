"""Logins: a daemon whose client has the grant refresh_token, and the ways in. With fixtures, for the tests to import."""

import os
import pwd
import subprocess

import pytest

from . import paths
from .chain import BOX
from .idp import Idp
from .recorder import Answer, Recorder, token
from .terminal import Terminal
from .tokend import Tokend

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS = ["refresh_token", "authorization_code", DEVICE]
OLD = "an-old-refresh-token-of-the-tests"
CODE = "the-device-code-of-the-tests"
BACK = "http://127.0.0.1/"


def public(**more):
    """A client at the provider that has no secret."""
    return {"client_id": "pub", "auth": "none", "sub": BOX, "grants": GRANTS, "redirect": BACK, **more}


def store(folder, content=None):
    """A folder as the daemon's unit makes it; the path of the token in it."""
    user = pwd.getpwnam("mta-xoauth2")
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, user.pw_uid, user.pw_gid)
    path = folder / "c.refresh"
    if content is not None:
        path.write_text(content + "\n")
        path.chmod(0o600)
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def client(token_endpoint, device_endpoint, ca, path, **more):
    keys = {"provider": "custom", "grant": "refresh_token", "client_auth": "none", "client_id": "pub",
            "scope": "mail offline_access", "token_endpoint": token_endpoint,
            "device_authorization_endpoint": device_endpoint, "refresh_token_file": str(path), "ca_file": str(ca), **more}
    return {k: v for k, v in keys.items() if v is not None}


class World:
    """A daemon (not started) and a way to log in."""

    def __init__(self, up, workdir, pki, token_endpoint, device_endpoint, content=None, secrets=None, account=None, **more):
        self.up, self.path = up, store(workdir / "store", content)
        self.tokend = Tokend(workdir / "t", {"c": client(token_endpoint, device_endpoint, pki.ca, self.path, **more)},
                             {BOX: {"client": "c", "allow_users": ["root", "postfix"], **(account or {})}}, secrets=secrets)
        self.tokend.write()

    def argv(self, *options, account=BOX, program=None):
        return [program or paths.ours("tool"), "login", "--config", self.tokend.config, *options, account]

    def env(self):
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MTA_XOAUTH2_SOCKET": str(self.tokend.socket)}

    def login(self, *options, **more):
        return self.up(Terminal(self.argv(*options), self.env(), **more))

    def piped(self, *options, account=BOX, seconds=60):
        """Without a terminal: CompletedProcess."""
        return subprocess.run([str(a) for a in self.argv(*options, account=account)], env=self.env(), capture_output=True, text=True,
                              timeout=seconds, stdin=subprocess.DEVNULL)

    def stored(self):
        return self.path.read_text().rstrip("\n") if self.path.exists() else None

    def untouched(self, content=OLD):
        """The old token is there, and nothing beside it but the lock."""
        assert self.stored() == content
        assert {p.name for p in self.path.parent.iterdir()} <= {"c.refresh", "c.refresh.lock"}


@pytest.fixture
def idp(up, workdir, pki, binaries):
    return up(Idp(workdir / "idp", pki, [public()]))


@pytest.fixture
def world(up, workdir, pki, idp):
    """With the real provider."""
    return World(up, workdir, pki, idp.token_endpoint, idp.issuer + "/device/auth",
                 authorization_endpoint=idp.issuer + "/auth")


@pytest.fixture
def rec(up, pki, binaries):
    return up(Recorder(pki.cert()))


@pytest.fixture
def fake(up, workdir, pki, rec):
    """With a provider that does as it is told, and an old refresh token in the store."""
    return World(up, workdir, pki, rec.url, rec.url.replace("/token", "/device"), OLD, account={"user": "box@example.test"})


def codes(interval=1, expires_in=600, **more):
    return Answer({"device_code": CODE, "user_code": "WDJB-MJHT", "verification_uri": "https://id.test/device",
                   "expires_in": expires_in, "interval": interval, **more})


def error(name, status=400, **more):
    return Answer({"error": name, **more}, status=status)


PENDING = error("authorization_pending")
GRANTED = token("new-access-token", refresh_token="new-refresh-token", scope="mail")


def shown_code(terminal):
    """The address and the code, as a person reads them."""
    uri = terminal.see(r"open +(https://\S+)").group(1)
    code = terminal.see(r"enter +(\S+)").group(1)
    terminal.see(r"minutes? left")
    return uri, code


def bodies(rec):
    return [r.body.decode() for r in rec.requests]
