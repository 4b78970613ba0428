"""Programs that have no OAuth of their own get the token by the socketmap door: a SASL plugin of others, curl."""

import re
import subprocess

import pytest

from mxtest import tokenless
from mxtest.chain import BOX
from mxtest.proc import Failed, wait_for
from mxtest.snippets import DOOR, snippet

TOKEN_USERS = {"allow_token_users": ["root", "postfix"]}


def recipe(chain):
    """smtp_sasl_password_maps of conf/postfix/tokenless.cf."""
    return re.fullmatch(r" *-o \{ smtp_sasl_password_maps = (.*) \}", snippet("tokenless.cf", (DOOR, chain.tokend.door)).splitlines()[-1])[1]


@pytest.fixture(params=[True, False], ids=["chroot", "nochroot"])
def make(request, make_chain, workdir):
    """A chain whose Postfix has somebody else's plugin, and whose daemon is asked by the password map."""
    def start(**arguments):
        arguments = {"account": TOKEN_USERS, **arguments}
        chain = make_chain(without=("postfix",), chroot=request.param, socketmap=True, **arguments)
        chain.postfix.plugins, chain.postfix.socket = [tokenless.plugin_dir(workdir)], None
        chain.postfix.main = {"smtp_sasl_password_maps": recipe(chain)}
        chain.postfix.maps = {"exo_accounts": f"[localhost]:{chain.dovecot.port} {BOX}\n"}
        chain.postfix.start()
        return chain
    return start


def test_mail_by_another_plugin(make):
    chain = make()
    chain.deliver(2, subject="by others")
    assert "method=XOAUTH2" in chain.dovecot.wait_log(f"Login: user=<{BOX}>") and chain.idp.token_requests() == 1
    assert f'account="{BOX}"' in chain.tokend.wait_log("answer verb=TOKEN")
    chain.postfix.wait_log("status=sent", 2)
    assert "verb=SASL" not in chain.tokend.log() and chain.postfix.statuses() == {"sent": 2, "deferred": 0, "bounced": 0}


def test_what_is_no_token_keeps_mail_in_the_queue(make):
    """Denied: no login, no MAIL FROM without one, no bounce; and the reason is in both logs."""
    chain = make(account={"allow_token_users": ["root"]})
    chain.postfix.send()
    status, line = chain.outcome()
    assert status == "deferred" and "dsn=4.3.0" in line
    assert chain.postfix.lines(r"warning: socketmap:.* socketmap server temporary error: denied by the token daemon's policy.*\[denied\]")
    assert "reason=uid-not-listed-for-token" in chain.tokend.wait_log("denied verb=TOKEN")
    assert chain.sink.count() == 0 and not chain.dovecot.logins()
    chain.tokend.accounts[BOX]["allow_token_users"] = ["postfix"]
    chain.tokend.reload("reloaded ")
    chain.postfix.retry()
    chain.sink.wait(1)


def test_an_account_nobody_knows(make):
    chain = make()
    chain.postfix.maps["exo_accounts"] = f"[localhost]:{chain.dovecot.port} typo@example.test\n"
    chain.postfix.reload()
    chain.postfix.send()
    status, line = chain.outcome()
    assert status == "deferred" and "dsn=4.3.0" in line and chain.sink.count() == 0


def test_no_daemon(make):
    chain = make()
    chain.tokend.stop()
    chain.postfix.send()
    status, line = chain.outcome()
    assert status == "deferred" and "dsn=4.3.0" in line
    chain.tokend.start()
    chain.postfix.retry()
    chain.sink.wait(1)


def test_other_servers_get_no_token(make):
    """What the first table does not name is not asked for: mail to it goes as it always did."""
    chain = make()
    chain.postfix.maps["exo_accounts"] = f"[elsewhere.test]:{chain.dovecot.port} {BOX}\n"
    chain.postfix.main["relayhost"] = f"[127.0.0.1]:{chain.sink.port}"
    chain.postfix.main["smtp_tls_security_level"] = "none"
    chain.postfix.reload()
    chain.postfix.send()
    chain.sink.wait(1)
    assert chain.idp.token_requests() == 0 and "verb=TOKEN" not in chain.tokend.log()


def test_postmap_and_curl(make_chain, workdir):
    """The pair as Postfix's own tool prints it, taken by a client that knows neither daemon nor SASL plugin."""
    chain = make_chain(without=("postfix",), chroot=False, socketmap=True, account=TOKEN_USERS)
    chain.postfix.configure()

    def postmap(key):
        return chain.postfix._command("postmap", "-c", chain.postfix.etc, "-q", key, f"socketmap:unix:{chain.tokend.door}:auth").stdout
    user, _, token = postmap(BOX).strip().partition(":")
    assert user == BOX and len(token) > 100
    with pytest.raises(Failed, match=r"socketmap server temporary error: denied by .* \[denied\]"):
        postmap("nobody@example.org")
    mail = workdir / "mail"
    mail.write_text(f"From: {BOX}\nTo: someone@example.net\nSubject: by curl\n\nhello\n")
    done = subprocess.run(["curl", "-sS", "--ssl-reqd", "--cacert", str(chain.pki.ca), f"smtp://localhost:{chain.dovecot.port}",
                           "--config", "-", "--mail-from", BOX, "--mail-rcpt", "someone@example.net", "-T", str(mail)],
                          input=f'user = "{user}"\noauth2-bearer = "{token}"\n', capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert chain.sink.wait(1)[0].subject == "by curl" and chain.idp.token_requests() == 1
    wait_for("the login", chain.dovecot.logins)
