"""Where programs are: ours (in the build folder), the servers' (installed, or unpacked by tests/lib/servers.sh)."""

import os
import shutil
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
CACHE = Path("/var/cache/mxt")
IDP = TOP / "tests" / "idp"
SASL_DIRS = [Path(p) for p in ("/usr/lib/x86_64-linux-gnu/sasl2", "/usr/lib/aarch64-linux-gnu/sasl2", "/usr/lib/sasl2")]


class Missing(Exception):
    """A program or file the tests need is not there."""


def build_dir():
    """The build folder: MX_BUILD, else build/gcc of the source tree."""
    return Path(os.environ.get("MX_BUILD") or TOP / "build" / "gcc").resolve()


def ours(name):
    """Path of one of our files by name: tokend, tool, plugin. Fails with Missing when it is not built."""
    rel = {
        "tokend": "mta-xoauth2-tokend",
        "tool": "mta-xoauth2",
        "plugin": ".libs/libmta-xoauth2.so",
    }[name]
    path = build_dir() / rel
    if not path.exists():
        raise Missing(f"{path} is not there: build first, or set MX_BUILD")
    return path


def built():
    """Whether daemon and plugin have been built."""
    try:
        return bool(ours("tokend") and ours("plugin"))
    except Missing:
        return False


def program(name):
    """A program of the system, also from the folders an ordinary PATH lacks, or unpacked into the cache."""
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/cyrus/bin",
                              str(CACHE / "bin")])
    found = shutil.which(name, path=search)
    if not found:
        raise Missing(f"{name} is not there: run tests/lib/packages.sh")
    return Path(found)


def _root(name, *probes):
    """The root of an installed server ("/"), or of the one in the cache."""
    for root in (Path("/"), CACHE / name):
        if all((root / p).exists() for p in probes):
            return root
    raise Missing(f"{name} is neither installed nor in {CACHE}: run tests/lib/packages.sh")


def postfix_root():
    return _root("postfix", "usr/sbin/postfix", "usr/lib/postfix/sbin/smtp")


def dovecot_root():
    return _root("dovecot", "usr/sbin/dovecot", "usr/lib/dovecot/submission", "usr/lib/dovecot/imap")


def exim_root(heavy=False, new=False):
    """Debian's Exim, always the unpacked one; with the light one is exim4-config. new: that of the backports."""
    root = CACHE / ("exim-new" if new else "exim-heavy" if heavy else "exim")
    if not (root / "usr/sbin/exim4").exists():
        raise Missing(f"Exim is not in {CACHE}: run tests/lib/packages.sh")
    return root


def sendmail_root():
    """Debian's Sendmail, always the unpacked one."""
    root = (CACHE / "sendmail").resolve()
    if not (root / "usr/libexec/sendmail/sendmail").exists():
        raise Missing(f"Sendmail is not in {CACHE}: run tests/lib/packages.sh")
    return root


def debian_sasl_dir():
    """The folder with Debian's own SASL plugins (PLAIN, LOGIN...)."""
    for path in SASL_DIRS:
        if (path / "libplain.so").exists():
            return path
    raise Missing("Debian's libsasl2-modules are not installed")
