"""A stand-in with Exchange Online's manners: a wrong token is 535 without a challenge, another sender is refused after DATA."""

import base64
import re
import socket
import socketserver
import ssl
import threading
import time

from .dialects import DIALECTS
from .net import free_port
from .proc import wait_for

NOT_AUTHENTICATED = "530 5.7.57 Client not authenticated to send mail. [EXCHANGE.test]"
UNSUCCESSFUL = "535 5.7.3 Authentication unsuccessful [EXCHANGE.test 2026-11-24T18:00:00.000Z]"
SEND_AS_DENIED = ("554 5.2.252 SendAsDenied; {user} not allowed to send as {sender}; STOREDRV.Submission.Exception:SendAsDeniedException")


class Login:
    """An AUTH that came: user, token, ok, session (its number)."""

    def __init__(self, user, token, ok, session):
        self.user, self.token, self.ok, self.session = user, token, ok, session

    def __repr__(self):
        return f"<Login {self.user} {self.token[-8:]} {'ok' if self.ok else 'refused'} session {self.session}>"


class Taken:
    """A mail that was taken: user who logged in ("" for none), sender, recipients, data, session, at (monotonic seconds)."""

    def __init__(self, user, sender, recipients, data, session):
        self.user, self.sender, self.recipients, self.data, self.session = user, sender, recipients, data, session
        self.at = time.monotonic()
        found = re.search(r"(?mi)^subject: (.*?)\r?$", data)
        self.subject = found[1] if found else ""

    def __repr__(self):
        return f"<Taken {self.user}: {self.sender} -> {self.recipients} {self.subject!r}>"


class _Session(socketserver.StreamRequestHandler):
    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode("latin1", "replace"))

    def handle(self):
        self.exchange = self.server.exchange
        self.number, self.user, self.secure = self.exchange.session(), "", False
        self.sender, self.recipients = None, []
        self.token = self.response = ""
        try:
            if self.exchange.wrapped:
                self.wrap()
            if self.scripted("greeting"):
                return
            self.say("220 EXCHANGE.test ready")
            while (line := self.rfile.readline()):
                verb, _, rest = line.decode("latin1").rstrip("\r\n").partition(" ")
                if not getattr(self, "on_" + verb.lower(), self.on_other)(rest):
                    break
        except OSError:
            pass
        finally:
            self.over()

    def over(self):
        if not self.is_over:
            self.is_over = True
            self.exchange.session_over()

    is_over = False

    def scripted(self, step):
        """Says what the dialect has for this step, if it has."""
        at, line = self.exchange.dialect
        if at == step:
            words = {"user": self.user, "sender": self.sender, "recipient": (self.recipients or [""])[-1], "token": self.token,
                     "response": self.response}
            self.say(re.sub(r"\{(\w+)\}", lambda m: words[m[1]], line))
        return at == step

    def wrap(self):
        self.request = self.exchange.context.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
        self.secure = True

    def on_other(self, rest):
        self.say("500 5.3.3 Unrecognized command")
        return True

    def on_ehlo(self, rest):
        lines = ["EXCHANGE.test", "ENHANCEDSTATUSCODES", "8BITMIME"]
        if self.exchange.pki and not self.secure:
            lines += ["STARTTLS"] if self.exchange.starttls else []
        elif self.exchange.auth and self.exchange.offer:
            lines.append(self.exchange.offer)
        self.say(*(f"250-{ln}" for ln in lines), "250 SIZE 157286400")
        return True

    on_lhlo = on_ehlo

    def on_starttls(self, rest):
        if not self.scripted("starttls"):
            self.say("220 2.0.0 SMTP server ready")
            self.wrap()
        return True

    def on_auth(self, rest):
        blob = rest.partition(" ")[2]
        if not blob:
            self.say(self.exchange.prompt)
            blob = self.rfile.readline().decode("latin1").strip()
        found = re.fullmatch(r"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01", base64.b64decode(blob).decode("latin1"))
        user, token = found.groups() if found else ("", "")
        self.user, self.token, self.response = user, token, blob
        refused = self.exchange.dialect[0] == "auth"
        ok = bool(found) and not refused and self.exchange.accepts(user, token)
        self.exchange.logins.append(Login(user, token, ok, self.number))
        if refused:
            self.scripted("auth")
        elif ok:
            self.say("235 2.7.0 Authentication successful")
        else:
            self.say(self.exchange.refusal)
        if not ok:
            self.user = ""
        return True

    def on_mail(self, rest):
        if self.exchange.auth and not self.user:
            self.say(NOT_AUTHENTICATED)
            return True
        self.sender, self.recipients = re.search(r"<([^>]*)>", rest)[1], []
        if not self.scripted("mail"):
            self.say("250 2.1.0 Sender OK")
        return True

    def on_rcpt(self, rest):
        self.recipients.append(re.search(r"<([^>]*)>", rest)[1])
        if not self.scripted("rcpt"):
            self.say("250 2.1.5 Recipient OK")
        return True

    def on_data(self, rest):
        self.say("354 Start mail input; end with <CRLF>.<CRLF>")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        if line == b"":
            return False
        mail = Taken(self.user, self.sender, self.recipients, b"".join(lines).decode("utf-8", "replace"), self.number)
        if self.scripted("message"):
            return True
        header = re.search(r"(?mi)^from:.*?([^\s<>]+@[^\s<>]+)", mail.data)
        for who in (self.sender, header[1] if header else ""):
            if self.exchange.auth and who.lower() not in self.exchange.send_as.get(self.user, [self.user]):
                self.exchange.denied.append(mail)
                self.say(SEND_AS_DENIED.format(user=self.user, sender=who))
                return True
        self.exchange.arrived.append(mail)
        self.exchange.gate.wait(60)
        self.exchange.mails.append(mail)
        self.over()     # Postfix does not wait for what is said to its QUIT, and may be back before that is read here
        for _ in self.recipients if self.exchange.lmtp else [0]:
            self.say(f"250 2.0.0 {self.exchange.thanks}")
        return True

    def on_rset(self, rest):
        self.say("250 2.0.0 Resetting")
        return True

    on_noop = on_rset

    def on_quit(self, rest):
        self.say("221 2.0.0 Service closing transmission channel")
        return False


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 100
    block_on_close = False

    def handle_error(self, request, client_address):
        pass    # a client that hangs up


class Exchange:
    """On a loopback port, in threads of this process.

    accepts(user, token): whether a login is good; send_as: {mailbox: [senders]} beside the mailbox itself; refusal: the line
    for a bad login; prompt: to a bare AUTH; thanks: what it says to a mail it took; gate: clear() it, and a mail that arrived gets no answer until
    set(); pki None: no TLS at all; auth=False: takes anybody's mail. logins, arrived, mails, denied: what came; most_open:
    the most connections at a time, each up to the answer to its first mail.
    dialect: a name of DIALECTS, None for none; cert: (file, key), pki's own by default; wrapped: TLS from the first byte on;
    starttls=False: it is not offered; offer: the AUTH line within TLS, "" for none; address: where it listens.
    """

    def __init__(self, pki, accepts=None, auth=True, lmtp=False, dialect=None, cert=None, wrapped=False, starttls=True,
                 offer="AUTH XOAUTH2", address="127.0.0.1", port=None):
        self.pki, self.auth, self.lmtp = pki, auth, lmtp
        self.accepts = accepts or (lambda user, token: True)
        self.send_as, self.refusal, self.thanks, self.prompt = {}, UNSUCCESSFUL, "OK", "334 "
        self.logins, self.arrived, self.mails, self.denied = [], [], [], []
        self.gate = threading.Event()
        self.gate.set()
        self.dialect = DIALECTS[dialect] if dialect else ("", "")
        self.wrapped, self.starttls, self.offer, self.address = wrapped, starttls, offer, address
        self.port = port or free_port()
        self._sessions, self._lock, self._server = 0, threading.Lock(), None
        self._open = self.most_open = 0
        if pki:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*map(str, cert or pki.cert()))

    def session(self):
        with self._lock:
            self._sessions += 1
            self._open += 1
            self.most_open = max(self.most_open, self._open)
            return self._sessions

    def session_over(self):
        with self._lock:
            self._open -= 1

    def start(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._server = type("_Server", (_Server,), {"address_family": family})((self.address, self.port), _Session)
        self._server.exchange = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        if self._server:
            self.gate.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait(self, what, count, seconds=30):
        """Waits until so many of "logins", "arrived", "mails" or "denied" came; returns them."""
        wait_for(lambda: f"{count} {what}: {getattr(self, what)}", lambda: len(getattr(self, what)) >= count, seconds)
        return getattr(self, what)


def dead_socket(path):
    """A socket that takes connections and never says a word; for the caller to close."""
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.listen(64)
    return s
