"""Canaries: a value of its own in every place where a secret may stand; after a run of every credential and door each is found nowhere else.

Memory too: of what the daemon has let go (flushed, renewed, refused, removed) no copy stays in it. doc/security-model.md says what may.
"""

import base64
import os
import pwd
import re
import secrets
import shutil
import signal
import struct
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from mxtest import socketmap
from mxtest.alone import oauth_client
from mxtest.entra import APP, TENANT, Entra
from mxtest.google import Google
from mxtest.http2 import Http2
from mxtest.idp import Idp
from mxtest.proc import descendants, run, wait_for
from mxtest.recorder import Answer, Recorder, token
from mxtest.refresh import PUBLIC, Store
from mxtest.tokend import Tokend

PIECE = 20      # bytes in a row of a secret that nothing else has
LISTED = {"allow_users": ["root", "postfix"], "allow_token_users": ["root"], "relays": ["localhost"]}


def canary(name):
    """Looks like a secret of Entra's: no word, all kinds of signs; the name tells where it was put."""
    return f"{name}~{secrets.token_urlsafe(30)}+/={secrets.token_urlsafe(9)}"


def forms(secret):
    """As it may be written: plain, in a form, in hex, in base64 of both alphabets at each offset."""
    raw = secret.encode()
    found = {secret, urllib.parse.quote_plus(secret), urllib.parse.quote_plus(secret).replace("~", "%7E"), raw.hex()}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(b"\0" * shift + raw).decode()[4 if shift else 0:-4].rstrip("="))
    return found


def pieces(secret):
    """Up to eight pieces of each form: a rest counts as well as the whole."""
    found = set()
    for form in forms(secret):
        step = max(1, (len(form) - PIECE) // 7)
        found |= {form[i:i + PIECE].encode() for i in range(0, len(form) - PIECE + 1, step)}
    return found


def parts(text):
    """A JWT's parts by themselves, but for its header, which others share."""
    return [p for p in text.split(".")[1:] if len(p) > 40] or [text]


def needles(tokens):
    """{name: token} with a JWT's parts in place of it."""
    return {f"{name}, part {i}": part for name, text in tokens.items() for i, part in enumerate(parts(text))}


class World:
    """One daemon; a client for each kind of credential, each with canaries; two doors."""

    def __init__(self, up, workdir, pki, top=None):
        self.pki, self.canaries = pki, {}
        self.recorder = up(Recorder(pki.cert()))
        self.number, self.expires = 0, 3600
        key, self.account_key = pki.client(), pki.client("google")
        self.store = Store(workdir / "state")
        self.idp = up(Idp(workdir / "idp", pki, [
            {"client_id": "chain", "client_secret": self.secret("post"), "sub": "post@a.test", "bytes": 900},
            {"client_id": "basic", "client_secret": self.secret("basic"), "auth": "client_secret_basic", "sub": "basic@a.test"},
            {"client_id": "public", "auth": "none", "refresh": True, "sub": "refresh@a.test"}]))
        self.entra = up(Entra(workdir / "entra", pki, [{"client_id": APP, "sub": "key@a.test", "certificates": [key.pem()]}]))
        self.h2 = up(Http2(workdir / "h2", pki.cert()))
        self.google = up(Google(workdir / "google", pki, self.account_key))
        made = self.idp.grant("public")
        self.store.put(made["refresh_token"])
        self.secrets = {"post": self.canaries["post"], "basic": self.canaries["basic"], "recorded": self.secret("recorded"), "h2": self.secret("h2"),
                        "passphrase": self.secret("passphrase"), "federated": self.assertion(), "account.json": self.google.key_file(),
                        "cert.pem": key.cert.read_text(), "key.pem": self.encrypted(key)}
        entra = {"provider": "exchange-online", "tenant": TENANT, "client_id": APP, "token_endpoint": self.entra.template, "ca_file": str(pki.ca)}
        at_idp, at_recorder = (lambda **more: oauth_client(self.idp.token_endpoint, pki.ca, **more)), (
            lambda **more: oauth_client(self.recorder.url, pki.ca, **more))
        clients = {
            "post": at_idp(secret="post"), "basic": at_idp(secret="basic", auth="client_secret_basic", client_id="basic"),
            "key": {**entra, "key": "secret:key.pem", "certificate_file": "secret:cert.pem", "key_passphrase_file": "secret:passphrase"},
            "refresh": at_idp(**{**PUBLIC, "client_id": "public", "refresh_token_file": str(self.store.file)}),
            "google": {"provider": "google-workspace", "service_account_file": "secret:account.json",
                       "token_endpoint": self.google.token_endpoint, "ca_file": str(pki.ca)},
            "federated": at_recorder(client_secret_file=None, client_auth=None, assertion_file="secret:federated"),
            "recorded": at_recorder(secret="recorded"),
            "h2": oauth_client(self.h2.url, pki.ca, secret="h2"),
        }
        accounts = {f"{name}@{'example.test' if name == 'google' else 'a.test'}": {"client": name, **LISTED} for name in clients}
        self.accounts = {a.partition("@")[0]: a for a in accounts}
        self.tokend = Tokend(workdir / "t", clients, accounts, self.secrets, top={"log_level": "debug", **(top or {})}, socketmap=True)
        up(self.tokend)

    def secret(self, name):
        self.canaries[name] = canary(name)
        return self.canaries[name]

    def assertion(self):
        """A token of another issuer's, that a file has."""
        self.canaries["federated"] = f"eyJhbGciOiJSUzI1NiJ9.{secrets.token_urlsafe(60)}.{secrets.token_urlsafe(60)}"
        return self.canaries["federated"]

    def encrypted(self, key):
        return run(["openssl", "pkey", "-in", key.key, "-aes256", "-passout", "stdin"], input=self.canaries["passphrase"] + "\n").stdout

    def token(self, name):
        """From TOKEN; the recorder's are canaries too."""
        if name in ("recorded", "federated"):
            self.number += 1
            self.canaries[f"token-{self.number}"] = value = secrets.token_urlsafe(1200)
            self.recorder.script(token(value, self.expires, end="keep"))
        if name == "h2":
            self.canaries["h2-token"] = secrets.token_urlsafe(1200)
            self.h2.set(token=self.canaries["h2-token"])
        reply = self.tokend.ask("TOKEN", account=self.accounts[name])
        assert reply.ok, (name, reply, self.tokend.log()[-3000:])
        return reply.token

    def serve(self, names=None):
        """Every client's token by every door; {client: token}."""
        tokens = {name: self.token(name) for name in names or self.accounts}
        for name, token_ in tokens.items():
            account = self.accounts[name]
            assert self.tokend.sasl(account).token == token_
            assert self.tokend.ask("SASL", mech="OAUTHBEARER", account=account, host="localhost", port=587).ok
            assert self.tokend.ask("RAW", mech="XOAUTH2", account=account, host="localhost").raw.startswith(b"OK ")
            assert token_ in socketmap.ask(self.tokend.door, f"auth {account}")
        return tokens

    def gone(self, values):
        """No piece of these is in the daemon's memory, once the connections have ended: those of HTTP/2 have buffers of their own."""
        wait_for("the end of the connection", lambda: not self.connected(self.h2.port), 30, 0.1)
        found = in_memory(self.tokend.proc.pid, values)
        assert not found, found

    def connected(self, port):
        """Whether the daemon has a connection to this port."""
        return bool(run(["ss", "-Htnp", "state", "connected", "dport", f"= :{port}"]).stdout.count(f"pid={self.tokend.proc.pid},"))


@pytest.fixture
def world(up, workdir, pki, binaries):
    made = World(up, workdir, pki)
    if any("asan" in line for line in open(f"/proc/{made.tokend.proc.pid}/maps")):
        pytest.skip("a sanitizer keeps what was freed, and has to be able to trace")
    return made


def writable(pid):
    """{name: bytes} of all that the process may write to: heap, stacks, data of libraries, anonymous pages."""
    found = {}
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            ends, rights, *rest = line.split(None, 5)
            start, end = (int(x, 16) for x in ends.split("-"))
            if "w" not in rights or (rest and rest[-1].strip().startswith("[v")):
                continue
            mem.seek(start)
            try:
                found[f"{ends} {rest[-1].strip() if len(rest) == 4 else ''}"] = mem.read(end - start)
            except OSError:
                continue
    assert any("[heap]" in name for name in found) and any("[stack]" in name for name in found)
    return found


def in_memory(pid, values):
    """{name of the value: where a piece of it is}."""
    found = {}
    places = writable(pid)
    for name, value in values.items():
        for piece in pieces(value):
            for place, text in places.items():
                at = text.find(piece)
                if at != -1:
                    found.setdefault(name, {}).setdefault(place, (piece, hex(at), text[max(0, at - 48):at + 64]))
    return found


# --- memory -----------------------------------------------------------------------------------------------------------------------


def guarded(pid):
    """{start: flags} of mappings, from smaps."""
    found, start = {}, None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if m := re.match(r"([0-9a-f]+)-[0-9a-f]+ ", line):
            start = m[1]
        elif line.startswith("VmFlags:"):
            found[start] = line.split()[1:]
    return found


def test_what_is_live_is_in_guarded_memory_alone(world):
    """A token that is served stands in pages that are locked, left out of dumps, and empty after a fork; a secret stands nowhere."""
    live = needles(world.serve([name for name in world.accounts if name != "h2"]))
    pid = world.tokend.proc.pid

    def elsewhere():
        """An answer has its copy until it is sent and its connection closed."""
        found, flags = in_memory(pid, live), guarded(pid)
        assert set(found) == set(live), "these tests would find a token where one is"
        return [(name, place) for name, places in found.items() for place in places
                if not {"lo", "dd", "wf"} <= set(flags.get(place.partition("-")[0], ()))]
    wait_for(lambda: f"tokens in guarded memory alone: {elsewhere()}", lambda: not elsewhere(), 10)
    world.gone({k: v for k, v in world.canaries.items() if "token" not in k})
    world.gone({"refresh token": world.store.get()})


def test_flushed(world):
    tokens = needles(world.serve())
    for account in world.accounts.values():
        assert world.tokend.ask("FLUSH", account=account).ok
    world.gone(tokens | world.canaries)


def test_the_buffers_of_http2_last_no_longer_than_its_connection(world):
    """libcurl and nghttp2 do not empty them before; so the daemon lets no connection live on for long."""
    first = {"secret": world.canaries["h2"], **world.serve(["h2"])}
    assert world.tokend.ask("FLUSH", account=world.accounts["h2"]).ok
    assert world.connected(world.h2.port) and set(in_memory(world.tokend.proc.pid, first)) == set(first)
    world.gone(first)


def test_renewed_and_ended(world):
    """A short life: the next token takes its place by itself."""
    world.expires = 4
    first = world.serve(["recorded"])
    world.canaries["next"] = secrets.token_urlsafe(1200)
    world.recorder.script(token(world.canaries["next"], 3600, end="keep"))
    account = world.accounts["recorded"]
    wait_for("the next token", lambda: world.tokend.ask("TOKEN", account=account).token == world.canaries["next"], 10, 0.1)
    world.gone(first)


def test_refused_by_the_mail_server(world):
    first = world.serve(["recorded"])
    account = world.accounts["recorded"]
    world.canaries["next"] = secrets.token_urlsafe(1200)
    world.recorder.script(token(world.canaries["next"], 3600, end="keep"))
    dropped = world.tokend.ask("TOKEN", account=account).token_id
    assert world.tokend.ask("REJECTED", account=account, host="localhost", token=dropped, mech="XOAUTH2").ok
    wait_for("the next token", lambda: world.tokend.ask("TOKEN", account=account).token == world.canaries["next"], 10, 0.1)
    world.gone(first)


def test_a_client_that_is_gone_and_a_secret_that_was_changed(world):
    before = world.serve(["key", "recorded"])
    old = dict(world.secrets)
    del world.tokend.clients["key"], world.tokend.accounts[world.accounts["key"]]
    world.tokend.secrets["recorded"] = world.secret("anew")
    world.tokend.reload("reload_ok" if "reload_ok" in world.tokend.log() else "reload")
    account = world.accounts["recorded"]
    assert world.tokend.ask("FLUSH", account=account).ok
    world.token("recorded")
    sent = urllib.parse.parse_qs(world.recorder.requests[-1].body.decode())
    assert sent["client_secret"] == [world.canaries["anew"]]
    wait_for("the client to be gone", lambda: world.tokend.ask("TOKEN", account=world.accounts["key"]).code == "denied")
    wait_for("its token to be gone", lambda: not in_memory(world.tokend.proc.pid, needles({"key": before["key"]})), 5, 0.1)
    world.gone({"recorded": before["recorded"], "old": old["recorded"], "new": world.canaries["anew"],
                "passphrase": world.canaries["passphrase"]})


@pytest.mark.parametrize("reply", [
    lambda secret: Answer({"error": "invalid_client", "error_description": f"the secret {secret} is wrong"}, status=401),
    lambda secret: Answer(f"<pre>client_secret={urllib.parse.quote_plus(secret)} {secret}</pre>", status=500),
    lambda secret: Answer({"access_token": secret + " ", "token_type": "Bearer", "expires_in": 3600}),
    lambda secret: Answer(f'{{"access_token": "{secret}", "access_token": "{secret}", "token_type": "pop"', truncate=40),
], ids=["refusal", "page", "no token", "cut off"])
def test_a_provider_that_repeats_the_secret(world, reply):
    world.recorder.script(reply(world.canaries["recorded"]))
    assert not world.tokend.ask("TOKEN", account=world.accounts["recorded"]).ok
    world.tokend.wait_log("fetch_failed")
    world.gone({"recorded": world.canaries["recorded"]})
    assert world.canaries["recorded"] not in world.tokend.log()


# --- dumps ------------------------------------------------------------------------------------------------------------------------


def test_the_daemons_own_user_reads_nothing(world):
    """Nor does a debugger of his: who can only run programs as that user gets no token out of the process."""
    world.serve(["recorded"])
    pid = world.tokend.proc.pid
    assert pwd.getpwuid(int(re.search(r"^Uid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])).pw_name == "mta-xoauth2"
    for file in ("mem", "environ", "auxv", "maps"):
        done = subprocess.run(["head", "-c1", f"/proc/{pid}/{file}"], user="mta-xoauth2", group="mta-xoauth2", extra_groups=[],
                              capture_output=True, cwd="/")
        assert done.returncode != 0 and b"denied" in done.stderr, (file, done)
    if gdb := shutil.which("gdb"):
        done = subprocess.run([gdb, "-nx", "--batch", "-p", str(pid)], user="mta-xoauth2", group="mta-xoauth2", extra_groups=[],
                              capture_output=True, text=True, cwd="/", timeout=60, stdin=subprocess.DEVNULL)
        assert "Operation not permitted" in done.stdout + done.stderr, done


@pytest.mark.parametrize("how", ["SIGSEGV", "SIGABRT", "SIGQUIT"])
def test_a_crash_writes_no_core(world, how):
    """Even where root could lift the limit: the kernel says of a process whether it was dumped."""
    world.serve(["recorded"])
    pid = world.tokend.proc.pid
    run(["prlimit", "--pid", pid, "--core=unlimited"], check=False)    # a container's root may not
    os.kill(pid, getattr(signal, how))
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert end.si_code in (os.CLD_KILLED, os.CLD_EXITED), "dumped"
    world.tokend.proc.wait()


def loaded(core):
    """The memory in a core file, without its notes: those have the processor's vector registers, with what was copied last."""
    assert core[:6] == b"\x7fELF\2\1"
    first, = struct.unpack_from("<Q", core, 32)
    size, count = struct.unpack_from("<HH", core, 54)
    found = b""
    for i in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", core, first + i * size)
        if kind == 1:
            found += core[offset:offset + length]
    return found


def test_the_memory_in_roots_own_dump_has_no_token(world, workdir):
    """root may read everything; gcore(1) still leaves out what the daemon has marked."""
    gcore = shutil.which("gcore")
    if not gcore:
        pytest.skip("no gcore here")
    live = needles(world.serve())
    world.gone({"h2": world.canaries["h2"]})
    done = subprocess.run([gcore, "-o", str(workdir / "core"), str(world.tokend.proc.pid)], capture_output=True, text=True, timeout=120)
    core = workdir / f"core.{world.tokend.proc.pid}"
    assert done.returncode == 0 and core.stat().st_size > 100_000, done
    text = loaded(core.read_bytes())
    core.unlink()
    assert b"tokend.yaml" in text, "no dump of its memory"
    for name, value in (live | world.canaries | {"refresh token": world.store.get()}).items():
        for piece in pieces(value):
            assert piece not in text, name
    assert world.tokend.ask("PING").ok, "the daemon goes on"


# --- everywhere else --------------------------------------------------------------------------------------------------------------


def processes():
    """{what: text} of command lines and environments of all that run here."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for file in ("cmdline", "environ"):
            try:
                found[f"{file} of {pid}"] = Path(f"/proc/{pid}/{file}").read_bytes()
            except OSError:
                continue
    return found


def test_nowhere_else(world, workdir, monkeypatch):
    """The daemon's log, files, processes, and what the admin tool prints, after all that can go right or wrong has been logged."""
    tokens = world.serve()
    seen, stop = {}, threading.Event()

    def watch():        # the processes of renewals and of the tool are short-lived
        while not stop.is_set():
            for pid in [*descendants(world.tokend.proc.pid), *descendants(os.getpid())]:
                for file in ("cmdline", "environ"):
                    try:
                        seen[f"{file} of {pid}"] = seen.get(f"{file} of {pid}", b"") or Path(f"/proc/{pid}/{file}").read_bytes()
                    except OSError:
                        continue
            time.sleep(0.005)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        printed = {}
        renewed = {"refresh token before": world.store.get()}
        for account in world.accounts.values():
            assert world.tokend.ask("FLUSH", account=account).ok
        tokens |= {f"{name} again": value for name, value in world.serve().items()}
        renewed["refresh token"] = world.store.get()
        assert renewed["refresh token"] != renewed["refresh token before"]
        held = world.tokend.ask("TOKEN", account=world.accounts["recorded"]).token_id
        assert world.tokend.ask("REJECTED", account=world.accounts["recorded"], host="localhost", token=held, challenge="eA==").ok
        world.recorder.script(Answer({"error": "invalid_client", "error_description": world.canaries["recorded"]}, status=401))
        world.tokend.ask("FLUSH", account=world.accounts["recorded"])
        assert not world.tokend.ask("TOKEN", account=world.accounts["recorded"]).ok
        world.tokend.hup()
        world.tokend.wait_log("reload")
        for words in (["status"], ["status", "--json"], ["metrics"], ["check"], ["report", "--config", world.tokend.config,
                      "--log", world.tokend.log_file], ["diagnose", world.accounts["recorded"], "--config", world.tokend.config],
                      ["diagnose", world.accounts["refresh"], "--config", world.tokend.config, "--json"]):
            done = world.tokend.tool(*words, seconds=120)
            printed[" ".join(map(str, words))] = (done.stdout + done.stderr).encode()
            assert done.stdout or words == ["check"], done
    finally:
        stop.set()
        watcher.join()
    own = {world.tokend.dir / name for name in world.secrets} | set(world.store.dir.iterdir())
    theirs = ("idp", "entra", "google", "h2")       # the providers', who know what they gave
    files = {str(p): p.read_bytes() for p in workdir.rglob("*") if p.is_file() and not p.is_symlink() and p not in own and
             p.relative_to(workdir).parts[0] not in theirs}
    assert str(world.tokend.log_file) in files and str(world.tokend.config) in files and len(printed) == 7
    everything = needles(tokens) | world.canaries | renewed
    everything |= {f"key, line {i}": line for i, line in enumerate(world.tokend.secrets["key.pem"].splitlines()) if len(line) == 64}
    everything |= {"assertion": r.body.partition(b"client_assertion=")[2].partition(b"&")[0].decode() for r in world.recorder.requests
                   if b"client_assertion=" in r.body}
    assert "assertion" in everything and "key, line 3" in everything
    places = files | printed | seen | processes()
    whole = b"\0".join(places.values())
    for name, value in everything.items():
        for piece in pieces(value):
            assert piece not in whole, f"{name} in {[where for where, text in places.items() if piece in text]}"
    for word in ("fetch_ok", "fetch_failed", "token_rejected", "refresh_token_stored", "answer verb=SASL", "answer verb=RAW"):
        assert word in world.tokend.log(), f"the log is not that of a run that says all: {word}"
