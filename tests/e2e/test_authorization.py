"""Every verb by every kind of peer, at every door: what is not allowed is one and the same answer, and each has its line in the log."""

import json
import os
import pwd
import re
import statistics
import subprocess

import pytest

from mxtest import wire
from mxtest.alone import BOX, SECRET, oauth_client
from mxtest.idp import Idp
from mxtest.socketmap import netstring
from mxtest.tokend import Tokend

RELAY, OTHER, UNKNOWN = "smtp.example.test", "other@example.test", "x@unknown.test"
TEXT = b"denied by the token daemon's policy; its log has the reason, in the line that begins with \"denied\""
DENIED = {"SASL": b"ERR\tdenied\tdenied\t" + TEXT + b"\n", "RAW": b"ERR denied denied " + TEXT, "auth": netstring(b"TEMP " + TEXT + b" [denied]")}
SASL = {"verb": "SASL", "mech": "XOAUTH2", "account": BOX, "host": RELAY}

# request, who may, the reason for those who are listed in allow_users
REQUESTS = [
    (SASL, "listed", None),
    ({**SASL, "verb": "RAW"}, "listed", None),
    ({**SASL, "host": "a.relay.test"}, "listed", None),
    ({**SASL, "verb": "REJECTED", "token": "0123456789abcdef"}, "listed", None),
    ({**SASL, "host": "smtp.evil.test"}, "", "relay-not-listed"),
    ({"verb": "RAW", "mech": "XOAUTH2", "account": BOX}, "", "relay-not-listed"),
    ({**SASL, "mech": "OAUTHBEARER"}, "", "mechanism-not-listed"),
    ({**SASL, "user": OTHER}, "", "user-not-allowed"),
    ({**SASL, "account": UNKNOWN}, "", "account-unknown"),
    ({**SASL, "verb": "REJECTED", "account": UNKNOWN}, "", "account-unknown"),
    ({"verb": "TOKEN", "account": BOX}, "teller", "uid-not-listed-for-token"),
    ({"verb": "TOKEN", "account": UNKNOWN}, "", "account-unknown"),
    ({"verb": "auth", "account": BOX}, "teller", "uid-not-listed-for-token"),
    ({"verb": "auth", "account": UNKNOWN}, "", "account-unknown"),
    ({"verb": "STATUS"}, "admin", "not-an-admin"),
    ({"verb": "METRICS"}, "admin", "not-an-admin"),
    ({"verb": "RELOAD"}, "admin", "not-an-admin"),
    ({"verb": "FLUSH", "account": BOX}, "admin", "not-an-admin"),
    ({"verb": "FLUSH", "account": UNKNOWN}, "admin", "not-an-admin"),
    ({"verb": "PING"}, "anybody", None),
]

# name: user, words in front of the program, what it may
PEERS = {
    "listed": ("postfix", [], {"listed"}),
    "unlisted": ("daemon", [], set()),
    "root": ("root", [], {"teller", "admin"}),
    "uid 65534, though listed everywhere": ("nobody", [], set()),
    "listed for tokens and as admin": ("mail", [], {"teller", "admin"}),
    "unlisted, and root in a user namespace of its own": ("daemon", ["unshare", "--user", "--map-root-user"], set()),
    "unlisted, and nobody in a user namespace": ("daemon", ["unshare", "--user"], set()),
    "listed, in a user namespace": ("postfix", ["unshare", "--user", "--map-root-user"], {"listed"}),
}

# As another user: sends what it is told to, and says how long each answer took.
CHILD = """
import json, socket, sys, time
def ask(path, request, ends):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        start = time.monotonic_ns()
        s.connect(path)
        try:
            s.sendall(request)
        except OSError:
            pass
        got = b""
        while chunk := s.recv(65536):
            got += chunk
            head, colon, rest = got.partition(b":")
            if not ends and colon and len(rest) > int(head):
                break
        return got.hex(), time.monotonic_ns() - start
print(json.dumps([ask(path, bytes.fromhex(data), ends) for path, data, ends in json.load(sys.stdin)]))
"""


@pytest.fixture
def idp(up, workdir, pki):
    return up(Idp(workdir / "idp", pki, [{"client_id": "chain", "client_secret": SECRET, "sub": BOX, "format": "opaque"}]))


def daemon(workdir, idp, pki):
    """Two sockets of the protocol, and the socketmap door beside the first."""
    lists = {"allow_users": ["postfix", "nobody"], "allow_token_users": ["root", "mail", "nobody"]}
    accounts = {BOX: {"client": "c", **lists, "relays": [RELAY, "*.relay.test"], "mechanisms": ["XOAUTH2"]},
                OTHER: {"client": "d", **lists}}
    client = oauth_client(idp.token_endpoint, pki.ca)
    folder = workdir / "t"
    listen = [{"path": str(folder / "run/tokend.sock")}, {"path": str(folder / "run/second.sock")},
              {"path": str(folder / "run/socketmap.sock"), "protocol": "socketmap"}]
    return Tokend(folder, {"c": client, "d": {**client, "client_id": "other"}}, accounts, {"c.secret": SECRET},
                  top={"listen": listen, "log_level": "debug", "admin_users": ["root", "mail", "nobody"]})


@pytest.fixture
def tokend(up, workdir, pki, idp, binaries):
    return up(daemon(workdir, idp, pki))


def sent(tokend, request, socket):
    """Socket, bytes, and whether the daemon closes after the answer."""
    fields = dict(request)
    verb = fields.pop("verb")
    if verb in ("auth", "feedback"):
        return str(tokend.run_dir / "socketmap.sock"), netstring(f"{verb} {fields['account']}"), False
    return str(tokend.run_dir / socket), wire.line(verb, **fields), True


def ask_all(peer, tokend, requests, socket="tokend.sock"):
    """[(answer, ns)] of a process of this peer's; skips where it cannot be made here."""
    user, words, _ = PEERS[peer]
    ids = {} if user == "root" else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    if words and subprocess.run([*words, "true"], capture_output=True, cwd="/", **ids).returncode != 0:
        pytest.skip("no user namespaces for users here")
    what = json.dumps([(path, data.hex(), ends) for path, data, ends in (sent(tokend, r, socket) for r in requests)])
    done = subprocess.run([*words, "/usr/bin/python3", "-c", CHILD], input=what, capture_output=True, text=True, timeout=120, cwd="/", **ids)
    assert done.returncode == 0, done.stderr
    return [(bytes.fromhex(answer), ns) for answer, ns in json.loads(done.stdout)]


def denied(request):
    return DENIED.get(request["verb"], DENIED["SASL"])


def good(request, answer):
    return b":OK " in answer if request["verb"] == "auth" else answer.startswith((b"OK\t", b"OK ", b"OK\n"))


def audit(tokend):
    return [ln for ln in tokend.log().splitlines() if ln.startswith("denied verb=")]


@pytest.mark.parametrize("socket", ["tokend.sock", "second.sock"])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "token at hand"])
@pytest.mark.parametrize("peer", PEERS)
def test_every_verb(tokend, idp, peer, warm, socket):
    user, _, rights = PEERS[peer]
    uid = pwd.getpwnam(user).pw_uid
    token = tokend.ask("TOKEN", account=BOX).token if warm else None
    requests_before = idp.token_requests()
    before = len(audit(tokend))
    replies = ask_all(peer, tokend, [r for r, _, _ in REQUESTS], socket)
    expected = []
    for (request, right, reason), (answer, _) in zip(REQUESTS, replies):
        if right in rights or right == "anybody":
            assert good(request, answer) or (request == {"verb": "FLUSH", "account": UNKNOWN} and b"account-unknown" in answer)
            continue
        assert answer == denied(request), (request, answer)
        assert not (token and token.encode() in answer)
        if reason in (None, "user-not-allowed", "relay-not-listed", "mechanism-not-listed") and "listed" not in rights:
            reason = "uid-not-listed"
        expected.append((("TOKEN" if request["verb"] == "auth" else request["verb"]), request.get("account", ""), reason))
    lines = audit(tokend)[before:]
    if peer.startswith("uid 65534"):    # nobody, whatever the lists say: each is refused
        assert len(expected) == len(REQUESTS) - 1
    found = [(m[1], m[3], m[4]) for m in (re.match(r'denied verb=(\S+) uid=(\d+) pid=\d+ account="(.*?)" relay=.* reason=(\S+) mend=', ln)
                                          for ln in lines) if m and int(m[2]) == uid]
    assert found == expected[:len(found)] and len(found) >= min(len(expected), 20), (found, expected)
    if not rights:
        assert idp.token_requests() == requests_before, "one who may nothing had a token fetched"
        after = tokend.ask("TOKEN", account=BOX)
        assert not warm or after.token == token, "one who may nothing had a token dropped"


def test_an_account_that_is_there_looks_like_none(tokend):
    """Not a byte differs, and no time that could be told: the same way through the daemon, with the token at hand."""
    assert tokend.ask("TOKEN", account=BOX).ok
    there = [{**SASL, "account": BOX}, {"verb": "auth", "account": BOX}]
    none = [{**SASL, "account": UNKNOWN}, {"verb": "auth", "account": UNKNOWN}]
    for a, b in zip(there, none):
        replies = ask_all("unlisted", tokend, [a, b] * 300)
        assert {answer for answer, _ in replies} == {denied(a)}
        x, y = (statistics.median(ns for _, ns in replies[i::2][20:]) for i in (0, 1))
        assert max(x, y) < 1.5 * min(x, y), f"{x} ns and {y} ns"
    for verb in ("TOKEN", "RAW", "REJECTED"):
        pair = [{"verb": verb, "mech": "XOAUTH2", "account": account, "host": RELAY} for account in (BOX, UNKNOWN)]
        assert len({answer for answer, _ in ask_all("unlisted", tokend, pair)}) == 1


def test_feedback_tells_and_changes_nothing(tokend):
    """The one request that is not judged: who was handed nothing has nothing dropped, and everybody hears the same."""
    token = tokend.ask("TOKEN", account=BOX).token_id
    report = f"relayed server {RELAY}[192.0.2.1] said: 535 5.7.3 no"
    for peer in ("unlisted", "root", "uid 65534, though listed everywhere"):
        (answer, _), = ask_all(peer, tokend, [{"verb": "feedback", "account": report}])
        assert answer == b"9:NOTFOUND ,"
        uid = pwd.getpwnam(PEERS[peer][0]).pw_uid
        assert f"feedback_ignored uid={uid} reason=nothing-handed-out" in tokend.wait_log(f"feedback_ignored uid={uid} ")
    assert tokend.ask("TOKEN", account=BOX).token_id == token


def test_a_socket_for_a_group(up, workdir, pki, idp, binaries):
    """Its mode keeps others out before the daemon hears of them."""
    tokend = daemon(workdir, idp, pki)
    tokend.top["listen"][1].update({"group": "postfix", "mode": "0660"})
    up(tokend)
    st = os.stat(tokend.run_dir / "second.sock")
    assert st.st_mode & 0o777 == 0o660
    assert good(SASL, ask_all("listed", tokend, [SASL], "second.sock")[0][0])
    with pytest.raises(AssertionError, match="PermissionError"):
        ask_all("unlisted", tokend, [SASL], "second.sock")


def test_every_verb_is_here():
    """A verb that is added to the protocol has to be added to these tests."""
    header = (wire.Path(__file__).parents[2] / "common/wire.h").read_text()
    verbs = set(re.findall(r"\bMX_VERB_([A-Z]+)\b", header)) - {"NONE", "N", "MAX"}
    assert verbs and verbs <= {r["verb"] for r, _, _ in REQUESTS}, verbs
