"""mta-xoauth2 diagnose: set-ups that are odd and legal raise no alarm; faults that few have are named as what they are."""

import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from mxtest import paths
from mxtest.chain import BOX
from mxtest.diagnose import mend, of_chain
from mxtest.net import free_port
from mxtest.netns import Network
from mxtest.pki import Pki

OTHERS = ("idp", "sink", "dovecot", "postfix")


@pytest.fixture
def host(make_chain):
    """host(**arguments of Chain): Postfix's files and the daemon; nothing else runs."""
    def make(**arguments):
        chain = make_chain(without=OTHERS, **arguments)
        chain.postfix.configure()
        chain.postfix._make_queue()
        return chain
    return make


def hop(chain):
    return f"[localhost]:{chain.dovecot.port}"


def main_cf(chain, **values):
    chain.postfix.main.update(values)
    chain.postfix.configure()


# --- the way that the mail goes -------------------------------------------------------------------------------------

def test_two_relays(host):
    """The first counts, and stands alone in the tables."""
    chain = host()
    main_cf(chain, relayhost=f"{hop(chain)}, [other.example.test]:587")
    report = of_chain(chain).sound()
    assert report.links["mail-server"][1].endswith(f"to {hop(chain)}") and report.links["login"] == ("ok", f"at {hop(chain)} as {BOX}")


def test_transport_maps_alone(host):
    """No relayhost: all mail goes by the line for everybody."""
    chain = host()
    main_cf(chain, relayhost="", transport_maps=f"inline:{{ {{ * = smtp:{hop(chain)} }}, {{ example.org = relay:[mx.example.org] }} }}")
    report = of_chain(chain).sound()
    assert report.links["mail-server"][1].endswith(f"by service smtp, chrooted, to {hop(chain)}")
    assert report.links["login"][0] == "ok"
    report = of_chain(chain, "--send", "somebody@example.org", "--relay", "mx.example.org:25")
    assert report.links["mail-server"][1].endswith("by service relay, chrooted, to [mx.example.org]")


@pytest.mark.parametrize("maps", [
    "inline:{{ {{ {hop} = {box} }} }}", "inline:{{ {{ localhost = {box}: }} }}", "static:{box}", "proxy:texthash:/etc/postfix/sasl_passwd",
    "texthash:/etc/postfix/none, texthash:/etc/postfix/sasl_passwd", "regexp:/etc/postfix/logins",
], ids=lambda m: m.partition(":")[0] + str(len(m)))
def test_tables_of_logins(host, maps):
    chain = host(postfix={"maps": {"none": "", "logins": f"/^\\[localhost\\]/ {BOX}:\n"}})
    main_cf(chain, smtp_sasl_password_maps=maps.format(hop=hop(chain), box=BOX))
    assert of_chain(chain).sound().links["login"][1].startswith(f"at {hop(chain)} as {BOX}")


@pytest.mark.parametrize("maps", ["inline:{ { other.example.test = other@example.test } }", "regexp:/etc/postfix/logins"],
                         ids=["inline", "regexp"])
def test_table_without_lines_of_text(host, maps):
    """The line goes into a table of its own: none can be written into a pattern, or into a parameter."""
    chain = host(postfix={"maps": {"logins": "/^other/ other@example.test\n"}})
    before = (chain.postfix.etc / "logins").read_bytes()
    main_cf(chain, smtp_sasl_password_maps=maps)
    report = of_chain(chain).broken("login", "map-without-relay", 1, "texthash:")
    report.fix = report.fix.partition(" && postfix -c")[0]      # it does not run
    mend(report, chain.tokend.socket)
    assert of_chain(chain).sound().links["login"] == ("ok", f"at {hop(chain)} as {BOX}")
    assert (chain.postfix.etc / "logins").read_bytes() == before


def dns_server(names):
    """A thread that answers on 127.0.0.1:53 of this network: {domain: [(preference, name)]}."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))

    def name(text):
        return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".")) + b"\0"

    def serve():
        while True:
            try:
                ask, peer = s.recvfrom(4096)
            except OSError:
                return
            labels, i = [], 12
            while ask[i]:
                labels.append(ask[i + 1:i + 1 + ask[i]].decode())
                i += ask[i] + 1
            kind = struct.unpack(">H", ask[i + 1:i + 3])[0]
            found = names.get(".".join(labels).lower()) if kind == 15 else None
            if isinstance(found, bytes):
                s.sendto(ask[:2] + found[:10] + ask[12:i + 5] * (len(found) >= 10) + found[10:], peer)
                continue
            records = b"".join(b"\xc0\x0c" + struct.pack(">HHIHH", 15, 1, 60, len(name(mx)) + 2, preference) + name(mx)
                               for preference, mx in found or [])
            s.sendto(ask[:2] + struct.pack(">HHHHH", 0x8180 if found else 0x8183, 1, len(found or []), 0, 0) + ask[12:i + 5] + records, peer)

    threading.Thread(target=serve, daemon=True).start()
    return s


@pytest.fixture
def dns(up, workdir):
    """dns(names): words in front of a command that has these mail servers in its DNS, and no other network."""
    (workdir / "net").mkdir()
    network = Network(workdir / "net")
    if network.refused():
        pytest.skip(f"no network namespace: {network.refused()}")
    up(network)
    (workdir / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (workdir / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    servers = []

    def make(names):
        servers.append(network.call(lambda: dns_server(names)))
        return [*network.launcher, "unshare", "-m", "--propagation", "private", "sh", "-c",
                'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$0" "$@"',
                paths.ours("tool"), workdir / "resolv.conf", workdir / "nsswitch.conf"]
    yield make
    for s in servers:
        s.close()


def in_dns(chain, words, *more):
    import json
    from mxtest.diagnose import Report, environment
    argv = [*words, "diagnose", BOX, "--instance", chain.postfix.etc, "--config", chain.tokend.config, "--socket", chain.tokend.socket,
            "--timeout", "2", "--json", *more]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=environment())
    assert done.stdout, done.stderr
    return Report(done, json.loads(done.stdout))


def test_relayhost_is_a_domain(host, dns):
    """Without brackets it is its mail server that the token goes to; the policy is about that one."""
    chain = host(account={"relays": ["mx1.example.test"]})
    main_cf(chain, relayhost="example.test:587", smtp_dns_support_level="", smtp_sasl_password_maps=f"inline:{{ {{ example.test:587 = {BOX} }} }}")
    words = dns({"example.test": [(20, "mx2.example.test"), (10, "mx1.example.test"), (30, "mx3.example.test")]})
    report = in_dns(chain, words)
    assert report.links["mail-server"] == ("ok", report.links["mail-server"][1])
    assert report.links["mail-server"][1].endswith("to example.test:587, whose first MX is mx1.example.test")
    assert report.links["policy"][0] == "ok" and "at mx1.example.test" in report.links["policy"][1]
    assert report.links["login"] == ("ok", f"at example.test:587 as {BOX}")
    main_cf(chain, smtp_sasl_password_maps=f"inline:{{ {{ mx1.example.test = {BOX} }} }}")
    assert in_dns(chain, words).links["login"][0] == "ok"
    main_cf(chain, smtp_dns_support_level="disabled")
    in_dns(chain, words).broken("policy", "relay-not-listed", 3)


@pytest.mark.parametrize("answer", [
    b"", b"\x81", b"\x81\x80\0\x01\xff\xff\0\0\0\0", b"\x81\x80\0\x01\0\x01\0\0\0\0\xc0\x0c\0\x0f\0\x01\0\0\0\0\xff\xff\0\x01",
    b"\x81\x80\0\x01\0\x02\0\0\0\0\xc0\x0c\0\x0f\0\x01\0\0\0\0\0\x04\0\x01\xc0\x18\0\0\x0f\0\x01\0\0\0\0\0\x09\0\x01\x05\x1b[2J\n\0",
], ids=["empty", "short", "counts", "length", "loop"])
def test_a_dns_that_means_harm(host, dns, answer):
    chain = host()
    main_cf(chain, relayhost=f"example.test:{chain.dovecot.port}", smtp_dns_support_level="")
    report = in_dns(chain, dns({"example.test": answer}))
    assert "\x1b" not in report.said and report.status not in (-11, -6)
    assert report.links["mail-server"][1].endswith(f"to example.test:{chain.dovecot.port}")


def test_an_instance_of_another_name(host):
    chain = host()
    main_cf(chain, multi_instance_name="postfix-out", syslog_name="postfix-out", multi_instance_enable="yes")
    of_chain(chain).sound()


# --- the daemon -----------------------------------------------------------------------------------------------------

def test_daemon_that_restarts(host):
    """It is waited for as the plugin waits."""
    chain = host()
    chain.tokend.stop()
    later = threading.Timer(0.5, chain.tokend.start)
    later.start()
    try:
        assert of_chain(chain).sound().links["daemon"][0] == "ok"
    finally:
        later.join()


def test_configuration_not_loaded(make_chain):
    """The file admits the mail server's user, and the daemon has not read that yet."""
    chain = make_chain(account={"allow_users": ["root"]}, without=("postfix",))
    chain.postfix.configure()
    chain.postfix._make_queue()
    of_chain(chain).broken("policy", "uid-not-listed", 3)
    text = chain.tokend.config.read_text()
    changed = re.sub(r"allow_users: .*", "allow_users: [root, postfix]", text)
    assert changed != text or "allow_users" in text
    chain.tokend.accounts[BOX]["allow_users"] = ["root", "postfix"]
    chain.tokend.write()
    soon = time.time() + 2
    os.utime(chain.tokend.config, (soon, soon))
    report = of_chain(chain, "--ca-file", chain.pki.ca).broken("login-server", "configuration-not-loaded", 3, "mta-xoauth2 reload")
    now = time.time() - 1
    os.utime(chain.tokend.config, (now, now))
    mend(report, chain.tokend.socket)
    again = of_chain(chain, "--ca-file", chain.pki.ca)
    assert again.status == 0 and again.links["login-server"][0] == "ok", again.said


# --- the plugin -----------------------------------------------------------------------------------------------------

def truncated(path):
    data = path.read_bytes()
    path.write_bytes(data[:6000])


def foreign(path):
    data = bytearray(path.read_bytes())
    data[18:20] = b"\xf3\0" if data[18:20] != b"\xf3\0" else b"\x3e\0"      # RISC-V, or x86-64
    path.write_bytes(data)


def no_plugin(path):
    libz = next(ln.split()[-1] for ln in subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, env={"PATH": "/usr/sbin:/sbin"})
                .stdout.splitlines() if "libz.so.1 " in ln)
    path.unlink()
    shutil.copy(libz, path)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [truncated, foreign, no_plugin, empty], ids=lambda f: f.__name__)
def test_plugin_cannot_be_loaded(host, spoil):
    chain = host()
    assert of_chain(chain).sound().links["plugin"][0] == "ok"
    spoil(chain.postfix.plugin_dir() / "libmta-xoauth2.so")
    of_chain(chain).broken("plugin", "plugin-unloadable", 1, "install the package", chain.postfix.plugin_dir())


def test_plugin_runs_as_the_mail_servers_user(host, workdir, binaries):
    """What is in the file is run to see whether it can be: by a process that is not root, and its end is not the tool's."""
    chain = host()
    told = workdir / "told"
    told.touch()
    told.chmod(0o666)
    source = workdir / "own.c"
    source.write_text(f"""#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int sasl_client_plug_init(void) {{ return 0; }}
__attribute__((constructor)) static void begin(void)
{{ FILE *f = fopen("{told}", "w"); fprintf(f, "%d %d", (int)getuid(), (int)geteuid()); fclose(f); puts("said"); abort(); }}
""")
    plugin = chain.postfix.plugin_dir() / "libmta-xoauth2.so"
    plugin.unlink()
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", plugin, source], check=True)
    report = of_chain(chain).broken("plugin", "plugin-unloadable", 1)
    import pwd
    uid = pwd.getpwnam("postfix").pw_uid
    assert told.read_text() == f"{uid} {uid}" and "signal 6" in report.links["plugin"][1]


# --- TLS ------------------------------------------------------------------------------------------------------------

def test_certificate_that_the_mail_server_does_not_check(make_chain, workdir):
    """Postfix at level "encrypt" goes on; diagnose says so, and sends no token there."""
    chain = make_chain(without=("postfix",), postfix={"tls_level": "encrypt"})
    other = Pki(workdir / "other")
    main_cf(chain, smtp_tls_CAfile=str(other.ca))
    chain.postfix._make_queue()
    report = of_chain(chain)
    assert report.status == 0 and report.links["certificate-server"][0] == "note", report.said
    assert "does not judge" in report.links["certificate-server"][1] and report.links["login-server"][0] == "skip"
    assert "--ca-file" in "".join(report.json["unknown"])
    assert BOX not in chain.dovecot.log_file.read_text()
    main_cf(chain, smtp_tls_security_level="secure", smtp_sasl_tls_security_options="noanonymous")
    of_chain(chain).broken("certificate-server", "server-cert-untrusted", 6, f"postconf -c {chain.postfix.etc} -e smtp_tls_CAfile=")


def test_certificate_of_a_name_that_postfix_knows(make_chain, pki):
    """A policy with match= is for servers whose certificate has another name; without it the name is the cause."""
    chain = make_chain(without=("postfix",), dovecot={"cert": pki.cert("elsewhere", ("mail.example.test",), ())}, postfix={
        "main": {"smtp_tls_policy_maps": "texthash:/etc/postfix/policy"}, "maps": {"policy": ""}})
    chain.postfix.configure()
    chain.postfix._make_queue()
    of_chain(chain).broken("certificate-server", "server-cert-name", 6)
    (chain.postfix.etc / "policy").write_text(f"[localhost]:{chain.dovecot.port} secure match=mail.example.test\n")
    report = of_chain(chain)
    assert report.status == 0 and report.links["certificate-server"][0] == "note", report.said


# --- mechanisms -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("offered, let_through", [("xoauth2", "oauthbearer"), ("oauthbearer", "xoauth2")])
def test_filter_and_server_have_none_in_common(make_chain, offered, let_through):
    """Each has one that is right, and Postfix finds no worthy one."""
    chain = make_chain(without=("postfix",), mechanism=let_through, dovecot={"mechanisms": offered})
    chain.postfix.configure()
    chain.postfix._make_queue()
    report = of_chain(chain).broken("mechanism-server", "mechanism-filter", 1, f"-e smtp_sasl_mechanism_filter={offered}")
    report.fix = report.fix.partition(" && postfix -c")[0]      # it does not run
    mend(report, chain.tokend.socket)
    again = of_chain(chain)
    assert again.status == 0 and again.links["login-server"][0] == "ok", again.said


def test_account_without_the_servers_mechanism(make_chain):
    chain = make_chain(without=("postfix",), account={"mechanisms": ["oauthbearer"]}, mechanism="oauthbearer, xoauth2", dovecot={"mechanisms": "xoauth2"})
    chain.postfix.configure()
    chain.postfix._make_queue()
    of_chain(chain).broken("mechanism-server", "mechanism-not-listed", 3, "add xoauth2 to mechanisms")


# --- two faults at once ---------------------------------------------------------------------------------------------

def test_a_free_port_is_no_server(host):
    """Two faults: the one on this host comes first."""
    chain = host(account={"allow_users": ["root"]})
    main_cf(chain, smtp_sasl_mechanism_filter="plain", relayhost=f"[localhost]:{free_port()}")
    of_chain(chain).broken("policy", "uid-not-listed", 3)
