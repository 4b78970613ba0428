"""The files of conf/postfix as they stand, with server, mailboxes and paths of a test; and a Postfix made of them."""

import re

from . import paths
from .postfix import Postfix

FOLDER = paths.TOP / "conf" / "postfix"
SERVER, MAILBOX, DOOR = "[smtp.office365.com]:587", "app@contoso.com", "/run/mta-xoauth2/socketmap.sock"
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"
# what Postfix.configure() has of its own and these files are to say
_OURS = ["relayhost", "smtp_sasl_auth_enable", "smtp_sasl_password_maps", "smtp_sasl_mechanism_filter",
         "smtp_sasl_tls_security_options", "smtp_tls_security_level", "smtp_tls_CAfile"]


def snippet(name, *replace):
    """Text of a file with (ours, theirs) replaced; nothing of the documents' names may be left outside its comments."""
    text = (FOLDER / name).read_text()
    for ours, theirs in replace:
        assert ours in text, f"{name} has no {ours}"
        text = text.replace(ours, str(theirs))
    rest = [ln for ln in text.splitlines() if not ln.startswith("#") and re.search("contoso|fabrikam|office365|/run/mta-xoauth2", ln)]
    assert not rest, f"{name}: {rest}"
    return text


def main_cf(name, *replace):
    """{name: value} of a file with lines for main.cf."""
    lines = [ln for ln in snippet(name, *replace).splitlines() if ln and not ln.startswith("#")]
    return dict(re.split(" = ", ln, maxsplit=1) for ln in lines)


class Recipe(Postfix):
    """A Postfix that knows of XOAUTH2 by the files of conf/postfix alone: main.cf, master.cf, exo_accounts. more_master: what
    follows in master.cf."""

    more_master = ""

    def configure(self):
        hop = (SERVER, "[{}]:{}".format(*self.relay))
        self.main = {**dict.fromkeys(_OURS), **main_cf("main.cf", hop), **self.main}
        chroot = ("unix  -       -       y", f"unix  -       -       {'y' if self.chroot else 'n'}")
        self.master = snippet("master.cf", (CA_FILE, self.cafile), chroot) + self.more_master
        self.maps.setdefault("exo_accounts", snippet("exo_accounts", hop, (MAILBOX, self.account)))
        super().configure()
        (self.etc / "sasl_passwd").unlink()
