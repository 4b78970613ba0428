"""Google's token endpoint (tests/idp/google.js), and key files of service accounts as its console makes them."""

import json
import time

from .idp import Idp, post_form, start_node
from .proc import run

EMAIL = "mailer@mail-project-4711.iam.gserviceaccount.com"
NUMBER = "109876543210987654321"
SCOPE = "https://mail.google.com/"
DOMAIN = "example.test"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def public(key):
    """A ClientKey's public half, PEM."""
    return run(["openssl", "pkey", "-in", key.key, "-pubout"]).stdout


def account_file(key, **more):
    """The JSON file of a service account; more: other members, None takes one away."""
    members = {
        "type": "service_account", "project_id": "mail-project-4711", "private_key_id": "kid-1",
        "private_key": key.key.read_text(), "client_email": EMAIL, "client_id": NUMBER,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs", "universe_domain": "googleapis.com", **more}
    return json.dumps({k: v for k, v in members.items() if v is not None}, indent=2) + "\n"


class Google(Idp):
    """One service account with domain-wide delegation for SCOPE, and every mailbox of DOMAIN.

    key: a ClientKey. set(EMAIL, keys={KID: PEM}, scopes=[...], state=...) and set(mailboxes=[...], lifetime, ahead, delayMs,
    refuse={error, error_description, status}) change it at run time. A token that it gives can be checked by
    DovecotSubmission: its sub is the mailbox.
    """

    def __init__(self, folder, pki, key, settings=None):
        super().__init__(folder, pki, [], settings)
        self.key = key
        self.log_file = folder / "google.log"

    def start(self):
        self.log_file.unlink(missing_ok=True)
        self.proc, self.ready = start_node("google.js", {
            "port": self.port, "adminPort": self.admin_port, "cert": str(self.cert[0]), "key": str(self.cert[1]),
            "keysDir": str(self.keys_dir), "settings": self.settings,
            "accounts": [{"email": EMAIL, "client_id": NUMBER, "keys": {"kid-1": public(self.key)}, "scopes": [SCOPE]}]},
            self.dir, self.log_file)
        return self

    def key_file(self, key=None, **more):
        """The JSON file of the service account; more: other members, None takes one away."""
        return account_file(key or self.key, **{"token_uri": self.token_endpoint, **more})

    def claims(self, **more):
        """A right assertion's claims; None leaves one out."""
        now = int(time.time())
        claims = {"iss": EMAIL, "sub": f"a@{DOMAIN}", "scope": SCOPE, "aud": self.token_endpoint, "iat": now, "exp": now + 600,
                  **more}
        return {k: v for k, v in claims.items() if v is not None}

    def prove(self, assertion, **more):
        """Asks for a token with an assertion; (status, reply, headers)."""
        return post_form(self.token_endpoint, {"grant_type": JWT_BEARER, "assertion": assertion, **more}, self.pki.ca)

    def subjects(self):
        """The mailboxes that tokens were asked for, in order."""
        return [r["assertion"]["claims"]["sub"] for r in self.requests() if r.get("assertion")]
