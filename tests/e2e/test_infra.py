"""The test servers themselves, without any product code: what a later failure means then is certain."""

import fcntl
import ssl
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest

from mxtest import net, parts, paths, smtpauth
from mxtest.dovecot import DovecotSubmission
from mxtest.idp import Idp, NpmSmtpServer, post_form
from mxtest.postfix import Postfix
from mxtest.proc import Failed, supervisor
from mxtest.recorder import Answer, Recorder
from mxtest.sink import Sink

pytestmark = pytest.mark.infra

BOX = "app@example.test"
POST = {"client_id": "c-post", "client_secret": "s3cret post", "sub": BOX}
BASIC = {"client_id": "c:basic", "client_secret": "p%+:\" ~ss", "auth": "client_secret_basic", "sub": BOX}
OPAQUE = {"client_id": "c-opaque", "client_secret": "opaque", "sub": BOX, "format": "opaque"}


@pytest.fixture
def idp(up, workdir, pki):
    return up(Idp(workdir / "idp", pki, [POST, BASIC, OPAQUE]))


def get(idp, client):
    return idp.token(client["client_id"], client["client_secret"], basic=client.get("auth") == "client_secret_basic",
                     scope="mail")["access_token"]


def test_idp_grants_counts_and_refuses(idp):
    reply = idp.token("c-post", "s3cret post", scope="mail")
    assert reply["token_type"] == "Bearer" and reply["expires_in"] == 3600 and reply["access_token"].count(".") == 2
    assert get(idp, BASIC).count(".") == 2
    with pytest.raises(Failed, match="invalid_client"):
        idp.token("c-post", "wrong")
    assert idp.counts()["client"] == {"c-post": 2, "c:basic": 1}
    assert idp.counts()["status"] == {"200": 2, "401": 1}
    assert [r["auth"] for r in idp.requests()] == ["body", "basic", "body"]
    assert "s3cret" not in str(idp.requests())
    idp.reset()
    idp.refuse("c-post", error="invalid_client", error_description="AADSTS7000222: expired")
    with pytest.raises(Failed, match="AADSTS7000222"):
        idp.token("c-post", "s3cret post")
    get(idp, BASIC)
    idp.allow("c-post")
    get(idp, POST)
    assert idp.token_requests("c-post") == 2 and idp.token_requests() == 3


def test_idp_settings_at_run_time(idp):
    idp.set(lifetime=7)
    assert idp.token("c-post", "s3cret post")["expires_in"] == 7
    idp.set("c-post", lifetime=99)
    assert idp.token("c-post", "s3cret post")["expires_in"] == 99
    for want in (2048, 4096, 6144, 8192):
        idp.set(bytes=want)
        assert abs(len(get(idp, POST)) - want) <= 2
    idp.set(bytes=300)
    assert len(get(idp, OPAQUE)) == 300


def test_idp_certificate_is_verified(idp, workdir):
    from mxtest.pki import Pki
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        post_form(idp.token_endpoint, {}, Pki(workdir / "other").ca)


@pytest.mark.parametrize("mech", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("check", ["jwt", "introspection"])
def test_dovecot_checks_tokens(up, workdir, pki, idp, mech, check):
    client = POST if check == "jwt" else OPAQUE
    sink = up(Sink(workdir))
    dovecot = up(DovecotSubmission(workdir / "d", pki, idp, sink.port, check=check))
    token = get(idp, client)
    smtp = smtpauth.connect(dovecot.port, pki.ca)
    bad = smtpauth.auth(smtp, mech, BOX, token[:-6] + "AAAAAA", dovecot.port)
    assert bad.code == 535 and b"status" in bad.challenge
    other = smtpauth.auth(smtp, mech, "other@example.test", token, dovecot.port)
    assert other.code == 535
    assert smtpauth.auth(smtp, mech, BOX, token, dovecot.port).ok
    smtp.sendmail(BOX, ["to@example.net"], f"Subject: by {mech}\r\n\r\nhello\r\n")
    smtp.quit()
    mail, = sink.wait(1)
    assert (mail.sender, mail.recipients, mail.subject) == (BOX, ["to@example.net"], f"by {mech}")
    assert f"method={mech}" in dovecot.wait_log("Login: user=<" + BOX) and "TLS" in dovecot.logins()[0]


def test_revoked_token_is_refused(up, workdir, pki, idp):
    dovecot = up(DovecotSubmission(workdir / "d", pki, idp, 9, check="introspection"))
    token = get(idp, OPAQUE)
    assert smtpauth.auth(smtpauth.connect(dovecot.port, pki.ca), "XOAUTH2", BOX, token).ok
    assert idp.introspect(token)["active"] and idp.revoke_all() == 1
    assert not idp.introspect(token)["active"]
    refused = smtpauth.auth(smtpauth.connect(dovecot.port, pki.ca), "XOAUTH2", BOX, token)
    assert refused.code == 535 and refused.challenge
    assert smtpauth.auth(smtpauth.connect(dovecot.port, pki.ca), "XOAUTH2", BOX, get(idp, OPAQUE)).ok


def test_dovecot_without_tls_offers_the_mechanisms(up, workdir, pki, idp):
    dovecot = up(DovecotSubmission(workdir / "d", pki, idp, 9, tls=False))
    smtp = smtpauth.connect(dovecot.port)
    assert not smtp.has_extn("starttls") and "XOAUTH2" in smtp.esmtp_features["auth"]


def test_npm_smtp_server_takes_big_tokens(up, workdir, pki, idp):
    server = up(NpmSmtpServer(workdir / "npm", pki, users={BOX: "t" * 8192}))
    smtp = smtpauth.connect(server.port, pki.ca)
    assert smtpauth.auth(smtp, "XOAUTH2", BOX, "t" * 8191 + "u").code == 535
    assert smtpauth.auth(smtp, "XOAUTH2", BOX, "t" * 8192).ok
    smtp.sendmail(BOX, ["to@example.net"], "Subject: big\r\n\r\nhello\r\n")
    assert "Subject: big" in server.wait_mails(1)[0]["data"]
    assert "token_bytes=8192 secure=true ok=true" in server.log()


@pytest.mark.parametrize("chroot", [True, False])
def test_postfix_relays_by_plain_over_verified_tls(up, workdir, pki, idp, chroot):
    sink = up(Sink(workdir))
    dovecot = up(DovecotSubmission(workdir / "d", pki, idp, sink.port, password="pw"))
    postfix = up(Postfix(workdir / "p", ("localhost", dovecot.port), BOX, pki.ca, chroot=chroot, password="pw",
                         plugins=[paths.debian_sasl_dir()], mechanisms="plain"))
    postfix.send(1, subject="relayed")
    mail, = sink.wait(1)
    assert mail.subject == "relayed" and mail.sender == BOX
    postfix.wait_log("status=sent")
    assert postfix.lines("Verified TLS connection established to localhost")
    assert postfix.statuses() == {"sent": 1, "deferred": 0, "bounced": 0}
    assert "method=PLAIN" in dovecot.wait_log("Login: user=<" + BOX)
    postfix.wait_empty()


def test_postfix_refuses_a_wrong_certificate(up, workdir, pki, idp):
    dovecot = up(DovecotSubmission(workdir / "d", pki, idp, 9, password="pw", cert=pki.wrong_name()))
    postfix = up(Postfix(workdir / "p", ("localhost", dovecot.port), BOX, pki.ca, password="pw",
                         plugins=[paths.debian_sasl_dir()], mechanisms="plain"))
    postfix.send()
    line, = postfix.wait_log("status=deferred")
    assert "dsn=4.7.5" in line and "not verified" in line
    assert "deferred" in str(postfix.queue()) and not dovecot.logins()


def test_recorder_records_and_plays_its_script(up, pki):
    recorder = up(Recorder(pki.cert()))
    recorder.script(Answer({"error": "x"}, status=400), Answer(b"abcdef", truncate=3), Answer(b"z" * 1024, repeat_body=1024))
    assert post_form(recorder.url, b"a=%00%ff&b=+", pki.ca)[:2] == (400, {"error": "x"})
    request = recorder.requests[0]
    assert request.body == b"a=%00%ff&b=+" and request.method == "POST" and request.target == "/token"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    with pytest.raises(Exception):
        post_form(recorder.url, b"", pki.ca)
    assert len(post_form(recorder.url, b"", pki.ca)[1]) == 1024 * 1024


def test_recorder_bad_tls(up, pki):
    for recorder, message in ((Recorder(pki.expired()), "certificate has expired"),
                              (Recorder(pki.wrong_name()), "IP address mismatch"),
                              (Recorder(pki.cert(), max_tls=ssl.TLSVersion.TLSv1_1), "legacy sigalg|PROTOCOL|version")):
        up(recorder)
        with pytest.raises(urllib.error.URLError, match=message):
            post_form(recorder.url, b"", pki.ca)
        assert not recorder.requests


def test_nothing_is_left_over(up, workdir, pki):
    sink = up(Sink(workdir))
    assert sink.proc.poll() is None and not supervisor.left_over()
    up.stop_all()
    assert not supervisor.left_over()


def test_parts_make_the_whole():
    """Each file of tests is in one part, and those whose time is noted are there."""
    files = {p.name: 5 for p in Path(__file__).parent.glob("test_*.py")}
    assert set(parts.SECONDS) <= set(files)
    for n in (1, 2, 3):
        found = parts.part_of(files, n)
        assert set(found) == set(files) and set(found.values()) == set(range(1, n + 1))
        sums = [sum(parts.SECONDS.get(f, 1) for f, part in found.items() if part == k + 1) for k in range(n)]
        assert max(sums) - min(sums) <= max(parts.SECONDS.get(f, 1) for f in files)


def test_a_run_beside_this_one_gets_other_ports():
    """Of five ports that come up there, the four that this run has are passed over."""
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from mxtest import net\n"
            "class Random:\n    def randrange(self, *_): return int(sys.argv.pop(2))\n"
            "net._random = Random(); print(net.free_port())")
    taken = [net.free_port() for _ in range(4)]
    other = net.free_port()
    fcntl.lockf(net._claims, fcntl.LOCK_UN, 1, other)
    done = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), *map(str, [*taken, other])], text=True,
                          capture_output=True)
    assert done.stdout == f"{other}\n", done.stderr
