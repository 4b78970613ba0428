"""The refresh_token grant's daemon, store and providers. With fixtures, for the tests to import."""

import os
import pwd
import threading

import pytest

from .alone import BOX, lone_tokend
from .idp import Idp
from .proc import wait_for
from .recorder import Recorder, token

DAEMON = "mta-xoauth2"
FIRST = "first~Refresh.Token_0/+="
SEED = int(os.environ.get("MX_SEED", "20260901"))
PUBLIC = {"grant": "refresh_token", "client_auth": "none", "client_secret_file": None}


class Store:
    """The folder of the refresh tokens, as systemd's StateDirectory= makes it, and the file of client "c" in it."""

    def __init__(self, folder):
        self.dir, self.file = folder, folder / "c.refresh"
        uid = pwd.getpwnam(DAEMON)
        self.ids = (uid.pw_uid, uid.pw_gid)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        os.chown(folder, *self.ids)

    def put(self, value):
        """As a login does: another file in its place."""
        fresh = self.dir / "c.refresh.login"
        fresh.write_text(value + "\n")
        fresh.chmod(0o600)
        os.chown(fresh, *self.ids)
        fresh.rename(self.file)

    def get(self):
        return self.file.read_text().removesuffix("\n")

    def tidy(self):
        """Nothing but the token and its lock, and both the daemon's alone."""
        assert sorted(p.name for p in self.dir.iterdir()) == ["c.refresh", "c.refresh.lock"]
        for path in self.dir.iterdir():
            st = path.lstat()
            assert st.st_mode & 0o7777 == 0o600 and st.st_uid == self.ids[0], path


@pytest.fixture
def store(workdir):
    return Store(workdir / "state")


@pytest.fixture
def recorder(up, pki):
    return up(Recorder(pki.cert())).script(token("access-0", refresh_token="second"))


def daemon(workdir, endpoint, pki, store, name="t", client=None, **more):
    return lone_tokend(workdir / name, endpoint, pki.ca,
                       client={**PUBLIC, "refresh_token_file": str(store.file), **(client or {})}, **more)


@pytest.fixture
def tokend(up, workdir, pki, recorder, store, binaries):
    store.put(FIRST)
    return up(daemon(workdir, recorder.url, pki, store))


@pytest.fixture
def idp(up, workdir, pki, store):
    """oidc-provider, which ends a grant when one of its refresh tokens is used twice. grant: the one that is used."""
    provider = up(Idp(workdir / "idp", pki, [{"client_id": "chain", "auth": "none", "refresh": True, "sub": BOX}]))
    made = provider.grant("chain")
    provider.used = made["grant"]
    store.put(made["refresh_token"])
    return provider


def again(tokend):
    """Another renewal at once."""
    assert tokend.ask("FLUSH", account=BOX).ok
    return tokend.sasl(BOX)


def unharmed(idp):
    """The provider has seen no token twice, and the grant lives."""
    bad = [r for r in idp.requests() if r["path"] == "/token" and r["status"] != 200]
    assert not bad and idp.alive(idp.used), bad[:3]


def sent(request):
    """The refresh token of a request."""
    fields = dict(f.split("=", 1) for f in request.body.decode().split("&"))
    return fields["refresh_token"]


def in_flight(recorder, n=1):
    wait_for("the request", lambda: len(recorder.requests) >= n)


def ask_beside(tokend):
    """Somebody asks while the test does something else; the thread, and the reply in a list."""
    replies = []

    def run():
        try:
            replies.append(tokend.sasl(BOX))
        except OSError:
            pass            # the daemon was killed
    thread = threading.Thread(target=run)
    thread.start()
    return thread, replies
