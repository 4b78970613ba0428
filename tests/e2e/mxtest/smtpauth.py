"""A bare SMTP AUTH with XOAUTH2 or OAUTHBEARER, to look at a server without any product code."""

import base64
import smtplib
import ssl


def initial_response(mech, user, token, host="localhost", port=587):
    """The bytes a client sends first."""
    if mech == "XOAUTH2":
        return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()


class Result:
    """code and text of the last reply; challenge: the decoded 334, if one came."""

    def __init__(self, code, text, challenge=None):
        self.code, self.text, self.challenge = code, text, challenge

    @property
    def ok(self):
        return self.code == 235


def connect(port, ca=None):
    """EHLO, and STARTTLS verified for the name localhost when a CA is given."""
    smtp = smtplib.SMTP("localhost", port, timeout=20)
    smtp.ehlo("client.test")
    if ca:
        smtp.starttls(context=ssl.create_default_context(cafile=str(ca)))
        smtp.ehlo("client.test")
    return smtp


def auth(smtp, mech, user, token, port=587, inline=None):
    """Authenticates; inline None: as RFC 4954 says, by the length. Returns Result."""
    blob = base64.b64encode(initial_response(mech, user, token, port=port)).decode()
    line = f"AUTH {mech} {blob}"
    if inline is None:
        inline = len(line) + 2 <= 512
    if inline:
        code, text = smtp.docmd(line)
    else:
        code, text = smtp.docmd(f"AUTH {mech}")
        if code == 334:
            code, text = smtp.docmd(blob)
    challenge = None
    if code == 334:
        challenge = base64.b64decode(text)
        code, text = smtp.docmd("" if mech == "XOAUTH2" else "AQ==")
    return Result(code, text.decode("utf-8", "replace"), challenge)
