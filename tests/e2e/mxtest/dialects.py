"""What mail servers say when they refuse, word for word: DIALECTS[name] is played by Exchange(..., dialect=name)."""

_BY = " [EXCHANGE.test 2026-11-24T18:00:00.000Z 08DE2B0000000000]"
_AUTH_OFF = ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the {}. "
             "Visit https://aka.ms/smtp_auth_disabled for more information." + _BY)
_UNSUCCESSFUL = "535 5.7.139 Authentication unsuccessful, "

# step: greeting, starttls, auth (to the response), mail, rcpt, message (behind DATA).
# {user} is the mailbox that logged in, {sender} the sender, {recipient} the recipient.
DIALECTS = {
    # Exchange Online, AUTH
    "unsuccessful": ("auth", "535 5.7.3 Authentication unsuccessful" + _BY),
    "auth-off-tenant": ("auth", _AUTH_OFF.format("Tenant")),
    "auth-off-mailbox": ("auth", _AUTH_OFF.format("Mailbox")),
    "security-defaults": ("auth", _UNSUCCESSFUL + "user is locked by your organization's security defaults policy. "
                          "Contact your administrator." + _BY),
    "conditional-access": ("auth", _UNSUCCESSFUL + "the request did not meet the criteria to be authenticated successfully. "
                           "Contact your administrator." + _BY),
    "basic-disabled": ("auth", _UNSUCCESSFUL + "basic authentication is disabled." + _BY),
    "basic-retired": ("auth", "550 5.7.30 Basic authentication is not supported for Client Submission." + _BY),
    "password-wrong": ("auth", _UNSUCCESSFUL + "the user credentials were incorrect." + _BY),
    "federation": ("auth", _UNSUCCESSFUL + "federated STS service was unreachable." + _BY),
    "concurrency": ("auth", "432 4.3.2 Concurrent connections limit exceeded. "
                    "Visit https://aka.ms/concurrent_sending for more information." + _BY),
    "auth-temporary": ("auth", "454 4.7.0 Temporary authentication failure" + _BY),
    "auth-busy": ("auth", "451 4.7.0 Temporary server error. Please try again later." + _BY),
    "malformed": ("auth", "501 5.5.121 Invalid XOAUTH2 auth data" + _BY),
    "sts-url": ("auth", _UNSUCCESSFUL + "STS URL does not support HTTPS." + _BY),
    # Exchange Online, behind it
    "not-authenticated": ("mail", "530 5.7.57 Client not authenticated to send mail." + _BY),
    "not-authenticated-newer": ("mail", "550 5.7.57 Client not authenticated to send mail." + _BY),
    "session-timeout": ("mail", "421 4.4.1 Connection timed out" + _BY),
    "logon-failure": ("message", "430 4.2.0 STOREDRV; mailbox logon failure; failed to process message due to a permanent "
                      "exception with message Cannot open mailbox. 0.35250:0A000000, MapiExceptionLogonFailed" + _BY),
    "send-as-smtp": ("message", "550 5.7.60 SMTP; Client does not have permissions to send as this sender" + _BY),
    "send-as-store": ("message", "554 5.2.252 SendAsDenied; {user} not allowed to send as {sender}; "
                      "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied" + _BY),
    "send-as-older": ("message", "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; "
                      "Failed to process message due to a permanent exception with message Cannot submit message." + _BY),
    "thread-limit": ("message", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded" + _BY),
    "quota": ("message", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; "
              "Failed to process message due to a permanent exception with message The message can't be submitted." + _BY),
    "mailbox-full": ("message", "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException."
                     "MapiExceptionQuotaExceeded" + _BY),
    "outbound-blocked": ("message", "550 5.1.8 Access denied, bad outbound sender AS(42003)" + _BY),
    # High Volume Email
    "hve-soon": ("auth", "501 5.5.127 Invalid XOAUTH2 auth data - Token will expire soon" + _BY),
    "hve-soon-newer": ("auth", "535 5.7.142 Authentication unsuccessful, token expires soon" + _BY),
    "hve-expired": ("auth", "535 5.7.143 Authentication unsuccessful, token expired" + _BY),
    "hve-permission": ("auth", "535 5.7.144 Authentication unsuccessful, bad API permissions" + _BY),
    "hve-app": ("auth", "550 5.7.240 Application is not allowed for High Volume Email" + _BY),
    "hve-account": ("auth", "550 5.2.240 Sender is not a High Volume Email account" + _BY),
    "hve-external": ("rcpt", "550 5.5.105 Recipient {recipient} is not in the organization" + _BY),
    "hve-sender": ("mail", "550 5.7.62 MAIL FROM does not match the authenticated account" + _BY),
    "hve-from": ("message", "550 5.6.241 From header does not match the authenticated account" + _BY),
    # other servers
    "gmail": ("auth", "535-5.7.8 Username and Password not accepted. For more information, go to\r\n"
              "535 5.7.8  https://support.google.com/mail/?p=BadCredentials a1-20020a05600c000100b000000000sm1 - gsmtp"),
    "gmail-app-password": ("auth", "534-5.7.9 Application-specific password required. For more information, go to\r\n"
                           "534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor a1-gsmtp"),
    "line-too-long": ("auth", "500 5.5.6 Authentication Exchange line is too long"),
    "unknown-user": ("rcpt", "550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"),
    "unwilling": ("greeting", "554 No SMTP service for you"),
    "greeting-busy": ("greeting", "421 4.3.2 Service not available"),
    "starttls-refused": ("starttls", "454 4.7.0 TLS not available due to local problem"),
    # what nobody should say
    "starttls-and-more": ("starttls", "220 2.0.0 ready\r\n250-EXCHANGE.test\r\n250 AUTH XOAUTH2"),
    "starttls-in-plain": ("starttls", "220 2.0.0 ready"),
    "echo": ("auth", "535 5.7.8 I did not like {response}"),
    "echo-token": ("auth", "535 5.7.8 I did not like {token}"),
    "codes-differ": ("auth", "535-5.7.8 no\r\n550 5.7.8 no"),
    "no-reply": ("auth", "what was that?"),
    "colours": ("auth", "535 5.7.8 \x1b[31mred\x1b[0m \x07\x00 \x9b1m"),
    "endless-line": ("auth", "535 " + "x" * 300000),
    "endless-lines": ("auth", "535-x\r\n" * 20000 + "535 x"),
    "endless-greeting": ("greeting", "220 " + "x" * 300000),
}
