"""A client that proves itself with a key and its certificate (private_key_jwt), at oidc-provider and at the stand-in for Entra."""

import base64
import os
import urllib.parse

import pytest

from mxtest import exposition, tpm
from mxtest.alone import BOX, lone_tokend
from mxtest.clock import Clock
from mxtest.entra import APP, JWT_BEARER, SCOPE, TENANT, Entra
from mxtest.idp import Idp
from mxtest.proc import Failed, run, wait_for
from mxtest.recorder import Recorder

PASSPHRASE = "correct horse: battery=staple"
HEADERS = {"PS256": ("x5t#S256", "sha256"), "RS256": ("x5t", "sha1")}
KINDS = {"PS256": "rsa", "RS256": "rsa", "ES256": "p256"}


def by_key(**more):
    """What an entry of "clients" has in place of its secret."""
    return {"client_secret_file": None, "client_auth": None, "key": "secret:k.pem", **more}


def files(key, **more):
    """What lies beside tokend.yaml."""
    return {"k.pem": key.key.read_bytes(), "c.pem": key.cert.read_bytes(), **more}


def lone(folder, endpoint, pki, key, client=None, secrets=None, **more):
    """The daemon alone with a key; certificate and key are there as c.pem and k.pem."""
    tokend = lone_tokend(folder, endpoint, pki.ca, by_key(**(client or {})), **more)
    tokend.secrets = secrets or files(key)
    return tokend


def ask_anew(tokend):
    """The daemon forgets its token, and any wait, and is asked again."""
    assert tokend.ask("FLUSH", account=BOX).ok
    return tokend.sasl(BOX)


def rejected(tokend):
    return tokend.log().count("credential_failed client=")


def failures(tokend):
    return exposition.parse(tokend.ask("METRICS").body)["mta_xoauth2_credential_failures_total"].value(client="c")


# --- oidc-provider ----------------------------------------------------------------------------------------------------------------


def registered(key, alg=None, **more):
    """Registers a certificate, or {pem, kid}, with oidc-provider."""
    certificate = {"pem": key.pem(), **more} if more else key.pem()
    return {"client_secret": None, "auth": "private_key_jwt", "certificates": [certificate], **({"alg": alg} if alg else {})}


@pytest.mark.parametrize("alg", KINDS)
def test_a_mail_is_delivered(make_chain, pki, alg):
    """With the key alone: no certificate, and so no thumbprint. PS256 need not be written down."""
    key = pki.client(KINDS[alg], KINDS[alg])
    chain = make_chain(without=("tokend", "postfix"), idp_client=registered(key, alg),
                       client=by_key(**({} if alg == "PS256" else {"assertion_algorithm": alg})))
    chain.tokend.secrets = files(key)
    chain.tokend.start()
    chain.postfix.start()
    mail, = chain.deliver(1, subject=f"by {alg}")
    assert mail.subject == f"by {alg}" and len(chain.dovecot.logins()) == 1
    request, = chain.idp.requests()
    assert (request["auth"], request["status"], request["client"]) == ("assertion", 200, "chain")
    assert request["assertion"]["header"] == {"alg": alg, "typ": "JWT"}
    claims = request["assertion"]["claims"]
    assert sorted(claims) == ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"]
    assert claims["aud"] == chain.idp.token_endpoint and claims["iss"] == claims["sub"] == "chain"
    assert all(type(claims[k]) is int for k in ("exp", "iat", "nbf"))
    assert claims["nbf"] <= claims["iat"] and 60 <= claims["exp"] - claims["iat"] <= 600 and len(claims["jti"]) >= 16


def shapes(pki):
    """name: (kind of key, its file, more keys, more files)."""
    rsa, ec = pki.client("rsa"), pki.client("p256", "p256")
    secret = {"pass": PASSPHRASE + "\n"}
    passed = {"key_passphrase_file": "secret:pass"}
    return {
        "PKCS#8": (rsa, rsa.key.read_bytes(), {}, {}),
        "encrypted PKCS#8": (rsa, rsa.encrypted(PASSPHRASE), passed, secret),
        "PKCS#1": (rsa, rsa.traditional(), {}, {}),
        "SEC1": (ec, ec.traditional(), {"assertion_algorithm": "ES256"}, {}),
        "PKCS#12": (rsa, rsa.pkcs12(PASSPHRASE), passed, secret),
        "key and certificate in one": (rsa, rsa.cert.read_bytes() + rsa.key.read_bytes(), {"certificate_file": "secret:k.pem"}, {}),
        "3072 bits": (big := pki.client("rsa3072", "rsa3072"), big.key.read_bytes(), {}, {}),
        "passphrase and no need": (rsa, rsa.key.read_bytes(), passed, secret),
    }


SHAPES = ["PKCS#8", "encrypted PKCS#8", "PKCS#1", "SEC1", "PKCS#12", "key and certificate in one", "3072 bits", "passphrase and no need"]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_a_key(up, workdir, pki, binaries, shape):
    key, content, keys, more = shapes(pki)[shape]
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "chain", "sub": BOX, **registered(key)}]))
    tokend = lone(workdir / "t", idp.token_endpoint, pki, key, keys, {**files(key), "k.pem": content, **more})
    assert tokend.check().returncode == 0, tokend.check().stderr
    reply = up(tokend).sasl(BOX)
    assert reply.ok, (reply, tokend.log())
    assert PASSPHRASE not in tokend.log()


@pytest.mark.parametrize("shape", ["encrypted PKCS#8", "PKCS#12"])
def test_a_mail_is_delivered_with_a_key_under_a_passphrase(make_chain, pki, shape):
    key, content, keys, more = shapes(pki)[shape]
    chain = make_chain(without=("tokend", "postfix"), idp_client=registered(key), client=by_key(**keys))
    chain.tokend.secrets = {"k.pem": content, **more}
    chain.tokend.start()
    chain.postfix.start()
    mail, = chain.deliver(1, subject=f"by {shape}")
    assert mail.subject == f"by {shape}" and len(chain.dovecot.logins()) == 1
    request, = chain.idp.requests()
    assert (request["auth"], request["status"]) == ("assertion", 200)


def test_a_mail_is_delivered_with_a_key_in_a_tpm(make_chain, up, workdir, pki):
    """The daemon has a name for the key and nothing else; Entra knows it by the certificate."""
    if (why := tpm.lacks()) is not None:
        pytest.skip(why)
    device = up(tpm.Tpm(workdir / "tpm"))
    entra = Entra(workdir / "idp", pki, [{"client_id": APP, "sub": BOX, "secrets": [], "certificates": [device.key.pem()]}])
    chain = make_chain(without=("tokend", "postfix"), idp=entra, client=by_key(
        client_id=APP, scope=SCOPE, key=tpm.KEY, certificate_file="secret:c.pem"))
    chain.tokend.secrets = {"c.pem": device.key.cert.read_bytes()}
    device.apply(chain.tokend).start()
    chain.postfix.start()
    mail, = chain.deliver(1, subject="by the TPM")
    assert mail.subject == "by the TPM" and len(chain.dovecot.logins()) == 1
    request, = entra.requests()
    assert (request["auth"], request["status"]) == ("assertion", 200)
    assert request["assertion"]["header"]["x5t#S256"] == device.key.thumbprint()


def test_what_the_provider_wants_said_otherwise(up, workdir, pki, binaries):
    """kid where the provider knows its keys by a name; aud and typ as RFC 10070 has them. Each assertion is another one."""
    key = pki.client("rsa")
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "chain", "sub": BOX, **registered(key, kid="mail 2026")}]))
    tokend = up(lone(workdir / "t", idp.token_endpoint, pki, key, {
        "client_auth": "private_key_jwt", "key_id": "mail 2026", "assertion_audience": idp.issuer,
        "assertion_typ": "client-authentication+jwt", "assertion_algorithm": "RS256"}))
    for _ in range(3):
        assert ask_anew(tokend).ok, tokend.log()
    made = [r["assertion"] for r in idp.requests()]
    assert made[0]["header"] == {"alg": "RS256", "typ": "client-authentication+jwt", "kid": "mail 2026"}
    assert {m["claims"]["aud"] for m in made} == {idp.issuer} and len({m["claims"]["jti"] for m in made}) == 3


@pytest.mark.parametrize("alg", KINDS)
def test_the_request_to_the_byte(up, workdir, pki, binaries, alg):
    """The body is what RFC 7523 says and nothing more; the openssl command verifies the signature; no log has it."""
    key = pki.client(KINDS[alg], KINDS[alg])
    recorder = up(Recorder(pki.cert()))
    tokend = up(lone(workdir / "t", recorder.url, pki, key, {"assertion_algorithm": alg, "scope": SCOPE, "client_id": "a b&c"}))
    assert tokend.sasl(BOX).ok
    request, = recorder.requests
    fields = dict(urllib.parse.parse_qsl(request.body.decode("ascii"), strict_parsing=True))
    assertion = fields["client_assertion"]
    assert request.body.decode() == ("grant_type=client_credentials&client_id=a+b%26c&client_assertion_type="
                                     + urllib.parse.quote(JWT_BEARER, safe="") + f"&client_assertion={assertion}&scope="
                                     + urllib.parse.quote(SCOPE, safe=""))
    assert "authorization" not in request.headers
    signed, _, signature = assertion.rpartition(".")
    assert "=" not in assertion and signature not in tokend.log() and signed not in tokend.log()
    raw = base64.urlsafe_b64decode(signature + "==")
    assert len(raw) == (64 if alg == "ES256" else 256)
    options = {"PS256": ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sigopt", "rsa_mgf1_md:sha256"]}
    (workdir / "signed").write_text(signed)
    (workdir / "signature").write_bytes(der_of(raw) if alg == "ES256" else raw)
    (workdir / "public").write_text(run(["openssl", "x509", "-in", key.cert, "-noout", "-pubkey"]).stdout)
    assert "Verified OK" in run(["openssl", "dgst", "-sha256", *options.get(alg, []), "-verify", workdir / "public",
                                 "-signature", workdir / "signature", workdir / "signed"]).stdout


def der_of(raw):
    """ECDSA's two numbers as the openssl command wants them: SEQUENCE of two INTEGER."""
    numbers = b""
    for half in (raw[:32], raw[32:]):
        value = int.from_bytes(half, "big")
        body = value.to_bytes(value.bit_length() // 8 + 1, "big")
        numbers += bytes([2, len(body)]) + body
    return bytes([0x30, len(numbers)]) + numbers


# --- Entra ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def entra(workdir, pki):
    """entra(**of the app): not started."""
    def make(**app):
        return Entra(workdir / "idp", pki, [{"client_id": APP, "sub": BOX, **app}])
    return make


def at_entra(**more):
    return by_key(client_id=APP, scope=SCOPE, certificate_file="secret:c.pem", **more)


@pytest.mark.parametrize("alg", HEADERS)
def test_a_mail_is_delivered_with_a_token_of_entra(make_chain, pki, entra, alg):
    key = pki.client("rsa")
    chain = make_chain(without=("tokend", "postfix"), idp=entra(certificates=[pki.client("another").pem(), key.pem()]),
                       client=at_entra(assertion_algorithm=alg))
    chain.tokend.secrets = files(key)
    chain.tokend.start()
    chain.postfix.start()
    chain.deliver(1)
    request, = chain.idp.requests()
    name, digest = HEADERS[alg]
    assert request["status"] == 200, request
    assert request["assertion"]["header"] == {"alg": alg, "typ": "JWT", name: key.thumbprint(digest)}
    assert request["assertion"]["claims"]["aud"] == chain.idp.token_endpoint


@pytest.mark.parametrize("shape", ["PEM", "PKCS#12"])
def test_the_preset(up, workdir, pki, entra, binaries, shape):
    """exchange-online needs nothing but tenant, client_id, key and certificate; PKCS#12 brings its certificate along."""
    key = pki.client("rsa")
    stand_in = up(entra(certificates=[key.pem()]))
    client = {"provider": "exchange-online", "tenant": TENANT, "token_endpoint": stand_in.template, "grant": None, "scope": None,
              "client_id": APP}
    if shape == "PEM":
        client |= {"certificate_file": "secret:c.pem"}
        tokend = lone(workdir / "t", stand_in.template, pki, key, client)
    else:
        client |= {"key_passphrase_file": "secret:pass"}
        tokend = lone(workdir / "t", stand_in.template, pki, key, client,
                      files(key) | {"k.pem": key.pkcs12(PASSPHRASE), "pass": PASSPHRASE})
    up(tokend)
    reply = tokend.ask("TOKEN", account=BOX)
    assert reply.ok, (reply, tokend.log())
    assert stand_in.requests()[0]["assertion"]["header"]["x5t#S256"] == key.thumbprint()


def test_a_certificate_that_is_not_registered(make_chain, pki, entra):
    """Mail waits; the mail log says what to compare, the daemon's log has the thumbprint; mended there, it goes."""
    key = pki.client("rsa")
    chain = make_chain(without=("tokend", "postfix"), idp=entra(certificates=[pki.client("another").pem()]), client=at_entra())
    chain.tokend.secrets = files(key)
    chain.tokend.start()
    chain.postfix.start()
    chain.postfix.send()
    status, line = chain.outcome()
    assert status == "deferred" and "dsn=4.7.0" in line and chain.idp.refusals() == [700027]
    warning, = chain.postfix.wait_log("warning: SASL authentication failure: mta-xoauth2: ")
    for part in (BOX, 'client "chain"', "HTTP 401 invalid_client", "AADSTS700027", "upload certificate_file", "openssl x509", "[certificate-unknown]"):
        assert part in warning, (part, warning)
    failed = chain.tokend.wait_log("fetch_failed client=chain")
    assert "aadsts=700027" in failed and key.fingerprint("sha256") in failed
    chain.idp.set(APP, certificates=[key.pem()])
    assert ask_anew(chain.tokend).ok
    chain.postfix.flush()
    chain.sink.wait(1)
    assert chain.postfix.statuses()["bounced"] == 0


def test_a_wrong_audience_names_its_key(up, workdir, pki, entra, binaries):
    key = pki.client("rsa")
    stand_in = up(entra(certificates=[key.pem()]))
    tokend = lone_tokend(workdir / "t", stand_in.token_endpoint, pki.ca, {
        "client_secret_file": None, "client_auth": "private_key_jwt", "client_id": APP, "scope": SCOPE, "key": "secret:k.pem",
        "certificate_file": "secret:c.pem", "assertion_audience": "https://issuer.example/"})
    tokend.secrets = files(key)
    reply = up(tokend).sasl(BOX)
    assert stand_in.refusals() == [700023] and "remove assertion_audience" in reply.text and "AADSTS700023" in reply.text


@pytest.mark.parametrize("ahead", [-900, 7200])
def test_a_clock_that_is_wrong(up, workdir, pki, entra, binaries, ahead):
    key = pki.client("rsa")
    stand_in = up(entra(certificates=[key.pem()]))
    stand_in.set(ahead=ahead)
    tokend = up(lone(workdir / "t", stand_in.token_endpoint, pki, key, at_entra()))
    reply = tokend.sasl(BOX)
    assert reply.code == "assertion-expired" and "clock" in reply.text and stand_in.refusals() == [700024]
    stand_in.set(ahead=0)
    assert ask_anew(tokend).ok


# --- what is wrong with the files, told before it matters -----------------------------------------------------------------------


def wrongs(pki):
    """name: (more keys, more files, what is said)."""
    rsa, ec, other = pki.client("rsa"), pki.client("p256", "p256"), pki.client("another")
    small = pki.client("small", "rsa1024")
    certified = {"certificate_file": "secret:c.pem"}
    passed = {"key_passphrase_file": "secret:pass"}
    return {
        "another key's certificate": (certified, {**files(rsa), "c.pem": other.cert.read_bytes()}, "another key"),
        "1024 bits": ({}, files(small), "1024 bits"),
        "EC for PS256": ({}, files(ec), "EC key"),
        "RSA for ES256": ({"assertion_algorithm": "ES256"}, files(rsa), "P-256"),
        "P-384 for ES256": ({"assertion_algorithm": "ES256"}, files(pki.client("p384", "p384")), "P-256"),
        "no passphrase": ({}, {**files(rsa), "k.pem": rsa.encrypted(PASSPHRASE)}, "key_passphrase_file"),
        "another passphrase": (passed, {**files(rsa), "k.pem": rsa.encrypted(PASSPHRASE), "pass": "wrong horse"}, "key_passphrase_file"),
        "a certificate in the key's place": ({}, {**files(rsa), "k.pem": rsa.cert.read_bytes()}, "k.pem"),
        "a key in the certificate's place": (certified, {**files(rsa), "c.pem": rsa.key.read_bytes()}, "c.pem"),
        "empty": ({}, {**files(rsa), "k.pem": ""}, "k.pem"),
        "half a key": ({}, {**files(rsa), "k.pem": rsa.key.read_bytes()[:600]}, "k.pem"),
        "no key": ({"key": "secret:missing.pem"}, files(rsa), "missing.pem"),
        "no certificate": ({"certificate_file": "secret:missing.pem"}, files(rsa), "missing.pem"),
        "no passphrase file": ({"key_passphrase_file": "secret:missing.pass"}, files(rsa), "missing.pass"),
    }


WRONGS = ["another key's certificate", "1024 bits", "EC for PS256", "RSA for ES256", "P-384 for ES256",
          "no passphrase", "another passphrase", "a certificate in the key's place", "a key in the certificate's place", "empty",
          "half a key", "no key", "no certificate", "no passphrase file"]


@pytest.mark.parametrize("name", WRONGS)
def test_what_is_wrong_is_told_at_load(up, workdir, pki, binaries, name):
    """By --check with the line; such a daemon does not start; a reload keeps what was in force."""
    keys, more, said = wrongs(pki)[name]
    recorder = up(Recorder(pki.cert()))
    tokend = lone(workdir / "bad", recorder.url, pki, None, keys, more)
    checked = tokend.check()
    assert checked.returncode == 3 and said in checked.stderr and "tokend.yaml:" in checked.stderr, checked
    for secret in (PASSPHRASE, "wrong horse", "PRIVATE KEY-----\nMI"):
        assert secret not in checked.stderr + checked.stdout
    with pytest.raises(Failed, match="ended with"):
        tokend.start()
    tokend.stop()
    good = pki.client("good")
    tokend = up(lone(workdir / "t", recorder.url, pki, good, {"certificate_file": "secret:c.pem"}))
    before = tokend.sasl(BOX)
    assert before.ok, tokend.log()
    # the files of the running one stay as they are, the new ones lie beside them
    tokend.secrets = {f"new-{k}": v for k, v in more.items()}
    tokend.clients["c"] |= {k: v.replace("secret:", "secret:new-") if isinstance(v, str) else v
                            for k, v in {"key": "secret:k.pem", **keys}.items()}
    tokend.reload("reload_failed code=")
    assert said in tokend.log() and "the old configuration stays in force" in tokend.log()
    assert tokend.sasl(BOX).token_id == before.token_id and ask_anew(tokend).ok and len(recorder.requests) == 2


@pytest.mark.parametrize("kind, said, code", [("expired", "2020-02-01", "certificate-expired"),
                                              ("early", "2048-01-01", "certificate-not-yet-valid")])
def test_dates_alone_keep_nothing_from_starting(up, workdir, pki, binaries, kind, said, code):
    """Told at load as a warning; nothing is sent with it, and the credential behind it serves."""
    key = pki.expired_client() if kind == "expired" else pki.early_client()
    recorder = up(Recorder(pki.cert()))
    tokend = lone_tokend(workdir / "t", recorder.url, pki.ca, {"client_secret_file": None, "credentials": [
        {"key": "secret:k.pem", "certificate_file": "secret:c.pem"}, {"client_secret_file": "secret:c.secret"}]})
    tokend.secrets |= files(key)
    checked = tokend.check()
    assert checked.returncode == 0 and said in checked.stderr and "warning" in checked.stderr, checked
    assert up(tokend).sasl(BOX).ok and len(recorder.requests) == 1 and b"assertion" not in recorder.requests[0].body
    assert f"code={code} next=2" in tokend.log()
    told, = [line for line in tokend.log().splitlines() if ": warning: " in line and said in line]
    assert "tokend.yaml:" in told, "the start says so too, once"


def test_a_key_that_everybody_may_read(up, workdir, pki, binaries):
    recorder = up(Recorder(pki.cert()))
    tokend = lone(workdir / "t", recorder.url, pki, pki.client("rsa"))
    tokend.write()
    tokend.secret_path("k.pem").chmod(0o644)
    checked = run([*map(str, tokend.argv()[:3]), "--check"], check=False)
    assert checked.returncode == 3 and "open to every user of this host" in checked.stderr and "k.pem" in checked.stderr


@pytest.mark.parametrize("spoil, code, said", [
    (lambda t: t.secret_path("k.pem").chmod(0o644), "key-world-readable", "open to every user of this host"),
    (lambda t: t.secret_path("k.pem").unlink(), "key-missing", "does not exist"),
    (lambda t: t.secret_path("k.pem").chmod(0o600), "key-unreadable", "k.pem"),
    (lambda t: t.secret_path("c.pem").write_bytes(b"x"), "certificate-malformed", "c.pem"),
], ids=["opened to all", "removed", "closed to the daemon", "certificate spoilt"])
def test_files_spoilt_while_the_daemon_runs(up, workdir, pki, binaries, spoil, code, said):
    recorder = up(Recorder(pki.cert()))
    tokend = up(lone(workdir / "t", recorder.url, pki, pki.client("rsa"), {"certificate_file": "secret:c.pem"}))
    spoil(tokend)
    reply = tokend.sasl(BOX)
    assert (reply.class_, reply.code) == ("config", code) and said in reply.text
    assert not recorder.requests and recorder.connections == 0


def test_a_certificate_that_ends_while_the_daemon_runs(up, workdir, pki, binaries):
    """Nothing is sent with it any more, and it says why; a new pair in the same files is taken without a reload."""
    old, new = pki.client("short", days=2), pki.client("long", days=3000)
    recorder = up(Recorder(pki.cert()))
    clock = Clock(workdir)
    tokend = lone(workdir / "t", recorder.url, pki, old, {"certificate_file": "secret:c.pem"})
    assert "ends" in tokend.check().stderr and tokend.check().returncode == 0
    up(clock.apply(tokend))
    assert tokend.sasl(BOX).ok
    clock.advance(3 * 86400)
    reply = ask_anew(tokend)
    assert (reply.class_, reply.code) == ("config", "certificate-expired") and "register" in reply.text, reply
    asked = len(recorder.requests)
    for name, content in files(new).items():
        tokend.secret_path("new").write_bytes(content)
        os.chown(tokend.secret_path("new"), 0, tokend.secret_path(name).stat().st_gid)
        tokend.secret_path("new").chmod(0o640)
        tokend.secret_path("new").rename(tokend.secret_path(name))
    wait_for("the new pair to be used", lambda: tokend.sasl(BOX).ok, 30, 0.2)
    assert len(recorder.requests) == asked + 1


def test_when_the_certificate_ends_is_known(up, workdir, pki, binaries):
    recorder = up(Recorder(pki.cert()))
    key = pki.client("forty", days=40)
    tokend = lone(workdir / "t", recorder.url, pki, key, {"certificate_file": "secret:c.pem"})
    assert tokend.check().returncode == 0 and tokend.check().stderr == ""
    up(tokend)
    told = exposition.parse(tokend.ask("METRICS").body)["mta_xoauth2_credential_expiry_seconds"].value(client="c")
    assert 39.9 * 86400 < told <= 40 * 86400
    line = next(ln for ln in tokend.ask("STATUS").body.splitlines() if ln.startswith("client\tname=c\t"))
    assert "\tcredential_expires_in=34" in line


# --- several credentials ----------------------------------------------------------------------------------------------------------

EXPIRED = {"value": "an old secret", "expires": "2021-01-01T00:00:00Z"}
VALID = {"value": "a new secret: &=+%"}


@pytest.fixture
def pair(up, workdir, pki, entra, binaries):
    """A secret, then a certificate: pair(secret in the file, **of the app) -> (stand-in, daemon, its clock)."""
    def make(secret="an old secret", **app):
        key = pki.client("rsa")
        stand_in = up(entra(**{"secrets": [EXPIRED, VALID], "certificates": [key.pem()], **app}))
        tokend = lone_tokend(workdir / "t", stand_in.token_endpoint, pki.ca, {
            "client_secret_file": None, "client_id": APP, "scope": SCOPE, "credentials": [
                {"client_secret_file": "secret:c.secret"}, {"key": "secret:k.pem", "certificate_file": "secret:c.pem"}]})
        tokend.secrets = {"c.secret": secret, **files(key)}
        clock = Clock(workdir)
        return stand_in, up(clock.apply(tokend)), clock
    return make


def proofs(entra):
    """How each request proved itself, and what became of it."""
    return [(r["auth"], r["status"]) for r in entra.requests()]


def test_the_second_is_used_in_the_same_ask(pair):
    entra, tokend, _ = pair()
    assert failures(tokend) == 0
    assert tokend.sasl(BOX).ok, tokend.log()
    assert proofs(entra) == [("body", 401), ("assertion", 200)] and entra.refusals() == [7000222]
    line = tokend.wait_log("credential_failed client=c ")
    assert "credential=1 " in line and "code=client-secret-expired" in line and "next=2" in line and "AADSTS7000222" in line
    assert failures(tokend) == 1 and "an old secret" not in tokend.log()
    status = next(ln for ln in tokend.ask("STATUS").body.splitlines() if ln.startswith("client\tname=c\t"))
    assert "\tcredential_failures=1\tcredential=2" in status
    assert "    credential 2 is in use; refused or unusable so far: 1 times" in tokend.tool("status").stdout
    # the next token is asked for with what works
    assert ask_anew(tokend).ok and proofs(entra)[2:] == [("assertion", 200)] and rejected(tokend) == 1


def test_the_first_is_used_again_when_it_is_mended(pair):
    entra, tokend, _ = pair()
    assert tokend.sasl(BOX).ok
    tokend.write_secret("c.secret", VALID["value"])
    assert ask_anew(tokend).ok and proofs(entra)[2:] == [("body", 200)]
    tokend.wait_log("credential_works client=c")
    assert rejected(tokend) == 1 and failures(tokend) == 1


def test_the_first_is_tried_again_after_an_hour(pair):
    entra, tokend, clock = pair()
    assert tokend.sasl(BOX).ok
    entra.set(ahead=1800)       # before the daemon's, which may refresh at once
    clock.advance(1800)
    assert ask_anew(tokend).ok
    within = proofs(entra)[2:]              # one request, or two if it had refreshed before it was asked
    assert set(within) == {("assertion", 200)} and failures(tokend) == 1
    entra.set(ahead=3700)
    clock.advance(1900)
    assert ask_anew(tokend).ok
    later = proofs(entra)[2 + len(within):]
    assert later[:2] == [("body", 401), ("assertion", 200)] and set(later[2:]) <= {("assertion", 200)}
    assert failures(tokend) == 2


def test_behind_the_last_comes_the_first(pair):
    """The second one worked; then it is taken away, and the first, refused within the hour, has been put right there."""
    entra, tokend, _ = pair()
    assert tokend.sasl(BOX).ok and proofs(entra) == [("body", 401), ("assertion", 200)]
    entra.set(APP, secrets=[{"value": "an old secret"}], certificates=[])
    assert ask_anew(tokend).ok and proofs(entra)[2:] == [("assertion", 401), ("body", 200)]
    assert "credential=2 code=certificate-unknown next=1" in tokend.log()


def test_what_is_no_fault_of_the_credential_moves_nobody_on(pair, pki):
    entra, tokend, _ = pair()
    ca = tokend.dir / "gone.pem"
    ca.write_bytes(pki.ca.read_bytes())
    ca.chmod(0o644)
    tokend.clients["c"]["ca_file"] = str(ca)
    tokend.reload("reloaded")
    ca.unlink()
    assert tokend.sasl(BOX).code == "ca-file-unusable" and "credential_failed" not in tokend.log()


def test_both_are_refused(pair):
    """Each is tried once; then the hold counts for the client as a whole, and the last refusal is what is told."""
    entra, tokend, _ = pair(certificates=[])
    reply = tokend.sasl(BOX)
    assert not reply.ok and reply.code == "certificate-unknown"
    assert proofs(entra) == [("body", 401), ("assertion", 401)] and entra.refusals() == [7000222, 700027]
    assert not tokend.sasl(BOX).ok and len(entra.requests()) == 2


@pytest.mark.parametrize("aadsts", [90033, 90055, 1002012, 700016])
def test_what_is_not_about_the_credential_tries_no_other(pair, aadsts):
    entra, tokend, _ = pair(refuse=aadsts)
    assert not tokend.sasl(BOX).ok
    assert {r["auth"] for r in entra.requests()} == {"body"} and rejected(tokend) == 0 and failures(tokend) == 0


@pytest.mark.parametrize("spoil, code", [
    (lambda t: t.secret_path("c.secret").unlink(), "secret-missing"),
    (lambda t: t.secret_path("c.secret").chmod(0o644), "secret-world-readable"),
], ids=["removed", "opened to all"])
def test_the_first_cannot_be_used_here(pair, spoil, code):
    entra, tokend, _ = pair(VALID["value"])
    spoil(tokend)
    assert tokend.sasl(BOX).ok and proofs(entra) == [("assertion", 200)]
    assert f"code={code}" in tokend.wait_log("credential_failed client=c ")
    tokend.write_secret("c.secret", VALID["value"])
    assert ask_anew(tokend).ok and proofs(entra)[1:] == [("body", 200)]


def test_a_mail_is_delivered_by_the_second(make_chain, pki, entra):
    """The queue does not notice: one mail, one attempt."""
    key = pki.client("rsa")
    chain = make_chain(without=("tokend", "postfix"), idp=entra(secrets=[EXPIRED], certificates=[key.pem()]), client={
        "client_secret_file": None, "client_id": APP, "scope": SCOPE, "credentials": [
            {"client_secret_file": "secret:c.secret"}, {"key": "secret:k.pem", "certificate_file": "secret:c.pem"}]})
    chain.tokend.secrets = {"c.secret": EXPIRED["value"], **files(key)}
    chain.tokend.start()
    chain.postfix.start()
    chain.deliver(1)
    chain.postfix.wait_log("status=sent")
    assert chain.postfix.statuses() == {"sent": 1, "deferred": 0, "bounced": 0}
    assert not chain.postfix.lines("SASL authentication failure") and proofs(chain.idp) == [("body", 401), ("assertion", 200)]
