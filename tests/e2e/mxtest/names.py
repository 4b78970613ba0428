"""What the daemon alone takes for the truth about names: a hosts file of its own, and no DNS."""

import subprocess

_SCRIPT = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'


class Names:
    """apply(tokend) before its start; set(name="127.0.0.2", ...), for name.test, then counts at once; a name
    may have several addresses (a list). Needs a mount namespace: see refused()."""

    def __init__(self, folder, **names):
        folder.mkdir(parents=True, exist_ok=True)
        self._hosts, self._switch = folder / "hosts", folder / "nsswitch.conf"
        self._switch.write_text("passwd: files\ngroup: files\nhosts: files\n")
        self.set(**names)

    def set(self, **names):
        # written in place: a new file would not be the one that is mounted
        self._hosts.write_text("127.0.0.1 localhost\n" + "".join(
            f"{address} {name}.test\n" for name, addresses in names.items()
            for address in ([addresses] if isinstance(addresses, str) else addresses)))

    def launcher(self):
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", _SCRIPT, "sh", self._hosts, self._switch]

    def refused(self):
        """Why this machine does not let us; "" where it does."""
        done = subprocess.run([*map(str, self.launcher()), "true"], capture_output=True, text=True)
        return done.stderr.strip() if done.returncode else ""

    def apply(self, tokend):
        tokend.launcher = self.launcher()
        return tokend
