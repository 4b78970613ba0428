"""A test CA and server certificates, with the openssl command."""

from .proc import run


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
        """A server certificate for these names and addresses; the same label gives the same files. dates: (from, to)."""
        if label in self._made:
            return self._made[label]
        base = self.dir / label
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
        self._made[label] = (crt, key)
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
