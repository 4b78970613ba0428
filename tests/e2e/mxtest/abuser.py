"""A user of this host who wishes the daemon no good: abuser.py SOCKET KIND WIDTH.

Keeps WIDTH connections of that kind going, each ended one replaced at once, until standard input ends. Prints "busy" when as many were
begun, and at the end a line of JSON: how many were begun, and how many were answered with which code.
"""

import json
import os
import random
import select
import socket
import sys
import time
from collections import Counter

DENIED = b"TOKEND/1\tSASL\tmech=XOAUTH2\taccount=app@example.test\thost=localhost\n"


class Asker:
    """One connection. act() does what it is bad at; done: it has ended."""

    def __init__(self, path, kind):
        self.kind, self.done, self.answer, self.sent = kind, False, b"", 0
        self.s = socket.socket(socket.AF_UNIX)
        self.s.setblocking(False)
        try:
            self.s.connect(path)
        except OSError:      # the queue is full: that is the daemon's right
            self.end()
            return
        self.first()

    def end(self):
        self.done = True
        self.s.close()

    def put(self, data):
        try:
            self.sent += self.s.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self.sent = -1

    def first(self):
        kind = self.kind
        if kind == "half-closed":
            self.s.shutdown(socket.SHUT_WR)
        elif kind == "half-a-request":
            self.put(DENIED[:-1])
        elif kind == "garbage":
            self.put(random.randbytes(random.randrange(1, 4000)) + b"\n")
        elif kind == "denied":
            self.put(DENIED)
        elif kind == "ping":
            self.put(b"TOKEND/1\tPING\n")
        elif kind == "gone":
            self.put(DENIED)
            self.end()
        elif kind == "never-reading":
            self.put(b"TOKEND/1\tPING\n")

    def act(self):
        if self.kind == "slow":
            self.put(DENIED[self.sent:self.sent + 1] if 0 <= self.sent < len(DENIED) - 1 else b"")
        elif self.kind == "huge" and self.sent >= 0:
            self.put(b"x" * 65536)

    def readable(self):
        if self.kind == "never-reading":
            return False
        try:
            data = self.s.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.answer += data
        if not data:
            self.end()
        return True


def code_of(answer):
    fields = answer.decode("latin1").split("\t")
    return fields[2] if fields[0] == "ERR" and len(fields) > 3 else fields[0].strip()


def main(path, kind, width):
    poller, asking, codes, begun, said, last = select.poll(), {}, Counter(), 0, False, 0.0
    poller.register(0, select.POLLIN | select.POLLHUP)
    while True:
        for _ in range(width - len(asking)):
            a = Asker(path, kind)
            begun += 1
            if a.done:
                codes["not connected" if kind != "gone" else "gone"] += 1
                continue
            asking[a.s.fileno()] = a
            poller.register(a.s, select.POLLIN if kind != "never-reading" else 0)
        if not said and begun >= width:
            said = True
            print("busy", flush=True)
        for fd, what in poller.poll(20):
            if fd == 0:
                print(json.dumps({"begun": begun, "codes": codes}), flush=True)
                return
            a = asking[fd]
            if not a.readable() and kind == "never-reading" and what & select.POLLHUP:
                a.end()
            if a.done:
                poller.unregister(fd)
                del asking[fd]
                codes[code_of(a.answer)] += 1
        if time.monotonic() - last > 0.05:
            last = time.monotonic()
            for a in asking.values():
                a.act()


if __name__ == "__main__":
    os.nice(5)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
