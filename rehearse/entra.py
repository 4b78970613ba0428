"""A stand-in for Entra ID's token endpoint: the client credentials grant, in Entra's manners and words.

It is no copy of Entra: it knows one tenant, secrets as the only credential, and signs tokens with HS256, which the
stand-in for Exchange checks. What it refuses, it refuses by number (AADSTS) as Entra does.
"""

import base64
import hashlib
import hmac
import http.server
import json
import secrets
import ssl
import threading
import time
import urllib.parse
import uuid

TENANT = "00000000-1111-2222-3333-444444444444"
SCOPE = "https://outlook.office365.com/.default"


def _b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Refusal(Exception):
    def __init__(self, status, error, number, text):
        self.status, self.error, self.number, self.text = status, error, number, text

    def body(self):
        stamp, trace, correlation = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()), uuid.uuid4(), uuid.uuid4()
        return {"error": self.error, "error_codes": [self.number], "timestamp": stamp, "trace_id": str(trace),
                "correlation_id": str(correlation), "error_uri": f"https://login.microsoftonline.com/error?code={self.number}",
                "error_description": f"AADSTS{self.number}: {self.text} Trace ID: {trace} Correlation ID: {correlation} "
                                     f"Timestamp: {stamp}"}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", 30

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer(405, Refusal(400, "invalid_request", 900561, "The endpoint only accepts POST requests.").body())

    def do_POST(self):
        entra = self.server.entra
        body = self.rfile.read(min(int(self.headers.get("content-length") or 0), 65536)).decode("latin1")
        if entra.down:
            self.answer(503, {"error": "temporarily_unavailable"})
            return
        with entra.lock:
            entra.requests.append(time.monotonic())
            wait = entra.throttle.pop(0) if entra.throttle else None
        if wait is not None:
            self.answer(429, Refusal(429, "temporarily_unavailable", 90055, "The tenant is throttled.").body(), wait)
            return
        try:
            self.answer(200, entra.grant(self.path, body))
        except Refusal as refusal:
            self.answer(refusal.status, refusal.body())

    def answer(self, status, body, retry_after=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Cache-Control", "no-store, no-cache")
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 64

    def get_request(self):
        sock, peer = self.socket.accept()
        return self.entra.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), peer

    def handle_error(self, request, client_address):
        pass    # a client that hangs up


class Entra:
    """apps: {client id: (secret, life of its tokens in seconds)}. down: 503 is the answer; throttle: the
    Retry-After of so many answers to come. requests: when each
    token request came, but for those; issued: the claims of each token."""

    def __init__(self, folder, apps):
        self.apps, self.key = apps, secrets.token_bytes(32)
        self.down, self.throttle, self.requests, self.issued = False, [], [], []
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.entra = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def grant(self, path, body):
        form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        tenant = path.strip("/").split("/")[0]
        client = form.get("client_id", "")
        if path != f"/{TENANT}/oauth2/v2.0/token":
            raise Refusal(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise Refusal(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if client not in self.apps:
            raise Refusal(400, "unauthorized_client", 700016, f"Application '{client}' was not found in the directory '{tenant}'.")
        if form.get("scope") != SCOPE:
            raise Refusal(400, "invalid_scope", 1002012, f"The provided value for scope {form.get('scope')} is not valid.")
        secret, life = self.apps[client]
        if form.get("client_secret") != secret:
            raise Refusal(401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the "
                          f"request is the client secret value, not the client secret ID, for a secret added to app '{client}'.")
        now = int(time.time())
        claims = {"aud": SCOPE[:-len("/.default")], "iss": f"https://sts.windows.net/{TENANT}/", "iat": now, "nbf": now,
                  "exp": now + life, "appid": client, "appidacr": "1", "idtyp": "app", "oid": str(uuid.uuid5(uuid.NAMESPACE_OID, client)),
                  "roles": ["SMTP.SendAsApp"], "tid": TENANT, "uti": secrets.token_urlsafe(16), "ver": "1.0"}
        with self.lock:
            self.issued.append(claims)
        return {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": self._sign(claims)}

    def _sign(self, claims):
        head = _b64(json.dumps({"typ": "JWT", "alg": "HS256"}).encode())
        signed = head + "." + _b64(json.dumps(claims).encode())
        return signed + "." + _b64(hmac.new(self.key, signed.encode(), hashlib.sha256).digest())

    def read(self, token):
        """The claims of a token of ours; None: it is none."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature, _b64(hmac.new(self.key, signed.encode(), hashlib.sha256).digest())):
            return None
        part = signed.partition(".")[2]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
