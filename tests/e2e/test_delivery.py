"""The main job: a mail goes through Postfix, plugin, daemon, provider and submission server, both mechanisms, jail or not."""

import os
import pwd
import re

import pytest

from mxtest import paths
from mxtest.chain import BOX

ALL_MECHANISMS = "plain, login, xoauth2, oauthbearer"


def one_login(chain, mech, user=BOX):
    """The server's log names mechanism, user and TLS, once."""
    line = chain.dovecot.wait_log(f"Login: user=<{user}>")
    assert f"method={mech.upper()}" in line and ", TLS" in line
    assert len(chain.dovecot.logins()) == 1


@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
@pytest.mark.parametrize("mech", ["xoauth2", "oauthbearer"])
def test_a_mail_is_delivered(make_chain, mech, chroot):
    chain = make_chain(mechanism=mech, chroot=chroot)
    mail, = chain.deliver(1, subject="the main job", body="over OAuth")
    assert (mail.sender, mail.recipients, mail.subject) == (BOX, ["someone@example.net"], "the main job")
    assert mail.body.strip() == "over OAuth"
    one_login(chain, mech)
    line, = chain.postfix.wait_log("status=sent")
    pid = re.search(r"smtp\[(\d+)\]", line).group(1)
    assert os.readlink(f"/proc/{pid}/root") == (str(chain.postfix.queue_dir) if chroot else "/")
    assert chain.postfix.statuses() == {"sent": 1, "deferred": 0, "bounced": 0}
    assert chain.postfix.lines("Verified TLS connection established to localhost")
    assert chain.idp.token_requests() == 1 and chain.idp.counts()["grant"] == {"client_credentials": 1}
    answer = chain.tokend.wait_log("answer verb=SASL")
    assert f'account="{BOX}" relay="localhost" mech={mech.upper()} client=chain' in answer
    chain.postfix.wait_empty()


def test_a_mail_is_delivered_with_a_credential_of_systemd(make_chain, workdir):
    """The secret is a file in $CREDENTIALS_DIRECTORY, and nowhere else."""
    chain = make_chain(without=("tokend", "postfix"), client={"client_secret_file": "credential:mail"})
    (value,) = chain.tokend.secrets.values()
    chain.tokend.secrets = {}
    folder = workdir / "credentials"
    folder.mkdir(mode=0o755)
    (folder / "mail").write_text(value)
    os.chown(folder / "mail", 0, pwd.getpwnam("mta-xoauth2").pw_gid)
    (folder / "mail").chmod(0o440)
    chain.tokend.environment["CREDENTIALS_DIRECTORY"] = str(folder)
    chain.tokend.start()
    chain.postfix.start()
    chain.deliver(1)
    one_login(chain, "xoauth2")


@pytest.mark.parametrize("auth", ["client_secret_post", "client_secret_basic"])
def test_both_ways_to_send_the_secret(make_chain, auth):
    chain = make_chain(auth=auth)
    chain.deliver(1)
    request, = chain.idp.requests()
    assert request["auth"] == ("body" if auth == "client_secret_post" else "basic") and request["status"] == 200


@pytest.mark.parametrize("tokend_up", [True, False], ids=["up", "down"])
def test_preferred_before_login_and_plain(make_chain, tokend_up):
    """With a password at hand and PLAIN and LOGIN offered, it is still the token; and without a daemon it is no password."""
    chain = make_chain(without=() if tokend_up else ("tokend",), mechanism=ALL_MECHANISMS,
                       dovecot={"password": "pw"}, postfix={"password": "pw", "plugins": []})
    chain.postfix.plugins = [chain.postfix.plugin_dir(), paths.debian_sasl_dir()]
    chain.postfix.restart()
    chain.postfix.send()
    if tokend_up:
        chain.sink.wait(1)
        one_login(chain, "xoauth2")
    else:
        status, line = chain.outcome()
        assert status == "deferred" and "dsn=4.7.0" in line and not chain.dovecot.logins()


@pytest.mark.parametrize("pattern", ["*@example.test", "*"])
def test_an_account_for_many_mailboxes(make_chain, pattern):
    chain = make_chain(without=("tokend", "postfix"))
    chain.tokend.accounts[pattern] = chain.tokend.accounts.pop(BOX)
    chain.tokend.start()
    chain.postfix.start()
    chain.deliver(1)
    one_login(chain, "xoauth2")


def test_the_mailbox_may_differ_from_the_account(make_chain):
    """The name in Postfix's map is the account; "user" is the mailbox that is logged in to."""
    chain = make_chain(without=("tokend", "postfix"))
    chain.tokend.accounts = {"relay": {"client": "chain", "allow_users": ["postfix"], "user": BOX}}
    chain.tokend.accounts["*"] = chain.tokend.accounts.pop("relay")
    chain.postfix.account = "somebody.else@example.test"
    chain.tokend.start()
    chain.postfix.start()
    chain.deliver(1)
    one_login(chain, "xoauth2")


@pytest.mark.parametrize("mech", ["xoauth2", "oauthbearer"])
def test_with_cyrus_authzid(make_chain, mech):
    """Postfix then names the user twice; it is one mailbox all the same."""
    chain = make_chain(mechanism=mech, postfix={"extra": "send_cyrus_sasl_authzid = yes"})
    chain.deliver(1)
    one_login(chain, mech)


def test_several_mails_one_token(make_chain):
    chain = make_chain()
    subjects = {mail.subject for mail in chain.deliver(10)}
    assert subjects == {f"test {i}" for i in range(1, 11)}
    assert chain.idp.token_requests() == 1
