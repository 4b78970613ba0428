"""postfix enable on a host as Debian has it: doc/enable.md as it is printed; and the real postmulti(1), with two instances, each
with its own account and chroot."""

import re

import pytest

from mxtest import paths

from mxtest.alone import oauth_client
from mxtest.chain import Chain
from mxtest.exchange import Exchange
from mxtest.postfix_host import PostfixHost, dovecot_of
from mxtest.proc import wait_for
from mxtest.terminal import Terminal

APP, SCANNER = "app@contoso.com", "scanner@contoso.com"


PAGE = (paths.TOP / "doc/enable.md").read_text()


@pytest.fixture
def make_host(up, pki, workdir, binaries):
    """A daemon that knows both mailboxes, each of an OAuth client of its own, and lets nobody have them but root."""
    if PostfixHost.refused():
        pytest.skip(PostfixHost.refused())

    def make(**arguments):
        chain = Chain(workdir, pki, box=APP, chroot=False, account={"allow_users": ["root"]}, dovecot=dovecot_of(pki))
        chain.idp.clients.append({"client_id": "scanner", "client_secret": "another secret: of 24 bytes", "sub": SCANNER})
        chain.tokend.clients["scanner"] = oauth_client(chain.idp.token_endpoint, pki.ca, "scanner.secret", client_id="scanner")
        chain.tokend.secrets["scanner.secret"] = "another secret: of 24 bytes"
        chain.tokend.accounts[SCANNER] = {"client": "scanner", "allow_users": ["root"]}
        for server in (chain.idp, chain.sink, chain.dovecot):
            up(server)
        return up(PostfixHost(workdir / "host", chain, **arguments))
    return make


@pytest.fixture
def host(make_host):
    return make_host()


def second_instance(host):
    """Made by postmulti, given what a test's network lacks, and started."""
    host.run("postmulti -e init && postmulti -I postfix-out -G mta -e create")
    host.run("for name in inet_interfaces smtp_host_lookup smtp_dns_support_level maillog_file import_environment; do "
             "postconf -c /etc/postfix-out -e \"$name = $(postconf -h $name)\"; done && "
             "postconf -c /etc/postfix-out -e master_service_disable= authorized_submit_users=root myhostname=out.contoso.com")
    host.run("sed -i 's/^smtp  *inet/#&/' /etc/postfix-out/master.cf && postmulti -i postfix-out -e enable && "
             "/usr/lib/postfix/configure-instance.sh postfix-out && "    # as its unit does
             "postmulti -i postfix-out -p start")


def enable(host, account, more=""):
    return host.run(host.here(f"mta-xoauth2 postfix enable {more} --relayhost '[smtp.office365.com]:587' --account {account} --yes"))


def test_two_instances_of_postmulti(host):
    before = host.files()
    second_instance(host)
    created = host.files()
    first = enable(host, APP)
    second = enable(host, SCANNER, "--instance /etc/postfix-out")
    for done, box, queue in ((first, APP, "postfix"), (second, SCANNER, "postfix-out")):
        assert f"gets a login for {box}" in done.stdout and "postfix: reloaded" in done.stdout
        assert f"+  - path: /var/spool/{queue}/run/mta-xoauth2/tokend.sock" in done.stdout
    assert "sendmail -C /etc/postfix-out -f" in second.stdout and "disable --instance /etc/postfix-out" in second.stdout
    host.run(f"echo 'It works.' | sendmail -f {APP} you@example.org")
    host.run(f"echo 'It works.' | sendmail -C /etc/postfix-out -f {SCANNER} you@example.org")
    assert {m.sender for m in host.chain.sink.wait(2)} == {APP, SCANNER}
    for name, box in (("postfix", APP), ("postfix-out", SCANNER)):
        assert "status=sent" in host.wait_log(rf"{name}/exo/smtp\[\d+\]: \w+: to=")
        assert "method=XOAUTH2" in host.chain.dovecot.wait_log(f"Login: user=<{box}>")
    assert host.chain.idp.token_requests("chain") == host.chain.idp.token_requests("scanner") == 1
    assert "all as it left it" in host.run("mta-xoauth2 postfix status --instance /etc/postfix-out").stdout
    host.run("mta-xoauth2 postfix disable --yes")
    host.run("mta-xoauth2 postfix status --instance /etc/postfix-out")     # which goes on
    host.run(f"echo 'It works.' | sendmail -C /etc/postfix-out -f {SCANNER} you@example.org")
    assert [m.sender for m in host.chain.sink.wait(3)].count(SCANNER) == 2
    host.run("mta-xoauth2 postfix disable --instance /etc/postfix-out --yes")
    assert host.files() == created and set(before) < set(created)


@pytest.fixture(params=["y", "n"], ids=["chroot", "nochroot"])
def bouncing(request, make_host, up, pki):
    """(host set up for a server as Exchange, that server, files as they were before); a mail from afar for nobody there."""
    exchange = up(Exchange(pki))

    def start(main="", before=""):
        host = make_host(main=main)
        host.run("sed -i 's/^127.0.0.1 .*/127.0.0.1 localhost/' /etc/hosts && "
                 f"postconf -F smtp/unix/chroot={request.param} && {before or 'true'} && postfix reload")
        files = host.files()
        host.run(f"mta-xoauth2 postfix enable --relayhost '[localhost]:{exchange.port}' --account {APP} --yes >/var/log/shown")
        host.run("printf 'From: someone@example.net\\nSubject: hi\\n\\nhi\\n' | "
                 "sendmail -f '\"some one\"@example.net' nosuch@host.contoso.com")
        return host, exchange, files, (host.dir / "var/log/shown").read_text()
    return start


def test_bounces_leave_as_the_mailbox(bouncing):
    host, exchange, before, shown = bouncing()
    assert "become postmaster@host.contoso.com's first, by the service exo-null" in shown
    mail, = exchange.wait("mails", 1)
    assert (mail.sender, mail.user, mail.recipients) == (APP, APP, ['"some one"@example.net'])
    assert re.search(rf"(?m)^From: .*{re.escape(APP)}", mail.data) and 'unknown user: "nosuch"' in mail.data, mail.data
    host.wait_log(r'exo/smtp\[\d+\]: .*to=<"some one"@example.net>.* status=sent')
    assert not exchange.denied
    host.run("mta-xoauth2 postfix disable --yes")
    assert host.files() == before


def test_a_refused_bounce_ends_at_the_postmaster(bouncing):
    """On this host, once."""
    host, exchange, _, _ = bouncing("mailbox_command =\nhome_mailbox =\nmail_spool_directory = /var/log/boxes/\n",
                                    "echo 'postmaster: daemon' >/etc/aliases && newaliases && "
                                    "install -d -m 1777 /var/log/boxes")
    exchange.send_as = {APP: []}
    host.wait_log("to=<daemon@host.contoso.com>, orig_to=<postmaster@host.contoso.com>.* status=sent")
    wait_for("the queue to empty", lambda: "is empty" in host.run("mailq").stdout)
    assert len(exchange.denied) == 1 and not exchange.mails
    told, = (host.dir / "var/log/boxes/daemon/new").iterdir()
    assert "554 5.2.252 SendAsDenied" in told.read_text()


@pytest.mark.parametrize("main,said", [
    ("sender_dependent_default_transport_maps = inline:{ { <> = discard: } }\n", 'has "discard:" for <>, and is left alone'),
    ("authorized_submit_users = root\n", "authorized_submit_users keeps some users from sending; see"),
], ids=["theirs", "users"])
def test_bounces_that_are_left_alone(make_host, main, said):
    host = make_host(main=main)
    host.run("true" if "users" in said else "postconf -M exo-null/unix='exo-null unix - - n - - discard'")
    assert said in enable(host, APP).stdout
    assert "pipe flags=q" not in host.run("postconf -M").stdout


def test_another_instance_that_is_down(host):
    """The first one's commands are for all instances, where it has postmulti as its wrapper."""
    host.run("postmulti -e init && postmulti -I postfix-out -e create && postmulti -i postfix-out -e enable")
    done = enable(host, APP)
    assert "postfix: reloaded" in done.stdout and f"gets a login for {APP}" in done.stdout
    assert host.wait_log("postfix/master.*: reload -- version")


def commands(heading):
    part = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]
    return re.findall(r"```sh\n(.*?)```", part, re.S)


def answered(host, command):
    """Run at a terminal, and the question answered; what was shown."""
    person = Terminal(host.argv(host.here(command)), {"PATH": "/usr/bin:/bin"}).start()
    try:
        person.see(r"\[y/N\] ", 60)
        person.type("y\n")
        assert person.ends(60) == 0, person.shown
        return person.shown
    finally:
        person.stop()


def test_the_page(host):
    """doc/enable.md from above to below; the port alone is another."""
    second_instance(host)
    before = host.files()
    (look, dry_run), (enable_, mail, other) = commands("Look"), commands("Set up")
    done = host.run(look, check=False)
    assert done.returncode == 1 and re.search("(?m)^look .*chroot/?.*|^look +socket", done.stdout), done.stdout
    assert "--dry-run" in host.run(host.here(dry_run)).stdout and host.files() == before
    assert f"gets a login for {APP}" in answered(host, enable_)
    host.run(host.here(mail))
    host.run("echo done | sendmail -f root admin@example.org")     # as cron does it
    assert [m.sender for m in host.chain.sink.wait(2)] == [APP, APP]
    assert f"gets a login for {SCANNER}" in host.run(host.here(other)).stdout
    for name in ("master.cf", "main.cf", "exo_accounts", "exo_generic"):
        assert f"`/etc/postfix/{name}`" in PAGE and host.files()[f"etc/postfix/{name}"] != before.get(f"etc/postfix/{name}")
    assert "50-postfix-etc-postfix.yaml" in host.files() and "`conf.d/50-postfix-etc-postfix.yaml`" in PAGE
    kept = f"{host.local}/var/lib/mta-xoauth2-setup/postfix"
    assert host.run(f"stat -c %a:%U {kept}").stdout == "700:root\n" and "`before.*`" in PAGE
    assert host.run(f"grep -l exo {kept}/*/before.* || true").stdout == "" != host.run(f"ls {kept}/etc-postfix/before.*").stdout
    back, = commands("Back")
    answered(host, back)
    host.run(back.strip() + " --instance /etc/postfix-out --yes")
    assert host.files() == before


def test_the_page_from_a_password(make_host):
    """A relay by a password map of Debian's default type, and back to it."""
    host = make_host()
    host.run(host.here("cd /etc/postfix && echo '[smtp.office365.com]:587 app@contoso.com:the old password' >sasl_passwd && "
                       "chmod 600 sasl_passwd && postmap sasl_passwd && postconf -e 'relayhost = [smtp.office365.com]:587' "
                       "smtp_sasl_auth_enable=yes smtp_sasl_password_maps=hash:/etc/postfix/sasl_passwd smtp_tls_security_level=encrypt"))
    before = host.files()
    command, = commands("From a password")
    shown = answered(host, command)
    assert "the old password" not in shown and f"gets a login for {APP}" in shown
    host.run(f"echo 'It works.' | sendmail -f {APP} you@example.org")
    assert host.chain.sink.wait(1)[0].sender == APP and b"the old password" not in host.files()["etc/postfix/sasl_passwd"]
    host.run("mta-xoauth2 postfix disable --yes")
    assert host.files() == before


def test_the_pages_refusals_are_what_is_said():
    source = "".join(p.read_text() for p in sorted((paths.TOP / "ctl/setup").glob("*.c")))
    source = re.sub(r'(?<!\\)"\s*(?:PF_SERVICE\s*)?"', "", source).replace('\\"', '"')
    part = PAGE[PAGE.index("## What is refused"):]
    said = re.findall(r"(?m)^\| `(.*?)` \|", part) + re.findall(r"(?m)^`(.*?)` means", part)
    assert len(said) > 12
    for text in said:
        assert text == "wrong" or text in source, text
