"""A TCP relay between client and server that remembers, and where wanted alters, what goes by."""

import socket
import threading

from .net import free_port


class Wiretap:
    """Relays a loopback port to `target`; sent: all that clients said, received: all that the server said.

    strip_starttls: the server's offer of STARTTLS is made unreadable, as an attacker on the way would.
    """

    def __init__(self, target, strip_starttls=False):
        self.target, self.strip = target, strip_starttls
        self.port = free_port()
        self.sent, self.received, self.connections = b"", b"", 0
        self._sockets = []

    def start(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        for s in [self._listener, *self._sockets]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                return
            self.connections += 1
            self._sockets += [client, server]
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._copy, args=ends, daemon=True).start()

    def _copy(self, source, drain, from_client):
        try:
            while data := source.recv(65536):
                if from_client:
                    self.sent += data
                else:
                    if self.strip:
                        data = data.replace(b"STARTTLS", b"XXXXXXXX")
                    self.received += data
                drain.sendall(data)
            drain.shutdown(socket.SHUT_WR)
        except OSError:
            pass
