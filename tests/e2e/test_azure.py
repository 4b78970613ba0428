"""The stand-ins for Azure's platforms, and Entra's for federated assertions: each rule with a request made by hand."""

import base64
import http.client
import json
import urllib.parse

import pytest

from mxtest.azure import AUDIENCE, HEADER, MI_ISSUER, PATHS, Issuer, Platform, identity
from mxtest.entra import APP, Entra

pytestmark = pytest.mark.infra

SMTP = "https://outlook.office365.com"
VERSIONS = {"imds": "2018-02-01", "app-service": "2019-08-01", "azure-arc": "2020-06-01"}
MACHINES = [identity(1), identity(2)]


@pytest.fixture
def platform(up, workdir, pki):
    def make(kind, *identities, **settings):
        return up(Platform(workdir / kind, pki, kind, identities or (identity(1, system=True),), settings))
    return make


def get(platform, headers=None, method="GET", path=None, **query):
    """(status, reply, headers) of a right request but for what is given; None leaves one out."""
    fields = {"api-version": VERSIONS[platform.kind], "resource": SMTP, **query}
    right = {"X-IDENTITY-HEADER": HEADER} if platform.kind == "app-service" else {"Metadata": "true"}
    conn = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=10)
    path = path or PATHS[platform.kind] or "/metadata/identity/oauth2/token"
    conn.request(method, path + "?" + urllib.parse.urlencode({k: v for k, v in fields.items() if v is not None}),
                 headers={k: v for k, v in {**right, **(headers or {})}.items() if v is not None})
    reply = conn.getresponse()
    raw = reply.read()
    conn.close()
    return reply.status, json.loads(raw) if raw else None, dict(reply.headers)


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_a_token_of_a_virtual_machine(platform):
    vm = platform("imds")
    status, reply, _ = get(vm)
    assert status == 200 and reply["refresh_token"] == "" and reply["token_type"] == "Bearer"
    assert all(isinstance(reply[k], str) for k in ("expires_in", "expires_on", "not_before")) and reply["expires_in"] == "86399"
    assert claims(reply["access_token"])["aud"] == SMTP
    assertion = claims(get(vm, resource=AUDIENCE)[1]["access_token"])
    assert (assertion["iss"], assertion["sub"], assertion["aud"]) == (MI_ISSUER, identity(1)["object_id"], AUDIENCE)


def test_a_token_of_app_service(platform):
    status, reply, _ = get(platform("app-service"))
    assert status == 200 and "expires_in" not in reply and isinstance(reply["expires_on"], str)


@pytest.mark.parametrize("kind", VERSIONS)
def test_what_is_wrong_with_a_request(platform, kind):
    machine = platform(kind)
    assert get(machine, method="POST")[0] == 405 and get(machine, path="/")[0] == 404
    assert get(machine, **{"api-version": "2017-09-01"})[0] == 400 and get(machine, resource=None)[0] == 400
    assert get(machine, headers={"Via": "1.1 proxy"})[0] == 400
    wrong = {"X-IDENTITY-HEADER": "guessed"} if kind == "app-service" else {"Metadata": None}
    assert get(machine, headers=wrong)[0] == (401 if kind == "app-service" else 400)


@pytest.mark.parametrize("kind, names", [("imds", {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id"}),
                                         ("app-service", {"client_id": "client_id", "object_id": "object_id", "mi_res_id": "resource_id"})])
def test_identities_are_chosen(platform, kind, names):
    machine = platform(kind, *MACHINES)
    status, reply, _ = get(machine)
    assert status == 400 and "Multiple user assigned identities" in json.dumps(reply)
    for parameter, name in names.items():
        assert claims(get(machine, **{parameter: MACHINES[1][name]})[1]["access_token"])["appid"] == MACHINES[1]["client_id"]
        assert get(machine, **{parameter: "another"})[0] == 400
    assert get(machine, client_id=MACHINES[0]["client_id"], object_id=MACHINES[0]["object_id"])[0] == 400


def test_resources(platform):
    status, reply, _ = get(platform("imds"), resource="https://smtp.office365.com")
    assert status == 400 and reply["error"] == "invalid_resource" and "AADSTS500011" in reply["error_description"]
    status, reply, _ = get(platform("app-service"), resource=SMTP + "/.default")
    assert status == 500 and reply["statusCode"] == 500 and "message" in reply


def test_a_challenge(platform):
    arc = platform("azure-arc")
    status, _, head = get(arc)
    scheme, _, realm = head["WWW-Authenticate"].partition(" realm=")
    assert (status, scheme) == (401, "Basic") and realm.startswith("/var/opt/azcmagent/tokens/") and realm.endswith(".key")
    key = (arc.tokens / realm.rpartition("/")[2]).read_text()
    assert get(arc, headers={"Authorization": "Basic " + base64.b64encode(key.encode()).decode()})[0] == 401
    assert get(arc, headers={"Authorization": "Basic " + key})[0] == 200
    assert get(arc, headers={"Authorization": "Basic " + key})[0] == 401 and not list(arc.tokens.iterdir())
    assert key not in str(arc.requests()) and [r["proven"] for r in arc.requests()] == [False, True, True, True]


def test_a_script_comes_first(platform):
    vm = platform("imds")
    vm.set(script=[{"status": 429, "headers": {"Retry-After": "3"}}, {"status": 410}])
    assert get(vm)[0] == 429 and get(vm)[0] == 410 and get(vm)[0] == 200


# --- Entra and assertions of others -------------------------------------------------------------------------------------------------


@pytest.fixture
def federation(up, workdir, pki):
    issuer = Issuer(workdir / "issuer", pki)
    entra = up(Entra(workdir / "entra", pki, [{"client_id": APP, "federated": [issuer.credential()]}], issuers={issuer.url: issuer.jwks}))
    return entra, issuer


def test_a_federated_assertion_gets_a_token(federation):
    entra, issuer = federation
    token = issuer.token()
    assert entra.prove(token)[0] == 200 and entra.prove(token)[0] == 200        # it may come again
    assert entra.prove(issuer.token(aud=AUDIENCE))[0] == 200


@pytest.mark.parametrize("more, code, status", [
    ({"iss": "https://oidc.cluster.example/4c1f"}, 700211, 401),
    ({"aud": ["api://azureadtokenexchange"]}, 700212, 401),
    ({"sub": "system:serviceaccount:mail:other"}, 700213, 401),
    ({"sub": "system:serviceaccount:Mail:mta"}, 7002138, 401),
    ({"exp": 1_600_000_000}, 700024, 401),
    ({"exp": None}, 50027, 400),
])
def test_what_does_not_fit(federation, more, code, status):
    entra, issuer = federation
    got, body, _ = entra.prove(issuer.token(**more))
    assert (got, body["error_codes"]) == (status, [code]), body
    assert entra.prove(issuer.token())[0] == 200


def test_keys_and_algorithms(federation, pki):
    entra, issuer = federation
    for token, code in ((issuer.token(key=pki.client("stranger")), 50013), (issuer.token(head={"kid": "k2"}), 50013),
                        (issuer.token(head={"alg": "PS256"}), 5002738)):
        assert entra.prove(token)[1]["error_codes"] == [code]
    entra.set(APP, federated=[])
    assert entra.prove(issuer.token())[1]["error_codes"] == [70021]
    assert entra.refusals() == [50013, 50013, 5002738, 70021]


def test_the_assertion_of_a_managed_identity(up, workdir, pki, platform):
    vm = platform("imds")
    entra = up(Entra(workdir / "entra", pki, [{"client_id": APP, "federated": [
        {"issuer": MI_ISSUER, "subject": identity(1)["object_id"], "audience": AUDIENCE}]}], issuers={MI_ISSUER: vm.jwks}))
    assert entra.prove(get(vm, resource=AUDIENCE)[1]["access_token"])[0] == 200
    assert entra.prove(get(vm)[1]["access_token"])[1]["error_codes"] == [700211]
