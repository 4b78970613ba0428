"""Other Cyrus SASL clients with the same plugin, at Dovecot's IMAP: mbsync fetches a mail, imtest logs in."""

import pytest

from mxtest import paths
from mxtest.chain import BOX
from mxtest.watched import Watched

MESSAGE = "From: friend@example.net\nTo: app@example.test\nSubject: fetched\n\nhello\n"

MBSYNC = """
IMAPAccount a
Host localhost
Port {port}
User {user}
AuthMechs {mechs}
SSLType STARTTLS
CertificateFile {ca}
Timeout 20

IMAPStore far
Account a

MaildirStore near
Path {dir}/
Inbox {dir}/INBOX

Channel c
Far :far:
Near :near:
Patterns INBOX
Sync Pull
Create Near
"""


@pytest.fixture
def mailbox(make_chain):
    """A chain without Postfix, and a mail in the mailbox."""
    def make(**arguments):
        chain = make_chain(without=("postfix",), chroot=False, **arguments)
        new = chain.dovecot.dir / "mail" / BOX / "new"
        for folder in (new.parent, new, new.parent / "cur", new.parent / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)
        (new / "1.test").write_text(MESSAGE)
        (new / "1.test").chmod(0o666)
        return chain
    return make


def watched(chain, argv, input=""):
    """A client with our plugin and daemon."""
    return Watched(argv, {"PATH": "/usr/bin:/bin", "HOME": str(chain.postfix.dir), "LANG": "C.UTF-8",
                          "MTA_XOAUTH2_SOCKET": str(chain.tokend.socket), "SASL_PATH": str(chain.postfix.plugin_dir())}, input)


def mbsync(chain, mechs, *more):
    folder = chain.postfix.dir / "near"
    folder.mkdir(exist_ok=True)
    rc = chain.postfix.dir / "mbsyncrc"
    rc.write_text(MBSYNC.format(port=chain.dovecot.imap_port, user=BOX, mechs=mechs, ca=chain.pki.ca, dir=folder))
    return watched(chain, [paths.program("mbsync"), "--config", rc, *more, "c"])


def fetched(chain):
    return [p.read_text() for p in (chain.postfix.dir / "near" / "INBOX" / "new").glob("*")]


@pytest.mark.parametrize("mech", ["XOAUTH2", "OAUTHBEARER"])
def test_mbsync_fetches_a_mail(mailbox, mech):
    """Asked for its password it is not, and the token is on no command line."""
    chain = mailbox(mechanism=mech.lower())
    client = mbsync(chain, mech)
    assert client.status == 0, client.output
    assert len(fetched(chain)) == 1 and "Subject: fetched" in fetched(chain)[0]
    login = chain.dovecot.wait_log("imap-login: Info: Login: user=<" + BOX)
    assert f"method={mech}" in login and ", TLS" in login
    token = chain.tokend.ask("TOKEN", account=BOX).token
    assert client.without(token) and token not in client.output and "assword" not in client.output
    assert "answer verb=SASL" in chain.tokend.wait_log("answer verb=SASL") and chain.idp.token_requests() == 1


def test_mbsync_takes_the_best_mechanism_by_itself(mailbox):
    chain = mailbox()
    client = mbsync(chain, "*")
    assert client.status == 0 and len(fetched(chain)) == 1, client.output
    assert "method=XOAUTH2" in chain.dovecot.wait_log("imap-login: Info: Login:")


@pytest.mark.parametrize("mech", ["XOAUTH2", "OAUTHBEARER"])
def test_a_rejected_token_does_not_crash_mbsync(mailbox, mech):
    chain = mailbox(mechanism=mech.lower(), check="introspection")
    old = chain.tokend.sasl(BOX, mech)
    assert chain.idp.revoke_all() == 1
    client = mbsync(chain, mech)
    assert client.status == 1, (client.status, client.output)  # a signal would be negative
    assert f"token={old.token_id} dropped=yes" in chain.tokend.wait_log("token_rejected")
    assert "AUTHENTICATIONFAILED" in client.output and client.without(old.token)
    again = mbsync(chain, mech)
    assert again.status == 0 and len(fetched(chain)) == 1, again.output


def test_mbsync_without_a_daemon_says_why(mailbox):
    chain = mailbox()
    chain.tokend.stop()
    client = mbsync(chain, "XOAUTH2")
    assert client.status == 1 and f"socket {chain.tokend.socket} cannot be reached" in client.output, client.output


@pytest.mark.parametrize("mech", ["XOAUTH2", "OAUTHBEARER"])
def test_imtest_logs_in(mailbox, mech):
    """-t "": STARTTLS. imtest wants a user to act as; it is the account itself."""
    chain = mailbox(mechanism=mech.lower())
    client = watched(chain, [paths.program("imtest"), "-t", "", "-m", mech, "-a", BOX, "-u", BOX, "-p",
                             chain.dovecot.imap_port, "localhost"], input="a logout\n")
    assert "Authenticated." in client.output and "a OK Logout" in client.output, client.output
    assert f"method={mech}" in chain.dovecot.wait_log("imap-login: Info: Login: user=<" + BOX)
    assert client.without(chain.tokend.ask("TOKEN", account=BOX).token)

