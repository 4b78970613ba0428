"""The daemon is away: mail waits and says why, nothing bounces; a restart is not even noticed."""

import os
import pwd
import threading

import pytest

from mxtest.proc import wait_for


@pytest.mark.parametrize("how, chroot, cause", [
    ("never started", True, "No such file or directory"), ("never started", False, "No such file or directory"),
    ("stopped", False, "No such file or directory"), ("killed", True, "Connection refused"),
])
def test_daemon_down_defers_and_names_the_socket(make_chain, how, chroot, cause):
    chain = make_chain(without=("tokend",), chroot=chroot)
    chain.tokend.write()
    os.chown(chain.tokend.run_dir, pwd.getpwnam("mta-xoauth2").pw_uid, -1)  # as /run/mta-xoauth2 is
    if how != "never started":
        chain.tokend.start()
    if how == "stopped":
        assert chain.tokend.stop() == 0
    elif how == "killed":
        chain.tokend.kill()
    chain.postfix.send(5)
    lines = chain.postfix.wait_log("status=deferred", 5, 60)
    assert all("dsn=4.7.0" in line for line in lines)
    warning = chain.postfix.lines("warning: SASL authentication failure: mta-xoauth2: ")[0]
    for part in (str(chain.tokend.socket), cause, chain.box, "localhost", "systemctl status mta-xoauth2-tokend",
                 "[socket-unreachable]"):
        assert part in warning, warning
    assert len(chain.postfix.queue()) == 5 and not chain.dovecot.logins()
    chain.tokend.start()
    chain.postfix.flush()
    assert len(chain.sink.wait(5, 60)) == 5
    chain.postfix.wait_empty()
    statuses = chain.postfix.statuses()
    assert statuses["sent"] == 5 and statuses["bounced"] == 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_restarts_under_a_stream_of_mail(make_chain, how):
    """No socket activation: while it is away, the plugins that ask try again; not one mail is deferred.

    Without connection caching, every mail is a login of its own, and so a question to the daemon.
    """
    chain = make_chain(postfix={"extra": "smtp_connection_cache_on_demand = no"})
    sent, stopping = [], threading.Event()

    def stream():
        while not stopping.is_set():
            sent.extend(chain.postfix.send(1, subject=f"mail {len(sent)}"))
    sender = threading.Thread(target=stream)
    sender.start()
    away = r"Verified TLS connection established"
    try:
        for _ in range(6):
            chain.sink.wait(len(sent) + 1)
            getattr(chain.tokend, how)()
            before = len(chain.postfix.lines(away))
            wait_for("a client at the server's door", lambda n=before: len(chain.postfix.lines(away)) > n + 1)
            chain.tokend.start()
    finally:
        stopping.set()
        sender.join()
    mails = chain.sink.wait(len(sent), 60)
    assert sorted(m.subject for m in mails) == sorted(sent)
    chain.postfix.wait_empty()
    assert chain.postfix.statuses() == {"sent": len(sent), "deferred": 0, "bounced": 0}
    assert not chain.postfix.lines("SASL authentication failure")
    assert len(chain.dovecot.logins()) == len(sent)
    assert chain.idp.token_requests() >= 6, "each start is a cold one"
