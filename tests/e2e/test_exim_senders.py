"""Exim's senders: whose account a mail uses, what becomes of cron's and of bounces, and addresses of every kind."""

import re

import pytest

from mxtest.alone import BOX
from mxtest.relay import Relay

ALICE, BOB = "alice@example.test", "bob@example.test"
CRON = ("From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@mta> run-parts\nContent-Type: text/plain\n"
        "Auto-Submitted: auto-generated\n")


def send_as_denied(argument, session):
    """Exchange, which takes mail from the mailbox alone."""
    sender = re.match(r"FROM:<(.*?)>", argument)[1]
    return None if sender == session.user else f"554 5.2.252 SendAsDenied; {session.user} not allowed to send as <{sender}>"


def exchange(pki):
    return Relay(pki.cert(), MAIL=send_as_denied)


def header(mail, name):
    return re.search(rf"(?m)^{name}: (.*(?:\n[ \t].*)*)", mail[2])[1]


def test_each_sender_uses_its_own_account(exim_way, pki):
    way = exim_way(relay=exchange(pki), senders="*@example.test", accounts={"*@example.test": {}})
    for sender in (ALICE, BOB, BOX):
        way.exim.send(sender=sender)
    assert [(s.user, s.mails[0][0]) for s in way.relay.sessions] == [(ALICE, ALICE), (BOB, BOB), (BOX, BOX)]


def backlog(way, pki):
    """Mails of two senders that waited for the same server, and a queue run when it is back."""
    way.relay.stop()
    mails = [way.exim.send(sender=s) for s in (ALICE, BOB, ALICE, BOB)]
    assert set(way.exim.queue()) == set(mails)
    way.relay.start()
    way.exim.flush()
    assert len(way.arrived(4)) == 4 and not way.exim.queue()


def test_an_account_does_not_leak_into_a_connection_that_is_used_again(exim_way, pki):
    way = exim_way(relay=exchange(pki), senders="*@example.test", accounts={"*@example.test": {}})
    backlog(way, pki)
    assert sorted((s.user, *[m[0] for m in s.mails]) for s in way.relay.sessions) == [(ALICE, ALICE)] * 2 + [(BOB, BOB)] * 2


def test_without_connection_max_messages_it_does(exim_way, pki):
    """What that line of the transport is for."""
    way = exim_way(senders="*@example.test", accounts={"*@example.test": {}},
                   change={"transport": [("connection_max_messages = 1", "")]})
    backlog(way, pki)
    assert any(mail[0] != s.user for s in way.relay.sessions for mail in s.mails)


def test_a_bounce_uses_the_mailbox(exim_way, pki):
    """A real one: a mail from afar for nobody here."""
    way = exim_way(relay=exchange(pki), senders="*@example.test")
    way.exim.send(sender="someone@example.net", recipient="nosuchuser@mta.example.test")
    failed, = way.exim.lines(r" \*\* nosuchuser@mta\.example\.test")
    mail, = way.arrived()
    assert mail[:2] == (BOX, ["someone@example.net"]) and way.relay.sessions[0].user == BOX
    assert header(mail, "From") == f"Mail Delivery System <{BOX}>" and "Auto-Submitted: auto-replied" in mail[2]
    assert not way.exim.queue()
    way.exim.forget()


@pytest.mark.parametrize("variant,hide", [("plain", False), ("split", False), ("unsplit", False), ("unsplit", True),
                                          ("split", True)])
def test_crons_mail_and_an_empty_sender_become_the_mailbox(exim_way, pki, variant, hide):
    """hide: with Debian's own rewriting switched on too (dc_hide_mailname)."""
    way = exim_way(relay=exchange(pki), variant=variant, hide=hide)
    way.exim.send(head=CRON, recipient="admin@example.net")
    way.exim.send(sender="", head=CRON.replace("root (", "Mailer-Daemon@mta.example.test ("), recipient="admin@example.net")
    for mail in way.arrived(2):
        assert mail[:2] == (BOX, ["admin@example.net"])
        assert header(mail, "From") == f"{BOX} (Cron Daemon)"
    assert " <= root@mta.example.test " in way.exim.log() and " <= <> " in way.exim.log(), "they began as such"


def test_what_rewriting_leaves_alone(exim_way, pki):
    way = exim_way(senders=f"{ALICE} : *@sales.example.test")
    root = "root@mta.example.test"
    head = f"From: {{0}}\nSender: {root}\nReply-To: {root}\nTo: {root}\nSubject: x\n"
    way.tokend.accounts.update({ALICE: way.tokend.accounts[BOX], "*@sales.example.test": way.tokend.accounts[BOX]})
    way.tokend.reload()
    for sender in (ALICE, "eve@sales.example.test", BOB):
        way.exim.send(sender=sender, head=head.format(f'"The, Sender" <{sender}>'))
    mails = way.arrived(3)
    assert [m[0] for m in mails] == [ALICE, "eve@sales.example.test", BOX]
    assert [header(m, "From") for m in mails] == [f'"The, Sender" <{s}>' for s in (ALICE, "eve@sales.example.test", BOX)]
    for mail in mails:
        assert header(mail, "Sender") == BOX
        assert header(mail, "Reply-To") == header(mail, "To") == root


def test_without_rewriting_exchange_refuses_cron(exim_way, pki):
    """What it is for; and how to switch it off."""
    way = exim_way(relay=exchange(pki), rewrite=False)
    way.exim.send(head=CRON, recipient="admin@example.net")
    assert "554 5.2.252 SendAsDenied" in way.exim.log() and not way.relay.sessions[0].mails
    way.exim.forget()


def test_the_account_follows_the_envelope(exim_way, pki):
    """A router may change the sender (errors_to); Exchange looks at what MAIL FROM says."""
    way = exim_way(relay=exchange(pki), variant="plain", senders="*@example.test", accounts={"*@example.test": {}},
                   change={"exim.conf": [("  no_more\n", f"  no_more\n  errors_to = {ALICE}\n")]})
    way.exim.send(sender=BOB)
    assert way.arrived()[0][0] == way.relay.sessions[0].user == ALICE


@pytest.mark.parametrize("variant", ["plain", "split", "unsplit"])
def test_local_mail_stays_here(exim_way, variant):
    way = exim_way(variant=variant)
    way.exim.send(sender=BOX, recipient="games@mta.example.test", subject="stays here")
    assert "Subject: stays here" in (way.exim.dir / "var/mail/games").read_text()
    assert not way.relay.sessions and not way.exim.queue()


# What a local user may have for a sender. All but those with control characters are accounts like any other.
STRANGE = ['"a b"@example.test', '"a\\"b"@example.test', '"<>,;:@"@example.test', "a^b@example.test", '"^^^"@example.test',
           "$host@example.test", "${run{/bin/false}}@example.test", '"a=b,c"@example.test', "x" * 60 + "@example.test",
           "{}@example.test", "jürgen@example.test"]
CONTROL = ['"a\tb"@example.test', '"a\tuser=boss@example.test"@example.test']


@pytest.mark.parametrize("heavy", [False, True], ids=["light", "heavy"])
def test_addresses_of_every_kind(exim_way, heavy):
    way = exim_way(senders="*@example.test", accounts={"*@example.test": {}}, heavy=heavy, rewrite=False,
                   extra="MAIN_SMTPUTF8_ADVERTISE_HOSTS = *")
    for n, sender in enumerate(STRANGE, 1):
        mail = way.exim.send(sender=sender, head="From: x@example.test\nTo: y@example.net\nSubject: x\n")
        assert len(way.relay.mails) == n, (sender, way.exim.lines(mail))
        assert way.relay.sessions[-1].user == way.relay.mails[-1][0] == sender, sender


def test_control_characters_where_all_mail_has_one_mailbox(exim_way):
    way = exim_way()
    for n, sender in enumerate(CONTROL, 1):
        way.exim.send(sender=sender, head="From: x@example.test\nTo: y@example.net\nSubject: x\n")
        assert way.arrived(n)[-1][0] == BOX


def test_control_characters_in_addresses(exim_way):
    """They end in a refusal, for this mail alone, and put no field into the request."""
    way = exim_way(senders="*@example.test", accounts={"*@example.test": {}})
    for sender in CONTROL:
        mail = way.exim.send(sender=sender, head="From: x@example.test\nTo: y@example.net\nSubject: x\n")
        way.deferred(mail, -48, "[bad-request]")
    assert not [r for s in way.relay.sessions for r in s.responses] and not way.endpoint.requests
