"""mta-xoauth2 postfix enable where things are odd: full disks, strange maps and names, two at a time."""

import fcntl
import re

import pytest

from mxtest.chain import BOX
from mxtest.setup import Setup

PASSWORD = "hunter2 the password"


@pytest.fixture
def setup(workdir, pki, binaries):
    """setup(map, **arguments of Setup): files, no server; map: text of a password map, with RELAY for the relay."""
    def make(text, kind="texthash", **arguments):
        s = Setup(workdir, pki, lines=f"smtp_sasl_password_maps = {kind}:ETC/sasl_passwd\n", **arguments).configure()
        main, path = s.postfix.etc / "main.cf", s.postfix.etc / "sasl_passwd"
        main.write_text(main.read_text().replace("ETC", str(s.postfix.etc)))
        path.write_text(text.replace("RELAY", s.relay))
        path.chmod(0o600)
        if kind == "hash":
            s.postfix._command("postmap", "-c", s.postfix.etc, f"hash:{path}")
        return s
    return make


def refused(done, status, *words):
    assert done.returncode == status, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("pages", [4, 9, 22, 23, 24, 25])
def test_a_full_disk(setup, pages):
    """Postfix's files and what is kept are on one file system, as they usually are, with so much room left."""
    s = setup(f"RELAY {BOX}:{PASSWORD}\n", kind="hash")
    before, disk = s.files(), s.workdir / "disk"
    for path in (disk, s.state):
        path.mkdir()
    script = (f'mount -t tmpfs -o size=4m,mode=755 tmpfs {disk}', f'cp -a "$ETC" {disk}/etc && mkdir {disk}/state',
              f'mount --bind {disk}/state {s.state} && mount --bind {disk}/etc "$ETC"',
              f'head -c 9m /dev/zero >{disk}/much 2>{disk}/../full || truncate -s -{pages * 4096} {disk}/much',
              f'cp -a "$ETC" {disk}/../were', 'r=0; eval "$ENABLE" || r=$?', f'diff -r {disk}/../were "$ETC" >&2; ls {s.state}/postfix >&2; exit $r')
    done = s.in_namespace(*script)
    if "mount:" in done.stderr:
        pytest.skip("no mounts here: " + done.stderr.splitlines()[0])
    if done.returncode == 4:    # it was enough
        assert pages > 22
        return
    refused(done, 3, "No space left on device")
    assert "Only in" not in done.stderr and "differ" not in done.stderr and "not all of it" not in done.stderr, done.stderr
    assert [ln for ln in done.stderr.splitlines() if ln.startswith("tmp-") and not ln.endswith((".lock", "~"))] == [], done.stderr
    assert s.files() == before


def test_no_password_is_shown(setup):
    """Neither one that somebody took out by "#", nor one that stands in a line of its own."""
    s = setup(f"#RELAY old@example.test:first-secret\n# RELAY old@example.test:second-secret\n[x]:25 x:\n\tthird-secret\n"
              f"RELAY {BOX}:fourth-secret\n")
    before = s.files()
    done = s.tool("enable")
    refused(done, 4, f"-{s.relay} {BOX}:***")
    assert "secret" not in re.sub("no-secret|client_secret|Nothing here is secret|nothing here is secret", "", done.stdout + done.stderr)
    done = s.tool("disable")
    assert "-secret" not in done.stdout + done.stderr and s.files() == before


@pytest.mark.parametrize("between", ["", "# why\n", "\n", "#\n \n   # why\n"], ids=["next", "comment", "empty", "several"])
def test_a_password_in_the_next_line(setup, between):
    """Postfix passes over comments and empty lines in between; the password would stay, as a part of the user."""
    s = setup(f"RELAY {BOX}:\n{between}   {PASSWORD}\n")
    before = s.files()
    refused(s.tool("enable"), 3, "goes on in the next line", "nothing was changed")
    assert s.files() == before and s.kept() == []


@pytest.mark.parametrize("between", ["# why\n", "\n"], ids=["comment", "empty"])
def test_a_line_that_ends(setup, between):
    s = setup(f"RELAY {BOX}:{PASSWORD}\n{between}[x]:25 x\n")
    refused(s.tool("enable"), 4)
    assert (s.postfix.etc / "sasl_passwd").read_text() == f"{s.relay} {BOX}\n{between}[x]:25 x\n"


@pytest.mark.parametrize("account", ["a\nb@example.test", "a\r@example.test", "a\t@example.test", "a b@example.test",
                                     '"a"@example.test', "a:b@example.test", "nobody", "@example.test", "a@"])
def test_accounts_that_are_no_address(setup, account):
    """One with a line's end would break what is kept for disable."""
    s = setup("")
    before = s.files()
    refused(s.tool("enable", None, "--relayhost", s.relay, f"--account={account}", "--yes"), 2, "it must be an address")
    assert s.files() == before and s.kept() == []


@pytest.mark.parametrize("relay", ["localhost:587", "[localhost]:submission", "[localhost]:0", "[localhost]:65536", "[]:587", "[a b]:587",
                                   "[localhost]:587 x", "localhost"])
def test_relays_that_are_none(setup, relay):
    s = setup("")
    refused(s.tool("enable", None, "--relayhost", relay, "--account", BOX, "--yes"), 2, "must look like [smtp.office365.com]:587")


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_two_at_a_time(setup, action):
    s = setup("")
    refused(s.tool("enable"), 4)
    before = s.files()
    lock, = (s.state / "postfix").glob("*.lock")
    with lock.open() as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        refused(s.tool(action), 75, "another run is changing this Postfix; wait for its end")
        assert s.files() == before
    assert s.tool("disable").returncode == 0


@pytest.mark.parametrize("change", [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text + "default_transport =\n# why\n\n   smtp\nexo_destination_rate_delay=\n\t7s",
], ids=["crlf", "continued"])
def test_main_cf_of_every_form(setup, change):
    s = setup("")
    main = s.postfix.etc / "main.cf"
    main.write_bytes(change(main.read_text()).encode())
    before = s.files()
    refused(s.tool("enable"), 4)
    for name, value in (("default_transport", f"exo:{s.relay}"), ("exo_destination_rate_delay", "2s")):
        said = s.postfix._command("postconf", "-c", s.postfix.etc, "-h", name, check=False).stdout
        assert said.strip() == value
    assert s.tool("disable").returncode == 0 and s.files() == before
