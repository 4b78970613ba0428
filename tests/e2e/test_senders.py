"""Exchange takes mail from the mailbox alone: cron's root@host and bounces, with conf/postfix/rewrite.cf and without."""

import re

import pytest

from mxtest.chain import BOX
from mxtest.exchange import Exchange
from mxtest.net import free_port
from mxtest.snippets import MAILBOX, Recipe, main_cf, snippet

HOST = "host.example.test"
OURS = ("host.contoso.com", HOST)
CRON = f"From: root@{HOST} (Cron Daemon)\nTo: admin@example.net\nSubject: cron\n\ndone\n"
BOUNCE = f"From: MAILER-DAEMON@{HOST} (Mail Delivery System)\nTo: asker@example.net\nSubject: bounce\n\nno such user\n"


@pytest.fixture(params=[True, False], ids=["chroot", "nochroot"])
def make(request, make_chain, up, pki, workdir):
    """(exchange, Postfix of conf/postfix, sink); what is delivered on this host ends in the sink."""
    def start(rewrite):
        exchange = up(Exchange(pki))
        chain = make_chain(without=("postfix", "dovecot", "tokend"), chroot=request.param)
        postfix = Recipe(workdir / "r", ("localhost", exchange.port), BOX, pki.ca, chroot=request.param, socket=chain.tokend.socket)
        chain.tokend.jail = postfix if request.param else None
        chain.tokend.start()
        postfix.main = {"exo_destination_rate_delay": "0s", "mydestination": HOST, "myhostname": HOST, "myorigin": HOST,
                        "local_transport": f"smtp:[127.0.0.1]:{chain.sink.port}"}
        if rewrite:
            port = ("127.0.0.1:10027", f"127.0.0.1:{free_port()}")
            postfix.main |= main_cf("rewrite.cf", [p.replace(":", "]:") for p in port])
            chroot = [] if request.param else [(" -       y ", " -       n ")]
            postfix.more_master = snippet("rewrite.master.cf", OURS, port, *chroot)
            postfix.maps["exo_generic"] = snippet("exo_generic", OURS, (MAILBOX, BOX))
        up(postfix)
        return exchange, postfix, chain.sink
    return start


def inject(postfix, sender, recipient, text):
    postfix._command("sendmail", "-C", str(postfix.etc), "-f", sender, "-i", recipient, input=text)


def test_both_are_rewritten(make):
    exchange, postfix, sink = make(True)
    inject(postfix, f"root@{HOST}", "admin@example.net", CRON)
    inject(postfix, "<>", "asker@example.net", BOUNCE)
    mails = {m.subject: m for m in exchange.wait("mails", 2)}
    for subject, to in (("cron", "admin@example.net"), ("bounce", "asker@example.net")):
        mail = mails[subject]
        assert (mail.sender, mail.recipients, mail.user) == (BOX, [to], BOX)
        assert re.search(rf"(?m)^From: .*{re.escape(BOX)}", mail.data) and HOST not in re.search("(?m)^From: .*", mail.data)[0]
    postfix.wait_empty()
    assert not postfix.lines("status=(bounced|deferred)") and not exchange.denied and sink.count() == 0


def test_without_they_bounce(make):
    exchange, postfix, sink = make(False)
    inject(postfix, f"root@{HOST}", "admin@example.net", CRON)
    line = postfix.wait_log("to=<admin@example.net>.* status=bounced")[0]
    assert "554 5.2.252 SendAsDenied" in line
    assert sink.wait(1)[0].recipients == [f"root@{HOST}"]       # the bounce, on this host
    inject(postfix, "<>", "asker@example.net", BOUNCE)
    postfix.wait_log("to=<asker@example.net>.* status=bounced")
    assert not exchange.mails


def test_mail_of_the_mailbox_stays_as_it_is(make):
    exchange, postfix, _ = make(True)
    postfix.send(sender=BOX, subject="its own")
    mail, = exchange.wait("mails", 1)
    assert mail.sender == BOX and f"From: {BOX}" in mail.data


def test_a_bounce_of_this_host_stays_on_it(make):
    """root@host's mail is refused: the bounce is for a local user, and leaves neither with nor without a sender."""
    exchange, postfix, sink = make(True)
    exchange.send_as = {BOX: []}
    inject(postfix, f"root@{HOST}", "admin@example.net", CRON)
    mail, = sink.wait(1)
    assert mail.recipients == [f"root@{HOST}"] and "SendAsDenied" in mail.data
    postfix.wait_empty()


def test_a_refused_bounce_ends(make):
    """It goes to this host's postmaster, once; nothing goes round."""
    exchange, postfix, sink = make(True)
    exchange.send_as = {BOX: []}
    inject(postfix, "<>", "asker@example.net", BOUNCE)
    mail, = sink.wait(1)
    assert mail.recipients == [f"postmaster@{HOST}"] and len(exchange.denied) == 1
    postfix.wait_empty()
    assert sink.count() == 1 and len(exchange.denied) == 1
