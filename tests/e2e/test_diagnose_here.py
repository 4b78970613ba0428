"""mta-xoauth2 diagnose, the links on this host: what is sound raises no alarm; what is broken has its cause, and a fix that mends it."""

import json
import os
import time

import pytest

from mxtest.chain import BOX
from mxtest.diagnose import diagnose, mend, of_chain, run_tool

HERE = ["configuration", "account", "files", "clock", "mail-server", "policy", "daemon", "plugin", "socket", "login",
        "mechanism", "tls", "refusals", "confinement"]
OTHERS = ("idp", "sink", "dovecot", "postfix")


@pytest.fixture
def host(make_chain):
    """host(**arguments of Chain): Postfix's files and the daemon; nothing else runs."""
    def make(daemon=True, **arguments):
        chain = make_chain(without=OTHERS if daemon else (*OTHERS, "tokend"), **arguments)
        chain.postfix.configure()
        chain.postfix._make_queue()
        if not daemon:
            chain.tokend.write()
        return chain
    return make


def mended(chain, report, *more):
    """The fix is done; that link is sound then."""
    link = list(report.links)[-1]
    mend(report, chain.tokend.socket)
    again = of_chain(chain, *more)
    assert again.links[link][0] in ("ok", "note"), again.said
    return again


# --- sound ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
def test_sound(make_chain, chroot):
    chain = make_chain(chroot=chroot)
    report = of_chain(chain).sound()
    assert list(report.links)[:len(HERE)] == HERE
    assert set(report.marks(*HERE)) <= {"ok", "note"}, report.said
    assert report.links["mail-server"][1].endswith(
        f"sends by service smtp{', chrooted,' if chroot else ''} to [localhost]:{chain.dovecot.port}")
    assert ("in the chroot" in report.links["socket"][1]) == chroot
    chain.deliver(1)
    assert of_chain(chain).sound().status == report.status


def test_sound_as_enable_sets_it_up(up, workdir, pki, binaries):
    """The service "exo" has all settings in master.cf: it is those that count, and that a fix changes."""
    from mxtest.setup import Setup
    s = Setup(workdir, pki).configure()
    up.append(s.chain)
    s.chain.start(without=OTHERS)
    done = s.tool("enable")
    assert "token daemon: reloaded" in done.stdout, done.stdout + done.stderr   # the first login fails: no provider runs
    report = of_chain(s.chain).sound()
    assert "service exo, chrooted," in report.links["mail-server"][1]
    assert report.links["login"][1].endswith(f"as {BOX}")
    s.postfix._command("postconf", "-c", s.postfix.etc, "-P", "exo/unix/smtp_sasl_mechanism_filter=plain")
    report = of_chain(s.chain).broken("mechanism", "mechanism-filter", 1, "-P exo/unix/smtp_sasl_mechanism_filter=xoauth2")
    s.postfix.start()
    mended(s.chain, report)


# --- plugin and socket ----------------------------------------------------------------------------------------------

def test_plugin_missing(host, workdir):
    empty = workdir / "empty"
    empty.mkdir()
    chain = host(postfix={"plugins": [empty]})
    of_chain(chain).broken("plugin", "plugin-missing", 1, f"{empty}/")


def test_plugin_shadowed(host):
    chain = host()
    other = chain.postfix.plugin_dir() / "libsasl-xoauth2.so"
    other.write_bytes(b"\x7fELF...\0XOAUTH2\0...")
    report = of_chain(chain).broken("plugin", "plugin-shadowed", 1, f"dpkg -S {other}", f"mv {other} {other}.off")
    os.rename(other, f"{other}.off")
    assert of_chain(chain).sound().links["plugin"][0] == "ok", report.said


def test_plugin_closed(host):
    chain = host()
    (chain.postfix.plugin_dir() / "libmta-xoauth2.so").chmod(0o600)
    mended(chain, of_chain(chain).broken("plugin", "plugin-closed", 1))


def test_socket_not_in_chroot(host):
    chain = host()
    chain.tokend.jail, chain.tokend.top["listen"] = None, [{"path": str(chain.tokend.socket)}]
    chain.tokend.restart()
    chain.tokend.jail = chain.postfix
    chain.tokend.jail_socket.unlink(missing_ok=True)
    report = of_chain(chain).broken("socket", "socket-not-in-chroot", 1, chain.tokend.jail_socket)
    assert report.json["evidence"][0].startswith("smtp(8) runs in the chroot")
    mended(chain, report)


def test_socket_left_in_chroot(host):
    chain = host()
    jailed = chain.tokend.jail_socket
    chain.tokend.stop()
    chain.tokend.top["listen"] = [{"path": str(chain.tokend.socket)}]
    chain.tokend.jail = None
    chain.tokend.start()
    if not jailed.exists():
        import socket
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(jailed))
        jailed.chmod(0o666)
    mended(chain, of_chain(chain).broken("socket", "socket-dead-in-chroot", 1, jailed))


def test_socket_elsewhere(host):
    chain = host(chroot=False)
    chain.postfix.socket = chain.tokend.run_dir / "other.sock"
    chain.postfix.configure()
    of_chain(chain).broken("socket", "socket-elsewhere", 1, chain.tokend.socket, "MTA_XOAUTH2_SOCKET")
    chain.postfix.socket = "tokend.sock"
    chain.postfix.configure()
    of_chain(chain).broken("socket", "socket-elsewhere", 1)


def test_way_to_socket_closed(host):
    chain = host(chroot=False)
    chain.tokend.run_dir.chmod(0o750)
    mended(chain, of_chain(chain).broken("socket", "socket-way-closed", 1, f"chmod o+x {chain.tokend.run_dir}"))


def test_socket_mode(host):
    chain = host(chroot=False)
    chain.tokend.socket.chmod(0o600)
    of_chain(chain).broken("socket", "socket-mode", 1, "0666", chain.tokend.socket)


# --- the daemon and its policy --------------------------------------------------------------------------------------

def test_user_not_allowed(host):
    chain = host(account={"allow_users": ["root"]})
    report = of_chain(chain).broken("policy", "uid-not-listed", 3, "allow_users: [root, postfix]", f"({chain.tokend.config}, line ", "mta-xoauth2 reload")
    assert "postfix asks as user postfix (uid " in report.json["evidence"][0]
    chain.tokend.accounts[BOX]["allow_users"].append("postfix")
    chain.tokend.reload()
    of_chain(chain).sound()


def test_groups_alone_do_not_admit_by_name(host):
    """As the daemon judges: no supplementary group counts, but the primary one does."""
    chain = host(daemon=False)
    chain.tokend.accounts[BOX] = {"client": "chain", "allow_groups": ["postfix"]}
    chain.tokend.start()
    of_chain(chain).sound()
    chain.tokend.accounts[BOX]["allow_groups"] = ["mta-xoauth2"]
    chain.tokend.reload()
    of_chain(chain).broken("policy", "uid-not-listed", 3)


def test_relay_not_listed(host):
    chain = host(account={"relays": ["*.example.net"]})
    of_chain(chain).broken("policy", "relay-not-listed", 3, 'relays: ["*.example.net", localhost]')
    report = of_chain(chain, "--relay", "mx.example.net:25").sound()
    assert report.links["mail-server"][1].endswith(f"to [localhost]:{chain.dovecot.port}, and not to [mx.example.net]:25")
    assert report.links["login"][0] == "skip"


def test_daemon_where_the_file_says(host):
    """Nobody named a socket: it is looked for where the configuration has it."""
    chain = host()
    report = diagnose(BOX, "--instance", chain.postfix.etc, "--config", chain.tokend.config).sound()
    assert report.links["daemon"] == ("ok", f"answers at {chain.tokend.socket}, with this configuration")


def test_daemon_stopped(host):
    chain = host()
    chain.tokend.stop()
    of_chain(chain).broken("daemon", "daemon-not-running", 4, "systemctl restart mta-xoauth2-tokend")


def test_daemon_has_other_configuration(host):
    """Nothing is broken by that alone; where the daemon then refuses what the file admits, this is the cause."""
    chain = host()
    then = time.time() + 5
    os.utime(chain.tokend.config, (then, then))
    report = of_chain(chain).sound()
    assert report.links["daemon"][0] == "note" and "mta-xoauth2 reload" in report.links["daemon"][1]


def test_other_users_see_less(host):
    """Without root nothing is guessed: what cannot be told is said, and by whom it can."""
    chain = host(chroot=False)
    report = of_chain(chain, user="nobody")
    assert report.links["files"][0] == "skip" and "run this as root" in "".join(report.json["unknown"])
    assert report.links["socket"] == ("skip", "only root can ask as postfix")


# --- configuration and files ----------------------------------------------------------------------------------------

def test_configuration_wrong(host):
    chain = host(daemon=False)
    chain.tokend.config.write_text(chain.tokend.config.read_text() + "nonsense: 1\n")
    report = of_chain(chain).broken("configuration", "configuration-wrong", 3, "mta-xoauth2 check")
    assert f"{chain.tokend.config}:" in report.json["evidence"][0] and "nonsense" in report.json["evidence"][0]
    chain.tokend.config.unlink()
    of_chain(chain).broken("configuration", "configuration-missing", 3, "--config")


def test_account_unknown(host):
    chain = host(daemon=False)
    report = of_chain(chain, account="apq@example.test").broken("account", "account-unknown", 3)
    assert f'did you mean "{BOX}"?' in report.json["evidence"][0]


MICROSOFT = {"provider": "exchange-online", "tenant": "contoso.onmicrosoft.com", "token_endpoint": None, "grant": None,
             "client_auth": None, "scope": None, "ca_file": None, "client_id": "8f4e63d1-a0a3-4d15-9f0a-2c2a1c3d4e5f"}
VALUE = "abc8Q~" + "x" * 34


def secret_id(c):
    c.tokend.write_secret("chain.secret", "0f9a7b7e-1111-2222-3333-444455556666\n")


def secret_with_newline(c):
    c.tokend.write_secret("chain.secret", VALUE[:20] + "\n" + VALUE[20:] + "\n")


def secret_with_mark(c):
    c.tokend.write_secret("chain.secret", b"\xef\xbb\xbf" + VALUE.encode())


def secret_empty(c):
    c.tokend.write_secret("chain.secret", "\n")


def secret_open(c):
    c.tokend.secret_path("chain.secret").chmod(0o644)


def secret_unreadable(c):
    path = c.tokend.secret_path("chain.secret")
    os.chown(path, 0, 0)
    path.chmod(0o600)


def secret_gone(c):
    c.tokend.secret_path("chain.secret").unlink()


@pytest.mark.parametrize("spoil, code", [
    (secret_id, "secret-is-guid"), (secret_with_newline, "secret-malformed"), (secret_with_mark, "secret-has-bom"),
    (secret_empty, "secret-empty"), (secret_open, "secret-world-readable"), (secret_unreadable, "secret-unreadable"),
    (secret_gone, "secret-missing"),
], ids=lambda v: v.__name__ if callable(v) else v)
def test_secret(host, spoil, code):
    chain = host(daemon=False, client=MICROSOFT, account={"relays": ["localhost"]})
    chain.tokend.write_secret("chain.secret", VALUE)
    assert of_chain(chain).links["files"][0] == "ok"
    spoil(chain)
    report = of_chain(chain).broken("files", code, 3)
    assert str(chain.tokend.secret_path("chain.secret")) in report.said
    assert VALUE not in report.said and VALUE[:20] not in report.said and "0f9a7b7e" not in report.said


def test_secret_truncated(host):
    """It may be right, so the walk goes on; it is said before the provider refuses it."""
    chain = host(client=MICROSOFT | {"relays": None}, account={"relays": ["localhost"]}, secret=VALUE)
    chain.tokend.write_secret("chain.secret", VALUE[:9])
    mark, text = of_chain(chain).links["files"]
    assert mark == "note" and "check that all of it was copied" in text


# --- Postfix's settings ---------------------------------------------------------------------------------------------

def test_no_login(host):
    chain = host(postfix={"main": {"smtp_sasl_auth_enable": "no"}})
    report = of_chain(chain).broken("login", "sasl-off", 1, "-e smtp_sasl_auth_enable=yes")
    chain.postfix.main.clear()
    report.fix = report.fix.partition(" && postfix")[0]     # it does not run
    mended(chain, report)


def test_nothing_set_up(host):
    """A Postfix for local mail is none of ours, unless it is asked for by name."""
    bare = {"smtp_sasl_auth_enable": "no", "smtp_sasl_password_maps": ""}
    chain = host(postfix={"main": bare})
    report = of_chain(chain, "--relay", "localhost:25").sound()
    assert set(report.marks("mail-server", "plugin", "socket", "login", "tls")) == {"skip"}
    of_chain(chain, "--relay", "localhost:25", "--mta", "postfix").broken("login", "sasl-off", 1)
    of_chain(chain).broken("mail-server", "relay-unknown", 3, "--relay")
    of_chain(chain, "--mta", "exim").broken("mail-server", "mta-not-set-up", 1)


def no_reload(report):
    """The fix without its end, for a Postfix that does not run."""
    report.fix = report.fix.partition(" && postfix")[0]
    return report


def test_map_without_relay(host):
    chain = host()
    (chain.postfix.etc / "sasl_passwd").write_text("[other.example.test]:587 other@example.test\n")
    mended(chain, no_reload(of_chain(chain).broken("login", "map-without-relay", 1, BOX, f"localhost]:{chain.dovecot.port}")))


def test_indexed_map_without_relay(host):
    """The fix makes the index, too."""
    chain = host(postfix={"main": {"smtp_sasl_password_maps": "hash:/etc/postfix/passwords"},
                          "maps": {"passwords": "[other.example.test]:587 other@example.test\n"}})
    chain.postfix._command("postmap", "-c", chain.postfix.etc, f"hash:{chain.postfix.etc}/passwords")
    mended(chain, no_reload(of_chain(chain).broken("login", "map-without-relay", 1, "postmap ")))


def test_map_without_index(host):
    """Somebody wrote the line, and forgot postmap."""
    chain = host(postfix={"main": {"smtp_sasl_password_maps": "hash:/etc/postfix/passwords"}, "maps": {"passwords": ""}})
    (chain.postfix.etc / "passwords").write_text(f"[localhost]:{chain.dovecot.port} {BOX}\n")
    mended(chain, no_reload(of_chain(chain).broken("login", "map-not-indexed", 1, "postmap ")))


def test_no_map(host):
    chain = host(postfix={"main": {"smtp_sasl_password_maps": ""}})
    mended(chain, no_reload(of_chain(chain).broken("login", "map-missing", 1, "smtp_sasl_password_maps=texthash:")))


def test_map_has_somebody_else(host):
    chain = host()
    hop = f"[localhost]:{chain.dovecot.port}"
    (chain.postfix.etc / "sasl_passwd").write_text(f"{hop} nobody@example.org\n")
    of_chain(chain).broken("login", "map-unknown-user", 1, f"write {BOX} in place of nobody@example.org", hop)


def test_way_by_sender(host):
    """The service is the one that the sender's mail goes by; what recipients change is said to be unknown."""
    chain = host(postfix={
        "main": {"sender_dependent_default_transport_maps": f"inline:{{ {{ {BOX} = other:[localhost]:9 }} }}",
                 "transport_maps": "inline:{ { example.net = discard: } }"},
        "master": "other unix - - n - - smtp\n  -o smtp_sasl_auth_enable=no\n"})
    report = of_chain(chain).broken("login", "sasl-off", 1, "-P other/unix/smtp_sasl_auth_enable=yes")
    assert report.links["mail-server"][1].endswith("sends by service other to [localhost]:9")
    assert "transport_maps is inline:" in report.json["unknown"][0]
    report = of_chain(chain, "--from", "somebody@example.test").sound()
    assert "service smtp, chrooted," in report.links["mail-server"][1]


def test_each_sender_has_its_login(host):
    chain = host(postfix={"main": {"smtp_sender_dependent_authentication": "yes"}})
    hop = f"[localhost]:{chain.dovecot.port}"
    (chain.postfix.etc / "sasl_passwd").write_text(f"{hop} other@example.test\n{BOX} {BOX}\n")
    assert of_chain(chain).sound().links["login"] == ("ok", f"at {hop} as {BOX}")


@pytest.mark.parametrize("options, code, parameter", [
    ({"main": {"smtp_sasl_mechanism_filter": "plain, login"}}, "mechanism-filter", "smtp_sasl_mechanism_filter=xoauth2"),
    ({"main": {"smtp_sasl_mechanism_filter": "!xoauth2, !oauthbearer, static:all"}}, "mechanism-filter", "smtp_sasl_mechanism_filter=xoauth2"),
    ({"sasl_tls_options": None}, "security-options", "smtp_sasl_tls_verified_security_options=noanonymous"),
    ({"sasl_tls_options": "noplaintext, noanonymous", "tls_level": "encrypt"}, "security-options",
     "smtp_sasl_tls_security_options=noanonymous"),
], ids=["filter", "not-in-filter", "default-options", "options"])
def test_mechanism_hidden(host, options, code, parameter):
    chain = host(postfix=options)
    mended(chain, no_reload(of_chain(chain).broken("mechanism", code, 1, parameter)))


def test_password_still_possible(host):
    chain = host(mechanism="")
    mark, text = of_chain(chain).sound().links["mechanism"]
    assert mark == "note" and "log in with a password too" in text


@pytest.mark.parametrize("postfix, code, fix", [
    ({"tls_level": "none"}, "tls-off", "smtp_tls_security_level=secure"),
    ({"tls_level": ""}, "tls-off", "smtp_tls_security_level=secure"),
    ({"main": {"smtp_tls_wrappermode": "yes"}}, "tls-wrappermode", "smtp_tls_wrappermode=no"),
    ({"main": {"smtp_tls_CAfile": ""}}, "tls-no-ca", "smtp_tls_CAfile=/etc/ssl/certs/ca-certificates.crt"),
], ids=["none", "empty", "wrapped", "no-ca"])
def test_tls(host, postfix, code, fix):
    chain = host(postfix=postfix)
    mended(chain, no_reload(of_chain(chain).broken("tls", code, 1, fix)))


def test_tls_policy(host):
    chain = host(postfix={"main": {"smtp_tls_policy_maps": "texthash:/etc/postfix/policy"}, "maps": {"policy": ""}})
    assert of_chain(chain).sound().links["tls"][0] == "ok"
    policy = chain.postfix.etc / "policy"
    policy.write_text(f"[localhost]:{chain.dovecot.port} none\n")
    of_chain(chain).broken("tls", "tls-policy-off", 1, f"[localhost]:{chain.dovecot.port}")
    policy.write_text(f"[localhost]:{chain.dovecot.port} may\n")
    mark, text = of_chain(chain).sound().links["tls"]
    assert mark == "note" and "has not proved its name" in text


def test_level_may_is_no_alarm(host):
    mark, text = of_chain(host(postfix={"tls_level": "may"})).sound().links["tls"]
    assert mark == "note" and '"may"' in text


def test_refused_login_remembered(make_chain):
    """Postfix's own cache, with an entry of its own making; the repaired account stays blocked until it is gone."""
    chain = make_chain(idp_client={"sub": "somebody@else.test"}, postfix={"main": {
        "smtp_sasl_auth_cache_name": "proxy:btree:$data_directory/refused", "proxy_write_maps": "proxy:btree:$data_directory/refused"},
        "master": "proxywrite unix - - n - 1 proxymap\n"})
    report = of_chain(chain)
    assert report.links["refusals"][0] == "note" and "blocks the account for 90 days" in report.links["refusals"][1]
    chain.postfix.send()
    chain.outcome()
    report = of_chain(chain).broken("refusals", "auth-cache", 1, f"localhost;{BOX}", "smtp_sasl_auth_cache_name=")
    chain.postfix.main["smtp_sasl_auth_cache_name"] = ""
    mended(chain, report)


def test_soft_bounce_and_leaks_are_told(host):
    chain = host(postfix={"main": {"smtp_sasl_auth_soft_bounce": "no", "debug_peer_list": "localhost",
                                   "notify_classes": "resource, protocol"}})
    mark, text = of_chain(chain).sound().links["refusals"]
    assert mark == "note"
    for word in ("bounces mail", "debug_peer_list", "postmaster"):
        assert word in text


# --- what is printed ------------------------------------------------------------------------------------------------

def test_text(host):
    """The same for people: a line for each link, then cause, fix and evidence; nothing on standard error."""
    chain = host(account={"allow_users": ["root"]})
    done = run_tool(BOX, "--instance", chain.postfix.etc, "--config", chain.tokend.config, "--socket", chain.tokend.socket)
    assert done.returncode == 3 and done.stderr == ""
    assert done.stdout.startswith(f"account {BOX}\n\non this host\n  ok      configuration   {chain.tokend.config}: clients: 1")
    assert "\n  broken  policy " in done.stdout
    tail = done.stdout.partition("\ncause:\n")[2]
    assert tail.startswith("  the account does not let user postfix have tokens\n  [uid-not-listed]\n\nfix:\n  write for this account (")
    assert "\nevidence:\n  - account " in tail


def test_json_members(host):
    report = of_chain(host(account={"allow_users": ["root"]}))
    assert list(report.json) == ["format", "account", "verdict", "code", "class", "cause", "fix", "exit", "links", "claims",
                                 "evidence", "unknown"]
    assert report.json["format"] == 1 and report.json["account"] == BOX and report.json["class"] == "config"
    assert all(sorted(ln) == ["id", "mark", "part", "text"] for ln in report.json["links"])
    assert json.loads(json.dumps(report.json)) == report.json


@pytest.mark.parametrize("args", [["--mta", "qmail"], ["--relay", "a b"], ["--relay", "host:0"], ["--send", "nobody"],
                                  ["--from", "@"], ["--config", "relative.yaml"], ["--nonsense"]], ids=" ".join)
def test_usage(binaries, args):
    done = run_tool(BOX, *args)
    assert done.returncode == 2 and done.stdout == "" and args[0].lstrip("-") in done.stderr


def test_nothing_is_changed(host):
    """Of files, modes and times."""
    chain = host()

    def state():
        return {str(p): (p.lstat().st_mode, p.lstat().st_mtime_ns, p.lstat().st_uid) for top in (
            chain.postfix.etc, chain.postfix.queue_dir, chain.tokend.dir) for p in sorted(top.rglob("*"))
            if p.name not in ("tokend.log",)}
    before = state()
    of_chain(chain)
    assert state() == before
