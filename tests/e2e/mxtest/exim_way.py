"""Exim, the daemon, an endpoint that gives tokens, a mail server that notes all; and what must be true at the end."""

import base64
import re

from . import paths
from .alone import BOX, lone_tokend, oauth_client
from .exim import USER, Exim
from .recorder import Recorder, token
from .relay import Relay

PAGES = (paths.TOP / "doc/exim.md", paths.TOP / "man/mta-xoauth2-errors.7")
TOKEN = "a-token-that-no-file-may-hold"


class EximWay:
    """relay: None for one that takes all; tokens: what the endpoint gives, in turn; accounts: in place of BOX alone;
    broken: the name of a second OAuth client, whose provider cannot be reached; port, cafile: in place of the relay's and
    of the CA; name: of the relay; the rest: for Exim."""

    def __init__(self, folder, pki, relay=None, tokens=(TOKEN,), accounts=None, broken=None, port=None, cafile=None,
                 name="localhost", **exim):
        self.endpoint = Recorder(pki.cert()).script(*(token(t) for t in tokens))
        self.relay = relay or Relay(pki.cert())
        self.tokens = tokens
        accounts = {a: {"client": "c", "allow_users": [USER], **more} for a, more in (accounts or {BOX: {}}).items()}
        self.tokend = lone_tokend(folder / "t", self.endpoint.url, pki.ca, accounts=accounts)
        if broken:
            self.tokend.clients[broken] = oauth_client("https://127.0.0.1:1/token", pki.ca)
        self.exim = Exim(folder / "x", (name, port or self.relay.port), BOX, cafile or pki.ca, self.tokend.run_dir,
                         **exim)

    def start(self):
        for server in (self.endpoint, self.relay, self.exim, self.tokend):
            server.start()
        return self

    def stop(self):
        for server in (self.tokend, self.exim, self.relay, self.endpoint):
            server.stop()

    def deferred(self, mail, errno, *words):
        """This mail waits, with this errno; the main log has the words in a line of ours. Returns that line."""
        line = self.exim.lines(f"{mail} == ")[-1]
        assert f"defer ({errno})" in line, self.exim.log()
        assert self.exim.queue()[mail] == "waiting"
        ours = self.exim.lines(f"{mail} mta-xoauth2: ")
        assert len(ours) >= 1, self.exim.log()
        for word in words:
            assert word in ours[-1], (word, ours[-1])
        code = re.search(r"\[([a-z0-9-]+)\]$", ours[-1])[1]
        assert f"`[{code}]`" in PAGES[0].read_text() or f".It Cm {code} Pq " in PAGES[1].read_text(), f"{code} is in no page"
        return ours[-1]

    def arrived(self, n=1):
        """So many mails came and were sent; returns them."""
        assert len(self.relay.mails) == n, self.exim.log()
        return self.relay.mails

    def check(self):
        """What holds whatever happened: no mail before a login, none frozen, none bounced, no token in any file."""
        for session in getattr(self.relay, "sessions", []):
            verbs = [c.split()[0] for c in session.commands]
            assert "MAIL" not in verbs or "(response)" in verbs[:verbs.index("MAIL")], session.commands
            assert not session.responses or session.tls, "a response in the clear"
            assert not [c for c in session.commands if c.startswith("AUTH") and c != "AUTH XOAUTH2"], session.commands
        assert "frozen" not in self.exim.queue().values() and "Frozen" not in self.exim.log()
        assert self.exim.outcomes()["failed"] == 0, self.exim.log()
        assert not self.exim.log("panic"), self.exim.log("panic")
        written = self.exim.written()
        for secret in self.tokens:
            assert secret.encode() not in written
            for i in range(3):  # whatever stands before it
                assert base64.b64encode(secret.encode()[i:i + 24]) not in written
