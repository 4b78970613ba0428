"""A test CA, server certificates, and clients' keys with their certificates, with the openssl command."""

import base64
import hashlib

from .proc import run

_NEW_KEY = {"rsa": ("RSA", "rsa_keygen_bits:2048"), "rsa1024": ("RSA", "rsa_keygen_bits:1024"),
            "rsa3072": ("RSA", "rsa_keygen_bits:3072"), "p256": ("EC", "ec_paramgen_curve:P-256"),
            "p384": ("EC", "ec_paramgen_curve:P-384")}


class ClientKey:
    """A private key (key: PKCS#8 PEM) and its certificate (cert: PEM), as files."""

    def __init__(self, key, cert):
        self.key, self.cert = key, cert

    def _other(self, suffix):
        return self.key.with_suffix(suffix)

    def encrypted(self, passphrase):
        """The key as encrypted PKCS#8: its bytes."""
        out = self._other(".enc.pem")
        run(["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", self.key, "-out", out, "-passout", "stdin"],
            input=passphrase + "\n")
        return out.read_bytes()

    def pkcs12(self, passphrase):
        """Key and certificate as PKCS#12: its bytes."""
        out = self._other(".p12")
        run(["openssl", "pkcs12", "-export", "-inkey", self.key, "-in", self.cert, "-out", out, "-passout", "stdin"],
            input=passphrase + "\n")
        return out.read_bytes()

    def traditional(self):
        """The key as PKCS#1 or SEC1: its bytes."""
        out = self._other(".old.pem")
        run(["openssl", "pkey", "-traditional", "-in", self.key, "-out", out])
        return out.read_bytes()

    def pem(self):
        """The certificate's text."""
        return self.cert.read_text()

    def der(self):
        body = self.pem().partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0]
        return base64.b64decode(body)

    def thumbprint(self, digest="sha256"):
        """As in the header x5t#S256 (sha256) or x5t (sha1)."""
        return base64.urlsafe_b64encode(hashlib.new(digest, self.der()).digest()).rstrip(b"=").decode()

    def fingerprint(self, digest="sha1"):
        """Upper-case hexadecimal, as portals show it."""
        return hashlib.new(digest, self.der()).hexdigest().upper()


class Pki:
    """One CA in a folder. cert(name) -> (certificate file, key file)."""

    def __init__(self, folder, name="mta-xoauth2 test CA"):
        self.dir = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.ca = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._made = {}
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                      "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self._key, "-out", self.ca)

    def _openssl(self, *args):
        run(["openssl", *args])

    def cert(self, label="server", names=("localhost",), addresses=("127.0.0.1",), dates=None):
        """A server certificate for these names and addresses; the same words give the same files. dates: (from, to)."""
        words = ("cert", label, tuple(names), tuple(addresses), dates)
        if words in self._made:
            return self._made[words]
        base = self.dir / f"{len(self._made)}-{label}"     # others may use the label for other names
        key, csr, crt = (base.with_suffix(s) for s in (".key", ".csr", ".pem"))
        ext = base.with_suffix(".ext")
        alt = ",".join([f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses])
        ext.write_text(f"basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
                       f"subjectAltName={alt}\n")
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", f"/CN={names[0] if names else addresses[0]}", "-keyout", key, "-out", csr)
        if dates:  # "x509 -req" of OpenSSL 3.0 cannot set dates: "ca" can
            self._sign_dated(csr, crt, ext, *dates)
        else:
            self._openssl("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial",
                          "-days", "20", "-extfile", ext, "-out", crt)
        self._made[words] = (crt, key)
        return crt, key

    def _sign_dated(self, csr, crt, ext, start, end):
        conf = self.dir / "dated.cnf"
        (self.dir / "index.txt").write_text("")
        conf.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.dir}/index.txt\nnew_certs_dir={self.dir}\n"
                        f"rand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        self._openssl("ca", "-batch", "-config", conf, "-cert", self.ca, "-keyfile", self._key, "-in", csr, "-out", crt,
                      "-extfile", ext, "-startdate", start, "-enddate", end, "-notext")

    def expired(self):
        """A certificate with the right name that ended in 2020."""
        return self.cert("expired", dates=("20200101000000Z", "20200201000000Z"))

    def early(self):
        """A certificate with the right name that begins in 2048."""
        return self.cert("early", dates=("20480101000000Z", "20490101000000Z"))

    def self_signed(self):
        """A certificate with the right name that no CA has signed."""
        crt, key = self.dir / "self.pem", self.dir / "self.key"
        if not crt.exists():
            self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "20",
                          "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                          "-keyout", key, "-out", crt)
        return crt, key

    def wrong_name(self):
        """A valid certificate for another host."""
        return self.cert("wrong-name", names=("other.example.org",), addresses=())

    def client(self, label="client", kind="rsa", days=20, dates=None):
        """A ClientKey, self-signed, or by our CA where dates (from, to) are wanted; the same words give the same files.
        kind: rsa (2048 bits), rsa1024, rsa3072, p256, p384."""
        words = ("client", label, kind, days, dates)
        if words in self._made:
            return self._made[words]
        base = self.dir / f"{len(self._made)}-client-{label}"
        key, crt = base.with_suffix(".key"), base.with_suffix(".pem")
        algorithm, option = _NEW_KEY[kind]
        self._openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", key)
        subject = ("-subj", f"/CN=mta-xoauth2 {label}")
        if dates:
            csr, ext = base.with_suffix(".csr"), base.with_suffix(".ext")
            ext.write_text("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n")
            self._openssl("req", "-new", "-key", key, *subject, "-out", csr)
            self._sign_dated(csr, crt, ext, *dates)
        else:
            self._openssl("req", "-x509", "-new", "-key", key, *subject, "-days", days, "-out", crt)
        self._made[words] = ClientKey(key, crt)
        return self._made[words]

    def expired_client(self):
        """An RSA ClientKey whose certificate ended in 2020."""
        return self.client("ended", dates=("20200101000000Z", "20200201000000Z"))

    def early_client(self):
        """An RSA ClientKey whose certificate begins in 2048."""
        return self.client("begins-later", dates=("20480101000000Z", "20490101000000Z"))
