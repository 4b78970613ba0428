"""Tokens outlive the daemon, in memory alone: the file on tmpfs, whom it is for, and what is refused."""

import os
import pwd
import shutil
import signal
import subprocess

import pytest

from mxtest import net
from mxtest.alone import BOX, SECRET, lone_tokend, oauth_client
from mxtest.clock import Clock
from mxtest.proc import wait_for
from mxtest.recorder import Answer, Recorder, token

DAEMON = "mta-xoauth2"


@pytest.fixture
def tmpfs(monkeypatch):
    """A private folder on tmpfs that belongs to the daemon's user, as /run/mta-xoauth2 does."""
    monkeypatch.setenv("MX_TMPDIR", "/dev/shm")
    path = net.private_dir("mxc")
    os.chown(path, pwd.getpwnam(DAEMON).pw_uid, -1)
    path.chmod(0o755)
    yield path
    net.remove_dir(path)


@pytest.fixture
def recorder(up, pki):
    """Every token it gives out is another one."""
    return up(Recorder(pki.cert())).script(*(token(f"token-{n:04d}-" + "x" * 1500) for n in range(50)))


@pytest.fixture
def tokend(up, workdir, pki, recorder, tmpfs, binaries):
    daemon = lone_tokend(workdir / "t", recorder.url, pki.ca)
    daemon.top["token_cache"] = str(tmpfs / "tokens")
    return up(daemon)


def opened(tokend):
    return [ln.partition(" ")[2] for ln in tokend.log().splitlines() if ln.startswith("cache_opened ")]


def bytes_of(path):
    return path.read_bytes() if path.exists() else b""


def test_a_kill_a_stop_and_another_program_file_cost_no_request(tokend, recorder, tmpfs):
    first = tokend.sasl(BOX)
    assert first.ok
    st = (tmpfs / "tokens").stat()
    assert st.st_mode & 0o7777 == 0o600 and st.st_uid == pwd.getpwnam(DAEMON).pw_uid
    for end in (tokend.kill, tokend.stop, tokend.kill):
        end()
        tokend.start()
        again = tokend.sasl(BOX)
        assert again.token_id == first.token_id and again.token == first.token
    assert len(recorder.requests) == 1
    assert opened(tokend) == ["where=file restored=0 dropped=0 torn=0"] + ["where=file restored=1 dropped=0 torn=0"] * 3
    assert first.token not in tokend.log()


def test_the_refresh_comes_when_it_would_have_come(up, workdir, pki, recorder, tmpfs, binaries):
    clock = Clock(workdir)
    tokend = up(clock.apply(lone_tokend(workdir / "t", recorder.url, pki.ca, top={"token_cache": str(tmpfs / "tokens")})))
    first = tokend.sasl(BOX)
    clock.to(1000)
    tokend.kill()
    tokend.start()
    assert tokend.sasl(BOX).token_id == first.token_id and len(recorder.requests) == 1
    clock.to(1802)
    wait_for("the refresh", lambda: len(recorder.requests) == 2)
    wait_for("the new token", lambda: tokend.sasl(BOX).token_id != first.token_id)
    tokend.kill()
    clock.to(1802 + 3600)       # dead meanwhile: not handed out, and not kept
    tokend.start()
    assert tokend.sasl(BOX).ok and len(recorder.requests) == 3
    assert opened(tokend)[-1] == "where=file restored=1 dropped=0 torn=0"


def test_a_refused_token_stays_refused(tokend, recorder):
    first = tokend.sasl(BOX)
    recorder.script(Answer(hang=True), token("after"))
    assert tokend.ask("REJECTED", account=BOX, host="localhost", token_id=first.token_id).ok
    wait_for("the request for another", lambda: len(recorder.requests) == 2)
    tokend.kill()
    tokend.start()
    assert tokend.sasl(BOX).token == "after"


@pytest.mark.parametrize("change", ["scope", "secret file", "removed", "endpoint"])
def test_another_configuration_does_not_get_the_token(tokend, recorder, tmpfs, pki, up, change):
    first = tokend.sasl(BOX)
    tokend.kill()
    if change == "scope":
        tokend.clients["c"]["scope"] = "another"
    elif change == "secret file":
        tokend.secrets["other"] = SECRET
        tokend.clients["c"]["client_secret_file"] = "secret:other"
    elif change == "endpoint":
        other = up(Recorder(pki.cert())).script(token("of-another-endpoint"))
        tokend.clients["c"]["token_endpoint"] = other.url
    else:
        tokend.clients = {"d": tokend.clients["c"]}
        tokend.accounts[BOX]["client"] = "d"
    tokend.start()
    assert opened(tokend)[-1] == "where=file restored=0 dropped=1 torn=0"
    assert first.token.encode() not in bytes_of(tmpfs / "tokens"), "it is wiped"
    assert tokend.sasl(BOX).token_id != first.token_id


def test_what_is_flushed_or_removed_is_wiped_at_once(tokend, recorder, tmpfs, pki):
    tokend.clients["d"] = oauth_client(recorder.url, pki.ca, client_id="another")
    tokend.accounts["d@example.test"] = {"client": "d"}
    tokend.reload("reloaded")
    first, other = tokend.sasl(BOX), tokend.sasl("d@example.test")
    for gone in (first, other):
        assert gone.token.encode() in bytes_of(tmpfs / "tokens")
    tokend.ask("FLUSH", account=BOX)
    assert first.token.encode() not in bytes_of(tmpfs / "tokens")
    del tokend.clients["d"], tokend.accounts["d@example.test"]
    tokend.reload("reloaded")
    wait_for("the end of the other", lambda: other.token.encode() not in bytes_of(tmpfs / "tokens"))


def prepare_other_owner(path):
    path.write_bytes(b"")
    os.chown(path, 0, 0)


def prepare_open_mode(path):
    path.write_bytes(b"")
    os.chown(path, pwd.getpwnam(DAEMON).pw_uid, -1)
    path.chmod(0o640)


def prepare_second_name(path):
    path.write_bytes(b"")
    os.chown(path, pwd.getpwnam(DAEMON).pw_uid, -1)
    path.chmod(0o600)
    os.link(path, path.with_name("second"))


def prepare_symlink(path):
    path.with_name("target").write_bytes(b"precious")
    path.symlink_to("target")


def prepare_foreign(path):
    path.write_bytes(b"somebody else's notes\n" * 500)
    os.chown(path, pwd.getpwnam(DAEMON).pw_uid, -1)
    path.chmod(0o600)


def prepare_folder(path):
    path.mkdir()


def prepare_fifo(path):
    os.mkfifo(path, 0o600)
    os.chown(path, pwd.getpwnam(DAEMON).pw_uid, -1)


REFUSED = {"another's file": (prepare_other_owner, ("open", "not-ours")), "readable by the group": (prepare_open_mode, ("not-ours",)),
           "a second name": (prepare_second_name, ("not-ours",)), "a symbolic link": (prepare_symlink, ("open",)),
           "something else": (prepare_foreign, ("foreign",)), "a folder": (prepare_folder, ("open",)),
           "a pipe": (prepare_fifo, ("not-ours",))}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_ours_is_left_alone(up, workdir, pki, recorder, tmpfs, binaries, name):
    prepare, reasons = REFUSED[name]
    path = tmpfs / "tokens"
    prepare(path)
    before = {p.name: (p.lstat().st_mode, p.read_bytes() if p.is_file() else None) for p in tmpfs.iterdir()}
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca, top={"token_cache": str(path)}))
    line = tokend.wait_log("cache_failed ")
    assert line.partition("reason=")[2].split()[0] in reasons and "text=" in line
    assert tokend.sasl(BOX).ok, "it works without"
    assert {p.name: (p.lstat().st_mode, p.read_bytes() if p.is_file() else None) for p in tmpfs.iterdir()} == before


def test_never_on_a_disk(up, workdir, pki, recorder, binaries):
    """The folder of the test is on a disk; where /tmp is a tmpfs another place has to do."""
    base = next((p for p in ("/var/tmp", "/var/cache", "/root") if subprocess.run(
        ["stat", "-f", "-c", "%T", p], capture_output=True, text=True, check=True).stdout.strip() not in ("tmpfs", "ramfs")), None)
    if base is None:
        pytest.skip("no folder on a disk here")
    folder = net.Path(base) / workdir.name
    folder.mkdir(mode=0o755)
    os.chown(folder, pwd.getpwnam(DAEMON).pw_uid, -1)
    try:
        tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca, top={"token_cache": str(folder / "tokens")}))
        if base != "/root":
            assert "reason=not-tmpfs" in tokend.wait_log("cache_failed ")
        assert tokend.sasl(BOX).ok and not list(folder.iterdir())
    finally:
        shutil.rmtree(folder)


def damage_head(path):
    with open(path, "r+b") as f:
        f.seek(16)
        f.write(b"not the boot id")


def damage_length(path):
    os.truncate(path, path.stat().st_size - 100)


def damage_layout(path):
    with open(path, "r+b") as f:
        f.seek(8)
        f.write(b"\x07")


@pytest.mark.parametrize("damage, reason", [(damage_head, "damaged"), (damage_length, "damaged"), (damage_layout, "version")])
def test_a_damaged_file_is_replaced(tokend, recorder, tmpfs, damage, reason):
    assert tokend.sasl(BOX).ok
    tokend.kill()
    damage(tmpfs / "tokens")
    tokend.start()
    assert f"reason={reason}" in tokend.wait_log("cache_ignored ")
    assert tokend.sasl(BOX).ok and len(recorder.requests) == 2
    tokend.kill()
    tokend.start()
    assert tokend.sasl(BOX).ok and len(recorder.requests) == 2, "the new one is as good as any"


def test_a_torn_slot_is_one_token_less(tokend, recorder, tmpfs):
    first = tokend.sasl(BOX)
    tokend.kill()
    data = bytearray(bytes_of(tmpfs / "tokens"))
    at = data.find(first.token.encode())
    data[at + 700] ^= 1
    (tmpfs / "tokens").write_bytes(data)
    tokend.start()
    assert opened(tokend)[-1] == "where=file restored=0 dropped=0 torn=1"
    assert tokend.sasl(BOX).ok and len(recorder.requests) == 2


def test_two_daemons_do_not_share_a_file(tokend, up, workdir, pki, recorder, tmpfs):
    first = tokend.sasl(BOX)
    second = up(lone_tokend(workdir / "u", recorder.url, pki.ca, top={"token_cache": str(tmpfs / "tokens")}))
    assert "reason=in-use" in second.wait_log("cache_failed ")
    assert second.sasl(BOX).token_id != first.token_id and tokend.sasl(BOX).token_id == first.token_id


def test_none_keeps_nothing(up, workdir, pki, recorder, binaries):
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca, top={"token_cache": "none"}))
    assert tokend.sasl(BOX).ok
    tokend.restart()
    assert tokend.sasl(BOX).ok and len(recorder.requests) == 2 and "cache_" not in tokend.log()


def test_a_changed_path_needs_a_restart(tokend, tmpfs):
    tokend.top["token_cache"] = str(tmpfs / "elsewhere")
    tokend.reload("reloaded")
    assert "token_cache has changed" in tokend.wait_log("restart_needed ") and not (tmpfs / "elsewhere").exists()


def test_truncated_while_in_use(tokend, recorder, tmpfs):
    """What the kernel does to whoever has a file mapped that somebody makes shorter: the daemon can only say so and end."""
    assert tokend.sasl(BOX).ok
    os.truncate(tmpfs / "tokens", 0)
    with pytest.raises(OSError):
        for _ in range(3):
            tokend.sasl(BOX)
    assert tokend.proc.wait(10) == 75 and "never truncate it" in tokend.log()
    tokend.proc = None
    tokend.start()
    assert tokend.sasl(BOX).ok and len(recorder.requests) == 2


def test_another_bus_error_is_not_taken_for_that(tokend):
    """kill(1) sends what no truncated file has caused: the signal counts, and nothing is said of a file."""
    assert tokend.sasl(BOX).ok
    tokend.proc.send_signal(signal.SIGBUS)
    status = tokend.proc.wait(10)
    tokend.proc = None
    assert status != 75 and "truncate" not in tokend.log()


@pytest.mark.parametrize("size", [1, 100, 4096, 4097, 69632])
def test_a_head_that_was_never_written(up, workdir, pki, recorder, tmpfs, binaries, size):
    """Killed before it had written anything: the next one begins anew by itself."""
    path = tmpfs / "tokens"
    path.write_bytes(b"\0" * size)
    os.chown(path, pwd.getpwnam(DAEMON).pw_uid, -1)
    path.chmod(0o600)
    tokend = up(lone_tokend(workdir / "t", recorder.url, pki.ca, top={"token_cache": str(path)}))
    assert "reason=damaged" in tokend.wait_log("cache_ignored ")
    tokend.sasl(BOX)
    tokend.kill()
    tokend.start()
    assert tokend.sasl(BOX).ok and len(recorder.requests) == 1
