"""The mail sink as a program: python3 sinkd.py PORT FOLDER. Takes every mail and stores it as FOLDER/N.json."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path


class Session(asyncio.Protocol):
    folder = None
    count = 0

    def connection_made(self, transport):
        self.transport, self.buffer, self.data = transport, b"", None
        self._reset()
        self.say("220 sink ESMTP")

    def _reset(self):
        self.sender, self.recipients = None, []

    def say(self, *lines):
        self.transport.write("".join(line + "\r\n" for line in lines).encode())

    def data_received(self, chunk):
        self.buffer += chunk
        while (end := self.buffer.find(b"\n")) >= 0:
            line, self.buffer = self.buffer[:end + 1], self.buffer[end + 1:]
            if self.data is None:
                self.command(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
            elif line.rstrip(b"\r\n") == b".":
                self.store()
            else:
                self.data.append(line[1:] if line.startswith(b".") else line)

    def command(self, line):
        verb, _, rest = line.partition(" ")
        verb = verb.upper()
        if verb == "EHLO":
            self.say("250-sink", "250-8BITMIME", "250-SMTPUTF8", "250-ENHANCEDSTATUSCODES", "250-PIPELINING",
                     "250 SIZE 52428800")
        elif verb in ("HELO", "NOOP"):
            self.say("250 sink")
        elif verb == "MAIL":
            self.sender = rest
            self.say("250 2.1.0 ok")
        elif verb == "RCPT":
            self.recipients.append(rest)
            self.say("250 2.1.5 ok")
        elif verb == "DATA":
            self.data = []
            self.say("354 go on")
        elif verb == "RSET":
            self._reset()
            self.say("250 2.0.0 ok")
        elif verb == "QUIT":
            self.say("221 2.0.0 bye")
            self.transport.close()
        else:
            self.say("502 5.5.1 no such command")

    def store(self):
        Session.count += 1
        name = self.folder / f"{Session.count:06d}.json"
        address = [p.partition(":")[2].split(" ")[0].strip("<>") for p in [self.sender or ""] + self.recipients]
        new = name.with_suffix(".new")
        new.write_text(json.dumps({"sender": address[0], "recipients": address[1:], "at": time.time(),
                                   "data": b"".join(self.data).decode("utf-8", "replace")}))
        new.rename(name)
        self.data = None
        self._reset()
        self.say(f"250 2.0.0 ok: stored as {Session.count}")


async def main(port, folder):
    Session.folder = Path(folder)
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, lambda: stop.done() or stop.set_result(None))
    server = await loop.create_server(Session, "127.0.0.1", port, backlog=200)
    await stop
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
