"""The stage of one rehearsal: a private folder, the stand-ins, a daemon of its own; all of it gone in the end."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import ca
import mailer
from entra import TENANT, Entra
from exchange import EXCHANGE, HVE, Exchange
from tell import STOPPING, Failed, Teller, Unable

ACCOUNT = "app@contoso.example"
CLIENT_ID = "11111111-2222-3333-4444-555555555555"
SECRET = "a secret of the rehearsal, good for nothing"
PR_SET_PDEATHSIG = 1
NOBODY = 65534

_CLIENT = """  {name}:
    provider: {provider}
    tenant: {tenant}
    client_id: {id}
    client_secret_file: {folder}/secret
    token_endpoint: https://localhost:{port}/{{tenant}}/oauth2/v2.0/token
    ca_file: {folder}/ca.pem
    backoff_min: 500ms
    backoff_max: 1s
"""
_ACCOUNT = """  {account}:
    client: {name}
    allow_users: [{uid}]
    relays: [{relay}]
"""


class Part:
    """One client and one account of the daemon's configuration: preset, life of its tokens, and where its mail goes."""

    def __init__(self, name="rehearsal", provider="exchange-online", life=3599, account=ACCOUNT, relay=EXCHANGE, number=0):
        self.name, self.provider, self.life, self.account, self.relay = name, provider, life, account, relay
        self.client_id = CLIENT_ID[:-1] + str(5 + number)


def _temporary():
    """Where the folder is made. Never where one happens to stand, which is all that Python has left when these do not serve."""
    places = [os.environ["TMPDIR"]] if "TMPDIR" in os.environ else ["/tmp", "/var/tmp"]
    for place in places:
        if os.access(place, os.W_OK | os.X_OK):
            return place
    raise Unable(f"no folder can be made in {' or '.join(places)}, and a rehearsal needs one; name a place that this user may write: TMPDIR=/PLACE")


class Stage:
    """open() and begin() set it up; close() leaves nothing but the folder, if it was to be kept.

    tell: the narrator; entra, exchange: the stand-ins; socket: the daemon's.
    """

    def __init__(self, daemon, keep):
        self._program, self._keep = daemon, keep
        self.folder = self.tell = self.entra = self.exchange = self._daemon = None
        self._shown = 0

    def open(self):
        """The folder, and the narrator, who writes there."""
        old = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)    # no folder without a name for it
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="mta-xoauth2-rehearse-", dir=_temporary()))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        self.tell = Teller(self.folder)
        return self.tell

    def begin(self, parts, least_s=0):
        """CA, stand-ins, configuration, daemon; ready when it answers. least_s: see Exchange."""
        if os.geteuid() == NOBODY:
            raise Unable("this is user 65534, whom the daemon never answers, since every unmapped user looks like it; run this as another one")
        ca.make(self.folder, ["localhost", EXCHANGE, HVE])
        self.entra = Entra(self.folder, {p.client_id: (SECRET, p.life) for p in parts})
        self.exchange = Exchange(self.folder, self.entra, least_s)
        self.socket, self._log = self.folder / "tokend.sock", self.folder / "tokend.log"
        for name, text in (("secret", SECRET), ("tokend.yaml", self._config(parts))):
            (self.folder / name).touch(0o600)
            (self.folder / name).write_text(text)
        self._start()
        self.tell.line(f"   The stage: Entra ID's stand-in on 127.0.0.1:{self.entra.port}, the mail server's on 127.0.0.1:"
                       f"{self.exchange.port},")
        self.tell.line(f"   the daemon's socket, log and configuration in {self.folder}. No other address is used.")
        self.show_log()

    def _config(self, parts):
        values = {"tenant": TENANT, "folder": self.folder, "port": self.entra.port, "uid": os.geteuid()}
        text = f"listen:\n  - path: {self.socket}\n    mode: \"0600\"\ntoken_cache: none\nadmin_users: [{os.geteuid()}]\n"
        try:
            text += f"user: {pwd.getpwuid(os.geteuid()).pw_name}\n"
        except KeyError:    # a user without a name: root alone needs one
            pass
        text += "clients:\n" + "".join(_CLIENT.format(name=p.name, provider=p.provider, id=p.client_id, **values) for p in parts)
        return text + "accounts:\n" + "".join(_ACCOUNT.format(account=p.account, name=p.name, relay=p.relay, **values) for p in parts)

    def _start(self):
        libc = ctypes.CDLL(None)

        def in_child():     # no daemon without us, also where nobody can clean up
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            if hasattr(libc, "prctl"):
                libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        old = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            with open(self._log, "wb") as log:
                self._daemon = subprocess.Popen([self._program, "--config", self.folder / "tokend.yaml", "--foreground"], stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log, cwd="/", start_new_session=True, preexec_fn=in_child)
        except OSError as err:
            raise Unable(f"the daemon {self._program} cannot be started ({err.strerror}); is it installed? --daemon names another one") from err
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        end = time.monotonic() + 10
        while not self.socket.exists() or not self._pings():
            if self._daemon.poll() is not None:
                self.show_log()
                raise Failed(f"the daemon {self._program} has ended with status {self._daemon.returncode} instead of answering"
                             + ("; what it said is above" if self._shown else ", and said nothing"))
            if time.monotonic() > end:
                self.show_log()
                raise Failed(f"the daemon {self._program} does not answer on {self.socket} within 10 seconds")
            time.sleep(0.02)

    def _pings(self):
        try:
            return mailer.ask(self.socket, "PING", 1) == []
        except mailer.Refused:
            return False

    def _lines(self):
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return text[:text.rfind("\n") + 1].splitlines()

    def show_log(self, until=None, seconds=1.0):
        """Shows the daemon's new lines; until: waits for a new one with this text. The new lines."""
        end = time.monotonic() + seconds
        new = self._lines()[self._shown:]
        while until is not None and not any(until in line for line in new) and time.monotonic() < end:
            time.sleep(0.02)
            new = self._lines()[self._shown:]
        for line in new:
            if "verb=PING" not in line:     # our own, until it is ready
                self.tell.log(line)
        self._shown += len(new)
        return new

    def logged(self, text):
        """The daemon's lines with this text, of all that were shown."""
        return [line for line in self._lines()[:self._shown] if text in line]

    def close(self):
        try:
            self._clear()
        except BaseException:   # a signal has come before they were shut out
            self._clear()
            raise

    def _clear(self):
        for number in STOPPING:     # a second Ctrl-C does not stop the clearing up
            signal.signal(number, signal.SIG_IGN)
        if self._daemon is not None:
            self._stop()
        for thing in (self.exchange, self.entra):
            if thing is not None:
                thing.stop()
        if self.tell is not None:
            self.tell.close()
        if self.folder is not None and not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._daemon.poll() is None:
                self._daemon.send_signal(number)
                try:
                    self._daemon.wait(3)
                except subprocess.TimeoutExpired:
                    continue
        try:
            os.killpg(self._daemon.pid, signal.SIGKILL)     # what it may have started
        except OSError:
            pass
