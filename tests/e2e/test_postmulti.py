"""postfix enable on a host as Debian has it, with the real postmulti(1): two instances, each with its own account and chroot."""

import pytest

from mxtest.alone import oauth_client
from mxtest.chain import Chain
from mxtest.postfix_host import PostfixHost, dovecot_of

APP, SCANNER = "app@contoso.com", "scanner@contoso.com"


@pytest.fixture
def host(up, pki, workdir, binaries):
    """A daemon that knows both mailboxes, each of an OAuth client of its own, and lets nobody have them but root."""
    if PostfixHost.refused():
        pytest.skip(PostfixHost.refused())
    chain = Chain(workdir, pki, box=APP, chroot=False, account={"allow_users": ["root"]}, dovecot=dovecot_of(pki))
    chain.idp.clients.append({"client_id": "scanner", "client_secret": "another secret: of 24 bytes", "sub": SCANNER})
    chain.tokend.clients["scanner"] = oauth_client(chain.idp.token_endpoint, pki.ca, "scanner.secret", client_id="scanner")
    chain.tokend.secrets["scanner.secret"] = "another secret: of 24 bytes"
    chain.tokend.accounts[SCANNER] = {"client": "scanner", "allow_users": ["root"]}
    for server in (chain.idp, chain.sink, chain.dovecot):
        up(server)
    return up(PostfixHost(workdir / "host", chain))


def enable(host, account, more=""):
    return host.run(host.here(f"mta-xoauth2 postfix enable {more} --relayhost '[smtp.office365.com]:587' --account {account} --yes"))


def test_two_instances_of_postmulti(host):
    before = host.files()
    host.run("postmulti -e init && postmulti -I postfix-out -G mta -e create")
    host.run("for name in inet_interfaces smtp_host_lookup smtp_dns_support_level maillog_file import_environment; do "
             "postconf -c /etc/postfix-out -e \"$name = $(postconf -h $name)\"; done && "
             "postconf -c /etc/postfix-out -e master_service_disable= authorized_submit_users=root myhostname=out.contoso.com")
    host.run("sed -i 's/^smtp  *inet/#&/' /etc/postfix-out/master.cf && postmulti -i postfix-out -e enable && "
             "/usr/lib/postfix/configure-instance.sh postfix-out && "    # as its unit does
             "postmulti -i postfix-out -p start")
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


def test_another_instance_that_is_down(host):
    """The first one's commands are for all instances, where it has postmulti as its wrapper."""
    host.run("postmulti -e init && postmulti -I postfix-out -e create && postmulti -i postfix-out -e enable")
    done = enable(host, APP)
    assert "postfix: reloaded" in done.stdout and f"gets a login for {APP}" in done.stdout
    assert host.wait_log("postfix/master.*: reload -- version")
