"""doc/exim.md does what it says. Its set-up commands are run by every test with Exim; here are the others."""

import re

import pytest

from mxtest import paths
from mxtest.exim import commands
from mxtest.exim_way import PAGES
from mxtest.proc import wait_for

DEBIAN = ["split", "unsplit"]


def tree(folder):
    return {p.relative_to(folder): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_first_mail(exim_way):
    """As printed; sendmail returns at once, the delivery comes behind it."""
    way = exim_way(variant="unsplit")
    ping, mail, tail = commands("The first mail").splitlines()
    assert way.exim.run(["sh", "-c", ping]).returncode == 0
    way.exim.run(["sh", "-c", mail])
    assert way.relay.wait_mails(1)[0][1] == ["you@example.org"]
    wait_for("the end of the delivery", lambda: "Completed" in way.exim.log())
    line, = [ln for ln in way.exim.run(["sh", "-c", tail]).stdout.splitlines() if "=>" in ln]
    for sign in re.findall(r"`([A-Z]+=\w+)`", PAGES[0].read_text()):
        assert f" {sign} " in line, sign


@pytest.mark.parametrize("variant", DEBIAN)
def test_it_comes_out_again_as_it_went_in(exim_way, variant):
    way = exim_way(variant=variant)
    etc = way.exim.etc / "exim4"
    with_it = tree(etc)
    for sort in DEBIAN:
        section = PAGES[0].read_text().partition("## Take it out again")[2].partition(f"Debian, {sort}:")[2]
        if sort == variant:
            way.exim.run(["sh", "-e", "-c", re.search(r"```sh\n(.*?)```", section, re.S)[1]])
    debians = tree(paths.exim_root() / "etc/exim4")
    after = tree(etc)
    assert {p: text for p, text in after.items() if p in debians} == debians
    left = "\n".join(text for p, text in after.items() if p not in debians)
    assert "xoauth2" not in left.lower() and len(with_it) >= len(after) > len(debians)
    way.exim.run(["update-exim4.conf"])
    assert "mta_xoauth2" not in way.exim.exim("-bP", "transport_list").stdout


@pytest.mark.parametrize("variant", DEBIAN)
def test_another_configuration_than_smarthost_is_left_alone(exim_way, variant):
    """Debian's other types of configuration stay valid with our files, and do not use them."""
    way = exim_way(variant=variant)
    conf = way.exim.etc / "exim4/update-exim4.conf.conf"
    conf.write_text(conf.read_text().replace("configtype='smarthost'", "configtype='internet'"))
    way.exim.run(["update-exim4.conf"])
    assert "R: dnslookup" in way.exim.exim("-bP", "config").stdout
    assert "mta_xoauth2" not in way.exim.exim("-bP", "router_list").stdout


def test_the_table_of_log_lines_quotes_what_exim_says():
    """Words of its own that the table quotes are in the tests that provoke them, or in Exim's program."""
    program = (paths.exim_root() / "usr/sbin/exim4").read_bytes()
    ours = b"".join(p.read_bytes() for p in [*(paths.TOP / "conf/exim").iterdir(), PAGES[1], paths.TOP / "README.md"])
    rows = re.search(r"\| main log \|.*?\n\n", PAGES[0].read_text(), re.S)[0].splitlines()[2:]
    quoted = [q for row in rows if row for q in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(quoted) > 15
    for q in quoted:
        words = re.sub(r"^defer \(-\d+\):? ?(authentication required but )?|mta_xoauth2 | from acl .*|[\[\]]", "", q)
        assert words.encode() in program + ours, q
