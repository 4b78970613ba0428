"""With an OpenSSL that offers what FIPS approves and nothing else, every way of proving oneself works as before.

No validated module: Debian 12 has none. tests/e2e/fips/mxfips.c leaves of the default provider what fips.so has.
"""

import pytest

from mxtest.alone import BOX, lone_tokend
from mxtest.entra import APP, SCOPE, Entra
from mxtest.fips import Fips
from mxtest.idp import Idp
from mxtest.proc import run
from mxtest.recorder import Recorder

VALID = "a new secret: &=+%"
PASSPHRASE = "correct horse"


@pytest.fixture
def fips(workdir):
    return Fips(workdir / "fips")


def by_key(**more):
    return {"client_secret_file": None, "client_auth": None, "key": "secret:k.pem", **more}


def files(key):
    return {"k.pem": key.key.read_bytes(), "c.pem": key.cert.read_bytes()}


def at_entra(up, workdir, pki, key):
    return up(Entra(workdir / "entra", pki, [{"client_id": APP, "sub": BOX, "secrets": [{"value": VALID}], "certificates": [key.pem()]}]))


def test_the_restriction_is_real(fips):
    """The negative control of all below: what is approved is there, and the rest is not to be had."""
    for name in ("sha1", "sha256", "sha512"):
        assert fips.openssl("dgst", f"-{name}", data=b"x").returncode == 0, name
    for name in ("md5", "md5-sha1", "ripemd160", "blake2b512", "sm3"):
        done = fips.openssl("dgst", f"-{name}", data=b"x")
        assert done.returncode != 0 and b"unsupported" in done.stderr, name
    assert fips.openssl("enc", "-aes-128-cbc", "-K", "00" * 16, "-iv", "00" * 16, data=b"x").returncode == 0
    for name, size in (("des3", 24), ("rc4", 16), ("chacha20", 32)):
        done = fips.openssl("enc", f"-{name}", "-K", "00" * size, "-iv", "00" * 16, data=b"x")
        assert done.returncode != 0 and b"unsupported" in done.stderr, name
    assert fips.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256").returncode == 0
    done = fips.openssl("genpkey", "-algorithm", "X25519")
    assert done.returncode != 0 and b"unsupported" in done.stderr


@pytest.mark.parametrize("how", ["secret", "PS256", "RS256"])
def test_at_entra(up, workdir, pki, binaries, fips, how):
    """RS256 names the certificate by SHA-1, a digest that is allowed where nothing is signed by it."""
    key = pki.client("rsa")
    entra = at_entra(up, workdir, pki, key)
    proof = {"client_secret_file": "secret:c.secret", "client_auth": "client_secret_post"} if how == "secret" else by_key(
        certificate_file="secret:c.pem", assertion_algorithm=how)
    tokend = lone_tokend(workdir / "t", entra.token_endpoint, pki.ca, {**proof, "client_id": APP, "scope": SCOPE})
    tokend.secrets = {"c.secret": VALID, **files(key)}
    up(fips.apply(tokend))
    assert fips.restricts(tokend), "the daemon has nothing but that"
    reply = tokend.sasl(BOX)
    assert reply.ok, (reply, tokend.log())
    assert len(reply.token_id) == 16
    assert [r["status"] for r in entra.requests()] == [200]


def test_es256(up, workdir, pki, binaries, fips):
    key = pki.client("p256", "p256")
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "chain", "sub": BOX, "client_secret": None, "auth": "private_key_jwt",
                                        "certificates": [key.pem()], "alg": "ES256"}]))
    tokend = lone_tokend(workdir / "t", idp.token_endpoint, pki.ca, by_key(assertion_algorithm="ES256"))
    tokend.secrets = files(key)
    up(fips.apply(tokend))
    assert tokend.sasl(BOX).ok and fips.restricts(tokend), tokend.log()


def test_an_encrypted_key(up, workdir, pki, binaries, fips):
    """PBES2 with AES, as openssl makes it. The old form wants MD5: it works without the restriction, and not within."""
    key, endpoint = pki.client("rsa"), up(Recorder(pki.cert()))
    old = workdir / "old.pem"
    run(["openssl", "rsa", "-in", key.key, "-traditional", "-aes128", "-passout", "stdin", "-out", old], input=PASSPHRASE + "\n")

    def daemon(name, content, restricted=True):
        tokend = lone_tokend(workdir / name, endpoint.url, pki.ca, by_key(key_passphrase_file="secret:pass"))
        tokend.secrets = {"k.pem": content, "pass": PASSPHRASE + "\n"}
        return fips.apply(tokend) if restricted else tokend
    assert up(daemon("new", key.encrypted(PASSPHRASE))).sasl(BOX).ok
    free = up(daemon("free", old.read_bytes(), restricted=False))
    assert free.sasl(BOX).ok and not fips.restricts(free)
    bound = daemon("bound", key.encrypted(PASSPHRASE))
    up(bound)
    bound.write_secret("k.pem", old.read_bytes())
    reply = bound.sasl(BOX)
    assert reply.code == "key-cipher-unsupported", (reply, bound.log())


def test_a_mail_is_delivered_with_a_certificate(make_chain, workdir, pki, fips):
    key = pki.client("rsa")
    entra = Entra(workdir / "entra", pki, [{"client_id": APP, "sub": BOX, "secrets": [], "certificates": [key.pem()]}])
    chain = make_chain(without=("tokend", "postfix"), idp=entra, client=by_key(client_id=APP, scope=SCOPE, certificate_file="secret:c.pem"))
    chain.tokend.secrets = files(key)
    fips.apply(chain.tokend).start()
    chain.postfix.start()
    mail, = chain.deliver(1, subject="approved")
    assert mail.subject == "approved" and fips.restricts(chain.tokend)
