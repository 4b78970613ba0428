"""The recipes of doc/clients.md, each as it is printed; and what the page says cannot work."""

import base64
import re

import pytest

from mxtest import exim
from mxtest.recipes import PAGE, SERVER, Host, commands, recipe_chain, section
from mxtest.terminal import Terminal
from mxtest.watched import Watched

BOX = "app@contoso.com"
MESSAGE = "From: friend@example.net\nTo: app@contoso.com\nSubject: fetched\n\nhello\n"


@pytest.fixture
def host(make_chain, up, workdir, pki):
    """A host as the page has it, with a mail in the mailbox."""
    if exim.refused():
        pytest.skip(f"no mount namespace here: {exim.refused()}")

    def make(**arguments):
        chain = recipe_chain(make_chain, pki, **arguments)
        new = chain.dovecot.dir / "mail" / BOX / "new"
        for folder in (new.parent, new, new.parent / "cur", new.parent / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)
        (new / "1.test").write_text(MESSAGE)
        (new / "1.test").chmod(0o666)
        return up(Host(workdir / "host", chain))
    return make


def token_of(host):
    token = host.run(f"mta-xoauth2 token {BOX}").stdout.strip()
    assert len(token) > 500
    return token


def watched(host, command, root=False, input=""):
    """The page's command, run; it succeeds, and no command line or environment of it had the token."""
    client = Watched(host.argv(host.here(command), root), {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, input)
    assert client.status == 0, client.output
    assert client.without(token_of(host))
    return client.output


def test_a_token_on_a_command_line_would_be_seen(host):
    h = host()
    client = Watched(h.argv(f"env X=$(mta-xoauth2 token {BOX}) sleep 1"), {"PATH": "/usr/bin:/bin"})
    with pytest.raises(AssertionError):
        client.without(token_of(h))


def logged_in(host, protocol):
    line = host.chain.dovecot.wait_log(f"{protocol}-login: Info: Login: user=<{BOX}>")
    assert "method=XOAUTH2" in line and ", TLS" in line


def arrived(host):
    mail, = host.chain.sink.wait(1)
    assert mail.recipients == ["you@example.org"] and mail.sender == BOX
    logged_in(host, "submission")
    return mail


def test_msmtp(host):
    h = host()
    h.put("msmtp")
    command, = commands("msmtp")
    watched(h, command)
    assert "It works." in arrived(h).body


def test_a_token_is_too_long_for_a_line_of_msmtp(host):
    h = host()
    h.put("msmtp")
    rc = h.home / ".msmtprc"
    token = token_of(h)
    rc.write_text(re.sub("(?m)^passwordeval .*", f"password {token}", rc.read_text()))
    done = h.run(commands("msmtp")[0], check=False)
    assert done.returncode != 0 and ".msmtprc: line" in done.stderr, done


def test_git_send_email(host):
    h = host()
    h.put("msmtp")
    h.put("git send-email")
    h.run("git init -q w && cd w && echo x >f && git add f && git commit -q -m change")
    command, = commands("git send-email")
    watched(h, "cd w\n" + command)
    mail = h.chain.sink.wait(1)[0]
    assert mail.subject == "[PATCH] change" and "you@example.org" in mail.recipients
    logged_in(h, "submission")


@pytest.mark.parametrize("mech", ["XOAUTH2", "OAUTHBEARER"])
def test_git_send_email_by_itself_cannot(host, mech):
    h = host()
    h.put("git send-email")
    h.run("git init -q w && cd w && echo x >f && git add f && git commit -q -m change")
    conf = h.home / ".gitconfig"
    conf.write_text(conf.read_text().replace("sendmailCmd = msmtp", h.here(
        f"smtpServer = smtp.office365.com\n\tsmtpServerPort = 587\n\tsmtpEncryption = tls\n\tsmtpUser = {BOX}\n"
        f"\tsmtpPass = x\n\tsmtpAuth = {mech}\n\tsmtpSSLCertPath = /etc/ssl/certs/ca-certificates.crt")))
    done = h.run("cd w\n" + commands("git send-email")[0], check=False)
    assert done.returncode != 0 and "No SASL mechanism found" in done.stdout + done.stderr, done
    assert "No SASL mechanism found" in section("What cannot work")


def test_mutt_sends(host):
    h = host()
    h.put("mutt")
    command, = commands("mutt")
    watched(h, command)
    assert "It works." in arrived(h).body


def test_mutt_reads(host, up):
    h = host()
    h.put("mutt")
    up(Terminal(h.argv("mutt"))).see("fetched")
    logged_in(h, "imap")


def test_curl_sends(host):
    h = host()
    (h.home / "mail.txt").write_text(f"From: {BOX}\nTo: you@example.org\nSubject: x\n\nIt works.\n")
    watched(h, commands("curl")[0])
    assert "It works." in arrived(h).body


def test_curl_reads(host):
    h = host()
    assert "Subject: fetched" in watched(h, commands("curl")[1])
    logged_in(h, "imap")


def test_mbsync(host):
    h = host()
    h.put("mbsync")
    command, = commands("mbsync")
    assert "assword" not in watched(h, command)
    fetched, = (h.home / "mail/INBOX/new").iterdir()
    assert "Subject: fetched" in fetched.read_text()
    logged_in(h, "imap")


def test_imtest(host):
    h = host()
    command, = commands("imtest")
    output = watched(h, command, input="a logout\n")
    assert "Authenticated." in output and "a OK Logout" in output
    logged_in(h, "imap")


def sendmail(host):
    """The page's files and commands; returns what sends the mail."""
    host.put("Sendmail")
    command, = commands("Sendmail")
    host.run(command, root=True)
    return re.search(r"`(printf [^`]+)`", section("Sendmail"))[1]


def test_sendmail(host):
    h = host()
    watched(h, sendmail(h), root=True)
    assert "It works." in arrived(h).body
    h.chain.tokend.wait_log('answer verb=SASL uid=0 account="app@contoso.com" relay="smtp.office365.com')


def test_sendmail_gives_no_token_to_a_server_without_a_good_certificate(host, pki):
    h = host(dovecot={"cert": pki.self_signed()})
    h.run(sendmail(h), root=True, check=False)
    assert "authentication failed" in h.run("sendmail -Am -bp", root=True).stdout
    assert "verb=SASL" not in h.chain.tokend.log()


def test_sendmail_does_not_look_at_the_name_in_a_certificate(host, pki):
    h = host(dovecot={"cert": pki.wrong_name()})
    assert "not about its name" in " ".join(section("Sendmail").split())
    h.run(sendmail(h), root=True)
    arrived(h)


def test_sendmail_wants_the_folder_of_certificates(host):
    h = host()
    send = sendmail(h)
    file = h.dir / "etc/mail/sendmail.mc"
    file.write_text(re.sub("(?m)^define\\(`confCACERT_PATH.*\n", "", file.read_text()))
    h.run(commands("Sendmail")[0], root=True)
    h.run(send, root=True, check=False)
    assert "authentication failed" in h.run("sendmail -Am -bp", root=True).stdout


def shows_the_token(host, output):
    """Some programs print the response, which is the token in base64."""
    words = [base64.b64decode(w + "=" * (-len(w) % 4)) for w in re.findall(r"[A-Za-z0-9+/]{400,}=*", output)]
    return any(token_of(host).encode() in w for w in words)


def test_what_shows_the_token_is_named(host):
    h = host()
    send = sendmail(h)
    assert shows_the_token(h, h.run(send.replace("-odi", "-odi -v"), root=True).stdout)
    done = h.run(h.here(commands("curl")[1].replace("-sS", "-sSv")))
    assert shows_the_token(h, done.stdout + done.stderr)
    assert shows_the_token(h, h.run(h.here(commands("imtest")[0]), input="a logout\n").stdout)


@pytest.mark.parametrize("program", ["msmtp", "mutt", "curl", "mbsync", "imtest"])
def test_who_gives_a_token_to_a_server_of_another_name(host, pki, program):
    """None of them, but for imtest, which looks at no certificate."""
    h = host(dovecot={"cert": pki.wrong_name()})
    h.put(program) if program not in ("curl", "imtest") else None
    (h.home / "mail.txt").write_text("Subject: x\n\nhi\n")
    done = h.run(h.here(commands(program)[0]), check=False, input="a logout\n")
    login = "method=XOAUTH2" in h.chain.dovecot.log()
    assert "looks at no certificate" in section("imtest")
    assert login == (program == "imtest"), (done, h.chain.dovecot.log())


@pytest.mark.parametrize("program", ["msmtp", "mutt", "curl"])
def test_no_token_without_tls(host, program):
    """A server, or somebody in between, that offers no STARTTLS."""
    h = host(tls=False, dovecot={"extra": f"service submission-login {{\n inet_listener submission {{\n  address = 127.0.0.1 {SERVER}\n }}\n}}\n"})
    h.put(program) if program != "curl" else None
    (h.home / "mail.txt").write_text("Subject: x\n\nhi\n")
    done = h.run(h.here(commands(program)[0]), check=False)
    assert done.returncode != 0 and "XOAUTH2" not in h.chain.dovecot.log(), (done, h.chain.dovecot.log())
    assert h.chain.sink.count() == 0


def test_sendmail_wants_a_password(host):
    h = host()
    send = sendmail(h)
    file = h.dir / "etc/mail/authinfo"
    file.write_text(file.read_text().replace(' "P:x"', ""))
    h.run(commands("Sendmail")[0], root=True)
    assert "530 5.7.0" in h.run(send.replace("-odi", "-odi -v"), root=True, check=False).stdout
    assert "verb=SASL" not in h.chain.tokend.log()


@pytest.mark.parametrize("mech", ["XOAUTH2", "OAUTHBEARER"])
def test_swaks_cannot(host, mech):
    h = host()
    done = h.run(h.here(f"swaks --server smtp.office365.com:587 -tls --auth {mech} --auth-user {BOX} --auth-password x "
                        f"--from {BOX} --to you@example.org"), check=False)
    said = "is not a recognized auth type, skipping"
    assert done.returncode != 0 and f"{mech} {said}" in done.stdout + done.stderr and said in PAGE.read_text(), done
