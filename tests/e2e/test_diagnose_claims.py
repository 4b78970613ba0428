"""A login that Exchange Online refuses with 535 5.7.3 and no reason: the token's claims say which of the causes it is."""

import json
import subprocess

import pytest

from mxtest import paths
from mxtest.alone import BOX
from mxtest.entra import APP, TENANT, Entra
from mxtest.exchange import Exchange
from mxtest.said import note
from mxtest.tokend import Tokend

VALUE = "3~x8Q~a-right-value-of-forty-characters~"
OID = "aa296011-6c29-490b-8535-42c981be0582"


class Said:
    def __init__(self, done):
        self.status, self.text = done.returncode, done.stdout
        self.json = note(json.loads(done.stdout))
        self.code, self.cause, self.fix = (self.json[k] or "" for k in ("code", "cause", "fix"))
        self.broken = [link["id"] for link in self.json["links"] if link["mark"] == "broken"]
        self.marks = {link["id"]: link["mark"] for link in self.json["links"]}
        self.evidence, self.unknown = ("\n".join(self.json[k]) for k in ("evidence", "unknown"))


@pytest.fixture
def world(up, workdir, pki, binaries):
    """world(dialect of the server or None, **settings of the app): what diagnose says; world.entra, world.tokend."""
    def make(dialect, provider="exchange-online", ask=True, **app):
        make.entra = up(Entra(workdir / "entra", pki, [{"client_id": APP, "secrets": [{"value": VALUE}], "oid": OID, **app}]))
        make.tokend = up(Tokend(workdir / "t", {"c": {
            "provider": provider, "tenant": TENANT, "token_endpoint": make.entra.template, "client_id": APP,
            "client_secret_file": "secret:c.secret", "ca_file": str(pki.ca)}},
            {BOX: {"client": "c", "allow_users": ["root", "postfix"], "relays": ["*"]}}, secrets={"c.secret": VALUE}))
        make.server = up(Exchange(pki, dialect=dialect) if dialect else Exchange(pki))
        return make.say() if ask else None

    def say():
        (workdir / "no-mta").mkdir(exist_ok=True)   # the machine's own mail server is not looked at
        done = subprocess.run([str(a) for a in (
            paths.ours("tool"), "diagnose", BOX, "--json", "--config", make.tokend.config, "--socket", make.tokend.socket,
            "--relay", f"localhost:{make.server.port}", "--ca-file", pki.ca, "--instance", workdir / "no-mta")], capture_output=True, text=True, timeout=60)
        assert done.stderr == "" and VALUE not in done.stdout and "eyJ" not in done.stdout
        return Said(done)

    make.say = say
    return make


def refused(s, code):
    assert (s.code, s.status, s.broken) == (code, 5 if code.startswith("token-") else 6, ["login-server"]), s.text
    assert "535 5.7.3" in s.evidence and "two hours" in s.unknown
    for line in ("Get-ServicePrincipal -Identity", "Get-MailboxPermission -Identity", "Get-CASMailbox -Identity"):
        assert line in s.unknown
    return s


def test_a_permission_without_consent(world):
    """The token has no roles, which with App RBAC would be fine; the server says that it is not."""
    s = refused(world("unsuccessful", roles=[]), "token-no-role")
    assert s.marks["claims"] == "note" and "there are no roles" in s.evidence
    assert "nobody has consented" in s.cause
    assert APP in s.fix and f"az ad app permission admin-consent --id {APP}" in s.fix and f"mta-xoauth2 flush {BOX}" in s.fix


def test_another_permission(world):
    s = refused(world("unsuccessful", roles=["IMAP.AccessAsApp"]), "token-other-role")
    assert "roles has no SMTP.SendAsApp, but IMAP.AccessAsApp" in s.evidence and "Application permissions, SMTP.SendAsApp" in s.fix


def test_all_claims_are_right(world):
    s = refused(world("unsuccessful"), "exchange-object-id")
    assert "object id" in s.cause and OID in s.fix


def test_high_volume_email_without_its_permission(world):
    s = refused(world("unsuccessful", provider="hve"), "hve-permission")
    assert "Mail.Send" in s.fix and "roles has no Mail.Send, but SMTP.SendAsApp" in s.evidence


def test_the_daemon_s_token_is_older_than_the_consent(world):
    """What diagnose gets has the role; what the daemon still sends has not."""
    world("unsuccessful", ask=False, roles=[])
    assert world.tokend.sasl(BOX).ok
    world.entra.set(ahead=1)        # issued later, by a second at least
    world.entra.set(APP, roles=["SMTP.SendAsApp"])
    s = world.say()
    assert (s.code, s.broken, s.marks["claims"]) == ("token-stale", ["login-server"], "ok"), s.text
    assert "older than a change" in s.cause and f"mta-xoauth2 flush {BOX}" in s.fix


@pytest.mark.parametrize("provider, roles", [("exchange-online", ["SMTP.SendAsApp"]), ("exchange-online", []), ("hve", ["Mail.Send"])])
def test_healthy(world, provider, roles):
    """Classic permission, App RBAC, High Volume Email: no alarm, to the end."""
    s = world(None, provider=provider, roles=roles)
    assert (s.json["verdict"], s.status) == ("healthy", 0), s.text
