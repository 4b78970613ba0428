"""mta-xoauth2 diagnose, to the identity provider and of the token: each broken set-up has its own cause and fix, healthy ones none."""

import json
import re
import subprocess

import pytest

from mxtest import paths
from mxtest.alone import BOX, SECRET, oauth_client
from mxtest.azure import AUDIENCE, Issuer, Platform, identity
from mxtest.entra import APP, SCOPE, TENANT, Entra
from mxtest.google import EMAIL, NUMBER, Google
from mxtest.idp import Idp
from mxtest.net import free_port
from mxtest.pki import Pki
from mxtest.proxies import PASSWORD, StandIn, Tinyproxy
from mxtest.recorder import Answer, Recorder
from mxtest.refresh import PUBLIC, store     # noqa: F401
from mxtest.said import note
from mxtest.tokend import Tokend

VALUE = "3~x8Q~a-right-value-of-forty-characters~"
RELAY = "127.0.0.1"
GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PORTAL = "<!DOCTYPE html><html><head><title>Hotel Wi-Fi: please log in</title></head><body>Welcome</body></html>"


class Said:
    """What diagnose found: the JSON of it, its exit status, and the marks of links by their ids."""

    def __init__(self, done):
        self.status, self.text = done.returncode, done.stdout
        self.json = note(json.loads(done.stdout))
        self.code, self.cause, self.fix = (self.json[k] or "" for k in ("code", "cause", "fix"))
        self.marks = {link["id"]: link["mark"] for link in self.json["links"]}
        self.links = {link["id"]: link["text"] for link in self.json["links"]}
        self.evidence = "\n".join(self.json["evidence"])
        self.unknown = "\n".join(self.json["unknown"])
        self.claims = self.json["claims"]

    def broken(self, link, code, status):
        """The walk ended at that link, with that code; the links before it are fine."""
        assert self.json["verdict"] == "broken", self.text
        assert (self.json["links"][-1]["id"], self.code, self.status) == (link, code, status), self.text
        assert self.json["exit"] == status and list(self.marks.values()).count("broken") == 1
        assert self.cause and self.fix and self.evidence
        placeholder = re.search(r"\{[a-z:_]+\}", self.cause + self.fix)
        assert not placeholder, placeholder
        return self

    def healthy(self, **marks):
        """Nothing between here and the token is broken; marks: of links, with _ for -."""
        ours = ["dns-provider", "tcp-provider", "tls-provider", "http-provider", "clock-provider", "token-request", "claims"]
        assert all(self.marks.get(link) != "broken" for link in ours), self.text
        assert self.marks["token-request"] == "ok", self.text
        for link, mark in marks.items():
            assert self.marks[link.replace("_", "-")] == mark, self.text
        return self


class World:
    """A daemon with one client of Exchange Online's at the stand-in for Entra, to be put wrong; client and account: keys of theirs."""

    def __init__(self, up, workdir, pki, entra=None, client=None, account=None, secret=VALUE, endpoint=None, secrets=None):
        self.up, self.workdir, self.pki, self.entra = up, workdir, pki, entra
        keys = {"provider": "exchange-online", "tenant": TENANT, "client_id": APP, "client_secret_file": "secret:c.secret",
                "token_endpoint": endpoint or (entra.template if entra else None), "ca_file": str(pki.ca), **(client or {})}
        self.tokend = Tokend(workdir / "t", {"c": {k: v for k, v in keys.items() if v is not None}},
                             {BOX: {"client": "c", "allow_users": ["root"], "relays": [RELAY], **(account or {})}},
                             secrets={"c.secret": secret, **(secrets or {})})
        self.hidden = {secret.strip() if isinstance(secret, str) else secret.decode(), PASSWORD}
        self.environment, self.launcher = {}, []
        self.port = free_port()     # nobody listens there: the walk ends behind the token at the latest

    def start(self):
        self.up(self.tokend)
        return self

    def run(self, *more, user=None):
        (self.workdir / "no-mta").mkdir(exist_ok=True)
        argv = [*self.launcher, paths.ours("tool"), "diagnose", BOX, "--config", self.tokend.config, "--socket", self.tokend.socket, "--relay",
                f"{RELAY}:{self.port}", "--instance", self.workdir / "no-mta", *more]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **self.environment}, user=user)
        said = done.stdout + done.stderr
        for secret in self.hidden:
            assert secret not in said
        assert not re.search(r"eyJ[\w-]{8,}\.[\w-]{8,}", said), "a token or an assertion was printed"
        assert done.stderr == "", done.stderr
        return done

    def say(self, *more, **how):
        return Said(self.run("--json", *more, **how))


@pytest.fixture
def entra(up, workdir, pki):
    def make(settings=None, **app):
        return up(Entra(workdir / "entra", pki, [{"client_id": APP, "secrets": [{"value": VALUE}], "sub": BOX, **app}],
                        settings=settings))
    return make


@pytest.fixture
def world(up, workdir, pki, binaries, entra):
    """world(app={...}, settings={...}, **arguments of World): with Entra, started."""
    def make(app=None, settings=None, **more):
        return World(up, workdir, pki, entra(settings, **(app or {})), **more).start()
    return make


def lone(up, workdir, pki, endpoint, **more):
    """Without Entra: what answers is at endpoint."""
    return World(up, workdir, pki, endpoint=endpoint, **more).start()


# --- broken set-ups --------------------------------------------------------------------------------------------------------


GOOD = Said.healthy
SCOPE_LINE = f"scope: {SCOPE}"


@pytest.mark.parametrize("secret, code, cause, said", [
    ("7c9a1d2e-0b3f-4c5d-8e6f-a1b2c3d4e5f6", "secret-is-guid", "looks like its ID in place of its value", "the secret is a GUID"),
    (VALUE[:-6], "client-secret-rejected", "not one of this application's", "has 34 bytes; Entra's have 40"),
    (VALUE[:12], "secret-short", "shorter than the provider's are", "fewer than 16 bytes"),
    (VALUE + "\nsecond line", "secret-has-controls", "control characters", "more than one line"),
    (VALUE + " ", "secret-has-blanks", "blank at either end", "a blank"),
    ("another~secret-of-another-application-000", "client-secret-rejected", "not one of this application's", "HTTP 401 invalid_client"),
], ids=["its ID", "truncated", "very short", "a newline", "a blank", "another's"])
def test_a_wrong_secret(world, secret, code, cause, said):
    w = world(secret=secret)
    s = w.say().broken("token-request", code, 3 if code.startswith("secret-") else 5)
    assert cause in s.cause and said in s.evidence and "AADSTS7000215" in s.evidence
    assert re.search(rf"trace id {GUID}, correlation id {GUID}, 20\d\d-", s.evidence)
    if code in ("secret-is-guid", "client-secret-rejected"):
        assert f"az ad app credential reset --id {APP}" in s.fix and f"/dev/stdin {w.tokend.secret_path('c.secret')}" in s.fix


def test_an_expired_secret(world):
    s = world(app={"secrets": [{"value": VALUE, "expires": "2021-01-01T00:00:00Z"}]}).say()
    s.broken("token-request", "client-secret-expired", 5)
    assert "has run out" in s.cause and f"credential reset --id {APP}" in s.fix and "AADSTS7000222" in s.evidence


def test_an_application_of_another_tenant(world):
    s = world(app={"tenants": ["contoso.example"]}).say().broken("token-request", "client-unknown", 5)
    assert "no application with this client_id in this tenant" in s.cause and APP in s.fix and TENANT in s.fix


def test_an_unknown_tenant(world):
    s = world(client={"tenant": "fabrikam.example"}).say().broken("token-request", "tenant-unknown", 5)
    assert "no such tenant" in s.cause and "tenant fabrikam.example" in s.fix and "AADSTS90002" in s.evidence


def test_no_service_principal(world):
    s = world(app={"principal": False}).say().broken("token-request", "no-service-principal", 5)
    assert "no service principal" in s.cause and f"az ad sp create --id {APP}" in s.fix


def test_a_tenant_of_another_cloud(world):
    s = world(settings={"abroad": [TENANT]}).say().broken("token-request", "wrong-cloud", 5)
    assert "another cloud" in s.cause and "set cloud to" in s.fix and "AADSTS900439" in s.evidence


def test_a_token_of_another_cloud(world):
    s = world(client={"scope": "https://outlook.office365.us/.default"}).say().broken("claims", "wrong-cloud", 5)
    assert "aud is https://outlook.office365.us" in s.evidence


WRONG_SCOPE = {"scope": "https://outlook.office.com/SMTP.SendAsApp"}


def test_the_permission_s_name_as_scope(world):
    s = world(client=WRONG_SCOPE).say().broken("token-request", "scope-rejected", 5)
    assert "names a permission" in s.cause and f"set scope to {SCOPE}" in s.fix and "AADSTS1002012" in s.evidence


def test_the_permission_s_name_as_scope_at_microsoft(up, workdir, pki, binaries):
    """There it can never work: the configuration says so, and nobody is asked."""
    w = World(up, workdir, pki, client=WRONG_SCOPE)
    w.tokend.write()
    s = w.say().broken("configuration", "scope-names-permission", 3)
    assert f'write "{SCOPE_LINE}"' in s.evidence and "names a permission" in s.cause
    assert f"{w.tokend.config}, line " in s.fix and f"write {SCOPE_LINE};" in s.fix and "SMTP.SendAsApp is granted" in s.fix


def test_a_token_for_graph(world):
    s = world(client={"scope": "https://graph.microsoft.com/.default"}).say().broken("claims", "token-audience", 3)
    assert "another service" in s.cause and SCOPE_LINE in s.fix and s.claims["aud"] == "https://graph.microsoft.com"


def test_a_permission_without_consent(world):
    """Entra gives a token without roles; with App RBAC that is right, and nobody but Exchange can tell."""
    s = GOOD(world(app={"roles": []}).say(), claims="note")
    assert "fine only with App RBAC" in s.links["claims"] and "roles" not in s.claims
    assert f"Test-ServicePrincipalAuthorization -Identity {APP} -Resource {BOX}" in s.unknown.replace("'", "")


def test_a_delegated_permission(world):
    s = world(app={"roles": [], "claims": {"scp": "SMTP.Send"}}).say().broken("claims", "token-delegated", 5)
    assert "delegated permission" in s.cause and "Application permissions, SMTP.SendAsApp" in s.fix and APP in s.fix
    assert f"mta-xoauth2 flush {BOX}" in s.fix and s.claims["scp"] == ["SMTP.Send"]


@pytest.mark.parametrize("claims, code, status, said", [
    ({"tid": "11111111-2222-4333-8444-555555555555"}, "token-tenant", 3, "tid is 11111111-"),
    ({"appid": "11111111-2222-4333-8444-555555555555"}, "token-client", 3, "appid is 11111111-"),
    ({"exp": 1700000000}, "token-expired", 3, "exp lies"),
    ({"nbf": 4000000000}, "token-expired", 3, "nbf is"),
    ({"aud": "00000003-0000-0000-c000-000000000000"}, "token-audience", 3, "(Microsoft Graph)"),
])
def test_claims_that_no_server_takes(world, claims, code, status, said):
    assert said in world(app={"claims": claims}).say().broken("claims", code, status).evidence


# --- certificates and assertions -------------------------------------------------------------------------------------------


def by_key(key, cert=None, **more):
    return {"client": {"client_secret_file": None, "key": "secret:c.key", "certificate_file": "secret:c.crt", **more},
            "secrets": {"c.key": key.key.read_text(), "c.crt": (cert or key).pem()}}


@pytest.mark.parametrize("ahead, word", [(3600, "behind"), (-3600, "ahead of")])
def test_a_wrong_clock(world, pki, ahead, word):
    key = pki.client()
    s = world(app={"certificates": [key.pem()]}, settings={"ahead": ahead}, **by_key(key)).say()
    s.broken("clock-provider", "clock-wrong", 3)
    assert re.search(r"clock is (359\d|360\d) s off", s.cause) and "timedatectl set-ntp true" in s.fix
    assert f" s {word} the provider's" in s.evidence and "AADSTS700024" in s.evidence


def test_a_wrong_clock_that_does_no_harm(world):
    s = GOOD(world(settings={"ahead": 3600}).say(), clock_provider="note", claims="ok")
    assert "behind the provider's" in s.links["clock-provider"]


def test_a_certificate_that_was_not_uploaded(world, pki):
    key = pki.client()
    w = world(app={"certificates": [pki.client("another").pem()]}, **by_key(key))
    s = w.say().broken("token-request", "certificate-unknown", 5)
    assert "does not know the key" in s.cause and key.fingerprint() in s.fix and "AADSTS700027" in s.evidence
    assert f"--id {APP} --cert @{w.tokend.secret_path('c.crt')} --append" in s.fix


def test_key_and_certificate_that_differ(world, pki):
    key = pki.client()
    w = world(app={"certificates": [key.pem()]}, **by_key(key))
    w.tokend.write_secret("c.crt", pki.client("another").pem())
    s = w.say().broken("files", "key-certificate-mismatch", 3)
    assert "do not belong together" in s.cause and all(line in s.fix for line in (
        f"openssl x509 -in {w.tokend.secret_path('c.crt')} -noout -pubkey", f"openssl pkey -in {w.tokend.secret_path('c.key')} -pubout"))
    assert not w.entra.requests()


@pytest.fixture
def federated(up, workdir, pki, binaries):
    """federated(claims of the assertion): a World whose platform hands a token out."""
    def make(**claims):
        issuer = Issuer(workdir / "issuer", pki)
        entra = up(Entra(workdir / "entra", pki, [{"client_id": APP, "sub": BOX, "federated": [issuer.credential()]}],
                         issuers={issuer.url: issuer.jwks}))
        token = issuer.token(**claims)
        w = World(up, workdir, pki, entra, {"client_secret_file": None, "assertion_file": "secret:token"}, secrets={"token": token})
        w.hidden.add(token)
        return w.start(), issuer
    return make


def test_a_federated_subject_that_differs(federated):
    w, issuer = federated(sub="system:serviceaccount:mail:other")
    s = w.say().broken("token-request", "federation-mismatch", 5)
    assert "no federated credential has the assertion's subject" in s.cause and "AADSTS700213" in s.evidence
    for line in (f"Issuer: {issuer.url}", "Subject identifier: system:serviceaccount:mail:other", f"Audience: {AUDIENCE}"):
        assert line in s.fix


def test_a_federated_token_that_nobody_renews(federated):
    w, _ = federated(exp=1_600_000_000)
    s = w.say().broken("token-request", "federated-token-stale", 3)
    assert str(w.tokend.secret_path("token")) in s.cause + s.fix and "AADSTS700024" in s.evidence and s.marks["clock-provider"] == "ok"


# --- the way -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer, code, status, said", [
    (Answer(PORTAL, headers={"Content-Type": "text/html; charset=utf-8", "Server": "coova"}), "captive-portal", 75,
     "the body begins: <!DOCTYPE html><html><head><title>Hotel Wi-Fi: please log in"),
    (Answer(PORTAL, 403, {"Content-Type": "text/html"}), "captive-portal", 75, "HTTP 403, type text/html"),
    (Answer("", 302, {"Location": "https://portal.example/login?u=1"}), "redirect-refused", 3, "portal.example"),
    (Answer("OK", headers={"Content-Type": "text/plain"}), "reply-not-json", 75, "the body begins: OK"),
], ids=["page", "filter", "redirect", "something"])
def test_a_captive_portal(up, workdir, pki, binaries, answer, code, status, said):
    recorder = up(Recorder(pki.cert())).script(answer)
    s = lone(up, workdir, pki, recorder.url).say().broken("http-provider", code, status)
    assert said in s.evidence and s.marks["tls-provider"] == "ok" and "mta-xoauth2 test CA" in s.evidence
    assert {"captive-portal": "have 127.0.0.1 let through", "redirect-refused": "captive portal",
            "reply-not-json": "what filters web traffic"}[code] in s.fix
    if code == "captive-portal":
        assert "a captive portal, or the page of a proxy" in s.cause


def test_a_page_that_repeats_the_form(up, workdir, pki, binaries):
    """What was sent is not shown, in whatever coding it comes back."""
    recorder = up(Recorder(pki.cert())).script(Answer("You sent client_secret=3%7Ex8Q%7Ea-right-value and more", headers={"Content-Type": "text/plain"}))
    s = lone(up, workdir, pki, recorder.url).say().broken("http-provider", "reply-not-json", 75)
    assert "the body begins: You sent" in s.evidence and "3%7E" not in s.text


def test_a_page_that_means_harm(up, workdir, pki, binaries):
    """What a terminal or a program for JSON would stumble over is not handed on."""
    body = b"\n \t<b>\x1b[31m\"quote\\ \x00\xff\xe2\x80\xaetxet\r\n\r\n  {}" + b"<i>" * 100000
    recorder = up(Recorder(pki.cert())).script(Answer(body.decode("latin1"), headers={"Content-Type": 'text/html"\\; x="',
                                                                                  "Server": '"\\\x1b]0;x\x07'}))
    w = lone(up, workdir, pki, recorder.url)
    s = w.say().broken("http-provider", "captive-portal", 75)
    assert 'the body begins: <b>?[31m"quote\\ ' in s.evidence
    for text in (s.text, w.run().stdout):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


def test_a_provider_that_is_silent(up, workdir, pki, binaries):
    recorder = up(Recorder(pki.cert())).script(Answer(hang=True))
    s = lone(up, workdir, pki, recorder.url, client={"timeout": "2s"}).say().broken("http-provider", "provider-timeout", 75)
    assert s.marks["tls-provider"] == "ok" and "tried again by itself" in s.fix


def test_a_ca_that_is_not_trusted(up, workdir, pki, binaries):
    recorder = up(Recorder(Pki(workdir / "corp", "Corp Proxy CA").cert()))
    s = lone(up, workdir, pki, recorder.url).say().broken("tls-provider", "tls-untrusted-ca", 75)
    assert "issued by CN=Corp Proxy CA" in s.evidence and "ca_file" in s.fix and not recorder.requests


NAMED = ["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh"]


@pytest.fixture
def microsoft(up, workdir, pki, binaries):
    """microsoft(pki of the server): the preset's own host, which is on this machine for the tool alone."""
    hosts = workdir / "hosts"
    hosts.write_text("127.0.0.1 localhost login.microsoftonline.com\n")
    if (done := subprocess.run([*map(str, NAMED), hosts, "true"], capture_output=True, text=True)).returncode:
        pytest.skip(f"no mount namespace here: {done.stderr}")

    def make(server, **more):
        recorder = up(Recorder(server.cert("microsoft", names=("login.microsoftonline.com",))))
        w = lone(up, workdir, pki, f"https://login.microsoftonline.com:{recorder.port}/{{tenant}}/oauth2/v2.0/token", **more)
        w.launcher = [*NAMED, hosts]
        return w, recorder
    return make


def test_tls_that_is_intercepted(microsoft, workdir):
    w, recorder = microsoft(Pki(workdir / "corp", "Corp Proxy CA"))
    s = w.say().broken("tls-provider", "tls-intercepted", 75)
    assert "issued by CN=Corp Proxy CA" in s.cause and "exempted from TLS inspection" in s.fix and "ca_file: " in s.fix
    assert "DigiCert or Microsoft" in s.evidence and not recorder.requests


def test_tls_that_is_intercepted_and_trusted(microsoft, pki):
    w, recorder = microsoft(pki)
    s = w.say()
    assert s.marks["tls-provider"] == "note" and "something in between reads what is sent" in s.links["tls-provider"]
    assert s.marks["token-request"] == "ok" and s.marks["claims"] == "skip" and len(recorder.requests) == 1


def test_a_secret_id_at_microsoft_is_not_even_sent(microsoft, pki):
    w, recorder = microsoft(pki, secret=VALUE)
    w.tokend.write_secret("c.secret", "7c9a1d2e-0b3f-4c5d-8e6f-a1b2c3d4e5f6\n")
    s = w.say().broken("files", "secret-is-guid", 3)
    assert f"az ad app credential reset --id {APP}" in s.fix and not recorder.requests


def test_nobody_listens(up, workdir, pki, binaries):
    s = lone(up, workdir, pki, f"https://127.0.0.1:{free_port()}/token").say().broken("tcp-provider", "connect-refused", 75)
    assert s.marks["dns-provider"] == "ok" and "addresses that were tried: 127.0.0.1" in s.evidence


def test_no_such_name(up, workdir, pki, binaries):
    w = lone(up, workdir, pki, "https://login.nowhere.test/token")
    switch = workdir / "nsswitch"
    switch.write_text("passwd: files\ngroup: files\nhosts: files\n")
    w.launcher = [part.replace("/etc/hosts", "/etc/nsswitch.conf") for part in NAMED] + [switch]
    s = w.say().broken("dns-provider", "dns-failed", 75)
    assert "getent hosts" in s.fix and "login.nowhere.test:443" in s.evidence


def test_a_certificate_for_another_name(up, workdir, pki, binaries):
    s = lone(up, workdir, pki, up(Recorder(pki.wrong_name())).url).say().broken("tls-provider", "tls-name-mismatch", 75)
    assert "shown is for CN=other.example.org" in s.evidence


def test_a_proxy_that_wants_a_password(world, up):
    proxy = up(StandIn(auth="Basic"))
    s = world(client={"proxy": proxy.url}).say().broken("tcp-provider", "proxy-auth", 3)
    assert "HTTP 407" in s.evidence and f"the proxy 127.0.0.1:{proxy.port}" in s.evidence and "proxy_credentials_file" in s.fix


def test_a_proxy_that_is_not_there(world):
    port = free_port()
    s = world(client={"proxy": f"http://127.0.0.1:{port}"}).say().broken("tcp-provider", "proxy-failed", 75)
    assert f"127.0.0.1:{port}" in s.evidence


@pytest.fixture
def google(up, workdir, pki, binaries):
    """google(scopes=[...] ...): a World with a service account."""
    def make(**account):
        key = pki.client("google")
        stand_in = up(Google(workdir / "google", pki, key))
        if account:
            stand_in.set(EMAIL, **account)
        return World(up, workdir, pki, client={
            "provider": "google-workspace", "tenant": None, "client_id": None, "client_secret_file": None,
            "service_account_file": "secret:account.json", "token_endpoint": stand_in.token_endpoint},
            secrets={"account.json": stand_in.key_file()}).start()
    return make


def test_a_service_account_without_delegation(google):
    s = google(scopes=[]).say().broken("token-request", "delegation-missing", 5)
    assert "no domain-wide delegation" in s.cause and f"client ID {NUMBER}" in s.fix


def test_a_deleted_key_of_a_service_account(google):
    s = google(keys={}).say().broken("token-request", "key-rejected", 5)
    assert "it was deleted" in s.cause and "Invalid JWT Signature" in s.evidence


# --- healthy set-ups ---------------------------------------------------------------------------------------------------------


def test_a_secret(world):
    s = GOOD(world().say(), dns_provider="ok", tcp_provider="ok", tls_provider="ok", http_provider="ok", clock_provider="ok", claims="ok")
    assert (s.claims["appid"], s.claims["tid"], s.claims["roles"]) == (APP, TENANT, ["SMTP.SendAsApp"])


def test_a_secret_by_a_proxy(world, up, workdir):
    proxy = up(Tinyproxy(workdir / "proxy", password=None))
    s = GOOD(world(client={"proxy": proxy.url}).say(), tcp_provider="ok", claims="ok")
    assert f"by the proxy 127.0.0.1:{proxy.port}" in s.links["tcp-provider"] and len(proxy.tunnels()) == 1


def test_a_certificate(world, pki):
    key = pki.client()
    assert GOOD(world(app={"certificates": [key.pem()]}, **by_key(key)).say(), claims="ok").claims["appidacr"] == "2"


def test_a_federated_token(federated):
    GOOD(federated()[0].say(), claims="ok")


def test_a_managed_identity(up, workdir, pki, binaries):
    platform = up(Platform(workdir / "vm", pki, "app-service", [identity(1, system=True, sub=BOX)]))
    w = World(up, workdir, pki, client={"grant": "managed_identity", "managed_identity": "app-service", "client_secret_file": None,
                                        "client_id": None, "tenant": None})
    platform.give(w.tokend)
    w.environment = platform.environment
    s = GOOD(w.start().say(), dns_provider="skip", tls_provider="skip", claims="ok")
    assert s.claims["appid"] == identity(1)["client_id"] and s.claims["idtyp"] == "app"


def test_app_rbac(world):
    """The same token as without consent: no alarm."""
    s = GOOD(world(app={"roles": []}).say(), claims="note")
    assert s.json["verdict"] == "healthy" or s.json["links"][-1]["part"] == "server"


def test_high_volume_email(world):
    GOOD(world(app={"roles": ["Mail.Send"]}, client={"provider": "hve"}).say(), claims="ok")


def test_gcc_high(world):
    s = GOOD(world(client={"cloud": "gcc-high"}).say(), claims="ok")
    assert s.claims["aud"] == "https://outlook.office365.us"


@pytest.mark.parametrize("form, mark", [("opaque", "skip"), ("jwt", "ok")])
def test_a_custom_provider(up, workdir, pki, binaries, form, mark):
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "chain", "client_secret": SECRET, "sub": BOX, "format": form}]))
    w = lone(up, workdir, pki, idp.token_endpoint, secret=SECRET, client={
        "tenant": None, **oauth_client(idp.token_endpoint, pki.ca), "client_secret_file": "secret:c.secret"})
    s = GOOD(w.say(), claims=mark)
    if form == "opaque":
        assert "opaque" in s.links["claims"] and s.claims == {}


def test_a_service_account(google):
    GOOD(google().say(), claims="ok")


def test_the_second_credential(world, pki):
    """The first one was taken away, and the other one serves: healthy, and to be told of."""
    w = world(client={"client_secret_file": None, "credentials": [{"client_secret_file": "secret:old"}, {"client_secret_file": "secret:c.secret"}]},
              secrets={"old": "old~old~old~old~old~old~old~old~old~old~"})
    s = w.say()
    assert s.marks["token-request"] == "note" and "AADSTS7000215" in s.evidence and s.marks["claims"] == "ok"


# --- who asks ----------------------------------------------------------------------------------------------------------------


def test_a_refresh_token_is_left_to_the_daemon(up, workdir, pki, binaries, store):
    """It serves once: what diagnose asks for itself has no credential."""
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "chain", "auth": "none", "refresh": True, "sub": BOX}]))
    made = idp.grant("chain")
    store.put(made["refresh_token"])
    w = World(up, workdir, pki, client={"tenant": None, **oauth_client(idp.token_endpoint, pki.ca, **PUBLIC), "refresh_token_file": str(store.file), "client_secret_file": None},
              account={"allow_token_users": ["root"]})
    w.hidden.add(made["refresh_token"])
    s = w.start().say()
    assert s.marks["tls-provider"] == "ok" and s.marks["http-provider"] == "ok" and s.marks["token-request"] == "ok", s.text
    assert "the daemon alone asks" in s.links["token-request"]
    assert [r["status"] for r in idp.requests()].count(200) == 1 and store.get() not in s.text


def test_a_refresh_token_that_is_dead(up, workdir, pki, binaries, store):
    recorder = up(Recorder(pki.cert())).script(Answer({"error": "invalid_grant"}, 400))
    store.put("a-refresh-token-of-long-ago")
    w = World(up, workdir, pki, client={"tenant": None, **oauth_client(recorder.url, pki.ca, **PUBLIC), "client_secret_file": None,
                                        "refresh_token_file": str(store.file)}, account={"allow_token_users": ["root"]})
    s = w.start().say().broken("token-request", "refresh-token-refused", 5)
    assert f"mta-xoauth2 login {BOX}" in s.fix
    looks = [r for r in recorder.requests if b"refresh_token" not in r.body]
    assert [r.body for r in looks] == [b"grant_type=client_credentials&client_id=chain"] and len(recorder.requests) == 2


def test_a_credential_of_the_unit_alone(up, workdir, pki, binaries, entra):
    """systemd hands it to the daemon and to nobody else."""
    folder = workdir / "credentials"
    folder.mkdir()
    folder.chmod(0o755)
    w = World(up, workdir, pki, entra(), client={"client_secret_file": "credential:exo"}, account={"allow_token_users": ["root"]})
    w.tokend.secrets["../credentials/exo"] = VALUE
    w.tokend.environment["CREDENTIALS_DIRECTORY"] = str(folder)
    s = GOOD(w.start().say(), tls_provider="ok", http_provider="ok", claims="ok")
    assert "the daemon's unit alone" in s.links["token-request"] and w.entra.counts()["status"] == {"400": 1, "200": 1}


def test_somebody_else_sees_the_way_alone(world):
    w = world()
    for folder in (w.workdir, w.workdir / "t"):
        folder.chmod(0o755)
    s = Said(w.run("--json", user="nobody"))
    assert s.marks["tls-provider"] == "ok" and s.marks["token-request"] == "skip" and s.marks["claims"] == "skip", s.text
    assert "as root more can be seen" in s.links["token-request"]


def test_people_see_it_too(world):
    done = world(app={"secrets": []}).run()
    assert done.returncode == 5
    for part in ("to the identity provider", "  ok      TLS ", "  broken  token request ", "\ncause:\n", "\nfix:\n", "[client-secret-rejected]",
                 "\nevidence:\n", "https://login.microsoftonline.com/error?code=7000215"):
        assert part in done.stdout, done.stdout
