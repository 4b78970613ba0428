"""The end of a credential is told in time: 30, 14, 7 and 1 days before and when it has come, by log, status and metrics."""

import datetime
import os
import re
import time

import pytest

from mxtest import exposition
from mxtest.alone import BOX, lone_tokend, oauth_client
from mxtest.clock import Clock
from mxtest.proc import wait_for
from mxtest.recorder import Recorder, token
from mxtest.tokend import Tokend

DAY = 86400
DAYS = (30, 14, 7, 1, 0)
P = "mta_xoauth2_"


def day(days_ahead):
    """A date for secret_expires, and the seconds until it begins."""
    date = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=days_ahead)
    begins = datetime.datetime.combine(date, datetime.time(), datetime.timezone.utc)
    return date.isoformat(), begins.timestamp() - time.time()


def lines(tokend):
    """(credential, kind, days, threshold) of each line."""
    return [(int(m[1]), m[2], int(m[3]), int(m[4])) for m in re.finditer(
        r"^credential_expires client=\S+ credential=(\d+) kind=(\w+) days=(-?\d+) threshold=(\d+) text=", tokend.log(), re.M)]


def line_of(tokend, name="c"):
    return dict(f.partition("=")[::2] for f in next(
        ln for ln in tokend.ask("STATUS").body.splitlines() if ln.startswith(f"client\tname={name}\t")).split("\t"))


def swept(tokend):
    """The daemon has looked at its clients since it was woken: its loop has turned a few times."""
    for _ in range(3):
        assert tokend.ask("PING").ok


@pytest.fixture
def pair(up, workdir, pki, binaries):
    """A daemon with a secret and a certificate, its clock, and when the two end in seconds from now. Nobody asks it for a token."""
    date, secret_ends = day(36)     # at midnight; 3 days later, no mark of one is near one of the other, whatever the time of day
    key = pki.client("thirty-nine", days=39)
    tokend = lone_tokend(workdir / "t", "https://127.0.0.1:1/token", pki.ca, {"client_secret_file": None, "client_auth": None, "credentials": [
        {"client_secret_file": "secret:c.secret", "secret_expires": date},
        {"key": "secret:k.pem", "certificate_file": "secret:c.pem"}]})
    tokend.secrets |= {"k.pem": key.key.read_bytes(), "c.pem": key.cert.read_bytes()}
    clock = Clock(workdir)
    up(clock.apply(tokend))
    wait_for("the first look", lambda: "credential_expires_in" in line_of(tokend))
    return tokend, clock, secret_ends, 39 * DAY


def test_every_threshold_has_its_line(pair):
    tokend, clock, secret_ends, certificate_ends = pair
    assert lines(tokend) == []
    marks = sorted((ends - d * DAY, n, kind, d) for n, kind, ends in ((1, "secret", secret_ends), (2, "certificate", certificate_ends))
                   for d in DAYS)
    told = []
    for at, n, kind, threshold in marks:
        clock.to(at - 600)
        swept(tokend)
        assert lines(tokend) == told, f"{threshold} days are not there yet"
        clock.to(at + 3700)
        told.append((n, kind, threshold - 1, threshold))
        wait_for(f"the line {told[-1]}", lambda: lines(tokend) == told)
        m = exposition.parse(tokend.ask("METRICS").body)
        assert m[P + "credential_expiry_threshold_days"].value(client="c", credential=str(n), kind=kind) == threshold
        first = line_of(tokend)
        assert (first["credential_expires"], first["credential_kind"]) == ("1", "secret")
        left = int(first["credential_expires_in"])
        check = tokend.tool("status", "--check")
        assert check.returncode == (2 if left <= 0 else 1 if left < 14 * DAY else 0), check.stdout
        assert ("credential 1 (secret)" in check.stdout) == (left < 14 * DAY)
    tokend.reload("reloaded")
    swept(tokend)
    assert lines(tokend) == told, "a reload says nothing again"
    assert " put it into " + str(tokend.secret_path("c.secret")) in tokend.log()
    assert " credential=2 kind=certificate days=-1 threshold=0 " in tokend.log()


def test_the_end_of_each_is_a_metric(pair):
    tokend, _, secret_ends, certificate_ends = pair
    ends = exposition.parse(tokend.ask("METRICS").body)[P + "credential_expires_timestamp_seconds"]
    assert abs(ends.value(client="c", credential="1", kind="secret") - time.time() - secret_ends) < 60
    assert abs(ends.value(client="c", credential="2", kind="certificate") - time.time() - certificate_ends) < 300
    assert not exposition.parse(tokend.ask("METRICS").body)[P + "credential_expiry_threshold_days"].samples


def test_at_the_start_one_line_tells_what_is_past(up, workdir, pki, binaries):
    key = pki.client("five", days=5)
    tokend = lone_tokend(workdir / "t", "https://127.0.0.1:1/token", pki.ca, {
        "client_secret_file": None, "client_auth": None, "key": "secret:k.pem", "certificate_file": "secret:c.pem"})
    tokend.secrets = {"k.pem": key.key.read_bytes(), "c.pem": key.cert.read_bytes()}
    up(tokend)
    wait_for("the line", lambda: lines(tokend))
    for _ in range(2):
        tokend.reload("reloaded")
    swept(tokend)
    assert lines(tokend) in ([(1, "certificate", 4, 7)], [(1, "certificate", 5, 7)]), "5 in the second that it was made in"
    check = tokend.tool("status", "--check")
    assert check.returncode == 1 and "credential 1 (certificate) in " in check.stdout
    assert "    warning: credential 1 (certificate) expires in " in tokend.tool("status").stdout
    tokend.restart()
    wait_for("the line of the next process", lambda: len(lines(tokend)) == 2)


def test_a_new_day_for_a_secret_ends_the_warning(up, workdir, pki, binaries):
    """And a day that is nearer again is told anew."""
    tokend = lone_tokend(workdir / "t", "https://127.0.0.1:1/token", pki.ca, {"secret_expires": day(6)[0]})
    up(tokend)
    wait_for("the line", lambda: [t[3] for t in lines(tokend)] == [7])
    for ahead, told in ((400, [7]), (13, [7, 14]), (-2, [7, 14, 0])):
        tokend.clients["c"]["secret_expires"] = day(ahead)[0]
        tokend.reload("reloaded")
        wait_for(f"the lines {told}", lambda: [t[3] for t in lines(tokend)] == told)
        assert (int(line_of(tokend)["credential_expires_in"]) > 0) == (ahead > 0)


def renew(tokend, key):
    tokend.secrets = {"k.pem": key.key.read_bytes(), "c.pem": key.cert.read_bytes()}
    for name, path in (("k.pem", key.key), ("c.pem", key.cert)):
        new = tokend.secret_path("new")
        new.write_bytes(path.read_bytes())
        os.chown(new, 0, tokend.secret_path(name).stat().st_gid)
        new.chmod(0o640)
        new.rename(tokend.secret_path(name))


@pytest.mark.parametrize("by", ["token request", "timer"])
def test_a_renewed_certificate_needs_no_reload(up, workdir, pki, binaries, by):
    endpoint = up(Recorder(pki.cert())).script(token(end="keep"))
    old, new = pki.client("six", days=6), pki.client("two-hundred", days=200)
    tokend = lone_tokend(workdir / "t", endpoint.url, pki.ca, {
        "client_secret_file": None, "client_auth": None, "key": "secret:k.pem", "certificate_file": "secret:c.pem"})
    tokend.secrets = {"k.pem": old.key.read_bytes(), "c.pem": old.cert.read_bytes()}
    clock = Clock(workdir)
    up(clock.apply(tokend))
    wait_for("the line", lambda: lines(tokend))
    assert int(line_of(tokend)["credential_expires_in"]) < 7 * DAY
    renew(tokend, new)
    if by == "timer":
        clock.advance(3700)
    else:
        assert tokend.sasl(BOX).ok, tokend.log()
    wait_for("the new end", lambda: int(line_of(tokend)["credential_expires_in"]) > 199 * DAY)
    tokend.reload("reloaded")
    swept(tokend)
    assert int(line_of(tokend)["credential_expires_in"]) > 199 * DAY and len(lines(tokend)) == 1
    assert not exposition.parse(tokend.ask("METRICS").body)[P + "credential_expiry_threshold_days"].samples


def test_many_clients_are_all_told_of(up, workdir, pki, binaries):
    """In slices: each once."""
    many, (date, _) = 1500, day(5)
    tokend = Tokend(workdir / "t", {f"c{n}": oauth_client("https://127.0.0.1:1/token", pki.ca, secret_expires=date) for n in range(many)},
                    {f"b{n}@example.test": {"client": f"c{n}", "allow_users": ["root"]} for n in range(many)}, {"c.secret": "x" * 20})
    up(tokend)
    wait_for("all lines", lambda: len(lines(tokend)) >= many)
    assert len(set(re.findall(r"^credential_expires client=(\S+) ", tokend.log(), re.M))) == len(lines(tokend)) == many
