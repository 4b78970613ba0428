"""The whole way of a mail in one object: Postfix -> plugin -> daemon -> provider, and Dovecot -> sink."""

from .alone import oauth_client
from .dovecot import DovecotSubmission
from .idp import Idp
from .postfix import Postfix
from .proc import Failed, wait_for
from .sink import Sink
from .tokend import Tokend

_UNDELIVERED = r"status=(deferred|bounced)"
BOX = "app@example.test"
SECRET = "a secret of the tests: &=+%"


class Chain:
    """Attributes idp, sink, dovecot, tokend, postfix; start() starts them in order, or one by one for special cases.

    auth: client_secret_post or client_secret_basic; check: "jwt" or "introspection"; mechanism: the one Postfix may use;
    client, account: more keys for tokend.yaml, None takes one away; idp_client: more for the provider's client; idp: another
    provider (an Entra); tls=False: a server without STARTTLS; postfix, dovecot: more arguments for those classes; socketmap: the daemon has that door too.
    """

    def __init__(self, folder, pki, box=BOX, mechanism="xoauth2", chroot=True, auth="client_secret_post", check="jwt",
                 secret=SECRET, tls=True, client=None, account=None, idp_client=None, idp=None, top=None, postfix=None,
                 dovecot=None, socketmap=False):
        self.box, self.pki, self.secret = box, pki, secret
        self.idp = idp or Idp(folder / "idp", pki, [{
            "client_id": "chain", "client_secret": secret, "auth": auth, "sub": box,
            "format": "jwt" if check == "jwt" else "opaque", **(idp_client or {})}])
        self.sink = Sink(folder)
        self.dovecot = DovecotSubmission(folder / "dovecot", pki, self.idp, self.sink.port, check=check, tls=tls,
                                         **(dovecot or {}))
        self.postfix = Postfix(folder / "p", ("localhost", self.dovecot.port), box, pki.ca, chroot=chroot,
                               mechanisms=mechanism, **{"tls_level": "secure" if tls else "may", **(postfix or {})})
        self.tokend = Tokend(folder / "t", {
            "chain": oauth_client(self.idp.token_endpoint, pki.ca, "chain.secret", **{"client_auth": auth, **(client or {})}),
        }, {box: {"client": "chain", "allow_users": ["root", "postfix"], **(account or {})}},
            secrets={"chain.secret": secret}, top=top, jail=self.postfix if chroot else None, socketmap=socketmap)
        self.postfix.socket = self.tokend.socket

    def servers(self):
        return [self.idp, self.sink, self.dovecot, self.tokend, self.postfix]

    def start(self, without=()):
        """Starts all but those named, e.g. without=("tokend",)."""
        for name in ("idp", "sink", "dovecot", "tokend", "postfix"):
            if name not in without:
                getattr(self, name).start()
        return self

    def stop(self):
        for server in reversed(self.servers()):
            server.stop()

    def deliver(self, n=1, seconds=60, **mail):
        """Sends n mails and waits until all are in the sink; returns them. Failed at once when one is not delivered."""
        before, bad = self.sink.count(), len(self.postfix.lines(_UNDELIVERED))
        self.postfix.send(n, **mail)

        def arrived():
            lines = self.postfix.lines(_UNDELIVERED)
            if len(lines) > bad:
                raise Failed(f"not delivered: {lines[-1]}\nthe daemon's log:\n{self.tokend.log()[-2000:]}")
            return self.sink.count() >= before + n
        wait_for(lambda: f"{n} mails, {self.sink.count() - before} came:\n{self.postfix.log()[-3000:]}", arrived, seconds, 0.05)
        return self.sink.mails()[before:]

    def outcome(self, seconds=60):
        """Waits for the first delivery status in the mail log; returns (status, line)."""
        def found():
            return self.postfix.lines(r"postfix/smtp\[\d+\]: \w+: to=.* status=")
        line = wait_for(lambda: f"a delivery status:\n{self.postfix.log()[-3000:]}", found, seconds)[-1]
        return line.partition("status=")[2].split()[0], line
