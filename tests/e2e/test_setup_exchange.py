"""mta-xoauth2 setup exchange: from a new host to the first mail, unattended and at a terminal; what it refuses; its script."""

import os
import pwd
import re
import shutil
import stat
import termios

import pytest

from mxtest import cloud, paths
from mxtest.chain import BOX
from mxtest.cloud import ID, ExchangeSetup
from mxtest.entra import APP, TENANT, Entra
from mxtest.proc import run
from mxtest.proxies import StandIn
from mxtest.setup import Killer, Setup

DATA = paths.TOP / "tests/data/exchange"
KEY, CERTIFICATE = paths.TOP / "tests/data/assertion/rsa.pem", paths.TOP / "tests/data/assertion/rsa.crt"
LOGIN, RELAY = "login.microsoftonline.com", "smtp.office365.com"
SECRET = "8Q~a_secret.of-the-tests~Zm9vYmFyYmF6cXV4"


@pytest.fixture
def bare(workdir, binaries):
    """A host on which nothing is yet."""
    return ExchangeSetup(workdir)


def at_hand(setup):
    """With a key that is there already: to make one takes seconds."""
    key = setup.dir / "exchange.key"
    shutil.copy(KEY, key)
    os.chown(key, 0, pwd.getpwnam("mta-xoauth2").pw_gid)
    key.chmod(0o640)
    shutil.copy(CERTIFICATE, setup.dir / "exchange.crt")
    return setup


@pytest.fixture
def setup(bare):
    return at_hand(bare)


def fine(done, *words):
    assert done.returncode == 0, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout, done.stdout + done.stderr
    return done


def refused(done, status, *words):
    assert done.returncode == status, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr, done.stdout + done.stderr
    return done


# --- from a new host to the first mail ------------------------------------------------------------------------------------------


@pytest.fixture
def host(up, workdir, pki, binaries):
    """Postfix without XOAUTH2, a daemon without clients, Entra behind a proxy, Dovecot in place of Exchange Online."""
    entra = Entra(workdir / "idp", pki, [{"client_id": APP, "sub": BOX}], name=LOGIN, cert=pki.cert("entra", names=(LOGIN,)))
    host = Setup(workdir, pki, idp=entra, dovecot={"cert": pki.cert("exchange-" + RELAY, names=(RELAY,))})
    host.tokend.config_text = f"listen:\n  - path: {host.tokend.socket}\ntoken_cache: none\n"
    host.configure()
    with (host.postfix.queue_dir / "etc/hosts").open("a") as f:
        f.write(f"127.0.0.1 {RELAY}\n")
    host.relay = f"[{RELAY}]:{host.chain.dovecot.port}"
    host.proxy = up(StandIn(to=entra.port))
    host.cloud = ExchangeSetup(workdir / "cloud", host.tokend.config, host.tokend.socket)
    host.pki = pki
    up.append(host.chain)
    return host


def answers(host, **more):
    return {"tenant": TENANT, "mailbox": BOX, "users": "root,postfix", "proxy": host.proxy.url, "ca_file": host.pki.ca, **more}


def register(host, certificate):
    """What the script does in Entra."""
    host.chain.idp.set(APP, certificates=[certificate.read_text()])


def test_first_mail(host):
    """Three commands and one script: the certificate that was made here is what Entra is shown, and mail goes out."""
    done = fine(host.cloud.run(**answers(host)), "1. The script", "--client-id ID")
    assert not host.cloud.yaml().exists()
    crt = host.cloud.dir / "exchange.crt"
    script = host.cloud.script.read_text()
    assert cloud.variable(script, "Certificate") == re.sub(r"-----.*?-----|\s", "", crt.read_text())
    assert "PRIVATE" not in script + done.stdout
    done = fine(host.cloud.run(client_id=APP), "no errors, no warnings; clients: 1, accounts: 1", "it does not run",
                f"mta-xoauth2 postfix enable --relayhost '[{RELAY}]:587' --account {BOX}")
    host.chain.start()
    register(host, crt)
    fine(host.tool("enable"), f"gets a login for {BOX}")
    mail, = host.chain.deliver(1, sender=BOX)
    assert mail.sender == BOX
    assert "method=XOAUTH2" in host.chain.dovecot.wait_log("Login: user=")
    assert host.proxy.tunnels == [f"{LOGIN}:443"] and host.chain.idp.token_requests(APP) == 1


def test_a_running_daemon_is_told(host):
    """The second run finds a daemon that runs, and it has the new client at once; a third one changes its mailboxes."""
    fine(host.cloud.run(**answers(host)))
    host.chain.idp.start()
    host.tokend.config_text += "clients: {other: {provider: custom, token_endpoint: 'https://127.0.0.1/', client_id: x, " \
        f"client_secret_file: {host.tokend.dir}/chain.secret}}}}\naccounts: {{other@example.test: {{client: other}}}}\n"
    host.tokend.start()
    register(host, host.cloud.dir / "exchange.crt")
    assert host.tokend.sasl(BOX).code == "denied"
    fine(host.cloud.run(client_id=APP), "token daemon: reloaded")
    assert host.tokend.sasl(BOX, host=RELAY).ok
    fine(host.cloud.run(mailbox=f"{BOX},scan@example.test"), "token daemon: reloaded", "script: ")
    assert host.tokend.sasl("scan@example.test", host=RELAY).ok
    assert cloud.mailboxes(host.cloud.script.read_text()) == [BOX, "scan@example.test"]
    host.tokend.stop()


# --- at a terminal --------------------------------------------------------------------------------------------------------------


def test_questions(bare, up):
    """Each question has a default or is asked again; what was typed is what is written."""
    t = up(bare.terminal())
    for question, typed in ((r"Name of the client \[exchange\]: $", "contoso"), ("Tenant: $", "not a tenant"),
                            (r"It must be the tenant's domain.*\nTenant: $", "contoso.onmicrosoft.com"), ("Mailboxes: $", "*@contoso.com"),
                            (r"no \"\*\"\.\r\nMailboxes: $", "app@contoso.com,scan@contoso.com"), (r"Credential \[certificate\]: $", ""),
                            (r"Permission \[classic\]: $", "app-rbac"), (r"Cloud \[public\]: $", ""), (r"Users \[[^]]*postfix[^]]*\]: $", "root"),
                            (r"Go on\? \[Y/n\] $", "")):
        t.see(question)
        t.type(typed + "\n")
    assert t.ends() == 0, t.shown
    text = bare.script.read_text()
    assert cloud.mailboxes(text) == ["app@contoso.com", "scan@contoso.com"] and "New-ManagementRoleAssignment" in text
    assert (bare.dir / "contoso.key").exists() and (bare.state / "exchange/contoso").exists()
    t = up(bare.terminal(name="contoso", client_id=ID))    # no question is asked again
    t.see(r"Go on\? \[Y/n\] $")
    t.type("y\n")
    t.see(r"to see that it works\? \[y/N\] $")
    t.type("\n")
    assert t.ends() == 0, t.shown
    assert "Tenant" not in t.shown and f'client_id: "{ID}"' in bare.yaml("contoso").read_text()


def test_offers(host, up):
    """What is left to do is offered: Postfix, and the walk of diagnose."""
    fine(host.cloud.run(**answers(host)))
    host.chain.start(without=("tokend",))
    register(host, host.cloud.dir / "exchange.crt")
    argv = host.cloud.argv(client_id=APP)
    argv[argv.index("--state") + 1] = host.state
    shutil.copytree(host.cloud.state, host.state)
    fine(host.cloud.run(client_id=APP))
    host.tokend.start()
    t = host.cloud.terminal(client_id=APP)
    t.argv = [str(a) for a in argv]
    up(t)
    t.see(r"Go on\? \[Y/n\] $")
    t.type("\n")
    t.see(r"Have Postfix send its mail this way now\? \[y/N\] $")
    t.type("n\n")
    t.see(r"to see that it works\? \[y/N\] $")
    t.type("n\n")
    assert t.ends() == 0, t.shown
    assert "token daemon: reloaded" in t.shown


@pytest.mark.parametrize("typed", ["\x04", "\x03"], ids=["end", "interrupt"])
def test_stopped_at_a_question(bare, up, typed):
    t = up(bare.terminal())
    t.see("Name of the client")
    t.type("\n")
    t.see("Tenant: $")
    t.type(typed)
    assert t.ends() != 0
    assert bare.files() == {}


def test_declined(setup, up):
    t = up(setup.terminal("--yes", tenant="contoso.com", mailbox="app@contoso.com", users="root"))
    assert t.ends() == 0 and "Go on?" not in t.shown and setup.script.exists()
    before = setup.files()
    t = up(setup.terminal(client_id=ID))
    t.see(r"Go on\? \[Y/n\] $")
    t.type("n\n")
    assert t.ends() == 1 and "nothing was changed" in t.shown
    assert setup.files() == before


def test_secret_is_typed_unseen(setup, up):
    """It is on no screen and in no other file; its ID in its place is asked for again."""
    fine(setup.first(credential="secret"))
    assert not (setup.dir / "exchange.secret").exists() and "Add-MgApplicationPassword" in setup.script.read_text()
    t = up(setup.terminal("--yes", client_id=ID))
    t.see("Secret: $")
    t.type("0c9f0d5e-1111-4222-8333-444455556666\n")
    t.see(r"That is not it: .*(?s:.*)Secret: $")
    t.type(SECRET[:-1] + "x\x7f" + SECRET[-1] + "\n")
    assert t.ends() == 0, t.shown
    secret = setup.dir / "exchange.secret"
    st = secret.stat()
    assert secret.read_text() == SECRET and stat.S_IMODE(st.st_mode) == 0o640
    assert (st.st_uid, st.st_gid) == (0, pwd.getpwnam("mta-xoauth2").pw_gid)
    assert SECRET not in t.shown and [p for p, text in setup.files().items() if SECRET.encode() in text] == [str(secret)]


@pytest.mark.parametrize("typed", ["\x03", "\x04", "abc\x03", "\n"], ids=["interrupt", "end", "interrupt-later", "empty"])
def test_no_secret(setup, up, typed):
    fine(setup.first(credential="secret"))
    before = setup.files()
    t = up(setup.terminal("--yes", client_id=ID))
    with t.kept_open() as fd:
        t.see("Secret: $")
        t.type(typed)
        assert t.ends() == 1 and "the secret is missing" in t.shown
        assert termios.tcgetattr(fd)[3] & termios.ECHO
    assert setup.files() == before


# --- unattended -----------------------------------------------------------------------------------------------------------------


def test_new_host(bare):
    """Nothing is there: the main file is written too, without which conf.d is not read. The key is for root and the daemon."""
    before = set(paths.Path("/tmp").glob("mta-xoauth2-setup-*"))    # a run that was killed, or goes on elsewhere
    fine(bare.first(client_id=ID), "no errors, no warnings; clients: 1, accounts: 1")
    key = bare.dir / "exchange.key"
    st = key.stat()
    assert stat.S_IMODE(st.st_mode) == 0o640 and (st.st_uid, st.st_gid) == (0, pwd.getpwnam("mta-xoauth2").pw_gid)
    shown = run(["openssl", "x509", "-in", bare.dir / "exchange.crt", "-noout", "-text"]).stdout
    assert "Public-Key: (3072 bit)" in shown and "CN = mta-xoauth2 exchange" in shown and "CA:FALSE" in shown
    assert run(["openssl", "x509", "-in", bare.dir / "exchange.crt", "-noout", "-pubkey"]).stdout == \
        run(["openssl", "pkey", "-in", key, "-pubout"]).stdout
    assert bare.config.read_text().startswith("# ")
    assert not [p for p in set(paths.Path("/tmp").glob("mta-xoauth2-setup-*")) - before
                if str(bare.dir).encode() in b"".join(f.read_bytes() for f in p.rglob("*") if f.is_file())]


def test_again(setup):
    """Run again, all stays as it is, the key above all."""
    fine(setup.first(client_id=ID))
    before = setup.files()
    fine(setup.run(), "as they are")
    fine(setup.first(client_id=ID), "as they are")
    assert setup.files() == before
    setup.script.unlink()
    fine(setup.run())
    assert setup.files() == before


def test_secret_in_a_file(setup):
    secret = setup.here / "value"
    secret.write_text(SECRET + "\n")
    os.chown(secret, 0, pwd.getpwnam("mta-xoauth2").pw_gid)
    secret.chmod(0o640)
    done = fine(setup.first(credential="secret", secret_file=secret, client_id=ID), "no errors, no warnings")
    assert f'client_secret_file: "{secret}"' in setup.yaml().read_text() and secret.read_text() == SECRET + "\n"
    assert SECRET not in done.stdout + done.stderr + setup.script.read_text()


@pytest.mark.parametrize("cloud_name,graph,exchange", [("public", "Global", "O365Default"), ("gcc-high", "USGov", "O365USGovGCCHigh"),
                                                       ("dod", "USGovDoD", "O365USGovDoD"), ("china", "China", "O365China")])
def test_clouds(setup, cloud_name, graph, exchange):
    fine(setup.first(cloud=cloud_name, client_id=ID))
    text = setup.script.read_text()
    assert cloud.variable(text, "GraphEnvironment") == graph and cloud.variable(text, "ExchangeEnvironment") == exchange
    assert (f"cloud: {cloud_name}" in setup.yaml().read_text()) == (cloud_name != "public")


@pytest.mark.parametrize("users,line", [("none", None), ("root,postfix", "    allow_users: [root, postfix]")])
def test_users(setup, users, line):
    """Nobody but root where there is none."""
    done = fine(setup.first(users=users, client_id=ID))
    found = re.findall("(?m)^ *allow_users.*", setup.yaml().read_text())
    assert found == ([line] if line else [])
    assert ("postfix enable" in done.stdout) == ("postfix" in users)


# --- refusals -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options,words", [
    ({"tenant": None}, "--tenant is needed"), ({"mailbox": None}, "--mailbox is needed"), ({"tenant": "common"}, "tenant's domain"),
    ({"tenant": "contoso"}, "tenant's domain"), ({"tenant": "a..b"}, "tenant's domain"), ({"mailbox": "*"}, "the address of a mailbox"),
    ({"mailbox": "*@contoso.com"}, "the address of a mailbox"), ({"mailbox": "a@contoso.com,"}, "ADDRESS,ADDRESS"),
    ({"mailbox": "a@contoso.com,,b@contoso.com"}, "the address of a mailbox"), ({"mailbox": "a b@contoso.com"}, "the address of a mailbox"),
    ({"mailbox": "a@b@contoso.com"}, "the address of a mailbox"), ({"mailbox": "a\n@contoso.com"}, "ADDRESS,ADDRESS"),
    ({"mailbox": "a\u2028@contoso.com"}, "ADDRESS,ADDRESS"), ({"mailbox": "a\u202e@contoso.com"}, "ADDRESS,ADDRESS"),
    ({"name": "../x"}, "a word"), ({"name": ".x"}, "a word"), ({"name": "x" * 41}, "a word"), ({"name": "Null"}, "a word"), ({"credential": "password"}, "certificate, secret"),
    ({"permission": "all"}, "classic or app-rbac"), ({"cloud": "us"}, "gcc-high"), ({"users": "nobody-of-that-name"}, "users that this host has"),
    ({"users": "root;x"}, "users of this host"), ({"client_id": "my app"}, "a GUID"), ({"app_name": "a\tb"}, "without control characters"),
    ({"app_name": "a\u009bb"}, "without control characters"), ({"app_name": "x" * 121}, "at most 120"), ({"ca_file": "ca.pem"}, "absolute path"),
    ({"secret_file": "/x"}, "belongs to --credential secret"), ({"credential": "managed-identity", "proxy": "http://p:1"}, "of no use"),
    ({"credential": "secret", "client_id": ID}, "no terminal to ask at for the secret"),
], ids=lambda v: "-".join(f"{k}={str(w)[:16]!r}" for k, w in v.items()) if isinstance(v, dict) else "")
def test_wrong_answers(bare, options, words):
    given = {"tenant": "contoso.onmicrosoft.com", "mailbox": "app@contoso.com", "users": "root", **options}
    refused(bare.run(**{k: v for k, v in given.items() if v is not None}), 2, words)
    assert bare.files() == {}


def test_other_words(setup):
    done = run([paths.ours("tool"), "setup", "gmail"], check=False)
    assert done.returncode == 2 and '"gmail" is nothing that can be set up' in done.stderr


def put(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("name,words", [("yaml", "none of this tool's"), ("script", "none of this tool's"), ("key", "but not"), ("crt", "but not")])
def test_files_of_others(bare, name, words):
    path = {"yaml": bare.yaml(), "script": bare.script, "key": bare.dir / "exchange.key", "crt": bare.dir / "exchange.crt"}[name]
    put(path, "somebody's\n")
    before = bare.files()
    refused(bare.first(client_id=ID), 3, str(path), words)
    assert bare.files() == before


@pytest.mark.parametrize("name", ["yaml", "script"])
def test_edited_files(setup, name):
    fine(setup.first(client_id=ID))
    path = setup.yaml() if name == "yaml" else setup.script
    path.write_text(path.read_text().replace("app@contoso.com", "other@contoso.com"))
    before = setup.files()
    refused(setup.run(mailbox="new@contoso.com"), 3, f"{path} was edited since")
    assert setup.files() == before


@pytest.mark.parametrize("main,words", [
    ("clients: {exchange: {provider: hve, tenant: contoso.com, client_id: x, client_secret_file: /x}}\n", "exchange.yaml:5:3: error: "),
    ("accounts: {app@contoso.com: {client: exchange}}\n", "error: "), ("log_level: loud\n", "tokend.yaml:1:12: error: "),
], ids=["client", "account", "broken"])
def test_configuration_that_would_be_wrong(setup, main, words):
    """It is judged before anything is written, and complaints name the files as they will be."""
    setup.config.write_text(main)
    before = setup.files()
    done = refused(setup.first(client_id=ID), 3, words, str(setup.dir), "nothing was changed")
    assert "/tmp/mta-xoauth2-setup" not in done.stderr
    assert setup.files() == before


def test_damaged_answers(setup):
    fine(setup.first())
    saved = setup.state / "exchange/exchange"
    for text in ("tenant=contoso.com\nmailbox=*\n", "shoe=size\n", "tenant=contoso.com", "tenant=contoso.com\0\n"):
        saved.write_text(text)
        refused(setup.run(client_id=ID), 3, f"{saved} is damaged")


@pytest.mark.parametrize("what", ["owner", "mode", "link"])
def test_answers_of_somebody_else(setup, what):
    """The folder above is the daemon's user's: root takes nothing from that one."""
    fine(setup.first())
    folder = setup.state / "exchange"
    if what == "owner":
        shutil.chown(folder, "mta-xoauth2")
    elif what == "mode":
        folder.chmod(0o777)
    else:
        folder.rename(setup.state / "other")
        folder.symlink_to(setup.state / "other")
    before = setup.files()
    refused(setup.run(client_id=ID), 3, f"{folder} is not a folder that belongs to")
    assert setup.files() == before


def test_key_and_certificate_that_differ(setup, pki):
    """Found before the daemon's file is written."""
    fine(setup.first())
    shutil.copy(pki.self_signed()[0], setup.dir / "exchange.crt")
    refused(setup.run(client_id=ID), 3, "belongs to another key")
    assert not setup.yaml().exists()


# --- the script -----------------------------------------------------------------------------------------------------------------

VARIANTS = {
    "certificate-classic": {}, "certificate-app-rbac": {"permission": "app-rbac"},
    "secret-classic": {"credential": "secret", "cloud": "gcc-high"}, "secret-app-rbac": {"credential": "secret", "permission": "app-rbac"},
    "identity-classic": {"credential": "managed-identity", "app_name": "vm-mail"},
    "identity-app-rbac": {"credential": "managed-identity", "permission": "app-rbac", "client_id": ID},
    "certificate-known": {"client_id": ID, "cloud": "china"},
}


def variant(setup, options):
    done = setup.first(**{"mailbox": "app@contoso.com,scan@contoso.com", **options})
    return done, setup.script.read_text()


@pytest.mark.parametrize("name", VARIANTS)
def test_golden(setup, name):
    """The script and the daemon's file, to the letter. MX_GOLDEN=1 writes them anew."""
    done, text = variant(setup, VARIANTS[name])
    assert done.returncode == 0, done.stderr
    if setup.yaml().exists():
        text += "\n# --- conf.d/exchange.yaml\n" + re.sub(r"as [0-9a-f]{16}", "as NUMBER", setup.yaml().read_text()).replace(str(setup.dir), "/etc/mta-xoauth2")
    golden = DATA / f"{name}.txt"
    if os.environ.get("MX_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


# What Microsoft documents of the cmdlets: the parameters that the scripts use, and no others.
CMDLETS = {
    "Connect-MgGraph": "TenantId Environment NoWelcome Scopes", "Get-MgApplication": "Filter All ApplicationId Property",
    "New-MgApplication": "DisplayName SignInAudience", "Update-MgApplication": "ApplicationId KeyCredentials RequiredResourceAccess",
    "Add-MgApplicationPassword": "ApplicationId PasswordCredential", "Get-MgServicePrincipal": "Filter All", "New-MgServicePrincipal": "AppId",
    "Get-MgServicePrincipalAppRoleAssignment": "ServicePrincipalId All", "New-MgServicePrincipalAppRoleAssignment": "",
    "Connect-ExchangeOnline": "ExchangeEnvironmentName ShowBanner", "Disconnect-ExchangeOnline": "Confirm", "Get-ServicePrincipal": "",
    "New-ServicePrincipal": "AppId ObjectId DisplayName", "Remove-ServicePrincipal": "Identity", "Get-Mailbox": "Identity ErrorAction",
    "New-Mailbox": "Shared Name PrimarySmtpAddress", "Set-CASMailbox": "Identity SmtpClientAuthenticationDisabled",
    "Add-MailboxPermission": "Identity User AccessRights WarningAction", "Get-OrganizationConfig": "", "Enable-OrganizationCustomization": "",
    "Get-DistributionGroup": "Identity ErrorAction", "New-DistributionGroup": "Name Alias Type MemberJoinRestriction",
    "Get-DistributionGroupMember": "Identity ResultSize", "Add-DistributionGroupMember": "Identity Member BypassSecurityGroupManagerCheck",
    "Get-ManagementScope": "Identity ErrorAction", "Set-ManagementScope": "Identity RecipientRestrictionFilter",
    "New-ManagementScope": "Name RecipientRestrictionFilter", "Get-ManagementRoleAssignment": "RoleAssignee ErrorAction",
    "New-ManagementRoleAssignment": "Name Role App CustomResourceScope", "Test-ServicePrincipalAuthorization": "Identity Resource",
}
SHELL = {"Set-StrictMode", "Write-Host", "Write-Warning", "Get-Module", "Import-Module", "Start-Sleep", "Where-Object", "ForEach-Object", "Out-Null",
         "Out-String", "Format-Table", "Get-Date", "Join-Path", "$What", "$shell"}


@pytest.mark.parametrize("name", VARIANTS)
def test_script_parses(setup, name):
    """Every word is in its place, each function that is called is there, and each cmdlet is one that is known, with its parameters."""
    _, text = variant(setup, VARIANTS[name])
    found = cloud.parsed(setup.script)
    assert found["wrong"] == []
    functions = set(re.findall(r"(?m)^function ([\w-]+)", text))
    called = {c["name"] for c in found["commands"]}
    assert functions <= called, functions - called
    for c in found["commands"]:
        if c["name"] in CMDLETS:
            assert {p.lstrip("-") for p in c["parameters"]} <= set(CMDLETS[c["name"]].split()), c
        else:
            assert c["name"] in functions | SHELL, c
    rbac, kind = VARIANTS[name].get("permission") == "app-rbac", VARIANTS[name].get("credential", "certificate")
    assert ("New-MgServicePrincipalAppRoleAssignment" in called) != rbac == ("New-ManagementRoleAssignment" in called)
    assert ("Add-MailboxPermission" in called) != rbac
    assert ("New-MgApplication" in called) == (kind != "managed-identity")
    assert ("Add-MgApplicationPassword" in called) == (kind == "secret") and ("$Certificate" in text) == (kind == "certificate")


def test_the_parser_finds_mistakes(setup):
    """Else the test above says nothing."""
    fine(setup.first())
    text = setup.script.read_text()
    for old, new in (("$Tenant = 'contoso", "$Tenant = 'con'toso"), ("$Mailboxes = @(", "$Mailboxes = @"), ("function Find-Role {", "function Find-Role")):
        assert old in text
        setup.script.write_text(text.replace(old, new, 1))
        assert cloud.parsed(setup.script)["wrong"], new


@pytest.mark.parametrize("value", [
    "it's", "''", "'; Remove-Item /; '", "\u2019; Remove-Item /; \u2019", "\u2018a\u2019 \u201ab\u201b", "$(Get-Date)", "$env:PATH", "`n`'", '"x"', "a\\",
    "# no comment", "@'", "'@", "{}", "%s%n", "\u00fc\u00df\u65e5\U0001f4e7", "a: b", "- x", "!!x", "&a", "' + $x + '", "\u2019", "'\u2019'",
], ids=lambda v: ascii(v))
def test_hostile_values(setup, value):
    """Whatever the name is, it is one string and nothing else, for PowerShell and for the parser."""
    fine(setup.first(app_name=value))
    raw = setup.script.read_bytes()
    text = raw.decode("utf-8-sig")
    assert raw.startswith(b"\xef\xbb\xbf") == (not value.isascii())
    assert cloud.variable(text, "AppName") == value
    found = cloud.parsed(setup.script)
    assert found["wrong"] == [] and cloud.unquoted(found["strings"]["$AppName"]) == value
    plain = at_hand(ExchangeSetup(setup.here / "plain"))
    fine(plain.first(app_name="plain"))
    assert [c["name"] for c in found["commands"]] == [c["name"] for c in cloud.parsed(plain.script)["commands"]]


@pytest.mark.parametrize("box", ["o'brien@contoso.com", "o\u2019brien@contoso.com", "a$b@contoso.com", "a`b@contoso.com", "m\u00fcller@contoso.com", "{a}@contoso.com"])
def test_hostile_mailboxes(setup, box):
    """The address is the same in the script, and in the daemon's file."""
    fine(setup.first(mailbox=f"app@contoso.com,{box}", client_id=ID), "accounts: 2")
    assert cloud.mailboxes(setup.script.read_text(encoding="utf-8-sig")) == ["app@contoso.com", box]
    assert f'  "{box}":\n' in setup.yaml().read_text()
    assert cloud.parsed(setup.script)["wrong"] == []


def test_killed_between_key_and_certificate(bare):
    """What such a run leaves: a key that has not its name yet, with its certificate or without."""
    fine(bare.first(client_id=ID))
    key, crt, early = bare.dir / "exchange.key", bare.dir / "exchange.crt", bare.dir / "exchange.key.new"
    pair = key.read_bytes(), crt.read_bytes()
    key.rename(early)
    fine(bare.first(client_id=ID), "as they are")
    assert (key.read_bytes(), crt.read_bytes()) == pair and not early.exists()
    key.rename(early)
    crt.unlink()        # nobody can have seen this one: another pair is made
    fine(bare.first(client_id=ID), "for root and the daemon alone")
    assert not early.exists() and key.read_bytes() != pair[0] and crt.read_bytes() != pair[1]
    assert stat.S_IMODE(key.stat().st_mode) == 0o640
    crt.rename(bare.here / "away")
    refused(bare.run(), 3, "but not", "bring that back")


# --- killed at any moment -------------------------------------------------------------------------------------------------------


def in_shape(setup):
    """What must hold whatever has happened: the key is root's and the daemon's from its first byte on, and in no other file."""
    for path in setup.here.rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            st = path.stat()
            assert (st.st_uid, stat.S_IMODE(st.st_mode) & 0o137) == (0, 0), (path, oct(st.st_mode))
            assert st.st_gid in (0, pwd.getpwnam("mta-xoauth2").pw_gid)
            assert path.name.startswith((".", "exchange.key")), path


def sweep(setup):
    """What a killed run leaves in /tmp: its look at the configuration as it would be, without a secret. Of this test's runs alone."""
    for folder in paths.Path("/tmp").glob("mta-xoauth2-setup-*"):
        files = [p for p in folder.rglob("*") if p.is_file()]
        assert not any(b"PRIVATE KEY" in p.read_bytes() for p in files)
        if any(str(setup.dir).encode() in p.read_bytes() for p in files) or not files:
            shutil.rmtree(folder)


@pytest.mark.parametrize("every", [pytest.param(9, id="now-and-then"), pytest.param(1, id="always", marks=pytest.mark.soak)])
def test_killed_at_any_step(bare, workdir, every):
    """SIGKILL before each change of a file: the next run goes on, and nothing is left half done."""
    killer = Killer(workdir)
    options = {"tenant": "contoso.onmicrosoft.com", "mailbox": "app@contoso.com", "users": "root", "client_id": ID}
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

    def go(n):
        return run([str(a) for a in bare.argv(**options)], check=False, env=environment | killer.env(n), cwd=bare.here)

    assert go(0).returncode == 0
    steps, after = killer.calls(), sorted(str(p.relative_to(bare.here)) for p in bare.here.rglob("*") if "mxkill" not in p.name and p != killer.count)
    assert steps > 8
    killed = 0
    tried = [n for n in range(1, steps + 1) if n % every == 0]
    for n in tried:
        for path in (bare.dir, bare.state):
            shutil.rmtree(path)
        bare.script.unlink(missing_ok=True)
        bare.dir.mkdir()
        killer.forget()
        done = go(n)
        killed += done.returncode == -9
        in_shape(bare)
        sweep(bare)
        key = bare.dir / "exchange.key"
        before = key.read_bytes() if key.exists() else None
        done = bare.run(**options)
        assert done.returncode == 0, (n, done.stdout + done.stderr)
        in_shape(bare)
        assert before in (None, key.read_bytes()), f"killed at {n}, the key was made anew: what was uploaded would fit no more"
        left = sorted(str(p.relative_to(bare.here)) for p in bare.here.rglob("*") if "mxkill" not in p.name and p != killer.count)
        assert left == after, (n, set(left) ^ set(after))
        assert run(["openssl", "x509", "-in", bare.dir / "exchange.crt", "-noout", "-pubkey"]).stdout == \
            run(["openssl", "pkey", "-in", key, "-pubout"]).stdout
    assert killed == len(tried)
