"""Machines of Azure's (tests/idp/azure.js), and a small issuer of federated tokens with a key of its own."""

import base64
import json
import pwd
import re
import time

from .entra import RESOURCES, TENANT, sign
from .idp import Idp, start_node
from .proc import run

AUDIENCE = "api://AzureADTokenExchange"
MI_ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"
HEADER = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a-a-secret-header"
PATHS = {"imds": "", "app-service": "/msi/token", "azure-arc": "/metadata/identity/oauth2/token"}


def identity(number, **more):
    """A managed identity with ids made of a digit; more: system (the machine's own), sub (the mailbox in its tokens)."""
    guid = "{0}{0}{0}{0}{0}{0}{0}{0}-0000-4000-8000-{1}".format(number, "{:012d}")
    return {"client_id": guid.format(1), "object_id": guid.format(2), **more,
            "resource_id": f"/subscriptions/{guid.format(3)}/resourceGroups/mail/providers/Microsoft.ManagedIdentity/"
                           f"userAssignedIdentities/mta{number}"}


class Platform(Idp):
    """kind: imds, app-service or azure-arc; identities: those of the machine. environment: what it gives its programs.

    set(script=[{status, headers, body}, ...]) makes the next answers; also lifetime, delayMs, echo, and of Arc realm, distrust, keyMode, keepKeys.
    A token of an identity with sub can be checked by DovecotSubmission. launcher: words before a program that show it Arc's folder.
    """

    def __init__(self, folder, pki, kind, identities=(identity(1, system=True),), settings=None):
        super().__init__(folder, pki, (), settings, cert=("", ""))
        self.kind, self.identities = kind, list(identities)
        self.base = f"http://127.0.0.1:{self.port}"
        self.issuer = f"https://sts.windows.net/{TENANT}/"
        self.jwks = folder / "jwks.json"
        self.tokens = folder / "var-opt" / "azcmagent" / "tokens"
        self.log_file = folder / "azure.log"

    def start(self):
        self.log_file.unlink(missing_ok=True)
        self.tokens.mkdir(parents=True, exist_ok=True)
        self.proc, self.ready = start_node("azure.js", {
            "kind": self.kind, "port": self.port, "adminPort": self.admin_port, "keysDir": str(self.keys_dir),
            "jwksFile": str(self.jwks), "tenant": TENANT, "issuer": self.issuer, "resources": RESOURCES,
            "identities": self.identities, "header": HEADER, "tokensDir": str(self.tokens),
            "realmDir": "/var/opt/azcmagent/tokens", "gid": pwd.getpwnam("mta-xoauth2").pw_gid, "settings": self.settings},
            self.dir, self.log_file)
        return self

    @property
    def environment(self):
        url = self.base + PATHS[self.kind]
        return {"imds": {"AZURE_POD_IDENTITY_AUTHORITY_HOST": url},
                "app-service": {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": HEADER},
                "azure-arc": {"IDENTITY_ENDPOINT": url, "IMDS_ENDPOINT": self.base}}[self.kind]

    @property
    def launcher(self):
        if self.kind != "azure-arc":
            return []
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", 'mount --bind "$0" /var/opt; exec "$@"',
                self.tokens.parents[1]]

    def give(self, tokend):
        """That daemon (not started) runs on this machine."""
        tokend.environment |= self.environment
        tokend.launcher = [*tokend.launcher, *self.launcher]
        return tokend

    def statuses(self):
        return [r["status"] for r in self.requests()]


class Issuer:
    """Signs federated tokens as a Kubernetes cluster does; jwks: the file with its keys, for Entra(issuers=...)."""

    def __init__(self, folder, pki, url="https://oidc.cluster.example/4c1f/", label="issuer"):
        self.url, self.key = url, pki.client(label)
        folder.mkdir(parents=True, exist_ok=True)
        self.jwks = folder / "jwks.json"
        modulus = re.search("Modulus=([0-9A-F]+)", run(["openssl", "x509", "-in", self.key.cert, "-noout", "-modulus"]).stdout)[1]
        self.jwks.write_text(json.dumps({"keys": [{
            "kty": "RSA", "e": "AQAB", "kid": "k1", "alg": "RS256", "use": "sig",
            "n": base64.urlsafe_b64encode(bytes.fromhex(modulus)).rstrip(b"=").decode()}]}))

    def credential(self, **more):
        """What is registered with the app."""
        return {"issuer": self.url, "subject": "system:serviceaccount:mail:mta", "audience": AUDIENCE, **more}

    def token(self, key=None, head=None, **more):
        """One that fits credential(); more: other claims."""
        now = int(time.time())
        return sign(key or self.key, {"alg": "RS256", "kid": "k1", **(head or {})}, {
            "iss": self.url, "sub": "system:serviceaccount:mail:mta", "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3600, **more})
