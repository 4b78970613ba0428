"""Scenarios about a server's rules: the life that High Volume Email wants a token to have, and Entra's throttling."""

import time

from exchange import HVE, HVE_LEFT_S
from post import mail
from stage import Part

RETRY_AFTER_S = 5


def hve(stage):
    """High Volume Email refuses tokens that end soon: the preset hve renews them in time"""
    tell = stage.tell
    tell.step(f"The mail server's stand-in is High Volume Email's, {HVE}: it refuses a token with less than {HVE_LEFT_S // 60} minutes left. "
              "Two accounts: \"careless\" with the preset exchange-online and tokens of 605 seconds, \"hve\" with the preset hve and "
              "tokens of 906 seconds. So both come to their margins within seconds, and the margins are the real ones.")
    careless = Part("careless", life=605, account="careless@contoso.example", relay=HVE)
    good = Part("hve", "hve", 906, "hve@contoso.example", HVE, 1)
    stage.begin([careless, good], HVE_LEFT_S)
    tell.step("A mail each second from both, for nine seconds.")
    wrong, right, ids, begin, number = [], [], set(), time.monotonic(), 0
    while time.monotonic() - begin < 9:
        number += 1
        wrong.append(mail(stage, number, careless, dialog=False)[0])
        mark = len(stage.exchange.logins)
        reply, login = mail(stage, number, good, dialog=False)
        right.append((reply, min(stage.exchange.logins[mark:], default=0)))
        ids |= {login.token_id} if login else set()
        time.sleep(max(0.0, begin + number - time.monotonic()))
    stage.show_log()
    refused = [r for r in wrong if r.startswith("501 5.5.127")]
    least = min(left for _, left in right)
    tell.look("\"careless\" goes wrong after five seconds and stays so: to the daemon its token has 599 seconds left, which is enough for Exchange.")
    tell.promise(wrong[0].startswith("250") and wrong[-1].startswith("501 5.5.127"),
                 f"\"careless\" was let in at first, and later refused {len(refused)} times: 501 5.5.127, Token will expire soon")
    tell.promise(all(r.startswith("250") for r, _ in right), f"\"hve\" was let in {len(right)} times of {len(right)}")
    tell.promise(least > 898, f"and never with less than 15 minutes left (the least was {least:.0f} s)")
    tell.promise(len(ids) >= 2, f"its token was renewed meanwhile: {len(ids)} tokens")
    tell.remember("For High Volume Email write provider: hve. It keeps 15 minutes of reserve (min_remaining), also while Entra ID is down.",
                  "Such tokens are renewed at half an hour of their hour, as all are; the margin counts when a renewal fails.",
                  "The permission is Mail.Send, and the app is named by Add-HVEAppAccess; 550 5.7.240 says that it is not.")


def throttled(stage):
    """Entra ID says 429 with Retry-After: the daemon keeps quiet until then, however much mail there is"""
    tell = stage.tell
    tell.step(f"Entra ID's stand-in answers the first token request with 429 and Retry-After: {RETRY_AFTER_S}.")
    stage.begin([Part()])
    stage.entra.throttle = [RETRY_AFTER_S]
    tell.step("A mail, and then one each half second, as from a full queue.")
    replies, begin, number = [], time.monotonic(), 0
    while True:
        number += 1
        reply, login = mail(stage, number, dialog=False)
        if login is not None or time.monotonic() - begin > RETRY_AFTER_S + 5:
            break
        replies.append(reply)
        if len(stage.entra.requests) > 2:
            break
        time.sleep(0.5)
    came = stage.entra.requests
    pause = came[1] - came[0] if len(came) > 1 else 0
    tell.look("\"fetch_failed\" has the pause. All that ask meanwhile are answered from memory, at once, and hear when it is tried again.")
    tell.promise(len(replies) >= 3 and all(r.startswith("temp ") for r in replies),
                 f"{len(replies)} mails were put off, each with a passing failure: they stay in the queue")
    tell.promise(pause >= RETRY_AFTER_S - 0.05, f"the daemon asked again after {pause:.1f} s, not before")
    tell.promise(len(came) == 2, f"{len(came)} token requests in all, for {number} mails that asked")
    tell.promise(reply.startswith("250"), "then the mail went out")
    tell.remember("Retry-After is obeyed up to an hour, in seconds or as a date, also for requests that nobody waits for.",
                  "While a token is at hand nothing of this is noticed; it takes a daemon without a token to make mail wait.",
                  "If Entra throttles you, look for something else that asks for tokens with this client id: the daemon asks about twice an hour.")
