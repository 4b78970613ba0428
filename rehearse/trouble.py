"""Scenarios in which a server fails: Entra ID is down, or Exchange refuses the token."""

import time

import mailer
from exchange import EXCHANGE
from post import mail
from stage import ACCOUNT, Part


def outage(stage):
    """Entra ID is down: the token at hand serves, then mail waits, then all is well by itself"""
    tell = stage.tell
    tell.step("Tokens live 8 seconds here, so that an outage of an hour fits into ten seconds.")
    stage.begin([Part(life=8)])
    born = time.monotonic()
    first, one = mail(stage, 1, dialog=False)
    tell.promise(first.startswith("250"), "a mail, while all is well")
    stage.entra.down, went = True, len(stage.entra.requests)
    tell.step("Now Entra ID is down: 503 is all it says. Mail goes on each half second; at half the token's life "
              "the daemon tries to renew it.")
    replies, number, failed_at = [], 1, None
    while time.monotonic() - born < 5.2:
        number += 1
        reply, _ = mail(stage, number, dialog=False)
        replies.append(reply)
        if failed_at is None and stage.logged("fetch_failed"):
            failed_at = len(replies)
        time.sleep(max(0.0, born + (number - 1) * 0.5 - time.monotonic()))
    tell.look("\"fetch_failed\" says what failed, and when it is tried again. The answers go on: mail does not notice.")
    tell.promise(all(r.startswith("250") for r in replies), f"{len(replies)} mails were taken while Entra ID was down")
    tell.promise(failed_at is not None and failed_at < len(replies), "some of them after a renewal had failed")
    tell.step("The outage outlasts the token. Who asks now waits as long as it can, 2 seconds here, 10 with the plugin; then it hears the error.")
    time.sleep(max(0.0, born + 7 - time.monotonic()))
    reply, login = mail(stage, number + 1, dialog=False, seconds=2)
    tell.look("The error has the class \"temp\". The plugin hands it to Postfix as a passing failure: the mail stays in the queue, "
              "status 4.7.0, and this sentence stands in the mail log.")
    tell.promise(login is None and reply.startswith("temp "), "the mail is put off, not bounced")
    tell.promise(len(stage.entra.requests) == went, "and no bad token was tried at the mail server")
    tell.step("Entra ID is back. Nobody restarts anything.")
    stage.entra.down, back = False, time.monotonic()
    reply, login = mail(stage, number + 1, dialog=False)
    while login is None and time.monotonic() - back < 4:
        time.sleep(0.5)
        reply, login = mail(stage, number + 1, dialog=False)
    tell.promise(login is not None and one is not None and reply.startswith("250") and login.token_id != one.token_id,
                 f"the mail went out with a new token, {time.monotonic() - back:.1f} s after Entra ID had come back")
    tell.remember("With Entra's hour an outage of about half an hour is not noticed at all: a token is renewed at half its life, and served "
                  "until a minute before its end.",
                  "After that mail waits in the queue. No authentication problem bounces mail.",
                  "The daemon tries again by itself, after a second first, later every five minutes; a queue run has the mail sent.")


def _refused(stage, number):
    """A mail whose token Exchange has revoked; what the mail server's host then tells the daemon. The login."""
    stage.exchange.revoked.add(stage.entra.issued[-1]["uti"])
    reply, login = mail(stage, number)
    if login is not None:
        mailer.report(stage.socket, ACCOUNT, EXCHANGE, login.token_id, reply)
        stage.show_log("token_rejected")
    return reply, login


def rejected(stage):
    """Exchange says 535: what the log says, the token is dropped, one new one is fetched"""
    tell = stage.tell
    tell.step("A mail, while all is well.")
    stage.begin([Part()])
    first, one = mail(stage, 1, dialog=False)
    tell.promise(first.startswith("250") and len(stage.entra.requests) == 1, "it was taken; one token request")
    tell.step("Now Exchange refuses this token, as it does when somebody takes the permission away, or changes it: to Entra the "
              "token is as good as before.")
    reply, login = _refused(stage, 2)
    tell.look("535 5.7.3 comes at once, without a challenge. The report that follows is what the plugin sends after a "
              "challenge, and Postfix or Exim by the feedback of doc/postfix.md and doc/exim.md. \"token_rejected\" is its line.")
    tell.promise(reply.startswith("535"), "the mail server refused the login")
    tell.promise(login is not None and one is not None and login.token_id == one.token_id, "the token was the one from before")
    end = time.monotonic() + 3
    while len(stage.entra.requests) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    stage.show_log("fetch ", 0.5)
    tell.promise(len(stage.entra.requests) == 2, f"the daemon dropped it and fetched one new token ({len(stage.entra.requests)} requests in all)")
    tell.step("The mail is sent again, as from the queue.")
    third, new = mail(stage, 3, dialog=False)
    tell.promise(third.startswith("250") and new is not None and login is not None and new.token_id != login.token_id,
                 "with the new token it went out")
    tell.step("Exchange refuses the new token, too: the fault is not the token's.")
    reply, again = _refused(stage, 4)
    fifth, last = mail(stage, 5, dialog=False)
    time.sleep(0.5)
    stage.show_log()
    tell.look("A second refusal within a minute causes no request: asking for ever more tokens mends nothing, and Entra would "
              "throttle the tenant.")
    tell.promise(reply.startswith("535") and fifth.startswith("535") and last is not None, "the mail server refuses, the mail stays in the queue")
    tell.promise(len(stage.entra.requests) == 2, f"and no third token was asked for ({len(stage.entra.requests)} requests in all)")
    tell.remember("535 5.7.3 at Exchange is hardly ever the token's fault. Look at the service principal's object ID, at the mailbox permission, "
                  "and whether SMTP AUTH is on for the mailbox; see README.md.",
                  "What was changed at Exchange takes effect after half an hour as a rule, two hours at worst.",
                  "When it is mended, nothing needs to be flushed: the next refusal has a new token fetched, once a minute.")
