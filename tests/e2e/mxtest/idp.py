"""The identity provider (tests/idp/idp.js) and npm's smtp-server (tests/idp/smtp_server.js)."""

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from . import paths
from .net import free_port
from .proc import Failed, supervisor, wait_for


def start_node(script, config, folder, log):
    """Starts a Node program with a JSON configuration; returns (process, what its READY line says)."""
    file = folder / (Path(script).name + ".json")
    file.write_text(json.dumps(config))
    file.chmod(0o600)
    proc = supervisor.start([paths.program("node"), paths.IDP / script, file], log)
    return proc, read_ready(proc, log, script)


def read_ready(proc, log, name):
    def ready():
        text = log.read_text(errors="replace") if log.exists() else ""
        for line in text.splitlines():
            if line.startswith("READY "):
                return json.loads(line[6:]) or {"ready": True}
        if proc.poll() is not None:
            raise Failed(f"{name} ended with {proc.returncode}:\n{text[-2000:]}")
        return None
    return wait_for(f"{name} ready (log: {log})", ready, 30)


def post_form(url, fields, ca, basic=None, headers=None, seconds=20):
    """POSTs a form over verified TLS; returns (HTTP status, JSON or text, headers). basic: (id, secret), encoded per RFC 6749."""
    data = fields if isinstance(fields, bytes) else urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(url, data=data, method="POST")
    request.add_header("Content-Type", "application/x-www-form-urlencoded")
    if basic:
        pair = ":".join(urllib.parse.quote_plus(v, safe="") for v in basic)
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    for key, value in (headers or {}).items():
        request.add_header(key, value)
    context = ssl.create_default_context(cafile=str(ca))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=seconds) as reply:
            status, raw, head = reply.status, reply.read(), dict(reply.headers)
    except urllib.error.HTTPError as err:
        status, raw, head = err.code, err.read(), dict(err.headers)
    try:
        return status, json.loads(raw), head
    except ValueError:
        return status, raw.decode("utf-8", "replace"), head


class Idp:
    """oidc-provider over HTTPS.

    clients: dicts with client_id, client_secret, and if wanted auth (client_secret_post, the default, client_secret_basic,
    private_key_jwt with certificates, PEM or {pem, kid}, and alg, the only one it may sign with), sub (the mailbox in the token), claims, format (jwt, the default, or opaque), lifetime,
    bytes (size of the token), refuse, introspector: True for a client that only introspects, refresh: True for one that has refresh
    tokens in place of client credentials (auth may be none), and bearer: True for one that has the
    jwt-bearer grant with certificates; the token's sub is then the assertion's.
    """

    introspector = ("introspector", "introspector-secret")

    def __init__(self, folder, pki, clients, settings=None, cert=None):
        self.dir = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.pki = pki
        self.clients = list(clients)
        self.settings = settings or {}
        self.cert = cert or pki.cert()
        self.port, self.admin_port = free_port(), free_port()
        self.issuer = f"https://127.0.0.1:{self.port}"
        self.token_endpoint = self.issuer + "/token"
        self.introspection_endpoint = self.issuer + "/token/introspection"
        self.revocation_endpoint = self.issuer + "/token/revocation"
        self.keys_dir = folder / "keys"
        self.log_file = folder / "idp.log"
        self.proc = None

    def start(self):
        iid, isecret = self.introspector
        clients = self.clients + [{"client_id": iid, "client_secret": isecret, "auth": "client_secret_basic",
                                   "introspector": True}]
        self.log_file.unlink(missing_ok=True)
        self.proc, self.ready = start_node("idp.js", {
            "port": self.port, "adminPort": self.admin_port, "cert": str(self.cert[0]), "key": str(self.cert[1]),
            "keysDir": str(self.keys_dir), "settings": self.settings, "clients": clients}, self.dir, self.log_file)
        return self

    def stop(self):
        if self.proc:
            supervisor.stop(self.proc)
            self.proc = None

    def _admin(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}",
                                         data=None if body is None else json.dumps(body).encode(),
                                         method="GET" if body is None else "POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as reply:
            return json.loads(reply.read())

    def counts(self):
        """{total, path, client, grant, status}, each but total a table of counts."""
        return self._admin("/counts")

    def token_requests(self, client=None):
        """Requests to the token endpoint, of one client or of all; refused ones too."""
        return sum(1 for r in self.requests() if r["path"] == "/token" and client in (None, r.get("client")))

    def requests(self):
        """The request log: at, method, path, status, client, grant, auth, scope, error, assertion ({header, claims}), ms."""
        return self._admin("/log")

    def reset(self):
        self._admin("/reset", {})

    def revoke_all(self):
        """Destroys all opaque tokens; returns how many."""
        return self._admin("/revoke-all", {})["revoked"]

    def set(self, client=None, **values):
        """Changes lifetime, bytes, delayMs, format, sub, refuse ({status, error, error_description, headers, body}) at run
        time, for all or for one client; None takes a value back."""
        return self._admin("/set", {"clients": {client: values}} if client else values)

    def refuse(self, client=None, error="invalid_client", status=401, **more):
        """From now on token requests are answered with an error; allow() ends it."""
        self.set(client, refuse={"error": error, "status": status, **more})

    def allow(self, client=None):
        self.set(client, refuse=None)

    def grant(self, client, account="somebody"):
        """What a login leaves, for a client with refresh=True: {"grant": its id, "refresh_token": ...}."""
        return self._admin("/grant", {"client": client, "account": account})

    def alive(self, grant):
        """Whether nobody has revoked it, as the provider does by itself when a refresh token is used twice."""
        return self._admin("/grant-alive", {"grant": grant})["alive"]

    def revoke(self, grant):
        self._admin("/grant-revoke", {"grant": grant})

    def token(self, client_id, client_secret, basic=False, scope=None):
        """Fetches a token as a client would; returns the reply, Failed if refused."""
        fields = {"grant_type": "client_credentials"}
        if scope:
            fields["scope"] = scope
        if not basic:
            fields |= {"client_id": client_id, "client_secret": client_secret}
        status, reply, _ = post_form(self.token_endpoint, fields, self.pki.ca, (client_id, client_secret) if basic else None)
        if status != 200:
            raise Failed(f"token endpoint: {status} {reply}")
        return reply

    def introspect(self, token):
        return post_form(self.introspection_endpoint, {"token": token}, self.pki.ca, self.introspector)[1]


class NpmSmtpServer:
    """npm's smtp-server: STARTTLS, XOAUTH2, lines of 12 KB. idp: tokens are introspected; else users {mailbox: token or "*"}."""

    def __init__(self, folder, pki, idp=None, users=None):
        self.dir, self.pki, self.idp, self.users = folder, pki, idp, users or {}
        self.port = free_port()
        self.mails = folder / "mails"
        self.mails.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "smtp-server.log"
        self.proc = None

    def start(self):
        cert, key = self.pki.cert()
        check = None
        if self.idp:
            check = {"url": self.idp.introspection_endpoint, "id": self.idp.introspector[0],
                     "secret": self.idp.introspector[1], "ca": str(self.pki.ca)}
        self.proc, _ = start_node("smtp_server.js", {
            "port": self.port, "cert": str(cert), "key": str(key), "introspect": check, "users": self.users,
            "dir": str(self.mails)}, self.dir, self.log_file)
        return self

    def stop(self):
        if self.proc:
            supervisor.stop(self.proc)
            self.proc = None

    def log(self):
        return self.log_file.read_text(errors="replace")

    def received(self):
        return [json.loads(p.read_text()) for p in sorted(self.mails.glob("*.json"))]

    def wait_mails(self, count, seconds=30):
        wait_for(lambda: f"{count} mails, have {len(self.received())}", lambda: len(self.received()) >= count, seconds)
        return self.received()
