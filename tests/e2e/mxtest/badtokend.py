"""A daemon that does the wrong thing: the real one behind a door that plays it false. Run as a program with the daemon's options.

    badtokend.py MODE DAEMON --config FILE --foreground

MODE: forgetful (a new token for each asker), stale (the first answer for ever), deaf (hears of no refused token), torn (answers
without their end).
"""

import re
import socket
import subprocess
import sys
import threading
from pathlib import Path


def talk(path, request):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(15)
        s.connect(path)
        s.sendall(request)
        return b"".join(iter(lambda: s.recv(65536), b""))


class Door:
    def __init__(self, mode, real):
        self.mode, self.real, self.first = mode, real, {}

    def answer(self, request):
        verb = request.split(b"\t")[1].strip() if b"\t" in request else b""
        account = (re.findall(rb"\taccount=([^\t\n]*)", request) or [b""])[0]
        if self.mode == "deaf" and verb == b"REJECTED":
            return b"OK\n"
        if self.mode == "forgetful" and verb == b"SASL":
            talk(self.real, b"TOKEND/1\tFLUSH\taccount=" + account + b"\n")
        if self.mode == "stale" and account in self.first and verb == b"SASL":
            return self.first[account]
        answer = talk(self.real, request)
        if verb == b"SASL" and answer.startswith(b"OK"):
            self.first.setdefault(account, answer)
            if self.mode == "torn":
                return answer[:-20]
        return answer

    def serve(self, sock):
        with sock:
            request = b""
            while not request.endswith(b"\n") and (chunk := sock.recv(8192)):
                request += chunk
            try:
                sock.sendall(self.answer(request))
            except OSError:     # the real one is not there yet
                pass


def main(mode, daemon, config):
    text = Path(config).read_text()
    path = re.search(r"path: (\S+)", text)[1]
    Path(config + ".real").write_text(text.replace(path, path + ".real"))
    proc = subprocess.Popen([daemon, "--config", config + ".real", "--foreground"])
    door = Door(mode, path + ".real")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    while proc.poll() is None:
        threading.Thread(target=door.serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[sys.argv.index("--config") + 1])
