"""A raw client of the daemon's socket (design: one line in, the answer to end of file)."""

import base64
import json
import pwd
import socket
import subprocess
import sys
from pathlib import Path


class Reply:
    """ok; fields (after OK or ERR); class_, code, text of an error; body: the lines after the first."""

    def __init__(self, raw):
        self.raw = raw
        first, _, self.body = raw.decode("utf-8", "surrogateescape").partition("\n")
        head, *self.fields = first.split("\t")
        self.ok = head == "OK" or head.startswith("OK ")
        self.class_, self.code, self.text = ([*self.fields, "", "", ""][:3] if head == "ERR" else ("", "", ""))

    @property
    def response(self):
        """The initial response of a SASL reply, decoded."""
        return base64.b64decode(self.fields[2])

    @property
    def expires_in(self):
        return int(self.fields[0])

    @property
    def token_id(self):
        return self.fields[1]

    @property
    def token(self):
        """The bare token: of TOKEN, or taken out of a SASL reply."""
        last = self.fields[2]
        try:
            text = base64.b64decode(last, validate=True).decode()
            return text.partition("auth=Bearer ")[2].rstrip("\x01") if "auth=Bearer " in text else last
        except (ValueError, UnicodeDecodeError):
            return last

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<Reply {'OK' if self.ok else f'ERR {self.class_} {self.code} {self.text}'}>"


def exchange(path, request, seconds=15, half_close=False):
    """Sends these bytes and returns all the daemon answers. OSError when it cannot be reached."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(seconds)
        s.connect(str(path))
        try:
            s.sendall(request)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # a daemon that is busy says so without having read; its answer is there all the same
        chunks = []
        try:
            while chunk := s.recv(65536):
                chunks.append(chunk)
        except ConnectionResetError:
            if not chunks:
                raise
    return b"".join(chunks)


def line(verb, version="TOKEND/1", **fields):
    """The request line: line("SASL", mech="XOAUTH2", account=...)."""
    parts = [version, verb] + [f"{k}={v}" for k, v in fields.items()]
    return "\t".join(parts).encode() + b"\n"


def ask(path, verb, seconds=15, **fields):
    """One request; returns Reply."""
    return Reply(exchange(path, line(verb, **fields), seconds))


def sasl(path, account, mech="XOAUTH2", host="localhost", port=587, **more):
    return ask(path, "SASL", mech=mech, account=account, host=host, port=port, **more)


def ping(path, seconds=2):
    """Whether the daemon answers."""
    try:
        return ask(path, "PING", seconds).ok
    except OSError:
        return False


def ask_as(user, path, verb, **fields):
    """One request from a process of another system user; returns Reply."""
    code = Path(__file__).read_text()
    argv = ["/usr/bin/python3", "-c", code, str(path), verb, *(f"{k}={v}" for k, v in fields.items())]
    done = subprocess.run(argv, user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=[], capture_output=True, timeout=30, cwd="/")
    if done.returncode != 0:
        raise OSError(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1])
    return Reply(done.stdout)


if __name__ == "__main__":  # as another user: python3 wire.py SOCKET VERB key=value...
    answer = exchange(sys.argv[1], line(sys.argv[2], **dict(a.split("=", 1) for a in sys.argv[3:])))
    sys.stdout.buffer.write(answer)
