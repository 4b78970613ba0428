"""mta-xoauth2 diagnose on ten healthy set-ups, from the configuration to a mail that the server has taken: no alarm in any of them."""

import base64
import json
import time

import pytest
from test_diagnose_provider import World, by_key, entra, federated, world  # noqa: F401

from mxtest.alone import BOX, SECRET, oauth_client
from mxtest.azure import Platform, identity
from mxtest.exchange import Exchange
from mxtest.idp import Idp

RCPT, SHARED = "somebody@example.org", "shared@example.test"


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def server(audience="https://outlook.office365.com", left=0, roles=None):
    """accepts() of an Exchange that looks at the token: for this service, with that many seconds of life, and with one of these roles."""
    def accepts(user, token):
        c = claims(token)
        return user == BOX and c["aud"] == audience and c["exp"] - time.time() > left and (roles is None or c.get("roles", []) == roles)
    return accepts


@pytest.fixture
def walked(up, pki):
    """walked(World, accepts, *options): what diagnose says of it, with such a mail server, and the mail that went out."""
    def walk(w, accepts, *more, send_as=None):
        exchange = up(Exchange(pki, accepts=accepts, cert=pki.cert("relay", addresses=("127.0.0.1",))))
        exchange.send_as = send_as or {}
        w.port = exchange.port
        said = w.say("--ca-file", pki.ca, "--send", RCPT, *more)
        assert (said.json["verdict"], said.status, said.code, said.fix) == ("healthy", 0, "", ""), said.text
        assert "broken" not in said.marks.values()
        assert said.marks["message-server"] == "ok" and said.links["message-server"], said.text
        mail, = exchange.mails
        assert (mail.user, mail.recipients) == (BOX, [RCPT]) and len(exchange.logins) == 1
        return said, mail
    return walk


def test_a_secret(world, walked):  # noqa: F811
    said, _ = walked(world(), server(roles=["SMTP.SendAsApp"]))
    assert said.marks["claims"] == "ok"


def test_a_certificate(world, walked, pki):  # noqa: F811
    key = pki.client()
    said, _ = walked(world(app={"certificates": [key.pem()]}, **by_key(key)), server())
    assert said.claims["appidacr"] == "2"


def test_a_federated_token(federated, walked):  # noqa: F811
    walked(federated()[0], server())


def test_a_managed_identity(up, workdir, pki, binaries, walked):
    platform = up(Platform(workdir / "vm", pki, "app-service", [identity(1, system=True, sub=BOX)]))
    w = World(up, workdir, pki, client={"grant": "managed_identity", "managed_identity": "app-service", "client_secret_file": None,
                                        "client_id": None, "tenant": None})
    platform.give(w.tokend)
    w.environment = platform.environment
    said, _ = walked(w.start(), server())
    assert said.claims["appid"] == identity(1)["client_id"]


def test_the_classic_permission(world, walked):  # noqa: F811
    """With another permission beside it, which is nobody's concern."""
    said, _ = walked(world(app={"roles": ["IMAP.AccessAsApp", "SMTP.SendAsApp"]}), server())
    assert said.marks["claims"] == "ok"


def test_app_rbac(world, walked):  # noqa: F811
    said, _ = walked(world(app={"roles": []}), server(roles=[]))
    assert said.marks["claims"] == "note" and "roles" not in said.claims


def test_high_volume_email(world, walked):  # noqa: F811
    w = world(app={"roles": ["Mail.Send"]}, client={"provider": "hve"})
    said, _ = walked(w, server(left=900, roles=["Mail.Send"]))
    assert said.marks["claims"] == "ok"


def test_gcc_high(world, walked):  # noqa: F811
    walked(world(client={"cloud": "gcc-high"}), server("https://outlook.office365.us"))


def test_an_opaque_token(up, workdir, pki, binaries, walked):
    idp = up(Idp(workdir / "idp", pki, [{"client_id": "chain", "client_secret": SECRET, "sub": BOX, "format": "opaque"}]))
    w = World(up, workdir, pki, endpoint=idp.token_endpoint, secret=SECRET, client={
        "tenant": None, **oauth_client(idp.token_endpoint, pki.ca), "client_secret_file": "secret:c.secret"}).start()
    said, _ = walked(w, lambda user, token: user == BOX and "." not in token)
    assert said.marks["claims"] == "skip" and said.claims == {}


def test_a_shared_mailbox(world, walked):  # noqa: F811
    _, mail = walked(world(), server(), "--from", SHARED, send_as={BOX: [SHARED]})
    assert mail.sender == SHARED and f"From: <{SHARED}>" in mail.data


@pytest.mark.parametrize("accepts", [server("https://graph.microsoft.com"), server(left=4000), server(roles=["Mail.Send"])])
def test_the_server_here_looks_at_tokens(world, up, pki, accepts):  # noqa: F811
    """The same walk raises the alarm where the server takes no such token."""
    exchange = up(Exchange(pki, accepts=accepts, cert=pki.cert("relay", addresses=("127.0.0.1",))))
    w = world()
    w.port = exchange.port
    said = w.say("--ca-file", pki.ca, "--send", RCPT)
    assert said.json["verdict"] == "broken" and said.json["links"][-1]["id"] == "login-server" and not exchange.mails
