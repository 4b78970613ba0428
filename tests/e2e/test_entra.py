"""The stand-in for Entra itself: every rule with a request made by hand, one thing wrong at a time."""

import base64
import json
import re
import subprocess
import urllib.parse
import uuid

import pytest

from mxtest import smtpauth
from mxtest.dovecot import DovecotSubmission
from mxtest.entra import APP, JWT_BEARER, SCOPE, TENANT, Entra, header, sign
from mxtest.idp import post_form
from mxtest.sink import Sink

pytestmark = pytest.mark.infra

BOX = "app@example.test"
VALUE = "3~x8Q~right+value&with=%every thing*._-é"
OLD = "old~value"
GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def key(pki):
    return pki.client()


@pytest.fixture(scope="module")
def one(session_dir, pki, key):
    """One for all tests here: Node takes its time to start."""
    entra = Entra(session_dir / "entra", pki, [
        {"client_id": APP}, {"client_id": "elsewhere", "tenants": ["contoso.example"], "secrets": [{"value": VALUE}]}]).start()
    yield entra
    entra.stop()


@pytest.fixture
def entra(one, pki, key):
    """As new, but that it knows the assertions that came before."""
    one.set(ahead=0, abroad=[])
    one.set(APP, sub=BOX, lifetime=None, bytes=None, refuse=None, roles=None, oid=None, claims=None, principal=None,
            certificates=[pki.client("another").pem(), key.pem()],
            secrets=[{"value": OLD, "expires": "2021-01-01T00:00:00Z"}, {"value": VALUE, "expires": "2090-01-01T00:00:00Z"}])
    one.reset()
    return one


def form(**more):
    fields = {"grant_type": "client_credentials", "client_id": APP, "client_secret": VALUE, "scope": SCOPE, **more}
    return {k: v for k, v in fields.items() if v is not None}


def refused(reply, code, status, error):
    """It is that refusal, in Entra's form; returns its text."""
    got, body, head = reply
    assert (got, body["error"], body["error_codes"]) == (status, error, [code]), body
    assert sorted(body) == ["correlation_id", "error", "error_codes", "error_description", "error_uri", "timestamp", "trace_id"]
    m = re.fullmatch(rf"AADSTS{code}: (.+) Trace ID: ({GUID}) Correlation ID: ({GUID}) Timestamp: (\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\dZ)",
                     body["error_description"])
    assert m and m.groups()[1:] == (body["trace_id"], body["correlation_id"], body["timestamp"]), body
    assert body["error_uri"].endswith(f"?code={code}") and "{" not in m[1]
    assert head["Content-Type"].startswith("application/json")
    return m[1]


def test_a_right_secret_gets_a_token(entra):
    status, reply, head = entra.post(form())
    assert status == 200 and sorted(reply) == ["access_token", "expires_in", "ext_expires_in", "token_type"]
    assert (reply["token_type"], reply["expires_in"], reply["ext_expires_in"]) == ("Bearer", 3599, 3599)
    claims = json.loads(base64.urlsafe_b64decode(reply["access_token"].split(".")[1] + "=="))
    assert claims["aud"] == "https://outlook.office365.com" and claims["tid"] == TENANT and claims["appid"] == APP
    assert claims["iss"] == f"https://sts.windows.net/{TENANT}/" and re.fullmatch(GUID, claims["oid"]) and claims["oid"] != APP
    assert (claims["roles"], claims["idtyp"], claims["appidacr"], claims["ver"]) == (["SMTP.SendAsApp"], "app", "1", "1.0")
    assert "no-store" in head["Cache-Control"]
    assert entra.post(form(client_id=None, client_secret=None), basic=(APP, VALUE))[0] == 200
    assert entra.post(form(client_id="elsewhere"), tenant="contoso.example")[0] == 200
    assert entra.counts()["status"] == {"200": 3} and [r["auth"] for r in entra.requests()] == ["body", "basic", "body"]
    assert VALUE not in str(entra.requests()) and reply["access_token"] not in str(entra.requests())


def test_tokens_without_roles_and_with_other_claims(entra):
    def claims():
        return json.loads(base64.urlsafe_b64decode(entra.post(form())[1]["access_token"].split(".")[1] + "=="))
    entra.set(APP, roles=[], oid="an object")
    assert "roles" not in claims() and claims()["oid"] == "an object"
    entra.set(APP, claims={"scp": "SMTP.Send"})
    assert claims()["scp"] == "SMTP.Send"


def test_no_principal_and_a_tenant_of_another_cloud(entra):
    entra.set(APP, principal=False)
    assert TENANT in refused(entra.post(form()), 7000229, 401, "invalid_client")
    entra.set(abroad=["fabrikam.example"])
    refused(entra.post(form(), "fabrikam.example"), 900439, 400, "invalid_request")


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
def test_a_right_assertion_gets_a_token(entra, key, alg):
    status, reply, _ = entra.prove(sign(key, header(key, alg), entra.claims()))
    assert status == 200, reply
    logged, = entra.requests()
    assert logged["auth"] == "assertion" and logged["assertion"]["header"]["alg"] == alg
    assert logged["assertion"]["claims"]["aud"] == entra.token_endpoint


@pytest.mark.parametrize("fields, tenant, code, status, error", [
    ({"client_secret": "wrong"}, None, 7000215, 401, "invalid_client"),
    ({"client_secret": VALUE + "\n"}, None, 7000215, 401, "invalid_client"),
    ({"client_secret": OLD}, None, 7000222, 401, "invalid_client"),
    ({"client_secret": None}, None, 7000218, 401, "invalid_client"),
    ({"client_secret": ""}, None, 7000218, 401, "invalid_client"),
    ({"client_id": str(uuid.UUID(int=7))}, None, 700016, 400, "unauthorized_client"),
    ({"client_id": "elsewhere"}, None, 700016, 400, "unauthorized_client"),
    ({"client_id": None}, None, 900144, 400, "invalid_request"),
    ({"grant_type": None}, None, 900144, 400, "invalid_request"),
    ({"grant_type": "password"}, None, 70003, 400, "unsupported_grant_type"),
    ({"scope": None}, None, 90014, 400, "invalid_request"),
    ({"scope": "https://outlook.office.com/SMTP.SendAsApp"}, None, 1002012, 400, "invalid_scope"),
    ({"scope": SCOPE + "/"}, None, 1002012, 400, "invalid_scope"),
    ({"scope": SCOPE + " https://graph.microsoft.com/.default"}, None, 700022, 400, "invalid_scope"),
    ({"scope": SCOPE + " "}, None, 70011, 400, "invalid_scope"),
    ({"scope": "https://smtp.office365.com/.default"}, None, 500011, 400, "invalid_resource"),
    ({"resource": "https://outlook.office365.com"}, None, 901002, 400, "invalid_request"),
    ({}, "fabrikam.example", 90002, 400, "invalid_request"),
    ({}, str(uuid.UUID(int=1)), 90002, 400, "invalid_request"),
    ({}, "YOUR-TENANT", 900023, 400, "invalid_request"),
    ({}, "common", 50059, 400, "invalid_request"),
])
def test_what_is_wrong_with_a_request(entra, fields, tenant, code, status, error):
    text = refused(entra.post(form(**fields), tenant), code, status, error)
    if code in (90002, 900023):
        assert f"'{tenant}'" in text
    assert entra.refusals() == [code]


@pytest.mark.parametrize("secret", [
    VALUE,                                              # nothing is encoded
    urllib.parse.quote(VALUE, safe="").replace("%2B", "%2b") + "%",
    urllib.parse.quote(VALUE, safe="").replace("%C3%A9", "%E9"),    # Latin-1
    urllib.parse.quote(VALUE, safe="").replace("%20", " "),
])
def test_a_body_that_is_not_form_encoded(entra, secret):
    rest = urllib.parse.urlencode(form(client_secret=None))
    body = f"{rest}&client_secret={secret}"
    refused(entra.post(body.encode("latin1")), 9002313, 400, "invalid_request")


def test_both_spellings_of_a_form(entra):
    """Blank as + or %20, hexadecimal in either case, ~ and * encoded or not: all of it is right."""
    rest = urllib.parse.urlencode(form(client_secret=None))
    for secret in (urllib.parse.quote(VALUE, safe=""), urllib.parse.quote_plus(VALUE, safe=""),
                   urllib.parse.quote(VALUE, safe="").replace("%2B", "%2b"), urllib.parse.quote(VALUE, safe="*").replace("~", "%7E")):
        assert entra.post(f"{rest}&client_secret={secret}".encode())[0] == 200, secret


def test_a_plus_sign_that_was_not_encoded_is_another_secret(entra):
    """The commonest fault of programs that put the body together by hand."""
    rest = urllib.parse.urlencode(form(client_secret=None))
    spoilt = urllib.parse.quote(VALUE, safe="").replace("%2B", "+")
    refused(entra.post(f"{rest}&client_secret={spoilt}".encode()), 7000215, 401, "invalid_client")


def test_method_type_and_path(entra, pki):
    refused(entra.post(form(), headers={"Content-Type": "application/json"}), 900144, 400, "invalid_request")
    refused(entra.post(urllib.parse.urlencode([*form().items(), ("scope", SCOPE)]).encode()), 9002313, 400, "invalid_request")
    refused(entra.post(form(), basic=(APP, VALUE)), 9002313, 400, "invalid_request")
    assert post_form(f"{entra.base}/{TENANT}/oauth2/token", form(), pki.ca)[0] == 404


def cases(key, other, small, ec):
    """name: (who signs, header, claims, code, status, error)."""
    def bad(code, status=401, error="invalid_client", by=key, head=None, **claims):
        return by, head or header(key), claims, code, status, error
    request = {"status": 400, "error": "invalid_request"}
    return {
        "RS256 with x5t#S256": bad(700027, head=header(key, "RS256", x5t=None, x5t_S256=key.thumbprint())),
        "PS256 with x5t": bad(700027, head=header(key, x5t_S256=None, x5t=key.thumbprint("sha1"))),
        "no thumbprint": bad(50027, head=header(key, x5t_S256=None), **request),
        "a certificate that is not registered": bad(700027, by=other, head=header(other)),
        "the thumbprint of the PEM": bad(700027, head=header(key, x5t_S256=base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="))),
        "the thumbprint padded": bad(700027, head=header(key, x5t_S256=key.thumbprint() + "=")),
        "signed with another key": bad(700027, by=other),
        "a key of 1024 bits": bad(700027, by=small, head=header(small, "RS256")),
        "ES256": bad(5002738, by=ec, head=header(ec, "ES256", x5t=None, x5t_S256=ec.thumbprint()), **request),
        "typ at+jwt": bad(5002727, head=header(key, typ="at+jwt"), **request),
        "typ of RFC 10070": bad(5002727, head=header(key, typ="client-authentication+jwt"), **request),
        "no typ": bad(5002727, head=header(key, typ=None), **request),
        "aud of another tenant": bad(700023, aud="https://127.0.0.1/contoso.example/oauth2/v2.0/token"),
        "aud the issuer": bad(700023, aud=f"https://127.0.0.1/{TENANT}/v2.0"),
        "aud an array": bad(700023, aud=["https://127.0.0.1"]),
        "no aud": bad(700023, aud=None),
        "iss is another": bad(50048, iss="somebody"),
        "sub is another": bad(50048, sub=BOX),
        "iss and sub are others": bad(700021, iss="elsewhere", sub="elsewhere"),
        "no sub": bad(50027, sub=None, **request),
        "no iss": bad(50027, iss=None, **request),
        "no jti": bad(50027, jti=None, **request),
        "no exp": bad(50027, exp=None, **request),
        "expired": bad(700024, exp=1_600_000_000, nbf=1_599_999_400),
        "not yet valid": bad(700024, nbf=4_000_000_000, exp=4_000_000_600),
        "milliseconds": bad(700024, nbf=1_790_000_000_000, exp=1_790_000_600_000),
    }


NAMES = list(cases(*[type("K", (), {"thumbprint": lambda self, d="sha256": "x"})()] * 4))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_with_an_assertion(entra, pki, key, name):
    others = pki.client("stranger"), pki.client("small", "rsa1024"), pki.client("ec", "p256")
    entra.set(APP, certificates=[key.pem(), others[1].pem(), others[2].pem()])
    by, head, claims, code, status, error = cases(key, *others)[name]
    if name == "a key of 1024 bits":    # jose makes no such signature: openssl does
        assertion = by_openssl(by, head, entra.claims())
    else:
        assertion = sign(by, head, entra.claims(**claims))
    text = refused(entra.prove(assertion), code, status, error)
    if name == "a certificate that is not registered":
        assert f"'{others[0].fingerprint('sha256')}'" in text and "The key was not found." in text
    assert entra.prove(sign(key, header(key), entra.claims()))[0] == 200     # nothing else was wrong
    assert entra.refusals() == [code]


def by_openssl(key, head, claims, *options):
    """Signed by the openssl command: RS256, or as the options say."""
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in (head, claims)]
    signature = subprocess.run(["openssl", "dgst", "-sha256", *options, "-sign", str(key.key)], input=b".".join(parts),
                               capture_output=True, check=True).stdout
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_assertions_by_the_openssl_command(entra, key):
    """Right ones are taken: it is the size that is refused of keys of 1024 bits. PS256's salt has 32 bytes (RFC 7518, 3.5)."""
    assert entra.prove(by_openssl(key, header(key, "RS256"), entra.claims()))[0] == 200
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt"]
    assert entra.prove(by_openssl(key, header(key), entra.claims(), *pss, "rsa_pss_saltlen:32"))[0] == 200
    for salt in (20, 0, 222):
        spoilt = by_openssl(key, header(key), entra.claims(), *pss, f"rsa_pss_saltlen:{salt}")
        refused(entra.prove(spoilt), 700027, 401, "invalid_client")


def test_a_certificate_that_has_ended(entra, pki):
    ended = pki.expired_client()
    entra.set(APP, certificates=[ended.pem()])
    text = refused(entra.prove(sign(ended, header(ended), entra.claims())), 700027, 401, "invalid_client")
    assert "The key used is expired." in text


def test_an_assertion_serves_once(entra, key):
    assertion = sign(key, header(key), entra.claims())
    assert entra.prove(assertion)[0] == 200
    refused(entra.prove(assertion), 50027, 400, "invalid_request")
    again = entra.claims()
    again["jti"] = entra.requests()[0]["assertion"]["claims"]["jti"]
    refused(entra.prove(sign(key, header(key), again)), 50027, 400, "invalid_request")


def test_the_clock_of_the_other_side(entra, key):
    """Five minutes and no more, both ways; the reply's Date and the text say what time it is there."""
    for ahead, good in ((240, True), (-340, True), (920, False), (-380, False)):
        entra.set(ahead=ahead)
        reply = entra.prove(sign(key, header(key), entra.claims()))
        if good:
            assert reply[0] == 200, (ahead, reply)
        else:
            text = refused(reply, 700024, 401, "invalid_client")
            assert f"Current time: {reply[1]['timestamp'][:10]}T" in text
    entra.set(ahead=86400 * 365)
    assert entra.post(form(client_secret="x"))[2]["Date"].split()[3] != entra.requests()[0]["at"][:4]


@pytest.mark.parametrize("more", [{"client_assertion_type": None}, {"client_assertion_type": "jwt-bearer"},
                                  {"client_secret": VALUE}, {"client_assertion": "a.b"}, {"client_assertion": "a.b.c"},
                                  {"client_assertion": "e30.e30=.e30"}])
def test_assertions_out_of_place(entra, key, more):
    code = {"client_assertion_type": 9002313, "client_secret": 9002313, "client_assertion": 50027}[next(iter(more))]
    if more == {"client_assertion_type": None}:
        code = 900144
    fields = {"client_assertion": sign(key, header(key), entra.claims()), **more}
    refused(entra.prove(fields.pop("client_assertion"), **fields), code, 400, "invalid_request")
    assert JWT_BEARER.endswith(":jwt-bearer")


def test_what_may_be_changed_while_it_runs(entra, key):
    entra.refuse(APP, 90055)
    reply = entra.post(form())
    refused(reply, 90055, 429, "temporarily_unavailable")
    assert reply[2]["Retry-After"] == "60"
    entra.refuse(APP, 50196)
    refused(entra.post(form()), 50196, 400, "invalid_grant")
    entra.allow(APP)
    assert entra.post(form())[0] == 200
    entra.set(APP, certificates=[])
    refused(entra.prove(sign(key, header(key), entra.claims())), 700027, 401, "invalid_client")
    entra.set(APP, certificates=[key.pem()], secrets=[], lifetime=120, bytes=4096)
    status, reply, _ = entra.prove(sign(key, header(key), entra.claims()))
    assert status == 200 and reply["expires_in"] == 120 and abs(len(reply["access_token"]) - 4096) <= 2
    refused(entra.post(form()), 7000215, 401, "invalid_client")
    assert entra.token_requests(APP) == 6 and entra.refusals() == [90055, 50196, 700027, 7000215]
    entra.reset()
    assert entra.token_requests() == 0


def test_the_ids_of_a_request_come_back(entra):
    mine = str(uuid.uuid4())
    _, body, head = entra.post(form(scope="x"), headers={"client-request-id": mine, "return-client-request-id": "true"})
    assert body["correlation_id"] == mine and head["client-request-id"] == mine and mine in body["error_description"]


def test_dovecot_takes_its_tokens(up, workdir, pki, entra):
    sink = up(Sink(workdir))
    dovecot = up(DovecotSubmission(workdir / "d", pki, entra, sink.port))
    token = entra.post(form())[1]["access_token"]
    smtp = smtpauth.connect(dovecot.port, pki.ca)
    assert smtpauth.auth(smtp, "XOAUTH2", BOX, token[:-6] + "AAAAAA", dovecot.port).code == 535
    assert smtpauth.auth(smtp, "XOAUTH2", BOX, token, dovecot.port).ok
