"""A stand-in for the mail servers of Exchange Online and High Volume Email: STARTTLS, XOAUTH2, and their refusals.

A token that is not good is a 535 at once, without a challenge. High Volume Email refuses a token that has less than ten
minutes left: 501 5.5.127.
"""

import base64
import binascii
import re
import socketserver
import ssl
import threading
import time

EXCHANGE = "smtp.office365.com"
HVE = "smtp.hve.mx.microsoft"
HVE_LEFT_S = 600

UNSUCCESSFUL = "535 5.7.3 Authentication unsuccessful [REHEARSAL.PROD.OUTLOOK.COM]"
TOO_SOON = "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon"


class _Session(socketserver.StreamRequestHandler):
    timeout = 30

    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def handle(self):
        self.server_side, self.user, self.secure, self.sender = self.server.exchange, "", False, None
        try:
            self.say("220 REHEARSAL.PROD.OUTLOOK.COM Microsoft ESMTP MAIL Service ready")
            while (line := self.rfile.readline(16384)):
                verb, _, rest = line.decode("latin1").rstrip("\r\n").partition(" ")
                if not getattr(self, "on_" + verb.lower(), self.on_other)(rest):
                    break
        except (OSError, ValueError):
            pass

    def on_other(self, rest):
        self.say("500 5.3.3 Unrecognized command")
        return True

    def on_ehlo(self, rest):
        self.say("250-REHEARSAL.PROD.OUTLOOK.COM Hello", "250-SIZE 157286400", "250-ENHANCEDSTATUSCODES",
                 "250-AUTH LOGIN XOAUTH2" if self.secure else "250-STARTTLS", "250 8BITMIME")
        return True

    def on_starttls(self, rest):
        self.say("220 2.0.0 SMTP server ready")
        self.request = self.server_side.context.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
        self.secure = True
        return True

    def on_auth(self, rest):
        mechanism, _, blob = rest.partition(" ")
        if mechanism.upper() != "XOAUTH2" or not self.secure:
            self.say("504 5.7.4 Unrecognized authentication type")
            return True
        if not blob:
            self.say("334 ")
            blob = self.rfile.readline(16384).decode("latin1").strip()
        refusal = self.server_side.judge(blob)
        if refusal is None:
            self.user = "yes"
        self.say(refusal or "235 2.7.0 Authentication successful")
        return True

    def on_mail(self, rest):
        if not self.user:
            self.say("530 5.7.57 Client not authenticated to send mail.")
            return True
        self.sender = rest
        self.say("250 2.1.0 Sender OK")
        return True

    def on_rcpt(self, rest):
        self.say("250 2.1.5 Recipient OK" if self.sender else "503 5.5.1 Bad sequence of commands")
        return True

    def on_data(self, rest):
        if not self.sender:
            self.say("503 5.5.1 Bad sequence of commands")
            return True
        self.say("354 Start mail input; end with <CRLF>.<CRLF>")
        lines = []
        while (line := self.rfile.readline(16384)) not in (b".\r\n", b""):
            lines.append(line)
        if line == b"":
            return False
        self.server_side.mails.append(b"".join(lines).decode("utf-8", "replace"))
        self.say("250 2.0.0 OK Queued mail for delivery")
        return True

    def on_quit(self, rest):
        self.say("221 2.0.0 Service closing transmission channel")
        return False


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 64

    def handle_error(self, request, client_address):
        pass    # a client that hangs up


class Exchange:
    """entra reads the tokens. revoked: "uti" claims that are good no more; least_s: seconds a token must have left. logins: the
    seconds that were left at each login that was accepted; mails: what was taken."""

    def __init__(self, folder, entra, least_s=0):
        self.entra, self.least_s = entra, least_s
        self.revoked, self.logins, self.refused, self.mails = set(), [], [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.exchange = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def judge(self, blob):
        """None: let in. Else the refusal."""
        try:
            text = base64.b64decode(blob, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return "501 5.5.2 Cannot decode response"
        found = re.fullmatch(r"user=([^\x01]+)\x01auth=Bearer ([^\x01]+)\x01\x01", text)
        claims = self.entra.read(found[2]) if found else None
        left = claims["exp"] - time.time() if claims else 0
        refusal = None
        if claims is None or left <= 0 or claims["uti"] in self.revoked or "SMTP.SendAsApp" not in claims["roles"]:
            refusal = UNSUCCESSFUL
        elif left < self.least_s:
            refusal = TOO_SOON
        (self.logins if refusal is None else self.refused).append(left)
        return refusal
