"""One mail: the daemon is asked, the mail server's stand-in gets what it said, and both are shown."""

import mailer
from stage import Part

RECIPIENT = "somebody@example.net"


def mail(stage, number, part=None, dialog=True, seconds=10):
    """One mail by way of the daemon; (reply, login). A reply that is none: the daemon's error, and no login. seconds: what the
    asker has for the daemon's answer."""
    part = part or Part()
    try:
        login = mailer.login(stage.socket, part.account, part.relay, seconds)
    except mailer.Refused as err:
        stage.show_log("refused verb=SASL")
        stage.tell.dialog("mailer", f"the daemon says: {err.cls}: {err.code}: {err.text}")
        return f"{err.cls} {err.code}", None
    shown = stage.tell.dialog if dialog else lambda who, line: None
    if dialog:
        stage.show_log(f"token={login.token_id}")
    with mailer.Smtp(stage.exchange.port, part.relay, stage.folder / "ca.pem", shown) as smtp:
        reply = mailer.send(smtp, part.account, RECIPIENT, login.response, f"mail {number}")
    if not dialog:
        stage.show_log(f"token={login.token_id}")
        stage.tell.dialog("mailer", f"mail {number}: {reply} (token {login.token_id}, {login.expires_in} s left, "
                          f"answered in {login.took * 1000:.0f} ms)")
    return reply, login
