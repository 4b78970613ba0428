"""Entra's token endpoint (tests/idp/entra.js), and assertions made by hand (tests/idp/sign.js)."""

import json
import time
import uuid

from . import paths
from .idp import Idp, post_form, start_node
from .proc import run

TENANT = "0f2c4e6a-1111-4222-8333-9a8b7c6d5e4f"
APP = "5d1b2a30-aaaa-4bbb-8ccc-0123456789ab"
SCOPE = "https://outlook.office365.com/.default"
RESOURCES = ["https://outlook.office365.com", "https://outlook.office.com", "https://outlook.office365.us",
             "https://graph.microsoft.com"]
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Entra(Idp):
    """apps: dicts with client_id, and as wanted secrets ([{value, expires: ISO date}]), certificates ([PEM]), federated
    ([{issuer, subject, audience}], whose keys are in issuers: {issuer: file with its JWKS}), tenants (all, by default), sub (the
    mailbox in the token), roles (["SMTP.SendAsApp"]), oid, claims (over all others), principal (False: it has none in the tenant), lifetime,
    bytes, refuse. All but the id may be changed at run time by
    set(client, ...); set(ahead=seconds) moves its clock, set(abroad=[tenants]) says that these live in another cloud. A token that it gives can be checked by DovecotSubmission.
    name: the host that clients take it for, by way of a proxy; then cert has to be for that one.
    """

    def __init__(self, folder, pki, apps, tenants=(TENANT, "contoso.example"), settings=None, cert=None,
                 issuers=None, name=None):
        super().__init__(folder, pki, apps, settings, cert)
        self.tenants, self.issuers = list(tenants), {k: str(v) for k, v in (issuers or {}).items()}
        self.base = f"https://127.0.0.1:{self.port}"
        self.name = f"https://{name}" if name else self.base
        self.issuer = f"https://sts.windows.net/{self.tenants[0]}/"
        self.token_endpoint = self.endpoint()
        self.log_file = folder / "entra.log"

    def endpoint(self, tenant=None):
        """The token endpoint of a tenant, the first by default."""
        return f"{self.base}/{self.tenants[0] if tenant is None else tenant}/oauth2/v2.0/token"

    @property
    def template(self):
        """The endpoint as token_endpoint in tokend.yaml may be written, beside tenant."""
        return self.endpoint("{tenant}")

    def start(self):
        self.log_file.unlink(missing_ok=True)
        self.proc, self.ready = start_node("entra.js", {
            "port": self.port, "base": self.name, "adminPort": self.admin_port, "cert": str(self.cert[0]), "key": str(self.cert[1]),
            "keysDir": str(self.keys_dir), "tenants": self.tenants, "resources": RESOURCES, "settings": self.settings,
            "apps": self.clients, "issuers": self.issuers}, self.dir, self.log_file)
        return self

    def refuse(self, client=None, aadsts=7000215):
        """From now on token requests are refused with this number; allow() ends it."""
        self.set(client, refuse=aadsts)

    def token_requests(self, client=None):
        return sum(1 for r in self.requests() if client in (None, r.get("client")))

    def refusals(self):
        """The AADSTS numbers it has answered with, oldest first."""
        return [r["aadsts"] for r in self.requests() if r.get("aadsts")]

    def claims(self, **more):
        """A right assertion's claims for APP; None leaves one out."""
        now = int(time.time())
        claims = {"aud": self.endpoint(), "iss": APP, "sub": APP, "jti": str(uuid.uuid4()), "nbf": now - 60, "iat": now,
                  "exp": now + 600, **more}
        return {k: v for k, v in claims.items() if v is not None}

    def prove(self, assertion, tenant=None, **more):
        """Asks for a token with an assertion; (status, reply, headers)."""
        fields = {"grant_type": "client_credentials", "client_id": APP, "client_assertion_type": JWT_BEARER,
                  "client_assertion": assertion, "scope": SCOPE, **more}
        return self.post({k: v for k, v in fields.items() if v is not None}, tenant)

    def post(self, fields, tenant=None, **more):
        return post_form(self.endpoint(tenant), fields, self.pki.ca, **more)


def header(key, alg="PS256", **more):
    """A right assertion's header; more: members as keywords, x5t_S256 for x5t#S256; None leaves one out."""
    both = {"x5t#S256": key.thumbprint("sha256")} if alg == "PS256" else {"x5t": key.thumbprint("sha1")}
    members = {"alg": alg, "typ": "JWT", **both, **{k.replace("x5t_S256", "x5t#S256"): v for k, v in more.items()}}
    return {k: v for k, v in members.items() if v is not None}


def sign(key, head, claims):
    """A JWT signed by npm's jose with a ClientKey."""
    asked = json.dumps([{"key": key.key.read_text(), "header": head, "claims": claims}])
    return json.loads(run([paths.program("node"), paths.IDP / "sign.js"], input=asked).stdout)[0]
