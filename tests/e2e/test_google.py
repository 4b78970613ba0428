"""Google Workspace: a service account's key file, and a token for each mailbox; at the stand-in for Google."""

import base64
import json
import re
import threading
import urllib.parse

import pytest

from mxtest import exposition, wire
from mxtest.clock import Clock
from mxtest.entra import sign
from mxtest.google import DOMAIN, EMAIL, JWT_BEARER, NUMBER, SCOPE, Google, public
from mxtest.proc import wait_for
from mxtest.recorder import Recorder
from mxtest.tokend import Tokend, memory

A, B = f"a@{DOMAIN}", f"b@{DOMAIN}"
PER_MAILBOX_KB = 6      # token, its place, and what the engine knows


@pytest.fixture
def key(pki):
    return pki.client("google")


@pytest.fixture
def google(up, workdir, pki, key):
    return up(Google(workdir / "g", pki, key))


def client(google, **more):
    """What an entry of "clients" needs beside the preset is where the stand-in is."""
    keys = {"provider": "google-workspace", "service_account_file": "secret:account.json", "token_endpoint": google.token_endpoint,
            "ca_file": str(google.pki.ca), **more}
    return {k: v for k, v in keys.items() if v is not None}


def lone(folder, google, accounts=None, top=None, **more):
    return Tokend(folder, {"g": client(google, **more)}, accounts or {"*": {"client": "g", "allow_users": ["root", "postfix"]}},
                  secrets={"account.json": google.key_file()}, top={"log_level": "debug", **(top or {})})


@pytest.fixture
def tokend(up, workdir, google, binaries):
    return up(lone(workdir / "t", google))


def ask(tokend, account=A, mech="XOAUTH2", **more):
    return tokend.sasl(account, mech, host="smtp.gmail.com", **more)


def subject(reply):
    """Whose token it is."""
    return json.loads(base64.urlsafe_b64decode(reply.token.split(".")[1] + "=="))["sub"]


def lines(tokend, word):
    """STATUS's lines of one kind: dicts."""
    return [dict(f.split("=", 1) for f in ln.split("\t")[1:]) for ln in tokend.ask("STATUS").body.splitlines()
            if ln.split("\t")[0] == word]


def clean(tokend, google):
    """Neither the key nor anything signed with it is in the log."""
    pem = google.key.key.read_text().splitlines()
    for part in (pem[1], pem[len(pem) // 2], "PRIVATE KEY", "eyJ"):
        assert part not in tokend.log()


# --- the stand-in itself ----------------------------------------------------------------------------------------------------------


def header(**more):
    return {k: v for k, v in {"alg": "RS256", "typ": "JWT", "kid": "kid-1", **more}.items() if v is not None}


@pytest.mark.parametrize("head, claims, error, says", [
    ({"kid": "kid-2"}, {}, "invalid_grant", "Invalid JWT Signature."),
    ({"kid": None}, {}, "invalid_grant", "Invalid JWT Signature."),
    ({"alg": "PS256"}, {}, "invalid_grant", "Invalid JWT"),
    ({}, {"iss": "x@y"}, "invalid_grant", "account not found"),
    ({}, {"aud": "https://oauth2.googleapis.com/token"}, "invalid_grant", "audience"),
    ({}, {"iat": 1_000_000_000, "exp": 1_000_000_600}, "invalid_grant", "short-lived"),
    ({}, {"exp": 4_000_000_000}, "invalid_grant", "short-lived"),
    ({}, {"iat": None}, "invalid_grant", "short-lived"),
    ({}, {"scope": None}, "invalid_scope", "Empty"),
    ({}, {"scope": "mail"}, "invalid_scope", "Invalid OAuth scope"),
    ({}, {"scope": "https://www.googleapis.com/auth/gmail.send"}, "unauthorized_client", "Client is unauthorized"),
    ({}, {"sub": None}, "unauthorized_client", "Client is unauthorized"),
    ({}, {"sub": "a@elsewhere.test"}, "invalid_grant", "Invalid email or User ID"),
])
@pytest.mark.infra
def test_the_stand_in_refuses(google, key, head, claims, error, says):
    status, reply, _ = google.prove(sign(key, header(**head), google.claims(**claims)))
    assert status in (400, 401) and reply["error"] == error and says in reply["error_description"]
    assert google.prove(sign(key, header(), google.claims()))[0] == 200     # nothing else was wrong


@pytest.mark.infra
def test_the_stand_in_wants_the_form_that_google_documents(google, key, pki):
    right = sign(key, header(), google.claims())
    assert google.prove(right, scope=SCOPE)[1]["error"] == "invalid_request"
    other = pki.client("stranger")
    assert google.prove(sign(other, header(), google.claims()))[1]["error_description"] == "Invalid JWT Signature."


# --- a token for each mailbox -----------------------------------------------------------------------------------------------------


def test_each_mailbox_has_its_own(tokend, google):
    first, second = ask(tokend, A), ask(tokend, B, "OAUTHBEARER")
    assert first.ok and second.ok, (first, second, tokend.log())
    assert first.token_id != second.token_id and subject(first) == A
    assert second.response.startswith(f"n,a={B},\x01".encode())
    for _ in range(3):
        assert ask(tokend, A).token_id == first.token_id
    assert ask(tokend, "a@EXAMPLE.Test.").token_id == first.token_id        # one mailbox, however its domain is written
    assert google.subjects() == [A, B]
    request = google.requests()[0]
    assert request["fields"] == ["assertion", "grant_type"] and request["grant"] == JWT_BEARER
    assert request["assertion"]["header"] == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    claims = request["assertion"]["claims"]
    assert list(claims) == ["iss", "sub", "scope", "aud", "iat", "exp"]
    assert (claims["iss"], claims["scope"], claims["aud"]) == (EMAIL, SCOPE, google.token_endpoint)
    assert claims["exp"] - claims["iat"] == 600
    clean(tokend, google)


def test_the_mailbox_that_is_logged_in_to(up, workdir, google, binaries):
    """`user` of the account decides, also for TOKEN and FLUSH; two accounts of one mailbox share its token."""
    allow = {"client": "g", "allow_users": ["root"]}
    tokend = up(lone(workdir / "t", google, {f"scanner@{DOMAIN}": {**allow, "user": A}, f"*@{DOMAIN}": allow,
                                             f"fax@{DOMAIN}": {**allow, "user": B}}))
    reply = ask(tokend, f"scanner@{DOMAIN}")
    assert reply.ok and subject(reply) == A and reply.response.startswith(f"user={A}\x01".encode())
    assert tokend.ask("TOKEN", account=A).token_id == reply.token_id
    assert tokend.ask("TOKEN", account=f"scanner@{DOMAIN}").token_id == reply.token_id
    assert google.subjects() == [A]
    other = ask(tokend, f"scanner@{DOMAIN}", user=f"fax@{DOMAIN}")      # SASL's authorization identity
    assert other.ok and subject(other) == B
    told = {"account": f"scanner@{DOMAIN}", "host": "smtp.gmail.com", "token_id": other.token_id}
    assert tokend.ask("REJECTED", **told).ok and ask(tokend, B).token_id == other.token_id      # a's is another one
    assert tokend.ask("REJECTED", user=f"fax@{DOMAIN}", **told).ok
    assert (renewed := ask(tokend, B)).token_id != other.token_id
    other = renewed
    assert tokend.ask("FLUSH", account=f"scanner@{DOMAIN}").ok
    assert ask(tokend, B).token_id == other.token_id
    assert ask(tokend, A).token_id != reply.token_id and google.subjects() == [A, B, B, A]
    assert tokend.tool("flush", B).returncode == 0
    assert ask(tokend, B).token_id != other.token_id
    assert tokend.ask("FLUSH", account=f"never-asked@{DOMAIN}").ok and len(lines(tokend, "mailbox")) == 2


def test_a_rejected_token_is_that_mailboxs(tokend, google):
    first, second = ask(tokend, A), ask(tokend, B)
    assert tokend.ask("REJECTED", account=A, host="smtp.gmail.com", token_id=second.token_id).ok    # not a's
    assert ask(tokend, A).token_id == first.token_id
    assert tokend.ask("REJECTED", account=A, host="smtp.gmail.com", token_id=first.token_id).ok
    assert ask(tokend, A).token_id != first.token_id and ask(tokend, B).token_id == second.token_id
    assert google.subjects() == [A, B, A]


@pytest.mark.parametrize("account", ["", "scanner", "a b@example.test", '"a"@example.test', "ä@example.test", "a@exa_mple.test", "*@example.test"])
def test_no_mailbox(tokend, google, account):
    reply = ask(tokend, account)
    assert not reply.ok and (reply.class_, reply.code) == ("config", "mailbox-needed"), reply
    assert "user: MAILBOX" in reply.text and google.requests() == []


def test_a_herd_of_each_mailbox_asks_once(tokend, google):
    google.set(delayMs=200)
    replies = {}
    threads = [threading.Thread(target=lambda i=i: replies.__setitem__(i, ask(tokend, (A, B)[i % 2]))) for i in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(r.ok for r in replies.values()) and sorted(google.subjects()) == [A, B]


# --- over reloads and restarts ----------------------------------------------------------------------------------------------------


def test_a_restart_keeps_each_token(up, workdir, google, tmpfs, binaries):
    clock = Clock(workdir)
    tokend = up(clock.apply(lone(workdir / "t", google, top={"token_cache": str(tmpfs / "tokens")})))
    first = {m: ask(tokend, m) for m in (A, B, f"c@{DOMAIN}")}
    for end in (tokend.kill, tokend.stop):
        end()
        tokend.start()
        assert ask(tokend, A).token_id == first[A].token_id
        assert [ln for ln in tokend.log().splitlines() if ln.startswith("cache_opened")][-1].endswith("waiting=3")
    assert {m["name"] for m in lines(tokend, "mailbox")} == {f"g/{A}"}      # the others wait until they are asked for
    assert ask(tokend, B).token_id == first[B].token_id and len(google.requests()) == 3
    token = first[f"c@{DOMAIN}"].token.encode()
    assert token in (tmpfs / "tokens").read_bytes()
    clock.advance(3600)     # nobody has asked for c's
    wait_for("c's token to be wiped", lambda: token not in (tmpfs / "tokens").read_bytes() or clock.advance(60), 20)
    tokend.kill()
    tokend.clients["g"]["scope"] = f"{SCOPE} https://www.googleapis.com/auth/gmail.readonly"
    google.set(EMAIL, scopes=tokend.clients["g"]["scope"].split())
    tokend.start()
    assert ask(tokend, A).token_id != first[A].token_id


def test_a_reload_that_takes_the_client_away_wipes_what_waits(up, workdir, google, tmpfs, binaries):
    tokend = up(lone(workdir / "t", google, top={"token_cache": str(tmpfs / "tokens")}))
    token = ask(tokend, A).token.encode()
    tokend.kill()
    tokend.start()
    assert token in (tmpfs / "tokens").read_bytes()
    tokend.clients["g"]["timeout"] = "20s"      # no other token
    tokend.reload("reloaded")
    assert token in (tmpfs / "tokens").read_bytes()
    tokend.clients["h"] = tokend.clients.pop("g")
    tokend.clients["h"]["scope"] = f"{SCOPE} https://www.googleapis.com/auth/gmail.readonly"
    tokend.accounts["*"]["client"] = "h"
    tokend.reload("reloaded")
    wait_for("the token to be wiped", lambda: token not in (tmpfs / "tokens").read_bytes())


def test_askers_over_a_reload(up, workdir, google, tokend):
    """One that waits while its client is changed gets the new one's token."""
    google.set(delayMs=1500)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(ask(tokend, A)))
    thread.start()
    wait_for("the asker", lambda: any(m["waiting"] == "1" for m in lines(tokend, "mailbox")))
    tokend.clients["g"]["client_id"] = NUMBER
    tokend.reload("reloaded")
    thread.join()
    assert replies[0].ok and subject(replies[0]) == A, replies
    assert ask(tokend, A).token_id == replies[0].token_id


# --- what goes wrong --------------------------------------------------------------------------------------------------------------

NO_DELEGATION = f"a super admin adds client ID {NUMBER} with scope {SCOPE}"


@pytest.mark.parametrize("change, account, code, says", [
    ({"scopes": []}, A, "delegation-missing", NO_DELEGATION),
    ({"scopes": ["https://www.googleapis.com/auth/gmail.send"]}, A, "delegation-missing", NO_DELEGATION),
    ({"keys": {}}, A, "key-rejected", "make a new JSON key"),
    ({"state": "disabled"}, A, "client-disabled", "IAM & Admin, Service Accounts"),
    ({"state": "deleted"}, A, "client-unknown", "a new service account's file"),
    ({}, "a@elsewhere.test", "mailbox-unknown", "must be a user's own address"),
])
def test_what_google_refuses(tokend, google, change, account, code, says):
    google.set(EMAIL, **change)
    reply = ask(tokend, account)
    assert (reply.class_, reply.code) == ("provider", code) and says in reply.text, reply
    assert reply.text.startswith(f'{account}: client "g": HTTP 40')
    assert ask(tokend, account).code == code and len(google.requests()) == 1    # held
    clean(tokend, google)


@pytest.mark.parametrize("error, description, status, code", [
    ("invalid_grant", "Invalid grant: account not found", 400, "mailbox-unknown"),
    ("access_denied", "Requested client not authorized.", 403, "delegation-missing"),
    ("access_denied", "Account restricted.", 403, "policy-blocked"),
    ("invalid_scope", "Invalid OAuth scope or ID token audience provided.", 400, "scope-rejected"),
])
def test_refusals_in_googles_words(tokend, google, error, description, status, code):
    google.set(refuse={"error": error, "error_description": description, "status": status})
    reply = ask(tokend)
    assert (reply.class_, reply.code) == ("provider", code), reply


@pytest.mark.parametrize("ahead", [7200, -7200])
def test_a_wrong_clock(tokend, google, ahead):
    google.set(ahead=ahead)
    reply = ask(tokend)
    assert reply.code == "assertion-expired" and "clock" in reply.text, reply


def test_a_refused_mailbox_holds_up_no_other(tokend, google):
    assert ask(tokend, "wrong@elsewhere.test").code == "mailbox-unknown"
    assert ask(tokend, A).ok
    states = {m["name"]: m["state"] for m in lines(tokend, "mailbox")}
    assert states == {"g/wrong@elsewhere.test": "hold", f"g/{A}": "fresh"}
    one, = lines(tokend, "client")
    assert (one["name"], one["state"], one["fetches"], one["fetches_ok"]) == ("g", "empty", "2", "1")
    assert "code" not in one and one["last_failure_code"] == "mailbox-unknown"
    assert lines(tokend, "daemon")[0]["mailboxes"] == "2"
    shown = tokend.tool("status").stdout
    assert f"g/{A}" in shown and tokend.tool("status", "--check").returncode == 0
    report = json.loads(tokend.tool("status", "--json").stdout)
    assert [m["name"] for m in report["mailboxes"]] == ["g/wrong@elsewhere.test", f"g/{A}"] and len(report["clients"]) == 1
    metrics = exposition.parse(tokend.ask("METRICS").body)
    assert metrics["mta_xoauth2_mailboxes"].value(client="g") == 2
    assert metrics["mta_xoauth2_mailboxes_failing"].value(client="g") == 1
    assert metrics["mta_xoauth2_client_failing"].value(client="g") == 0
    assert 3500 < metrics["mta_xoauth2_token_seconds_to_expiry"].value(client="g") < 3600
    assert "@" not in tokend.ask("METRICS").body


def test_nobody_has_a_token(tokend, google):
    google.set(EMAIL, scopes=[])
    assert not ask(tokend).ok
    assert tokend.tool("status", "--check").returncode == 2
    assert exposition.parse(tokend.ask("METRICS").body)["mta_xoauth2_client_failing"].value(client="g") == 1


def test_another_key_file_mends_it(tokend, google, pki):
    """Without a restart, and within seconds: the hold ends when the file changes."""
    google.set(EMAIL, keys={})
    assert ask(tokend).code == "key-rejected"
    other = pki.client("google-2")
    google.set(EMAIL, keys={"kid-2": public(other)})
    tokend.write_secret("account.json", google.key_file(other, private_key_id="kid-2"))
    assert tokend.wait_log("file_changed")
    wait_for("a token", lambda: ask(tokend).ok)
    assert google.requests()[-1]["assertion"]["header"]["kid"] == "kid-2"
    clean(tokend, google)


def test_two_service_accounts(up, workdir, google, pki, binaries):
    """The second is tried when the first one's key is refused, and the other mailboxes know that."""
    tokend = lone(workdir / "t", google, service_account_file=None, credentials=[
        {"service_account_file": "secret:old.json"}, {"service_account_file": "secret:account.json"}])
    tokend.secrets["old.json"] = google.key_file(pki.client("gone"), private_key_id="gone")
    up(tokend)
    assert ask(tokend, A).ok and ask(tokend, B).ok
    assert [r["assertion"]["header"]["kid"] for r in google.requests()] == ["gone", "kid-1", "kid-1"]


# --- the file ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content, code, says", [
    ({"type": "authorized_user"}, "service-account-wrong-kind", "a person's login"),
    ({"type": "external_account"}, "service-account-wrong-kind", "federation"),
    ({"type": None}, "service-account-wrong-kind", "another kind"),
    ({"type": None, "installed": {"client_secret": "x"}}, "service-account-wrong-kind", "client secret of an OAuth client"),
    ({"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, "service-account-malformed", "OpenSSL cannot read"),
    ({"private_key": None}, "service-account-malformed", "lacks private_key"),
    ({"client_email": 1}, "service-account-malformed", "client_email"),
    ({"token_uri": "https://oauth2.googleapis.com.evil.test/token"}, "service-account-foreign", "is not followed"),
    ({"token_uri": "http://127.0.0.1/token"}, "service-account-foreign", "is not followed"),
    ("{", "service-account-malformed", "ends too early"),
    ("", "service-account-malformed", "is empty"),
    ("key", "service-account-malformed", "the bare key"),
    ("mode", "service-account-world-readable", "chmod o-r"),
    ("gone", "service-account-missing", "does not exist"),
])
def test_files_that_are_not_it(tokend, google, key, content, code, says):
    """The daemon says so, to the asker and when it checks; nothing is sent."""
    path = tokend.secret_path("account.json")
    if isinstance(content, dict):
        tokend.write_secret("account.json", google.key_file(**content))
    elif content in ("{", "", "key"):
        tokend.write_secret("account.json", {"{": "{\"type\": \"service_account\",", "": "", "key": key.key.read_text()}[content])
    elif content == "mode":
        path.chmod(0o644)
    else:
        path.unlink()
    reply = ask(tokend)
    assert (reply.class_, reply.code) == ("config", code) and says in reply.text, reply
    assert google.requests() == []
    tokend.secrets.pop("account.json")
    checked = tokend.check()
    assert checked.returncode == 3 and says in checked.stderr, checked
    clean(tokend, google)


@pytest.mark.parametrize("id, good", [(NUMBER, True), (EMAIL, True), ("somebody@else", False)])
def test_client_id_beside_the_file(up, workdir, google, binaries, id, good):
    tokend = lone(workdir / "t", google, client_id=id)
    checked = tokend.check()
    assert (checked.returncode == 0) == good, checked
    if not good:
        assert "client_id says somebody@else" in checked.stderr
    else:
        assert ask(up(tokend)).ok


def test_a_key_of_ones_own(up, workdir, pki, key, binaries):
    """Any provider's jwt-bearer grant, with the keys of private_key_jwt; the request to the byte."""
    recorder = up(Recorder(pki.cert()))
    tokend = up(Tokend(workdir / "t", {"c": {
        "provider": "custom", "grant": "jwt-bearer", "token_endpoint": recorder.url, "client_id": "relay", "key": "secret:k.pem",
        "key_id": "k1", "assertion_algorithm": "RS256", "assertion_issuer": "the issuer", "scope": "smtp", "ca_file": str(pki.ca)}},
        {"*": {"client": "c"}}, secrets={"k.pem": key.key.read_text()}))
    assert tokend.sasl(A).ok, tokend.log()
    request, = recorder.requests
    fields = dict(urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True))
    assertion = fields["assertion"]
    assert request.body.decode() == (f"grant_type={urllib.parse.quote(JWT_BEARER, safe='')}&assertion={assertion}"
                                     "&client_id=relay&scope=smtp")
    head, claims = (json.loads(base64.urlsafe_b64decode(p + "==")) for p in assertion.split(".")[:2])
    assert head == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert list(claims) == ["iss", "sub", "scope", "aud", "iat", "exp"]
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("the issuer", A, recorder.url)


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
def test_oidc_provider(make_chain, pki, key, alg):
    """The same with an identity provider that is none of ours, and a mail."""
    chain = make_chain(without=("tokend", "postfix"), box=A, idp_client={
        "client_secret": None, "auth": "none", "sub": None, "bearer": True, "certificates": [key.pem()]}, client={
        "client_secret_file": None, "client_auth": None, "grant": "jwt-bearer", "key": "secret:k.pem", "assertion_algorithm": alg,
        "scope": "mail"})
    chain.tokend.secrets = {"k.pem": key.key.read_text()}
    chain.tokend.accounts["*"] = {"client": "chain", "allow_users": ["root"]}
    chain.tokend.start()
    chain.postfix.start()
    mail, = chain.deliver(1, subject=alg)
    assert mail.subject == alg and f"user=<{A}>" in chain.dovecot.logins()[0]
    assert subject(chain.tokend.sasl(B)) == B
    made = [r["assertion"] for r in chain.idp.requests()]
    assert [m["claims"]["sub"] for m in made] == [A, B] and made[0]["header"] == {"alg": alg, "typ": "JWT"}
    chain.tokend.write_secret("k.pem", pki.client("google-2").key.read_text())
    reply = chain.tokend.sasl(f"c@{DOMAIN}")
    assert (reply.class_, reply.code) == ("provider", "grant-rejected"), reply


# --- many -------------------------------------------------------------------------------------------------------------------------


def test_a_thousand_mailboxes(tokend, google):
    """One token request each, under load and with reloads in the middle; and what a mailbox costs."""
    names = [f"m{n}@{DOMAIN}" for n in range(1000)]
    ask(tokend, A)
    before, ids, bad = memory(tokend), {}, []

    def work(part):
        for name in part * 2:
            reply = ask(tokend, name, deadline_ms=60000)
            if not reply.ok or ids.setdefault(name, reply.token_id) != reply.token_id:
                bad.append((name, reply))
    threads = [threading.Thread(target=work, args=(names[i::8] + names[(i + 1) % 8::8],)) for i in range(8)]
    for t in threads:
        t.start()
    for _ in range(3):
        count = len(google.requests())
        wait_for("more of them", lambda: len(google.requests()) >= min(count + 100, 1001), 60)
        tokend.reload("reloaded")
    for t in threads:
        t.join()
    assert not bad, bad[:3]
    assert sorted(google.subjects()) == sorted([A, *names])
    assert len(set(ids.values())) == 1000 and len(lines(tokend, "mailbox")) == 1001
    if before:
        each = (memory(tokend) - before) / 1000
        print(f"# {each:.1f} kB for each mailbox, its token included")
        assert each <= PER_MAILBOX_KB
    assert exposition.parse(tokend.ask("METRICS").body)["mta_xoauth2_mailboxes"].value(client="g") == 1001


def test_invented_mailboxes_push_out_none_that_works(up, workdir, google, binaries):
    tokend = up(lone(workdir / "t", google, top={"max_mailboxes": 20}))
    good = [f"m{n}@{DOMAIN}" for n in range(10)]
    ids = [ask(tokend, m).token_id for m in good]
    for n in range(100):
        assert ask(tokend, f"x{n}@elsewhere.test").code == "mailbox-unknown"
    assert [ask(tokend, m).token_id for m in good] == ids
    assert len(lines(tokend, "mailbox")) == 20 and len(google.requests()) == 110
    google.set(delayMs=3000)
    threads = [threading.Thread(target=ask, args=(tokend, f"w{n}@{DOMAIN}"), kwargs={"deadline_ms": 2000}) for n in range(20)]
    for t in threads:
        t.start()
    wait_for("all to wait", lambda: sum(m["state"] == "first" for m in lines(tokend, "mailbox")) == 20)
    reply = ask(tokend, f"one-more@{DOMAIN}")
    assert (reply.class_, reply.code) == ("busy", "too-many-mailboxes"), reply
    for t in threads:
        t.join()


def test_one_user_cannot_invent_for_ever(tokend, google):
    """2000 at once, then 20 a second: of each user, and not of those who have a token already."""
    google.set(refuse={"error": "invalid_grant", "error_description": "Invalid email or User ID", "status": 400})
    request = [wire.line("SASL", account=f"x{n}@{DOMAIN}", host="smtp.gmail.com", deadline_ms=60000) for n in range(2400)]
    codes = []

    def work(part):
        codes.extend(wire.Reply(wire.exchange(tokend.socket, r, 60)).code for r in part)
    threads = [threading.Thread(target=work, args=(request[i::16],)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    made = len(lines(tokend, "mailbox"))
    assert set(codes) <= {"mailbox-unknown", "too-many-mailboxes"} and codes.count("too-many-mailboxes") == 2400 - made
    assert made >= 2000


# --- mail -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_a_mail_is_delivered(make_chain, workdir, pki, key, mechanism):
    google = Google(workdir / "g", pki, key)
    chain = make_chain(without=("tokend", "postfix"), box=A, mechanism=mechanism, idp=google,
                       client={**client(google), "client_id": None, "client_secret_file": None, "client_auth": None, "grant": None,
                               "scope": None},
                       account={"relays": ["localhost"]})
    chain.tokend.secrets = {"account.json": google.key_file()}
    chain.tokend.start()
    chain.postfix.start()
    mail, = chain.deliver(1, subject="by a service account")
    assert mail.subject == "by a service account"
    login, = chain.dovecot.logins()
    assert f"user=<{A}>" in login and re.search(rf"method={mechanism}", login, re.I)
    assert google.subjects() == [A]
    clean(chain.tokend, google)
    assert "PRIVATE" not in chain.postfix.log() and "eyJ" not in chain.postfix.log()
