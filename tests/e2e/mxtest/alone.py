"""The daemon alone, with an identity provider or an endpoint of ours and no mail server."""

from .tokend import Tokend

BOX = "app@example.test"
SECRET = "a secret of the tests: &=+%"


def oauth_client(endpoint, ca, secret="c.secret", auth="client_secret_post", **more):
    """An entry of "clients" for a token endpoint of the tests; more: other keys, None takes one away."""
    keys = {"provider": "custom", "token_endpoint": endpoint, "grant": "client_credentials", "client_id": "chain",
            "client_secret_file": f"secret:{secret}", "client_auth": auth, "scope": "mail", "ca_file": str(ca), **more}
    return {k: v for k, v in keys.items() if v is not None}


def lone_tokend(folder, endpoint, ca, client=None, account=None, secret=SECRET, **more):
    """A Tokend (not started) with one client, "c", and one account, BOX, for everybody who is root or postfix."""
    more.setdefault("accounts", {BOX: {"client": "c", "allow_users": ["root", "postfix"], **(account or {})}})
    return Tokend(folder, {"c": oauth_client(endpoint, ca, **(client or {}))}, secrets={"c.secret": secret}, **more)
