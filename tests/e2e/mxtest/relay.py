"""A mail server that takes XOAUTH2 as told and notes every command: what a client did, and never did, is certain."""

import base64
import socket
import ssl
import threading

from .net import free_port
from .proc import wait_for

TAKEN = "235 2.7.0 Authentication successful"
REFUSED = "535 5.7.3 Authentication unsuccessful [SCRIPTED.prod.outlook.com]"
CHALLENGE = '{"status":"401","schemes":"Bearer","scope":"https://mail.example.test/"}'


class Session:
    """One connection: commands, with "(response)" for each response; mails as (sender, recipients, text); responses, decoded
    from base64; user: the mailbox in the last one; tls."""

    def __init__(self):
        self.commands, self.mails, self.responses, self.tls = [], [], [], False

    @property
    def user(self):
        return self.responses[-1].split(b"\x01")[0].partition(b"=")[2].decode() if self.responses else None


class Relay:
    """cert None: no STARTTLS. offer: the AUTH line of EHLO, None for none. answer: to the response: TAKEN, REFUSED, another
    reply, ("challenge", final reply), or a function (user, token) that returns one. replies: MAIL="550 5.7.60 no" and the
    like ("" ends the connection), or a function (argument, session) that returns one, or None."""

    def __init__(self, cert, offer="AUTH LOGIN XOAUTH2", answer=TAKEN, port=None, **replies):
        self.cert, self.offer, self.answer, self.replies = cert, offer, answer, replies
        self.port = port or free_port()
        self.sessions, self._listener = [], None

    def start(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self):
        if self._listener:
            try:
                self._listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._listener.close()
            self._listener = None

    @property
    def mails(self):
        return [mail for session in self.sessions for mail in session.mails]

    @property
    def commands(self):
        return [command for session in self.sessions for command in session.commands]

    def wait_mails(self, count, seconds=30):
        wait_for(lambda: f"{count} mails: {self.commands}", lambda: len(self.mails) >= count, seconds)
        return self.mails

    def _accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            session = Session()
            self.sessions.append(session)
            threading.Thread(target=self._serve, args=(conn, session), daemon=True).start()

    def _serve(self, conn, session):
        conn.settimeout(60)
        try:
            self._talk(conn, session)
        except OSError:     # TLS errors too: the client did not like the certificate
            pass
        finally:
            conn.close()

    def _talk(self, conn, session):
        def say(line):
            conn.sendall(line.encode() + b"\r\n")

        file = conn.makefile("rb")
        say("220 localhost ESMTP")
        sender, recipients = None, []
        while line := file.readline():
            line = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            inline = verb == "AUTH" and len(rest.split()) > 1
            session.commands.append(f"AUTH {rest.split()[0]} (inline)" if inline else line)
            custom = self.replies.get(verb)
            custom = custom(rest, session) if callable(custom) else custom
            if verb in ("EHLO", "HELO"):
                more = ["8BITMIME", "SMTPUTF8"]
                if self.cert and not session.tls:
                    more.append("STARTTLS")
                if self.offer:
                    more.append(self.offer)
                say("".join(f"250-{m}\r\n" for m in ["localhost", *more[:-1]]) + f"250 {more[-1]}")
            elif custom == "":
                return
            elif custom:
                say(custom)
            elif verb == "STARTTLS" and self.cert:
                say("220 go ahead")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*map(str, self.cert))
                file.close()
                conn = context.wrap_socket(conn, server_side=True)
                file, session.tls = conn.makefile("rb"), True
            elif verb == "AUTH":
                self._auth(say, file, session, rest)
            elif verb == "MAIL":
                sender, recipients = rest[rest.index("<") + 1:rest.rindex(">")], []
                say("250 ok")
            elif verb == "RCPT":
                recipients.append(rest[rest.index("<") + 1:rest.rindex(">")])
                say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                lines = []
                while (data := file.readline()) not in (b".\r\n", b""):
                    lines.append(data)
                text = b"".join(lines).decode("utf-8", "replace").replace("\r\n", "\n")
                session.mails.append((sender, recipients, text))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                if session.tls:
                    conn.unwrap()
                return
            else:
                say("250 ok" if verb in ("RSET", "NOOP") else "500 what?")

    def _auth(self, say, file, session, rest):
        words = rest.split()
        if len(words) == 1:
            say("334 ")
            encoded = file.readline().strip()
        else:
            encoded = words[1].encode()
        if encoded == b"*":
            session.commands.append("*")
            say("501 5.7.0 cancelled")
            return
        response = base64.b64decode(encoded, validate=True)
        session.responses.append(response)
        session.commands.append("(response)")
        answer = self.answer
        if callable(answer):
            fields = response.split(b"\x01")
            answer = answer(fields[0].decode().partition("=")[2], fields[1].decode().partition("Bearer ")[2])
        if isinstance(answer, tuple):
            say("334 " + base64.b64encode(CHALLENGE.encode()).decode())
            reply = file.readline()
            session.commands.append("(empty)" if reply == b"\r\n" else repr(reply))
            answer = answer[1]
        say(answer)
