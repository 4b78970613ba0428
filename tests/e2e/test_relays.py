"""Several mailboxes, tenants, relays and Postfix instances at one daemon; LMTP; every form of the password map's line."""

import base64
import json

import pytest

from mxtest.alone import oauth_client
from mxtest.chain import BOX
from mxtest.dovecot import DovecotSubmission
from mxtest.exchange import Exchange
from mxtest.postfix import Postfix
from mxtest.sink import Sink
from mxtest.snippets import CA_FILE, SERVER, Recipe, main_cf, snippet

OTHER, SCANNER = "app@other.test", "scanner@example.test"
TLSPROXY = "tlsproxy unix - - n - 0 tlsproxy\n"


def reuse(hop, ca):
    """Settings by which Postfix keeps connections with TLS for the next mail; they need TLSPROXY, which looks into main.cf."""
    return {"exo_destination_rate_delay": "0s", "smtp_tls_connection_reuse": "yes", "smtp_tls_security_level": "secure",
            "smtp_tls_CAfile": str(ca), "smtp_connection_cache_destinations": f"{hop}, localhost"}


@pytest.mark.parametrize("password", ["", ":", ":anything", ":x:y z"], ids=["bare", "colon", "password", "colons"])
@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
def test_lines_of_the_map(make_chain, password, chroot):
    """What stands behind the user makes no difference."""
    chain = make_chain(without=("postfix",), chroot=chroot)
    chain.postfix.maps["sasl_passwd"] = f"[localhost]:{chain.dovecot.port} {BOX}{password}\n"
    chain.postfix.start()
    mail, = chain.deliver(1)
    assert mail.sender == BOX and "method=XOAUTH2" in chain.dovecot.wait_log(f"Login: user=<{BOX}>")


@pytest.fixture
def tenants(make_chain):
    """A chain whose daemon has a second tenant, OTHER's, and whose provider has that one's client."""
    def make(**arguments):
        chain = make_chain(without=("idp", "sink", "dovecot", "tokend", "postfix"), **arguments)
        chain.idp.clients.append({"client_id": "other", "client_secret": "another secret: of 24 bytes", "sub": OTHER})
        chain.tokend.clients["other"] = oauth_client(chain.idp.token_endpoint, chain.pki.ca, "other.secret", client_id="other")
        chain.tokend.secrets["other.secret"] = "another secret: of 24 bytes"
        chain.tokend.accounts[OTHER] = {"client": "other", "allow_users": ["postfix"]}
        chain.tokend.accounts[SCANNER] = {"client": "chain", "allow_users": ["postfix"]}
        return chain
    return make


def test_two_relays_of_two_tenants(tenants, up, pki, workdir):
    """Real submission servers, each with its own tenant's mailbox; the transport map says what goes where."""
    chain = tenants()
    sink = Sink(workdir / "other")
    second = DovecotSubmission(workdir / "dovecot2", pki, chain.idp, sink.port)
    chain.start(without=("postfix",))
    up(sink), up(second)
    hops = f"[localhost]:{chain.dovecot.port}", f"[localhost]:{second.port}"
    chain.postfix.maps |= {"sasl_passwd": f"{hops[0]} {BOX}\n{hops[1]} {OTHER}\n",
                           "transport": f"one.test smtp:{hops[0]}\ntwo.test smtp:{hops[1]}\n"}
    chain.postfix.main["transport_maps"] = "texthash:/etc/postfix/transport"
    chain.postfix.start()
    for n in range(3):
        chain.postfix.send(recipient=f"someone@{'two' if n % 2 else 'one'}.test", subject=f"mail {n}")
    assert [m.subject for m in sorted(chain.sink.wait(2), key=lambda m: m.subject)] == ["mail 0", "mail 2"]
    assert [m.subject for m in sink.wait(1)] == ["mail 1"]
    assert chain.dovecot.wait_log(f"Login: user=<{BOX}>") and second.wait_log(f"Login: user=<{OTHER}>")
    assert f"user=<{OTHER}>" not in chain.dovecot.log() and f"user=<{BOX}>" not in second.log()
    assert chain.idp.token_requests("chain") == chain.idp.token_requests("other") == 1


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
def test_each_sender_by_its_own_login(tenants, up, pki, workdir, chroot):
    """conf/postfix/senders.cf. Connections are reused, and no mail goes by another sender's login."""
    exchange = up(Exchange(pki))
    chain = tenants(chroot=chroot)
    hop = f"[localhost]:{exchange.port}"
    replace = [(SERVER, hop), ("fabrikam.example", "other.test")]
    postfix = Recipe(workdir / "r", ("localhost", exchange.port), BOX, pki.ca, chroot=chroot, socket=chain.tokend.socket)
    postfix.main = {**main_cf("senders.cf"), **reuse(hop, pki.ca), "default_transport": "error:not this way"}
    postfix.more_master = TLSPROXY
    postfix.maps = {"exo_senders": snippet("exo_senders", *replace, ("@contoso.com", "@example.test")),
                    "exo_accounts": snippet("exo_accounts_by_sender", *replace, ("contoso.com", "example.test"))}
    chain.tokend.jail = postfix if chroot else None
    chain.start(without=("dovecot", "sink", "postfix"))
    up(postfix)
    order = [BOX, OTHER, SCANNER, "someone@other.test", BOX, SCANNER, OTHER] * 3
    exchange.send_as = {OTHER: [OTHER, "someone@other.test"]}
    for n, sender in enumerate(order):
        postfix.send(sender=sender, subject=f"mail {n}")
    exchange.wait("mails", len(order))
    for mail in exchange.mails:
        assert mail.user == {"someone@other.test": OTHER}.get(mail.sender, mail.sender)
    assert len({m.session for m in exchange.mails}) < len(order), "no connection was used again: this shows nothing"
    for login in exchange.logins:
        assert login.ok and claims(login.token)["sub"] == (OTHER if login.user == OTHER else BOX)
    assert not exchange.denied and chain.idp.token_requests("chain") == chain.idp.token_requests("other") == 1
    inject = ["sendmail", "-C", str(postfix.etc), "-f", "<>", "-i", "x@example.net"]
    postfix.main["default_transport"] = f"exo:{hop}"
    postfix.reload()
    exchange.send_as = {BOX: [BOX, ""]}
    postfix._command(*inject, input=f"From: {BOX}\nSubject: no sender\n\nx\n")
    assert exchange.wait("mails", len(order) + 1)[-1].user == BOX      # by the server's line


@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
def test_two_services_reuse_their_own_connections(tenants, up, pki, workdir, chroot):
    """A service for each mailbox at one server, connections kept in Postfix's cache: each gets back its own."""
    exchange = up(Exchange(pki))
    chain = tenants(chroot=chroot)
    hop = f"[localhost]:{exchange.port}"
    postfix = Recipe(workdir / "r", ("localhost", exchange.port), BOX, pki.ca, chroot=chroot, socket=chain.tokend.socket)
    second = snippet("master.cf", (CA_FILE, pki.ca), ("unix  -       -       y", f"unix  -       -       {'y' if chroot else 'n'}"),
                     ("exo  ", "exo2 "), ("exo_accounts", "exo2_accounts"))
    postfix.more_master = second + TLSPROXY
    postfix.main = {**reuse(hop, pki.ca), "sender_dependent_default_transport_maps": "texthash:/etc/postfix/exo_senders"}
    postfix.maps = {"exo_senders": f"{OTHER} exo2:{hop}\n", "exo2_accounts": f"{hop} {OTHER}\n"}
    chain.tokend.jail = postfix if chroot else None
    chain.start(without=("dovecot", "sink", "postfix"))
    up(postfix)
    for n in range(16):
        postfix.send(sender=(BOX, OTHER)[n // 2 % 2], subject=f"mail {n}")
        exchange.wait("mails", n + 1)
    assert all(m.user == m.sender for m in exchange.mails) and not exchange.denied
    assert len({m.session for m in exchange.mails}) < 16, "no connection was used again: this shows nothing"


@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
def test_lmtp(make_chain, up, pki, chroot):
    exchange = up(Exchange(pki, lmtp=True))
    chain = make_chain(without=("postfix", "dovecot", "sink"), chroot=chroot)
    hop = f"[localhost]:{exchange.port}"
    chain.postfix.master = f"lmtp unix - - {'y' if chroot else 'n'} - - lmtp\n"
    chain.postfix.maps = {"lmtp_accounts": f"{hop} {BOX}\n"}
    chain.postfix.main = {
        "relayhost": "", "default_transport": f"lmtp:inet:{hop}", "lmtp_host_lookup": "native", "lmtp_dns_support_level": "disabled",
        "lmtp_sasl_auth_enable": "yes", "lmtp_sasl_password_maps": "texthash:/etc/postfix/lmtp_accounts",
        "lmtp_sasl_mechanism_filter": "xoauth2", "lmtp_sasl_tls_security_options": "noanonymous",
        "lmtp_tls_security_level": "secure", "lmtp_tls_CAfile": str(pki.ca)}
    chain.postfix.start()
    chain.postfix.send()
    mail, = exchange.wait("mails", 1)
    assert mail.user == BOX
    line, = chain.postfix.wait_log(r"postfix/lmtp\[\d+\]: .* status=sent")
    assert 'relay="localhost" mech=XOAUTH2' in chain.tokend.wait_log("answer verb=SASL")


def test_two_instances_of_postfix(make_chain, up, pki, workdir):
    """As postmulti has them: own configuration, queue and chroot. Each finds the daemon inside its own."""
    chain = make_chain(without=("tokend", "postfix"))
    second = Postfix(workdir / "q", ("localhost", chain.dovecot.port), BOX, pki.ca, socket=chain.tokend.socket,
                     main={"multi_instance_enable": "yes", "multi_instance_name": "postfix-b", "syslog_name": "postfix-b"})
    jails = [p.queue_dir / str(chain.tokend.socket).lstrip("/") for p in (chain.postfix, second)]
    chain.tokend.top["listen"] = [{"path": str(p)} for p in (chain.tokend.socket, *jails)]
    chain.tokend.start()
    chain.postfix.start()
    up(second)
    chain.postfix.send(subject="first")
    second.send(subject="second")
    assert {m.subject for m in chain.sink.wait(2)} == {"first", "second"}
    assert chain.postfix.wait_log("status=sent") and second.wait_log(r"postfix-b/smtp\[\d+\]: .* status=sent")
    assert chain.idp.token_requests() == 1
