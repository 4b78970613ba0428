"""System users the servers need: made when missing, remembered, and only those removed again."""

import contextlib
import fcntl
import grp
import os
import pwd

from .paths import CACHE
from .proc import Failed, run

_users = ["mta-xoauth2", "postfix", "dovecot", "dovenull"]
_groups = ["postdrop"]
_list = CACHE / "users-created"
_lock = None


@contextlib.contextmanager
def _alone():
    """One run at a time makes or removes users: several may begin at once."""
    with open(CACHE / "users.making", "a") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _there(lookup, name):
    try:
        lookup(name)
        return True
    except KeyError:
        return False


def ensure(more=()):
    """Makes what is missing and holds a shared lock, so that nobody removes them under us. Root only. more: further users."""
    global _lock
    if _lock is None:
        CACHE.mkdir(parents=True, exist_ok=True)
        _lock = open(CACHE / "users.lock", "a")
        fcntl.flock(_lock, fcntl.LOCK_SH)
    with _alone():
        _make_missing(more)


def _make_missing(more):
    missing_users = [u for u in [*_users, *more] if not _there(pwd.getpwnam, u)]
    missing_groups = [g for g in _groups if not _there(grp.getgrnam, g)]
    if not missing_users and not missing_groups:
        return
    if os.geteuid() != 0:
        raise Failed(f"root is needed to create users: {' '.join(missing_users + missing_groups)}")
    for user in missing_users:
        _record("user " + user)
        run(["/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
             "--shell", "/usr/sbin/nologin", user])
    for group in missing_groups:
        _record("group " + group)
        run(["/usr/sbin/groupadd", "--system", group])


def _record(line):
    with open(_list, "a") as f:
        f.write(line + "\n")


def remove_created():
    """Removes the users that ensure() of any run made, unless another run still uses them. Returns their names."""
    global _lock
    if _lock is None:
        return []
    try:
        fcntl.flock(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return []
    try:
        if not _list.exists() or (CACHE / "kept").exists():
            return []
        gone = []
        for line in dict.fromkeys(_list.read_text().split("\n")):
            kind, _, name = line.partition(" ")
            if kind == "user" and _there(pwd.getpwnam, name):
                run(["/usr/sbin/userdel", name], check=False)
            elif kind == "group" and _there(grp.getgrnam, name):
                run(["/usr/sbin/groupdel", name], check=False)
            else:
                continue
            gone.append(name)
        _list.unlink()
        return gone
    finally:
        _lock.close()
        _lock = None
