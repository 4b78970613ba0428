"""Asks the daemon and sends a mail, in the place of Postfix or Exim."""

import base64
import socket
import ssl
import time


class Refused(Exception):
    """The daemon's error: class, code, text; as the plugin would get it."""

    def __init__(self, cls, code, text):
        super().__init__(text)
        self.cls, self.code, self.text = cls, code, text


class Login:
    """An answer of the daemon: response (a secret), token_id, expires_in, and how long it took in seconds."""

    def __init__(self, fields, took):
        self.expires_in, self.token_id, self.response, self.took = int(fields[0]), fields[1], fields[2], took


def ask(path, verb, seconds=12, **fields):
    """One request on the daemon's socket, as doc/protocol.md has it; the fields behind OK, or Refused."""
    parts = ["TOKEND/1", verb] + [f"{k}={v}" for k, v in fields.items()]
    data = b""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(seconds)
            s.connect(str(path))
            s.sendall(("\t".join(parts) + "\n").encode())
            while (chunk := s.recv(65536)):
                data += chunk
    except OSError as err:
        raise Refused("temp", "daemon-not-there", f"the daemon does not answer on its socket ({err})") from err
    head, *rest = data.decode("utf-8", "replace").partition("\n")[0].split("\t")
    if head == "OK" and data.endswith(b"\n"):
        return rest
    if head == "ERR" and len(rest) >= 3:
        raise Refused(*rest[:3])
    raise Refused("temp", "malformed-reply", "what came from the daemon is no answer of its protocol")


def login(path, account, host, seconds):
    """The initial response for this account and mail server."""
    begin = time.monotonic()
    fields = ask(path, "SASL", mech="XOAUTH2", account=account, host=host, port=587, deadline_ms=seconds * 1000)
    if len(fields) != 3:
        raise Refused("temp", "malformed-reply", "the daemon's answer does not have its four fields")
    return Login(fields, time.monotonic() - begin)


def report(path, account, host, token_id, reply):
    """Tells the daemon that the server refused the token."""
    ask(path, "REJECTED", account=account, host=host, token_id=token_id, reply=base64.b64encode(reply.encode()).decode())


class Smtp:
    """One session. tell(who, line) is told every line but the response. host: the name that the certificate must have."""

    def __init__(self, port, host, ca_file, tell):
        self._tell, self._host = tell, host
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._sock = socket.create_connection(("127.0.0.1", port), 10)
        self._file = self._sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._file.close()
        self._sock.close()

    def reply(self):
        """All lines of a reply; the last one."""
        while True:
            line = self._file.readline(8192).decode("utf-8", "replace").rstrip("\r\n")
            self._tell("server", line)
            if line[3:4] != "-":
                return line

    def command(self, line, shown=None):
        self._tell("client", shown if shown is not None else line)
        self._sock.sendall(line.encode() + b"\r\n")
        return self.reply()

    def starttls(self):
        self.command("STARTTLS")
        self._sock = self._context.wrap_socket(self._sock, server_hostname=self._host)
        self._file = self._sock.makefile("rb")
        self._tell("client", f"(TLS; the certificate is good for {self._host})")

    def auth(self, response):
        """The reply to AUTH XOAUTH2 with the response in a line of its own, since it is too long for the first."""
        answer = self.command("AUTH XOAUTH2")
        if answer.startswith("334"):
            answer = self.command(response, f"({len(response)} characters: user=..., auth=Bearer and the token, not shown)")
        return answer


def send(smtp, sender, recipient, response, subject):
    """The whole session. The reply that decided: to AUTH if that was a refusal, else to the mail."""
    smtp.reply()
    smtp.command("EHLO rehearsal.invalid")
    smtp.starttls()
    smtp.command("EHLO rehearsal.invalid")
    answer = smtp.auth(response)
    if answer.startswith("235"):
        smtp.command(f"MAIL FROM:<{sender}>")
        smtp.command(f"RCPT TO:<{recipient}>")
        smtp.command("DATA")
        answer = smtp.command(f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nA rehearsal.\r\n.", "(the mail)")
    smtp.command("QUIT")
    return answer
