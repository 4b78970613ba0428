"""The place where mail ends: records what arrived."""

import email
import email.policy
import json
import sys
from pathlib import Path

from .net import free_port, port_open
from .proc import supervisor, wait_for


class Mail:
    """One arrived mail: sender, recipients, data, message (parsed), subject, body."""

    def __init__(self, fields):
        self.sender, self.recipients, self.data = fields["sender"], fields["recipients"], fields["data"]
        self.message = email.message_from_string(self.data, policy=email.policy.default)

    @property
    def subject(self):
        return str(self.message["Subject"] or "")

    @property
    def body(self):
        return self.message.get_content() if not self.message.is_multipart() else ""

    def __repr__(self):
        return f"<Mail {self.sender} -> {self.recipients} {self.subject!r}>"


class Sink:
    """SMTP receiver on a loopback port that takes everything."""

    def __init__(self, folder):
        self.dir = folder / "mails"
        self.dir.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "sink.log"
        self.port = free_port()
        self.proc = None

    def start(self):
        self.proc = supervisor.start([sys.executable, Path(__file__).with_name("sinkd.py"), self.port, self.dir],
                                     self.log_file)
        wait_for(f"sink on port {self.port}", lambda: port_open(self.port))
        return self

    def stop(self):
        if self.proc:
            supervisor.stop(self.proc)
            self.proc = None

    def count(self):
        return sum(1 for _ in self.dir.glob("*.json"))

    def mails(self):
        """All mails in the order of arrival."""
        return [Mail(json.loads(p.read_text())) for p in sorted(self.dir.glob("*.json"))]

    def wait(self, count, seconds=30):
        """Waits until `count` mails are there; returns all."""
        wait_for(lambda: f"{count} mails in the sink, have {self.count()}", lambda: self.count() >= count, seconds)
        return self.mails()

    def clear(self):
        for p in self.dir.glob("*.json"):
            p.unlink()
