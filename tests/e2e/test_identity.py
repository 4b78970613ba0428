"""Clients without a secret of their own: federated tokens, and the managed identities of Azure's machines."""

import re
import time
from pathlib import Path

import pytest

from mxtest import net
from mxtest.alone import BOX, lone_tokend
from mxtest.azure import AUDIENCE, HEADER, MI_ISSUER, Issuer, Platform, identity
from mxtest.entra import APP, SCOPE, TENANT, Entra
from mxtest.netns import Network
from mxtest.proc import Failed, descendants, run, wait_for
from mxtest.recorder import Answer, Deaf, Recorder, token

SMTP = "https://outlook.office365.com"
MINE = identity(1, system=True, sub=BOX)
TWO = [identity(1, sub=BOX), identity(2, sub=BOX)]
KINDS = ("imds", "app-service", "azure-arc")

# In place of what oauth_client() has: the platform's token is the access token.
DIRECT = {"grant": "managed_identity", "scope": SCOPE, "token_endpoint": None, "client_id": None, "client_secret_file": None,
          "client_auth": None, "ca_file": None}
FEDERATED = {"client_id": APP, "scope": SCOPE, "client_secret_file": None, "client_auth": None, "assertion_file": "secret:token"}
AS_ASSERTION = {"client_id": APP, "scope": SCOPE, "client_secret_file": None, "client_auth": None}


@pytest.fixture(autouse=True)
def _mounts(request):
    """Azure Arc's folder is shown to the daemon alone, by a mount that nobody else sees."""
    if "azure-arc" in request.node.name or "arc" in request.node.name:
        tried = run(["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/var/opt"], check=False)
        if tried.returncode != 0:
            pytest.skip(f"no mount namespace here: {tried.stderr.strip()}")


@pytest.fixture
def issuer(workdir, pki):
    return Issuer(workdir / "issuer", pki)


@pytest.fixture
def federated(up, workdir, pki, issuer, binaries):
    """federated(client, **of the app) -> (Entra, daemon with an assertion from a file)."""
    def make(client=None, files=None, **app):
        entra = up(Entra(workdir / "idp", pki, [{"client_id": APP, "sub": BOX, "federated": [issuer.credential()], **app}],
                         issuers={issuer.url: issuer.jwks}))
        tokend = lone_tokend(workdir / "t", entra.token_endpoint, pki.ca, {**FEDERATED, **(client or {})})
        tokend.secrets = {"token": issuer.token() + "\n", **(files or {})}
        return entra, up(tokend)
    return make


@pytest.fixture
def machine(up, workdir, pki, binaries):
    """machine(kind, client, identities) -> (Platform, daemon that runs on it)."""
    def make(kind, client=None, identities=(MINE,), **settings):
        platform = up(Platform(workdir / "idp", pki, kind, identities, settings))
        tokend = platform.give(lone_tokend(workdir / "t", None, pki.ca, {**DIRECT, "managed_identity": kind, **(client or {})}))
        tokend.secrets = {}
        return platform, up(tokend)
    return make


def ask_anew(tokend):
    assert tokend.ask("FLUSH", account=BOX).ok
    return tokend.sasl(BOX)


# --- mail --------------------------------------------------------------------------------------------------------------------------


def test_a_mail_is_delivered_with_a_federated_token(make_chain, workdir, pki, issuer):
    entra = Entra(workdir / "idp", pki, [{"client_id": APP, "sub": BOX, "federated": [issuer.credential()]}],
                  issuers={issuer.url: issuer.jwks})
    chain = make_chain(without=("tokend", "postfix"), idp=entra, client=FEDERATED)
    chain.tokend.secrets = {"token": issuer.token() + "\n"}
    chain.tokend.start()
    chain.postfix.start()
    chain.deliver(1)
    request, = entra.requests()
    assert (request["auth"], request["status"]) == ("assertion", 200) and request["assertion"]["claims"]["iss"] == issuer.url
    assert len(chain.dovecot.logins()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_is_delivered_with_the_machine_s_token(make_chain, workdir, pki, kind):
    platform = Platform(workdir / "idp", pki, kind, [MINE])
    chain = make_chain(without=("tokend", "postfix"), idp=platform, client={**DIRECT, "managed_identity": kind})
    chain.tokend.secrets = {}
    platform.give(chain.tokend).start()
    chain.postfix.start()
    chain.deliver(1)
    assert platform.statuses() == ([401, 200] if kind == "azure-arc" else [200])
    assert {r["query"]["resource"] for r in platform.requests()} == {SMTP} and len(chain.dovecot.logins()) == 1


def test_a_mail_is_delivered_with_the_machine_s_token_as_assertion(make_chain, up, workdir, pki):
    platform = up(Platform(workdir / "vm", pki, "imds", TWO))
    entra = Entra(workdir / "idp", pki, [{"client_id": APP, "sub": BOX, "federated": [
        {"issuer": MI_ISSUER, "subject": TWO[1]["object_id"], "audience": AUDIENCE}]}], issuers={MI_ISSUER: platform.jwks})
    chain = make_chain(without=("tokend", "postfix"), idp=entra, client={
        **AS_ASSERTION, "managed_identity": "imds", "identity_client_id": TWO[1]["client_id"]})
    chain.tokend.secrets = {}
    platform.give(chain.tokend).start()
    chain.postfix.start()
    chain.deliver(1)
    asked, = platform.requests()
    assert asked["query"]["resource"] == AUDIENCE and asked["query"]["client_id"] == TWO[1]["client_id"]
    request, = entra.requests()
    assert request["status"] == 200 and request["assertion"]["claims"]["sub"] == TWO[1]["object_id"]
    assert len(chain.dovecot.logins()) == 1


# --- requests to the byte -------------------------------------------------------------------------------------------------------------


def plain(up, workdir, pki, environment, client=None, launcher=(), start=True):
    """A Recorder that speaks plain http, and a daemon that runs on that machine; environment: with {} for its address."""
    recorder = up(Recorder())
    tokend = lone_tokend(workdir / "t", None, pki.ca, {**DIRECT, **(client or {})})
    tokend.secrets = {}
    tokend.environment = {k: v.format(f"http://127.0.0.1:{recorder.port}") for k, v in environment.items()}
    tokend.launcher = list(launcher)
    return recorder, up(tokend) if start else tokend


def lines(request):
    return request.raw.decode("ascii").split("\r\n")


def agent(tokend):
    return "User-Agent: mta-xoauth2/" + run([tokend.argv()[len(tokend.launcher)], "--version"]).stdout.split()[1]


def test_the_request_to_a_virtual_machine_to_the_byte(up, workdir, pki, binaries):
    recorder, tokend = plain(up, workdir, pki, {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "{}/"}, {
        "identity_object_id": TWO[0]["object_id"]})
    assert tokend.sasl(BOX).ok, tokend.log()
    request, = recorder.requests
    assert lines(request) == [
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Foutlook.office365.com"
        f"&object_id={TWO[0]['object_id']} HTTP/1.1", f"Host: 127.0.0.1:{recorder.port}", agent(tokend),
        "Accept: application/json", "Metadata: true", "", ""]


def test_the_request_to_app_service_to_the_byte(up, workdir, pki, binaries):
    recorder, tokend = plain(up, workdir, pki, {"IDENTITY_ENDPOINT": "{}/msi/token", "IDENTITY_HEADER": HEADER})
    assert tokend.sasl(BOX).ok, tokend.log()
    request, = recorder.requests
    assert lines(request) == [
        "GET /msi/token?api-version=2019-08-01&resource=https%3A%2F%2Foutlook.office365.com HTTP/1.1",
        f"Host: 127.0.0.1:{recorder.port}", agent(tokend), "Accept: application/json", f"X-IDENTITY-HEADER: {HEADER}", "", ""]


def test_the_requests_to_azure_arc_to_the_byte(up, workdir, pki, binaries):
    folder = workdir / "opt" / "azcmagent" / "tokens"
    folder.mkdir(parents=True)
    (folder / "one.key").write_text("aGVsbG8gd29ybGQ/+A==")
    recorder, tokend = plain(up, workdir, pki, {"IDENTITY_ENDPOINT": "{}/metadata/identity/oauth2/token", "IMDS_ENDPOINT": "{}"},
                             launcher=["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                                       'mount --bind "$0" /var/opt; exec "$@"', workdir / "opt"])
    recorder.script(Answer(status=401, headers={"WWW-Authenticate": "Basic realm=/var/opt/azcmagent/tokens/one.key"}), token())
    assert tokend.sasl(BOX).ok, tokend.log()
    first, second = map(lines, recorder.requests)
    assert first == [
        "GET /metadata/identity/oauth2/token?api-version=2020-06-01&resource=https%3A%2F%2Foutlook.office365.com HTTP/1.1",
        f"Host: 127.0.0.1:{recorder.port}", agent(tokend), "Accept: application/json", "Metadata: true", "", ""]
    assert second == first[:-2] + ["Authorization: Basic aGVsbG8gd29ybGQ/+A==", "", ""]


def test_the_request_with_a_federated_token_to_the_byte(up, workdir, pki, binaries):
    """Sent again, and from the file, each time; nothing is kept."""
    recorder = up(Recorder(pki.cert()))
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, FEDERATED)
    tokend.secrets = {"token": "eyJ.claims.sig-_1 \r\n\n"}
    up(tokend)
    assert tokend.sasl(BOX).ok, tokend.log()
    tokend.write_secret("token", "eyJ.claims.sig-_2")
    assert ask_anew(tokend).ok
    for number, request in enumerate(recorder.requests, 1):
        assert request.method == "POST" and request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert request.body.decode() == (
            f"grant_type=client_credentials&client_id={APP}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
            f"%3Ajwt-bearer&client_assertion=eyJ.claims.sig-_{number}&scope=https%3A%2F%2Foutlook.office365.com%2F.default")


def test_the_address_of_a_virtual_machine(up, workdir, pki, binaries):
    """Without any variable: 169.254.169.254, in a network of the test's own."""
    network = Network(workdir)
    if why := network.refused():
        pytest.skip(f"no network namespace here: {why}")
    up(network)
    run([*network.launcher, "ip", "address", "add", "169.254.169.254/32", "dev", "lo"])
    recorder = Recorder(address="169.254.169.254", port=80)
    network.call(lambda: up(recorder))
    tokend = lone_tokend(workdir / "t", None, pki.ca, DIRECT)
    tokend.secrets, tokend.launcher = {}, network.launcher
    assert up(tokend).sasl(BOX).ok, tokend.log()
    assert recorder.requests[0].headers["host"] == "169.254.169.254" and recorder.requests[0].headers["metadata"] == "true"


# --- platforms ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_platform_is_found_out(machine, kind):
    platform, tokend = machine(kind, {"managed_identity": "auto"})
    reply = tokend.sasl(BOX)
    assert reply.ok, tokend.log()
    life = int(re.search(r"fetch_ok .*expires_in=(\d+)", tokend.log())[1])
    assert 86390 <= life <= 86399 and platform.statuses()[-1] == 200


@pytest.mark.parametrize("kind, name", [(k, n) for k in ("imds", "app-service") for n in ("client_id", "object_id", "resource_id")]
                         + [("azure-arc", "resource_id")])
def test_an_identity_is_chosen(machine, kind, name):
    platform, tokend = machine(kind, {f"identity_{name}": TWO[1][name]}, TWO)
    assert tokend.sasl(BOX).ok, tokend.log()
    assert TWO[1][name] in platform.requests()[-1]["query"].values()


@pytest.mark.parametrize("kind", ["imds", "app-service"])
@pytest.mark.parametrize("chosen, code, said", [({}, "identity-ambiguous", "identity_client_id"),
                                                ({"identity_client_id": identity(9)["client_id"]}, "identity-not-found", "assign it")])
def test_identities_that_are_not_clear_or_not_there(machine, kind, chosen, code, said):
    platform, tokend = machine(kind, chosen, TWO)
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("provider", code) and said in reply.text and 'client "c"' in reply.text, reply
    assert not tokend.sasl(BOX).ok and len(platform.requests()) == 1        # held


@pytest.mark.parametrize("kind, class_, code", [("imds", "provider", "identity-resource"), ("app-service", "temp", "identity-failing"),
                                                ("azure-arc", "provider", "identity-resource")])
def test_a_wrong_resource(machine, kind, class_, code):
    platform, tokend = machine(kind, {"scope": "https://smtp.office365.com/.default", "backoff_min": "20s", "backoff_max": "20s"})
    reply = tokend.sasl(BOX, deadline_ms=3000)
    assert (reply.class_, reply.code) == (class_, code), reply
    assert "scope" in reply.text and "https://smtp.office365.com" in reply.text
    assert platform.requests()[-1]["query"]["resource"] == "https://smtp.office365.com"


@pytest.mark.parametrize("answer, code", [
    ({"status": 429, "headers": {"Retry-After": "1"}, "body": {"error": "too_many"}}, "identity-throttled"),
    ({"status": 410}, "identity-updating"), ({"status": 404}, "identity-failing"), ({"status": 500}, "identity-failing"),
    ({"status": 503, "headers": {"Content-Type": "text/html"}, "body": "sorry"}, "identity-failing"),
], ids=["429", "410", "404", "500", "503"])
@pytest.mark.parametrize("kind", ["imds", "app-service"])
def test_trouble_that_passes(machine, kind, answer, code):
    """Told, tried again, and then there is a token: the mail waits."""
    platform, tokend = machine(kind, {"backoff_min": "100ms", "backoff_max": "1s"})
    platform.set(script=[answer] * 2)
    wait_for("a token", lambda: tokend.sasl(BOX).ok)
    failed = [ln for ln in tokend.log().splitlines() if ln.startswith("fetch_failed ")]
    assert len(failed) == 2 and all(f"class=temp code={code} http={answer['status']}" in ln for ln in failed), failed
    assert platform.statuses() == [answer["status"]] * 2 + [200]


def test_throttling_waits_as_long_as_it_is_told(machine):
    platform, tokend = machine("imds", {"backoff_min": "100ms", "backoff_max": "1s"})
    platform.set(script=[{"status": 429, "headers": {"Retry-After": "30"}}])
    assert tokend.sasl(BOX).code == "identity-throttled" and not tokend.sasl(BOX).ok
    assert len(platform.requests()) == 1


@pytest.mark.parametrize("client, said", [({"managed_identity": "imds"}, "no Azure VM"),
                                          ({"managed_identity": "app-service"}, "IDENTITY_ENDPOINT leads nowhere"),
                                          ({"managed_identity": "azure-arc"}, "agent does not run")], ids=KINDS)
def test_nobody_there(up, workdir, pki, binaries, client, said):
    port = net.free_port()
    kind = client["managed_identity"]
    environment = {"imds": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://127.0.0.1:{port}"},
                   "app-service": {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{port}/t", "IDENTITY_HEADER": HEADER},
                   "azure-arc": {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{port}/t", "IMDS_ENDPOINT": "x"}}[kind]
    _, tokend = plain(up, workdir, pki, environment, {**client, "backoff_min": "20s", "backoff_max": "20s"})
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("temp", "identity-unreachable") and said in reply.text, reply
    assert f"127.0.0.1:{port}" in reply.text and "token_endpoint" not in reply.text


def test_who_takes_no_connection_is_not_waited_for(up, workdir, pki, binaries):
    """As where a firewall drops what goes to IMDS: told within two seconds, whatever connect_timeout says."""
    deaf = up(Deaf())
    _, tokend = plain(up, workdir, pki, {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://127.0.0.1:{deaf.port}"},
                      {"connect_timeout": "9s", "backoff_min": "20s", "backoff_max": "20s"})
    began = time.monotonic()
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("temp", "identity-unreachable") and 1.5 < time.monotonic() - began < 4, reply


@pytest.mark.parametrize("host", ["http://10.255.255.1", "http://metadata.example", "https://127.0.0.1"])
def test_an_address_elsewhere_is_not_asked(up, workdir, pki, binaries, host):
    tokend = lone_tokend(workdir / "t", None, pki.ca, {**DIRECT, "managed_identity": "app-service"})
    tokend.secrets, tokend.environment = {}, {"IDENTITY_ENDPOINT": f"{host}/token", "IDENTITY_HEADER": HEADER}
    reply = up(tokend).sasl(BOX)
    assert (reply.class_, reply.code) == ("config", "identity-environment") and "IDENTITY_ENDPOINT" in reply.text, reply
    assert HEADER not in reply.text + tokend.log()


def test_what_points_elsewhere_is_not_followed(up, workdir, pki, binaries):
    recorder, tokend = plain(up, workdir, pki, {"IDENTITY_ENDPOINT": "{}/t", "IDENTITY_HEADER": HEADER})
    recorder.script(Answer(status=302, headers={"Location": f"http://127.0.0.1:{recorder.port}/other"}), token())
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("provider", "identity-refused") and len(recorder.requests) == 1, reply


@pytest.mark.parametrize("answer, code", [(Answer("<html>"), "identity-reply"), (Answer({"access_token": "t"}), "identity-reply"),
                                          (Answer(raw=b"SSH-2.0-x\r\n"), "identity-reply")], ids=["page", "no end", "no http"])
def test_something_else_listens_there(up, workdir, pki, binaries, answer, code):
    recorder, tokend = plain(up, workdir, pki, {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "{}"}, {"backoff_min": "20s", "backoff_max": "20s"})
    recorder.script(answer)
    reply = tokend.sasl(BOX)
    assert reply.code == code and "see what listens" in reply.text and "token_endpoint" not in reply.text, reply


def test_a_proxy_is_never_used(up, workdir, pki, issuer, binaries):
    """Neither the client's nor the environment's; the request to Entra that follows does go by the client's."""
    proxy = up(Recorder()).script(Answer(status=503))
    platform = up(Platform(workdir / "vm", pki, "imds", [MINE]))
    entra = up(Entra(workdir / "idp", pki, [{"client_id": APP, "federated": []}]))
    tokend = platform.give(lone_tokend(workdir / "t", entra.token_endpoint, pki.ca, {
        **AS_ASSERTION, "managed_identity": "imds", "proxy": f"http://127.0.0.1:{proxy.port}", "backoff_min": "20s", "backoff_max": "20s"}))
    tokend.secrets = {}
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        tokend.environment[name] = f"http://127.0.0.1:{proxy.port}"
    reply = up(tokend).sasl(BOX)
    assert reply.code == "proxy-failed" and platform.statuses() == [200], reply
    assert [r.method for r in proxy.requests] == ["CONNECT"] and not entra.requests()
    direct = platform.give(lone_tokend(workdir / "d", None, pki.ca, {**DIRECT, "proxy": f"http://127.0.0.1:{proxy.port}"}))
    direct.secrets, direct.environment = {}, {**tokend.environment}
    assert "is not used with the grant managed_identity" in direct.check().stderr
    assert up(direct).sasl(BOX).ok and len(proxy.requests) == 1 and platform.statuses() == [200, 200]


# --- Azure Arc -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("realm, said", [("/etc/shadow", "nothing was read"), ("/var/opt/azcmagent/tokens/../../../../etc/x.key", "nothing was read"),
                                         ("/var/opt/azcmagent/tokens/link.key", "symbolic link")])
def test_arc_an_impostor_gets_no_file(machine, workdir, realm, said):
    platform, tokend = machine("azure-arc")
    (platform.tokens / "link.key").symlink_to("/etc/hostname")
    platform.set(realm=realm)
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("config", "identity-challenge") and said in reply.text, reply
    assert platform.statuses() == [401] and not platform.requests()[0]["proven"]


def test_arc_one_challenge_and_no_more(machine):
    platform, tokend = machine("azure-arc", distrust=True)
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("provider", "identity-refused") and "HTTP 401" in reply.text, reply
    assert [r["proven"] for r in platform.requests()] == [False, True]


def test_arc_a_daemon_that_may_not_read_the_key(machine):
    platform, tokend = machine("azure-arc", keyMode=0o600)
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("config", "identity-challenge") and "group himds" in reply.text, reply


def test_arc_a_daemon_that_may_not_pass_the_folder(up, workdir, pki, binaries):
    """Told when the configuration is read as that user, and again when it matters."""
    platform = up(Platform(workdir / "idp", pki, "azure-arc", [MINE]))
    platform.tokens.chmod(0o700)
    tokend = platform.give(lone_tokend(workdir / "t", None, pki.ca, {**DIRECT, "managed_identity": "azure-arc"}))
    tokend.secrets = {}
    up(tokend).reload("reloaded")
    assert "add the daemon's user to the group himds" in tokend.wait_log("configuration ")
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("config", "identity-challenge") and "group himds" in reply.text, reply
    platform.tokens.chmod(0o711)        # no need to list it
    assert ask_anew(tokend).ok


def test_arc_is_found_by_its_agent(up, workdir, pki, binaries):
    """Without any variable: the agent's program is there, and it is asked at the port that is its own."""
    network = Network(workdir)
    if why := network.refused():
        pytest.skip(f"no network namespace here: {why}")
    up(network)
    (workdir / "opt" / "azcmagent" / "bin").mkdir(parents=True)
    (workdir / "opt" / "azcmagent" / "bin" / "himds").touch()
    (workdir / "varopt" / "azcmagent" / "tokens").mkdir(parents=True)
    (workdir / "varopt" / "azcmagent" / "tokens" / "one.key").write_text("a2V5")
    recorder = Recorder(port=40342).script(
        Answer(status=401, headers={"WWW-Authenticate": "Basic realm=/var/opt/azcmagent/tokens/one.key"}), token())
    network.call(lambda: up(recorder))
    tokend = lone_tokend(workdir / "t", None, pki.ca, DIRECT)
    tokend.secrets = {}
    tokend.launcher = [*network.launcher, "unshare", "--mount", "--propagation", "private", "sh", "-ec",
                       'mount --bind "$0/opt" /opt; mount --bind "$0/varopt" /var/opt; exec "$@"', workdir]
    assert up(tokend).sasl(BOX).ok, tokend.log()
    assert recorder.requests[1].headers["authorization"] == "Basic a2V5" and len(recorder.requests) == 2


# --- federated tokens --------------------------------------------------------------------------------------------------------------------


def put(folder, content):
    """As kubelet does: a link to a link to a folder that is exchanged as a whole."""
    made = folder / f"..{len(list(folder.iterdir()))}"
    made.mkdir(mode=0o755)
    (made / "token").write_text(content)
    (made / "token").chmod(0o644)
    (folder / "..new").symlink_to(made.name)
    (folder / "..new").rename(folder / "..data")
    if not (folder / "token").is_symlink():
        (folder / "token").symlink_to("..data/token")


def test_the_file_is_exchanged_between_two_requests(up, workdir, federated, issuer):
    folder = workdir / "projected"
    folder.mkdir(mode=0o755)
    put(folder, issuer.token(jti="first"))
    entra, tokend = federated({"assertion_file": str(folder / "token")})
    assert tokend.sasl(BOX).ok, tokend.log()
    put(folder, issuer.token(jti="second"))
    assert ask_anew(tokend).ok and ask_anew(tokend).ok
    assert [r["assertion"]["claims"]["jti"] for r in entra.requests()] == ["first", "second", "second"]
    checked = tokend.tool("check")
    assert checked.returncode == 0 and "every user of this host may read the federated token" in checked.stderr, checked
    assert tokend.check().stderr == ""      # the daemon's own: the platform has chosen so


def test_a_new_file_ends_the_hold(workdir, federated, issuer):
    """Refused for good; the platform exchanges the file, and nobody has to reload."""
    folder = workdir / "projected"
    folder.mkdir(mode=0o755)
    put(folder, issuer.token(sub="system:serviceaccount:mail:old"))
    entra, tokend = federated({"assertion_file": str(folder / "token")})
    assert tokend.sasl(BOX).code == "federation-mismatch"
    put(folder, issuer.token())
    tokend.wait_log("file_changed client=c", 20)
    wait_for("a token", lambda: tokend.sasl(BOX).ok)
    assert entra.refusals() == [700213]


@pytest.mark.parametrize("more, code", [({"iss": "https://oidc.cluster.example/4c1f"}, 700211), ({"aud": ["https://kubernetes.default.svc"]}, 700212),
                                        ({"sub": "system:serviceaccount:mail:other"}, 700213), ({"sub": "System:serviceaccount:mail:mta"}, 7002138)])
def test_what_does_not_fit_is_shown(federated, issuer, more, code):
    wrong = issuer.token(**more)
    entra, tokend = federated(files={"token": wrong})
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("provider", "federation-mismatch") and f"AADSTS{code}" in reply.text, reply
    claims = {"iss": issuer.url, "sub": "system:serviceaccount:mail:mta", "aud": [AUDIENCE], **more}
    assert f"issuer {claims['iss']}, subject {claims['sub']}, audience {claims['aud'][0]}" in reply.text, reply
    assert wrong.rpartition(".")[2] not in reply.text + tokend.log() and entra.refusals() == [code]


def test_no_federated_credential_at_all(federated):
    entra, tokend = federated(federated=[])
    reply = tokend.sasl(BOX)
    assert reply.code == "federation-mismatch" and "AADSTS70021:" in reply.text and "subject system:" in reply.text, reply


def test_a_token_that_has_ended(federated, issuer):
    entra, tokend = federated(files={"token": issuer.token(exp=1_600_000_000)})
    told = tokend.check()
    assert told.returncode == 0 and "has ended" in told.stderr and "sub system:serviceaccount:mail:mta" in told.stderr, told
    assert not tokend.sasl(BOX).ok and entra.refusals() == [700024]


def test_a_secret_to_fall_back_on(federated):
    """The assertion is refused as invalid_request: that it does not fit is about the credential all the same."""
    entra, tokend = federated({"assertion_file": None, "credentials": [{"assertion_file": "secret:token"}, {"client_secret_file": "secret:s"}]},
                              {"s": "a secret: &=+%"}, secrets=[{"value": "a secret: &=+%"}], federated=[])
    assert tokend.sasl(BOX).ok, tokend.log()
    assert [(r["auth"], r["status"]) for r in entra.requests()] == [("assertion", 400), ("basic", 200)]
    assert "credential=1 code=federation-mismatch next=2" in tokend.wait_log("credential_failed client=c ")


def test_a_federated_token_to_fall_back_on(federated):
    entra, tokend = federated({"assertion_file": None, "credentials": [{"client_secret_file": "secret:s"}, {"assertion_file": "secret:token"}]},
                              {"s": "a wrong secret: &=+%"}, secrets=[])
    assert tokend.sasl(BOX).ok, tokend.log()
    assert [(r["auth"], r["status"]) for r in entra.requests()] == [("basic", 401), ("assertion", 200)]
    tokend.secret_path("token").unlink()
    assert not ask_anew(tokend).ok
    assert "code=federated-token-missing" in tokend.log()


def test_a_machine_without_identity_falls_back_on_a_secret(up, workdir, pki, binaries):
    platform = up(Platform(workdir / "vm", pki, "imds", []))
    entra = up(Entra(workdir / "idp", pki, [{"client_id": APP, "sub": BOX, "secrets": [{"value": "a secret: &=+%"}]}]))
    tokend = platform.give(lone_tokend(workdir / "t", entra.token_endpoint, pki.ca, {**AS_ASSERTION, "credentials": [
        {"managed_identity": "imds"}, {"client_secret_file": "secret:s"}]}))
    tokend.secrets = {"s": "a secret: &=+%"}
    assert up(tokend).sasl(BOX).ok, tokend.log()
    assert platform.statuses() == [400] and "credential=1 code=identity-not-found next=2" in tokend.log()


def test_an_identity_that_the_app_does_not_trust(up, workdir, pki, binaries):
    platform = up(Platform(workdir / "vm", pki, "imds", [MINE]))
    entra = up(Entra(workdir / "idp", pki, [{"client_id": APP, "federated": [
        {"issuer": MI_ISSUER, "subject": identity(2)["object_id"], "audience": AUDIENCE}]}], issuers={MI_ISSUER: platform.jwks}))
    tokend = platform.give(lone_tokend(workdir / "t", entra.token_endpoint, pki.ca, {**AS_ASSERTION, "managed_identity": "auto"}))
    tokend.secrets = {}
    reply = up(tokend).sasl(BOX)
    assert reply.code == "federation-mismatch" and f"subject {MINE['object_id']}" in reply.text and entra.refusals() == [700213], reply


# --- the environment ------------------------------------------------------------------------------------------------------------------------


def workload(entra, issuer, folder):
    file = folder / "azure-identity-token"
    file.write_text(issuer.token())
    file.chmod(0o644)
    return {"AZURE_FEDERATED_TOKEN_FILE": str(file), "AZURE_CLIENT_ID": APP, "AZURE_TENANT_ID": TENANT, "AZURE_AUTHORITY_HOST": entra.base + "/"}


def test_workload_identity(up, workdir, pki, issuer, binaries):
    entra = up(Entra(workdir / "idp", pki, [{"client_id": APP, "sub": BOX, "federated": [issuer.credential()]}],
                     issuers={issuer.url: issuer.jwks}))
    tokend = lone_tokend(workdir / "t", None, pki.ca, {"provider": "exchange-online", "workload_identity": True, "scope": None, "grant": None,
                                                       "client_id": None, "client_secret_file": None, "client_auth": None},
                         {"relays": ["*"]})
    tokend.secrets, tokend.environment = {}, workload(entra, issuer, workdir)
    up(tokend)
    assert tokend.ask("TOKEN", account=BOX).ok, tokend.log()
    assert entra.requests()[0]["client"] == APP and entra.requests()[0]["path"] == f"/{TENANT}/oauth2/v2.0/token"
    checked = tokend.tool("check")      # a shell has none of them
    assert checked.returncode == 0, checked
    assert all(name in checked.stderr for name in tokend.environment) and "cannot be checked here" in checked.stderr
    tokend.stop()
    del tokend.environment["AZURE_TENANT_ID"]
    with pytest.raises(Failed, match="ended with"):
        tokend.start()
    assert "AZURE_TENANT_ID is not set" in tokend.log()


def test_variables_have_no_influence_without_the_key(up, workdir, pki, issuer, binaries):
    wrong = up(Recorder(pki.cert("decoy")))
    recorder = up(Recorder(pki.cert()))
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca)
    tokend.environment = {"AZURE_FEDERATED_TOKEN_FILE": "/nowhere", "AZURE_CLIENT_ID": "another", "AZURE_TENANT_ID": "another",
                          "AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{wrong.port}/", "IDENTITY_ENDPOINT": f"http://127.0.0.1:{wrong.port}/",
                          "IDENTITY_HEADER": HEADER, "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://127.0.0.1:{wrong.port}"}
    assert up(tokend).sasl(BOX).ok, tokend.log()
    assert b"client_id=chain&client_secret=" in recorder.requests[0].body and not wrong.connections


@pytest.mark.parametrize("kind", ["app-service", "azure-arc"])
def test_nothing_secret_shows(machine, kind):
    """With everything logged, a refusal that repeats what was sent included."""
    platform, tokend = machine(kind, echo=True, keepKeys=True)
    tokend.top["log_level"] = "debug"
    tokend.reload("reloaded")
    assert tokend.sasl(BOX).code == "identity-refused" and "is not liked" in tokend.log()
    platform.set(echo=False)
    assert ask_anew(tokend).ok, tokend.log()
    granted = tokend.ask("TOKEN", account=BOX).token
    proofs = {HEADER} if kind == "app-service" else {f.read_text() for f in platform.tokens.iterdir()}
    assert len(proofs) == (1 if kind == "app-service" else 2) and all(len(p) > 40 for p in proofs)
    proc = Path(f"/proc/{tokend.proc.pid}")
    # its own environment has what the platform puts there; a child would inherit it, and there is none
    assert not descendants(tokend.proc.pid)
    places = {"log": (tokend.log(), proofs), "argv": ((proc / "cmdline").read_text(), proofs),
              "environment": ((proc / "environ").read_text(), proofs - {HEADER})}
    for where, (text, more) in places.items():
        assert text and not [s for s in {granted, granted.rpartition(".")[2], *more} if s in text], where
