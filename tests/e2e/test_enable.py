"""mta-xoauth2 postfix enable, disable, status: set up, mail flows, set back byte for byte; whatever comes between."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess

import pytest

from mxtest.chain import BOX
from mxtest.exchange import Exchange
from mxtest.setup import Killer, Setup

PASSWORD = "hunter2 the password"


@pytest.fixture
def setup(workdir, pki, binaries):
    """setup(**arguments of Setup): files, no server."""
    return lambda **arguments: Setup(workdir, pki, **arguments).configure()


def fine(done, *words):
    assert done.returncode == 0, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout, done.stdout + done.stderr
    return done


def refused(done, status, *words):
    assert done.returncode == status, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
def test_enable_deliver_disable(setup, up, chroot):
    s = setup(chroot=chroot)
    up.append(s.chain)
    s.chain.start()
    before = s.files()
    done = fine(s.tool("enable"), "postfix: reloaded", "token daemon: reloaded", f"gets a login for {BOX}",
                "+exo ", f"+default_transport = exo:{s.relay}")
    assert done.stdout.index("token daemon: reloaded") < done.stdout.index("postfix: reloaded"), "mail that waits would be tried too early"
    assert (f"+  - path: {s.postfix.queue_dir}{s.tokend.socket}" in done.stdout) == chroot
    mail, = s.chain.deliver(1, sender=BOX)
    assert mail.sender == BOX
    line, = s.postfix.wait_log(r"postfix/exo/smtp\[\d+\]: \w+: to=.* status=sent")
    assert "method=XOAUTH2" in s.chain.dovecot.wait_log("Login: user=")
    answer = s.tokend.wait_log("answer verb=SASL")
    assert f'account="{BOX}"' in answer
    pid = re.search(r"smtp\[(\d+)\]", line).group(1)
    assert os.readlink(f"/proc/{pid}/root") == (str(s.postfix.queue_dir) if chroot else "/")
    status = fine(s.tool("status"), "by \"postfix enable\", all as it left it", "the token daemon answers postfix")
    assert "wrong" not in status.stdout
    done = fine(s.tool("disable"), "postfix: reloaded", "token daemon: reloaded")
    assert done.stdout.index("token daemon: reloaded") > done.stdout.index("postfix: reloaded")
    assert s.files() == before and s.kept() == []
    refused(s.tool("status"), 1 if chroot else 0, "none: \"postfix enable\" has not been run")


def test_idempotent(setup):
    s = setup()
    before = s.files()
    refused(s.tool("enable"), 4)    # no daemon runs: it is set up all the same
    after = s.files()
    assert after != before
    fine(s.tool("enable"), "set up already; nothing was changed")
    refused(s.tool("enable", None, "--relayhost", "[other.example.test]:587", "--account", BOX, "--yes"), 3, "disable")
    refused(s.tool("enable", "--sender", "@example.test"), 3, "disable")
    assert s.files() == after
    fine(s.tool("disable"))
    assert s.files() == before
    fine(s.tool("disable"), "Nothing to take back")
    assert s.files() == before


def test_dry_run_and_no_terminal(setup):
    s = setup()
    before = s.files()
    fine(s.tool("enable", "--dry-run"), f"+default_transport = exo:{s.relay}", "Nothing was changed: --dry-run")
    assert s.files() == before and not s.state.exists()
    refused(s.tool("enable", None, "--relayhost", s.relay, "--account", BOX), 2, "no terminal to ask at")
    assert s.files() == before and s.kept() == []
    refused(s.tool("enable"), 4)
    after = s.files()
    fine(s.tool("disable", None, "--dry-run"), f"-default_transport = exo:{s.relay}")
    refused(s.tool("disable", None), 2, "no terminal")
    assert s.files() == after


def test_for_some_senders_only(setup, up):
    """Others' mail goes on by the way it went."""
    s = setup(lines="sender_dependent_default_transport_maps = inline:{ { @example.org = discard: } }\n"
                    "default_transport = error:no way out\n")
    up.append(s.chain)
    s.chain.start()
    before = s.files()
    fine(s.tool("enable", "--sender", "@example.test"),
         "inline:{ { @example.test = exo:" + s.relay + " } }, inline:{ { @example.org = discard: } }")
    assert s.chain.deliver(1, sender=BOX)[0].sender == BOX
    s.postfix.send(sender="somebody@example.org")
    s.postfix.wait_log(r"discard\[\d+\]: .* status=sent")
    s.postfix.send(sender="other@example.com")
    s.postfix.wait_log(r"error\[\d+\]: .* status=bounced")
    fine(s.tool("disable"))
    assert s.files() == before


@pytest.mark.parametrize("chroot", [True, False], ids=["chroot", "nochroot"])
def test_crons_mail_leaves_as_the_mailbox(setup, up, pki, chroot):
    """A server as Exchange, which takes no other sender. The host's name stands in a file, as Debian has it."""
    exchange = up(Exchange(pki))
    s = setup(chroot=chroot)
    main, s.relay = s.postfix.etc / "main.cf", f"[localhost]:{exchange.port}"
    (s.postfix.etc / "mailname").write_text("host.example.net\n")
    main.write_text(re.sub("(?m)^myorigin = .*", f"myorigin = {s.postfix.etc}/mailname", main.read_text()))
    before = s.files()
    up.append(s.chain)
    s.chain.start(without=("dovecot",))
    fine(s.tool("enable"), f"+@mta.example.test {BOX}", f"+@host.example.net {BOX}", f"smtp_generic_maps=texthash:{s.postfix.etc}/exo_generic")
    s.postfix._command("sendmail", "-C", str(s.postfix.etc), "-f", "root", "-i", "admin@example.org",
                       input="From: root (Cron Daemon)\nTo: admin@example.org\nSubject: cron\n\ndone\n")
    mail, = exchange.wait("mails", 1)
    assert (mail.sender, mail.recipients, mail.user) == (BOX, ["admin@example.org"], BOX)
    assert re.search(rf"(?m)^From: .*{re.escape(BOX)}", mail.data) and "host.example.net (Cron" not in mail.data
    s.postfix.wait_log("status=sent")
    assert not exchange.denied
    fine(s.tool("disable"))
    assert s.files() == before


def test_the_mailboxs_own_domain_is_not_rewritten(setup):
    """Such a map is for recipients too: all mail for a colleague would go to the mailbox."""
    s = setup()     # myorigin is the mailbox's domain
    done = refused(s.tool("enable"), 4, "cron's root@example.test) is not rewritten", "Senders that Exchange refuses")
    assert f"@mta.example.test {BOX}" in done.stdout and f"@example.test {BOX}" not in (s.postfix.etc / "exo_generic").read_text()


def test_a_generic_map_that_is_there_is_left_alone(setup):
    s = setup(lines="smtp_generic_maps = inline:{ { root@mta.example.test = x@example.test } }\n")
    refused(s.tool("enable"), 4, "smtp_generic_maps is inline:", "is left alone")
    assert not (s.postfix.etc / "exo_generic").exists() and "generic" not in (s.postfix.etc / "master.cf").read_text()


def test_what_goes_another_way_is_told(setup):
    s = setup(lines="sender_dependent_default_transport_maps = inline:{ { @example.org = discard: } }\n"
                    "transport_maps = inline:{ { example.com = smtp:[10.0.0.1] } }\n")
    refused(s.tool("enable"), 4, "look   transport  transport_maps is inline:{ { example.com",
            "look   transport  sender_dependent_default_transport_maps is inline:{ { @example.org")


def test_local_edits_are_kept(setup):
    s = setup()
    main, master = s.postfix.etc / "main.cf", s.postfix.etc / "master.cf"
    texts = main.read_text(), master.read_text()
    refused(s.tool("enable"), 4)
    main.write_text("# at the top\n" + main.read_text() + "mailbox_size_limit = 0\n")
    master.write_text(master.read_text().replace("flush     unix", "# a comment\nflush     unix"))
    (s.postfix.etc / "exo_accounts").open("a").write("[other.example.test]:587 other@example.test\n")
    fine(s.tool("enable"), "set up already")
    refused(s.tool("status"), 1, "main.cf was edited since")
    fine(s.tool("disable"))
    assert main.read_text() == "# at the top\n" + texts[0] + "mailbox_size_limit = 0\n"
    assert master.read_text() == texts[1].replace("flush     unix", "# a comment\nflush     unix")
    assert (s.postfix.etc / "exo_accounts").read_text() == "[other.example.test]:587 other@example.test\n"


@pytest.mark.parametrize("name,old,new,said", [
    ("main.cf", "exo_destination_rate_delay = 2s", "exo_destination_rate_delay = 5s", "exo_destination_rate_delay = 5s"),
    ("master.cf", "smtp_sasl_mechanism_filter=xoauth2", "smtp_sasl_mechanism_filter=xoauth2,plain", "xoauth2,plain"),
    ("master.cf", r"\Z", "    -o smtp_tls_loglevel=2\n", "smtp_tls_loglevel=2"),
], ids=["value", "option", "one-more-option"])
def test_edits_of_our_own_lines_are_refused(setup, name, old, new, said):
    s = setup()
    before = s.files()
    refused(s.tool("enable"), 4)
    path = s.postfix.etc / name
    text = path.read_text()
    path.write_text(re.sub(old, new, text, count=1))
    edited = s.files()
    done = refused(s.tool("disable"), 3, f"{path} was edited since", said)
    assert re.search(rf"{re.escape(str(path))}:\d+: .*{re.escape(said)}", done.stderr)
    assert s.files() == edited and s.kept() != []
    path.write_text(text)
    fine(s.tool("disable"))
    assert s.files() == before


def password_relay(s, kind):
    path = s.postfix.etc / "sasl_passwd"
    path.write_text(f"[other.example.test]:25 other:secret too\n{s.relay}   {BOX}:{PASSWORD}\n# end\n")
    path.chmod(0o600)
    if kind != "texthash":
        s.postfix._command("postmap", "-c", s.postfix.etc, f"{kind}:{path}")
    return path


@pytest.mark.parametrize("kind", ["hash", "texthash", "btree", "lmdb", "cdb"])
def test_a_password_relay_is_taken_over(setup, up, kind):
    s = setup(lines=f"relayhost = RELAY\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
                    f"smtp_tls_security_level = encrypt\nsmtp_sasl_password_maps = {kind}:ETC/sasl_passwd\n")
    main = s.postfix.etc / "main.cf"
    main.write_text(main.read_text().replace("RELAY", s.relay).replace("ETC", str(s.postfix.etc)))
    if kind not in s.postfix._command("postconf", "-c", s.postfix.etc, "-m").stdout.split():
        pytest.skip(f"the package postfix-{kind} is not there: tests/lib/packages.sh")
    path = password_relay(s, kind)
    up.append(s.chain)
    s.chain.start()
    before = s.files()
    done = fine(s.tool("enable", None, "--relayhost", s.relay, "--yes"), f"has a password for {s.relay}", f"gets a login for {BOX}")
    assert f"-{s.relay}   {BOX}:***" in done.stdout and f"+{s.relay}   {BOX}\n" in done.stdout
    everything = done.stdout + done.stderr
    assert PASSWORD not in everything and "secret too" not in everything
    assert path.read_text() == f"[other.example.test]:25 other:secret too\n{s.relay}   {BOX}\n# end\n"
    asked = s.postfix._command("postmap", "-c", s.postfix.etc, "-q", s.relay, f"{kind}:{path}")
    assert asked.stdout == f"{BOX}\n"
    assert s.chain.deliver(1, sender=BOX)
    assert "method=XOAUTH2" in s.chain.dovecot.wait_log("Login: user=")
    done = fine(s.tool("disable"))
    assert PASSWORD not in done.stdout + done.stderr
    assert s.files() == before


def test_a_password_map_edited_since(setup):
    s = setup()
    path = password_relay(s, "hash")
    with (s.postfix.etc / "main.cf").open("a") as f:
        f.write(f"smtp_sasl_password_maps = hash:{path}\n")
    text = path.read_text()
    refused(s.tool("enable"), 4)
    path.write_text("[third.example.test]:25 third:pw\n" + path.read_text())
    s.postfix._command("postmap", "-c", s.postfix.etc, f"hash:{path}")
    fine(s.tool("disable"))
    assert path.read_text() == "[third.example.test]:25 third:pw\n" + text
    for key, value in ((s.relay, f"{BOX}:{PASSWORD}"), ("[third.example.test]:25", "third:pw")):
        assert s.postfix._command("postmap", "-c", s.postfix.etc, "-q", key, f"hash:{path}").stdout == value + "\n"


def refuse_link(s):
    main = s.postfix.etc / "main.cf"
    main.rename(s.workdir / "elsewhere.cf")
    main.symlink_to(s.workdir / "elsewhere.cf")


def refuse_other_plugin(s):
    (s.postfix.plugin_dir() / "libsasl-xoauth2.so").write_bytes(b"\x7fELF...\0XOAUTH2\0...")


def refuse_no_plugin(s):
    (s.postfix.plugin_dir() / "libmta-xoauth2.so").unlink()


def add(*lines):
    def change(s):
        with (s.postfix.etc / "main.cf").open("a") as f:
            f.write("".join(line.replace("ETC", str(s.postfix.etc)) + "\n" for line in lines))
    return change


def refuse_policy(level):
    def change(s):
        (s.postfix.etc / "policy").write_text(f"{s.relay} {level}\n")
        add("smtp_tls_policy_maps = texthash:ETC/policy")(s)
    return change


def refuse_transport(s):
    (s.postfix.etc / "transport").write_text("* smtp:[10.0.0.1]\n")
    add("transport_maps = texthash:ETC/transport")(s)


def refuse_no_account(s):
    s.tokend.accounts = {"*@example.org": {"client": "chain"}}
    s.tokend.write()


def refuse_relay(s):
    s.tokend.accounts = {BOX: {"client": "chain", "relays": ["smtp.example.org"]}}
    s.tokend.write()


def refuse_broken(s):
    s.tokend.config.write_text("clients: {\n")


def refuse_file(s):
    (s.postfix.etc / "exo_accounts").write_text("x y\n")


def refuse_generic(s):
    (s.postfix.etc / "exo_generic").write_text("x y\n")


def refuse_service(s):
    with (s.postfix.etc / "master.cf").open("a") as f:
        f.write("exo       unix  -       -       n       -       2       smtp\n")


@pytest.mark.parametrize("change,said", [
    (refuse_link, "is a symbolic link"),
    (refuse_other_plugin, "libsasl-xoauth2.so knows XOAUTH2 too"),
    (refuse_no_plugin, "libmta-xoauth2.so is not"),
    (refuse_policy("none"), 'has "none" for'),
    (refuse_policy("may"), 'has "may" for'),
    (add("smtp_sasl_password_maps = nosuch:/etc/x"), "does not have: install the package postfix-nosuch"),
    (add("default_transport = relay:[10.0.0.1]"), "default_transport is relay:[10.0.0.1] already"),
    (add("relayhost = [10.0.0.1]"), "relayhost is [10.0.0.1], which would not be used any more"),
    (add("sender_dependent_relayhost_maps = inline:{ { a@example.org = [10.0.0.2] } }"), "sender_dependent_relayhost_maps is"),
    (refuse_transport, 'has "smtp:[10.0.0.1]" for "*": all mail would go on that way'),
    (refuse_no_account, "has no account for"),
    (refuse_relay, 'add that name to its "relays"'),
    (refuse_broken, "mta-xoauth2 check"),
    (refuse_file, "exo_accounts is there already"),
    (refuse_generic, "exo_generic is there already"),
    (refuse_service, 'has a service "exo"'),
], ids=["link", "other-plugin", "no-plugin", "policy-none", "policy-may", "map-type", "transport", "relayhost", "sender-relays",
        "transport-maps",
        "no-account", "relay", "broken",
        "file", "generic", "service"])
def test_refused_with_the_reason(setup, change, said):
    s = setup()
    s.postfix.plugin_dir()
    change(s)
    before = s.files()
    refused(s.tool("enable"), 3, said, "nothing was changed")
    assert s.files() == before and s.kept() == []


def test_a_policy_that_proves_the_name_is_fine(setup):
    s = setup()
    refuse_policy("secure match=localhost")(s)
    refused(s.tool("enable"), 4)
    assert s.kept() != []


def test_what_postfix_would_not_take_is_taken_back(setup):
    """The daemon's user cannot be kept out of this, Postfix's own checker can: a queue folder that is none."""
    s = setup()
    (s.postfix.queue_dir / "maildrop").rmdir()
    (s.postfix.queue_dir / "maildrop").write_text("no folder")
    before = s.files()
    refused(s.tool("enable"), 3, "taken back")
    assert s.files() == before and s.kept() == []


def test_nobody_but_root(setup):
    s = setup()
    done = s.tool("enable", env={})
    assert done.returncode in (3, 4)
    fine(s.tool("disable"))
    for path in (s.state, s.postfix.etc, s.tokend.dir):
        path.chmod(0o755)
    done = subprocess.run([str(a) for a in s.argv("enable", "--relayhost", s.relay, "--account", BOX, "--yes")],
                          capture_output=True, text=True, user="postfix", group="postfix", extra_groups=[], cwd="/",
                          env=s.environment(), timeout=60)
    refused(done, 3, "run this as root")


def test_a_state_that_somebody_else_could_have_put_there(setup):
    """Root writes what is in it: as the daemon's user, who owned the folder above once, one would have had him write any file."""
    s = setup()
    refused(s.tool("enable"), 4)
    folder = s.state / "postfix"
    kept, = (p for p in folder.iterdir() if p.is_dir())
    manifest = kept / "manifest"
    lines = manifest.read_text().splitlines()
    n, = (i for i, line in enumerate(ln for ln in lines[1:-1] if not ln.startswith(" ")) if line.endswith(f" {s.postfix.etc}/main.cf"))
    target = s.workdir / "target"
    target.write_bytes((kept / f"after.{n}").read_bytes())
    before = target.read_bytes()
    manifest.write_text(manifest.read_text().replace(f" {s.postfix.etc}/main.cf\n", f" {target}\n"))
    for path, said in ((folder, f"{folder} is not a folder that belongs"), (s.state, f"{s.state} is not a folder that belongs"),
                       (manifest, f"{kept} is damaged")):
        shutil.chown(path, "mta-xoauth2")
        for action in ("disable", "enable"):
            refused(s.tool(action), 3, said)
        shutil.chown(path, "root")
    assert target.read_bytes() == before
    s.tool("disable")
    assert target.read_bytes() != before, "such a state, if it is root's, is carried out: these tests would see it"


def test_status_json(setup):
    s = setup(lines="smtp_sasl_auth_cache_name = texthash:/x\nsmtp_sasl_auth_soft_bounce = no\ndebug_peer_list = 127.0.0.1\n")
    done = refused(s.tool("status", "--json"), 1)
    data = json.loads(done.stdout)
    found = {f["key"]: f for f in data["findings"]}
    assert data["format"] == 1 and data["health"] == "look" and data["instance"] == str(s.postfix.etc)
    for key in ("cache", "bounce", "leaks", "socket"):
        assert found[key]["mark"] == "look", found[key]
    assert found["postfix"]["text"].startswith("version 3.") and found["plugin"]["mark"] == "ok"
    refused(s.tool("enable"), 4)
    master = (s.postfix.etc / "master.cf").read_text()
    assert "-o smtp_sasl_auth_cache_name=\n" in master and "-o smtp_sasl_auth_soft_bounce=yes" in master


def test_a_new_client(setup, workdir):
    """Without a configuration of the daemon: --tenant and its companions write one."""
    s = setup()
    s.tokend.config.unlink()
    before = s.files()
    new = ("--tenant", "contoso.onmicrosoft.com", "--client-id", "11111111-2222-3333-4444-555555555555", "--secret-file",
           str(workdir / "t" / "chain.secret"))
    done = s.tool("enable", None, "--relayhost", "[smtp.office365.com]:587", "--account", "app@contoso.com", "--yes", *new)
    refused(done, 4, "+    tenant: \"contoso.onmicrosoft.com\"")
    fine(s.tokend.tool("check"))
    fine(s.tool("disable"))
    assert s.files() == before


@pytest.mark.parametrize("answer,edit,status,said", [
    ("y", False, 4, "Try it:"), ("n", False, 1, "nothing was changed"), ("y", True, 75, "main.cf was changed meanwhile"),
], ids=["yes", "no", "edited-meanwhile"])
def test_asks_at_a_terminal(setup, answer, edit, status, said):
    """What somebody edits while the question stands there is not lost."""
    s = setup()
    before = s.files()
    pid, fd = pty.fork()
    if pid == 0:
        argv = [str(a) for a in s.argv("enable", "--relayhost", s.relay, "--account", BOX)]
        os.execve(argv[0], argv, s.environment())
    text = b""
    while not text.endswith(b"[y/N] "):
        text += os.read(fd, 4096)
    if edit:
        with (s.postfix.etc / "main.cf").open("a") as f:
            f.write("mailbox_size_limit = 0\n")
        before = s.files()
    os.write(fd, answer.encode() + b"\n")
    try:
        while more := os.read(fd, 4096):
            text += more
    except OSError:     # the end of a terminal
        pass
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status, text
    assert said in text.decode()
    if status != 4:
        assert s.files() == before and s.kept() == []


def test_what_cannot_be_written_is_taken_back(setup):
    """Postfix's folder is on a read-only file system: the daemon's file, which could be written, goes again."""
    s = setup()
    before = s.files()
    done = s.in_namespace('mount --bind "$ETC" "$ETC"', 'mount -o remount,ro,bind "$ETC"', 'eval "$ENABLE"')
    if "mount:" in done.stderr:
        pytest.skip("no mounts here: " + done.stderr.splitlines()[0])
    refused(done, 3, "cannot be changed (Read-only file system)", "all of it is taken back")
    assert s.files() == before and s.kept() == []


def test_sockets_made_by_systemd(setup):
    """Then it is a drop-in of the socket's unit that makes the one in the chroot; a stand-in tells what systemctl was told."""
    s = setup()
    before = s.files()
    (s.workdir / "bin").mkdir()
    told = s.workdir / "told"
    (s.workdir / "bin/systemctl").write_text(f"#!/bin/sh\necho \"$@\" >>{told}\n")
    (s.workdir / "bin/systemctl").chmod(0o755)
    done = s.in_namespace("mount -t tmpfs none /etc/systemd", "mkdir /etc/systemd/system", 'eval "$ENABLE" >&2 || test $? = 4',
                        "cd /etc/systemd/system; grep -r . ", "echo = >>" + str(told), 'eval "$DISABLE" >&2', "find")
    if "mount:" in done.stderr:
        pytest.skip("no mounts here: " + done.stderr.splitlines()[0])
    assert done.returncode == 0, done.stdout + done.stderr
    name = str(s.postfix.etc)[1:].replace("-", "_2d").replace("_2d", "\0").replace("_", "_5f").replace("\0", "_2d").replace("/", "-")
    where = f"mta-xoauth2-tokend.socket.d/postfix-{name}.conf"
    assert done.stdout == f"{where}:[Socket]\n{where}:ListenStream={s.postfix.queue_dir}{s.tokend.socket}\n.\n"
    restart = ["stop mta-xoauth2-tokend.service", "stop mta-xoauth2-tokend.socket", "daemon-reload",
               "start mta-xoauth2-tokend.socket", "start mta-xoauth2-tokend.service"]
    assert told.read_text().splitlines() == ["is-active --quiet mta-xoauth2-tokend.socket", *restart, "=", *restart]
    assert "listen:" not in done.stderr and "allow_users: [postfix]" in done.stderr
    assert s.files() == before and s.kept() == []


def sasl_xoauth2(s, **more):
    """A password map and a token file as that plugin has them; Postfix no longer has the plugin."""
    token = s.workdir / "token.json"
    token.write_text(json.dumps({"client_id": "11111111-2222-3333-4444-555555555555", "client_secret": PASSWORD,
                                 "token_endpoint": "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token", **more}))
    path = s.postfix.etc / "sasl_passwd"
    path.write_text(f"[smtp.office365.com]:587 app@contoso.com:{token}\n")
    add("smtp_sasl_password_maps = texthash:ETC/sasl_passwd")(s)
    return lambda: s.tool("enable", None, "--relayhost", "[smtp.office365.com]:587", "--yes")


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "beside"])
def test_sasl_xoauth2_is_taken_over(setup, fresh):
    s = setup()
    enable = sasl_xoauth2(s, use_client_credentials="yes")
    if fresh:
        s.tokend.config.unlink()
    before = s.files()
    done = refused(enable(), 4, 'tenant: "contoso.com"', "is sasl-xoauth2's")
    assert PASSWORD not in done.stdout + done.stderr
    secret = s.tokend.dir / "exo.secret"
    st = secret.stat()
    assert secret.read_text() == PASSWORD + "\n" and oct(st.st_mode) == "0o100640" and st.st_uid == 0
    assert st.st_gid == (s.tokend.dir / "chain.secret").stat().st_gid
    done = fine(s.tokend.tool("check"), "no errors")
    assert (s.postfix.etc / "sasl_passwd").read_text() == "[smtp.office365.com]:587 app@contoso.com\n"
    done = fine(s.tool("disable"))
    assert PASSWORD not in done.stdout + done.stderr
    assert s.files() == before


@pytest.mark.parametrize("more,said", [
    ({}, "no usable refresh_token"),
    ({"use_client_credentials": "yes", "client_secret": ""}, "there is no client_secret"),
    ({"use_client_credentials": "yes", "client_id": ""}, "there is no client_id"),
], ids=["no-token", "no-secret", "no-id"])
def test_sasl_xoauth2_that_cannot_be_taken_over(setup, more, said):
    s = setup()
    enable = sasl_xoauth2(s, **more)
    before = s.files()
    done = refused(enable(), 3, said, "nothing was changed")
    assert PASSWORD not in done.stdout + done.stderr
    assert s.files() == before


def killed(s, workdir, action, every):
    """Whatever was done by then, the next run finds it and makes it whole, forwards or backwards."""
    path = password_relay(s, "hash")
    with (s.postfix.etc / "main.cf").open("a") as f:
        f.write(f"smtp_sasl_password_maps = hash:{path}\n")
    killer = Killer(workdir)
    before = s.files()
    refused(s.tool("enable", env=killer.env(0)), 4)
    steps, after = killer.calls(), s.files()
    killer.forget()
    enabled = s.save()
    fine(s.tool("disable", env=killer.env(0)))
    assert s.files() == before
    steps = steps if action == "enable" else killer.calls()
    assert steps > 40
    for n in range(every, steps + 1, every):
        if action == "disable":
            s.restore(enabled)
        done = s.tool(action, env=killer.env(n))
        assert done.returncode == -signal.SIGKILL, (n, done.stdout, done.stderr)
        if action == "enable" and n // every % 4 == 0:   # forwards; Postfix's own check takes its seconds
            assert s.tool("enable").returncode in (0, 4)
            assert without_index(s.files()) == without_index(after), n
        fine(s.tool("disable"))
        assert s.files() == before, n
        assert s.kept() == [], n


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_killed_now_and_then(setup, workdir, action):
    killed(setup(), workdir, action, 29)


@pytest.mark.soak
@pytest.mark.parametrize("action", ["enable", "disable"])
def test_killed_often(setup, workdir, action):
    """At every third step; MX_KILL_EVERY=1 at each one, which takes a quarter of an hour."""
    killed(setup(), workdir, action, int(os.environ.get("MX_KILL_EVERY", "3")))


def without_index(files):
    """postmap's indexes are not the same twice."""
    return {path: what for path, what in files.items() if not path.endswith(".db")}
