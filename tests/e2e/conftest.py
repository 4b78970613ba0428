"""Fixtures for the end-to-end tests; the classes are in mxtest/ (README.md)."""

import collections
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mxtest import exim, net, parts, paths, users  # noqa: E402
from mxtest.chain import Chain  # noqa: E402
from mxtest.exim_way import EximWay  # noqa: E402
from mxtest.pki import Pki  # noqa: E402
from mxtest.proc import raise_on_sigterm, run, supervisor, wait_for  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "infra: looks at the test servers alone, needs nothing built")
    config.addinivalue_line("markers", "soak: takes minutes of real time; run by --soak, and then nothing else is")
    raise_on_sigterm()


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="the tests that take minutes, and no others")
    parser.addoption("--part", metavar="1/2", help="the files of one part of all, for two runs side by side")


def pytest_collection_modifyitems(config, items):
    soak = config.getoption("--soak")
    others = {item for item in items if (item.get_closest_marker("soak") is not None) != soak}
    others |= _of_other_parts(config.getoption("--part"), [item for item in items if item not in others])
    config.hook.pytest_deselected(items=[item for item in items if item in others])
    items[:] = [item for item in items if item not in others]
    if os.geteuid() == 0:
        return
    for item in items:
        item.add_marker(pytest.mark.skip(reason="end-to-end tests run servers with users of their own: root is needed"))


def _of_other_parts(text, items):
    if not text:
        return set()
    try:
        part, of = parts.parse(text)
    except ValueError as err:
        raise pytest.UsageError(f"--part: {err}") from err
    count = collections.Counter(item.path.name for item in items)
    found = parts.part_of(count, of)
    return {item for item in items if found[item.path.name] != part}


@pytest.fixture(scope="session", autouse=True)
def _whole_run():
    """Users at the start; at the end no process may be left, and the users we made go again."""
    if os.geteuid() != 0:
        yield
        return
    os.umask(0o022)
    users.ensure()
    try:
        yield
    finally:
        supervisor.stop_all()
        users.remove_created()


@pytest.fixture(scope="session")
def session_dir():
    path = net.private_dir("mxs")
    yield path
    if not os.environ.get("MX_KEEP_DIRS"):
        net.remove_dir(path)


@pytest.fixture(scope="session")
def pki(session_dir):
    """The test CA."""
    return Pki(session_dir / "pki")


@pytest.fixture
def workdir(request):
    """A private folder for one test; kept and named when the test failed."""
    path = net.private_dir("mx")
    yield path
    report = getattr(request.node, "rep_call", None)
    if os.environ.get("MX_KEEP_DIRS") or (report is not None and report.failed):
        print(f"kept: {path}")
    else:
        net.remove_dir(path)


@pytest.fixture
def tmpfs(workdir):
    """A folder on a tmpfs (/dev/shm) that belongs to the daemon's user; removed after the test."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or run(["stat", "-f", "-c", "%T", shm]).stdout.strip() != "tmpfs":
        pytest.skip("/dev/shm is no tmpfs here")
    path = shm / workdir.name
    path.mkdir(mode=0o755)
    shutil.chown(path, "mta-xoauth2", "mta-xoauth2")
    yield path
    net.remove_dir(path)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, "rep_" + report.when, report)


class Stack(list):
    """Started things, stopped in reverse order."""

    def __call__(self, thing):
        """Starts a server object and sees to its stop."""
        self.append(thing)
        return thing.start()

    def stop_all(self):
        for thing in reversed(self):
            thing.stop()
        self.clear()


# What no daemon may ever say: a state nobody thought of, a sanitizer's finding.
_NEVER = re.compile(r"^bug .*|^.*(?:AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:).*", re.M)


def _check_daemon_logs(folder):
    for log in folder.rglob("tokend.log"):
        found = _NEVER.search(log.read_text(errors="replace"))
        assert not found, f"{log}: {found.group()}"


@pytest.fixture
def up(workdir):
    """up(Server(...)) starts it and stops it after the test; nothing of it may be left running, and its daemons are in order."""
    stack = Stack()
    before = {pid for pid, _ in supervisor.left_over()}
    try:
        yield stack
    finally:
        stack.stop_all()
    wait_for(lambda: f"processes to end: {supervisor.left_over()}",
             lambda: not [p for p, _ in supervisor.left_over() if p not in before], 10)
    _check_daemon_logs(workdir)


@pytest.fixture
def make_chain(up, workdir, pki, binaries):
    """make_chain(**arguments of Chain) starts the whole way of a mail; without=(...) leaves servers for the test to start."""
    def make(without=(), **arguments):
        chain = Chain(workdir, pki, **arguments)
        up.append(chain)
        return chain.start(without)
    return make


@pytest.fixture
def exim_way(request, up, workdir, pki, binaries):
    """exim_way(**arguments of EximWay) starts Exim with all it needs; what must always be true is looked at in the end."""
    if exim.refused():
        pytest.skip(f"no mount namespace here: {exim.refused()}")
    ways = []

    def make(**arguments):
        ways.append(EximWay(workdir / f"{len(ways)}", pki, **arguments))
        return up(ways[-1])
    yield make
    if request.node.rep_call.passed:
        for way in ways:
            way.check()


@pytest.fixture(scope="session")
def binaries():
    """Skips unless daemon and plugin are built; the build folder."""
    if not paths.built():
        pytest.skip(f"not built: no daemon or plugin in {paths.build_dir()}")
    return paths.build_dir()
