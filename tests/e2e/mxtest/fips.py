"""An OpenSSL that has approved algorithms alone (fips/mxfips.c), for one daemon."""

import subprocess
from pathlib import Path

from .proc import run

_SOURCE = Path(__file__).resolve().parents[1] / "fips" / "mxfips.c"
_CONF = """openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[providers]
mxfips = restricted
base = base
[restricted]
module = {module}
activate = 1
[base]
activate = 1
[algorithms]
default_properties = fips=yes
"""


class Fips:
    """apply(tokend) before its start. openssl(...) runs the openssl command under the same restriction."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.module, self.conf = folder / "mxfips.so", folder / "fips.cnf"
        run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", self.module, _SOURCE, "-lcrypto"])
        self.conf.write_text(_CONF.format(module=self.module))

    def apply(self, tokend):
        tokend.environment["OPENSSL_CONF"] = str(self.conf)
        return tokend

    def openssl(self, *args, data=b""):
        return subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, timeout=60,
                              env={"PATH": "/usr/bin:/bin", "OPENSSL_CONF": str(self.conf)})

    def restricts(self, tokend):
        """Whether that process has the provider."""
        return str(self.module) in Path(f"/proc/{tokend.proc.pid}/maps").read_text()
