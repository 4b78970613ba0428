"""A certificate authority for one rehearsal, made by openssl(1): one root, one certificate for the stand-ins."""

import shutil
import subprocess

from tell import Unable

_CONFIG = """[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


def _openssl(folder, *args):
    program = shutil.which("openssl")
    if program is None:
        raise Unable("openssl(1) is not there, and the stand-ins need certificates; install the package openssl")
    done = subprocess.run([program, *args], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise Unable(f"openssl {args[0]} failed: {done.stderr.strip()[-300:]}")


def make(folder, names):
    """Writes ca.pem, server.pem and server.key; the certificate is good for these names, for a day."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    config = folder / "openssl.cnf"
    config.write_text(_CONFIG.format(name="rehearsal CA", names=", ".join("DNS:" + n for n in names)))
    _openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-config", "openssl.cnf",
             "-extensions", "root")
    config.write_text(config.read_text().replace("rehearsal CA", "rehearsal server"))
    _openssl(folder, "req", "-new", *key, "-keyout", "server.key", "-out", "server.csr", "-config", "openssl.cnf")
    _openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "2", "-days", "1",
             "-out", "server.pem", "-extfile", "openssl.cnf", "-extensions", "leaf")
