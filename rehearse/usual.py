"""Scenarios in which nothing is wrong. Each tells what is about to happen, has it happen, and promises what was seen."""

import time

from post import mail
from stage import ACCOUNT, Part


def delivery(stage):
    """two mails, one token: who asks whom, and what the log has of it"""
    tell = stage.tell
    tell.step("A daemon of its own is started, with a configuration like yours, and two stand-ins.")
    stage.begin([Part()])
    tell.step(f"A mail from {ACCOUNT}. In Postfix's place a few lines of Python ask the daemon for the SASL response, by the "
              "same line that the plugin sends. Nobody has asked before, so the daemon fetches a token first.")
    first, one = mail(stage, 1)
    tell.look("\"fetch_ok\" is a request to Entra ID that brought a token; \"answer\" names who asked (uid), for which account and relay, and the "
              "token by the beginning of its SHA-256. The token itself is in no log.")
    tell.promise(first.startswith("250"), "the mail server let the mailbox in and took the mail")
    tell.promise(len(stage.entra.requests) == 1, f"one token request for it ({len(stage.entra.requests)})")
    tell.step("A second mail.")
    second, two = mail(stage, 2, dialog=False)
    tell.promise(second.startswith("250"), "it was taken, too")
    tell.promise(one is not None and two is not None and one.token_id == two.token_id and len(stage.entra.requests) == 1,
                 f"with the same token, and without a further request to Entra ID ({len(stage.entra.requests)} in all)")
    tell.promise(len(stage.exchange.mails) == 2, f"{len(stage.exchange.mails)} mails have arrived at the mail server's stand-in")
    tell.remember("One token serves all mail of a client for about an hour; the mail server's host never sees the secret.",
                  "journalctl -u mta-xoauth2-tokend shows these lines; mta-xoauth2 status shows the tokens at hand.",
                  "With your own servers the first hop is Postfix or Exim: mta-xoauth2 postfix enable, mta-xoauth2 exim enable.")


def expiry(stage):
    """tokens that live 6 seconds are renewed while mail flows, and no mail waits"""
    tell = stage.tell
    tell.step("The stand-in for Entra ID gives tokens that live 6 seconds, not an hour. All else is as usual: the daemon renews at "
              "half the life, in the background.")
    stage.begin([Part(life=6)])
    tell.step("A mail each half second, for ten seconds.")
    replies, logins, begin, number = [], [], time.monotonic(), 0
    while time.monotonic() - begin < 10:
        number += 1
        reply, login = mail(stage, number, dialog=False)
        replies.append(reply)
        logins += [login] if login else []
        time.sleep(max(0.0, begin + number * 0.5 - time.monotonic()))
    stage.show_log()
    tell.look("\"fetch_ok\" between the answers: nobody waited for it. The token's name changes, the mails do not notice.")
    ids = {login.token_id for login in logins}
    slow = max((login.took for login in logins[1:]), default=99)
    tell.promise(all(r.startswith("250") for r in replies), f"all {number} mails were taken")
    tell.promise(not stage.exchange.refused and min(stage.exchange.logins, default=0) > 0, "no token came to the mail server after its end")
    tell.promise(len(ids) >= 3, f"{len(ids)} tokens were in use, one after the other")
    tell.promise(3 <= len(stage.entra.requests) <= 6, f"{len(stage.entra.requests)} token requests, not one for each mail")
    tell.promise(slow < 1, f"no mail but the first waited for Entra ID; the slowest answer took {slow * 1000:.0f} ms")
    tell.remember("Renewal is the daemon's business: no cron job, no restart, nobody who logs in.",
                  "With Entra's hour a token is renewed after about half an hour; one with less than five minutes is not handed out.",
                  "mta-xoauth2 status shows when the next renewal is due.")
