"""A TPM 2.0 in software (swtpm), reached as a device is: by a descriptor that stays open as long as the process has its provider."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

if __package__:
    from .pki import ClientKey
    from .proc import run, wait_for

_CONF = """openssl_conf = init
[init]
providers = p
[p]
default = d
tpm2 = d
[d]
activate = 1
[req]
distinguished_name = name
[name]
"""
KEY, PIN_KEY, PIN = "handle:0x81000001", "handle:0x81000003?pass", "4711"


def lacks():
    """What keeps this from running here; None: nothing."""
    modules = subprocess.run(["openssl", "version", "-m"], capture_output=True, text=True).stdout.split('"')[1]
    missing = [p for p in ("swtpm", "tpm2_createprimary", "tpm2_evictcontrol") if not shutil.which(p)]
    return f"{missing[0]} is not installed" if missing else None if Path(modules, "tpm2.so").exists() else "no tpm2-openssl"


class Tpm:
    """KEY signs, PIN_KEY does with PIN. apply(tokend) before its start. key.cert: KEY's certificate."""

    def __init__(self, folder):
        self.dir, self.proc = folder, None
        folder.mkdir()
        folder.chmod(0o755)
        self.key = ClientKey(None, folder / "tpm.crt")
        (folder / "state").mkdir()
        self.conf = folder / "openssl.cnf"
        self.conf.write_text(_CONF)
        self.tcti = f"cmd:{sys.executable} {Path(__file__).resolve()} {folder / 's'}"

    def start(self):
        self.proc = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.dir}/state", "--ctrl",
                                      f"type=unixio,path={self.dir}/s.ctrl", "--server", f"type=unixio,path={self.dir}/s",
                                      "--flags", "not-need-init,startup-clear"])
        wait_for("the TPM", (self.dir / "s").exists)
        (self.dir / "s").chmod(0o666)       # the daemon is another user
        self.tool("tpm2_createprimary -Q -C o -c p.ctx")
        for handle, pin in ((KEY, []), (PIN_KEY, ["-p", PIN])):
            self.tool("tpm2_flushcontext -t")
            self.tool("tpm2_create -Q -C p.ctx -G rsa2048 -u k.pub -r k.priv", *pin)
            self.tool("tpm2_flushcontext -t")
            self.tool("tpm2_load -Q -C p.ctx -u k.pub -r k.priv -c k.ctx")
            self.tool("tpm2_evictcontrol -Q -C o -c k.ctx", handle[7:17])
        self.tool("tpm2_flushcontext -t")
        self.tool(f"openssl req -x509 -propquery ?provider=tpm2 -new -key {KEY} -subj /CN=tpm -days 30 -out {self.key.cert}")
        return self

    def stop(self):
        self.proc.terminate()
        self.proc.wait(10)

    def tool(self, line, *more):
        return run([*line.split(), *more], cwd=self.dir, env={
            **os.environ, "TPM2TOOLS_TCTI": f"swtpm:path={self.dir}/s", "TPM2OPENSSL_TCTI": f"swtpm:path={self.dir}/s",
            **({"OPENSSL_CONF": str(self.conf)} if line.startswith("openssl") else {})})

    def refusals(self):
        """How many wrong PINs it has counted."""
        text = self.tool("tpm2_getcap properties-variable").stdout
        return int(text.split("TPM2_PT_LOCKOUT_COUNTER:")[1].split()[0], 16)

    def apply(self, tokend):
        tokend.environment |= {"OPENSSL_CONF": str(self.conf), "TPM2OPENSSL_TCTI": self.tcti}
        return tokend


def _whole(read):
    data = b""
    while len(data) < 10 or len(data) < int.from_bytes(data[2:6], "big"):
        more = read((int.from_bytes(data[2:6], "big") if len(data) >= 10 else 10) - len(data))
        if not more:
            sys.exit(0)
        data += more
    return data


def _relay(path):
    """Commands come by standard input, each goes to the TPM by a connection of its own, which serves one at a time."""
    import socket
    while True:
        command = _whole(lambda n: os.read(0, n))
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(command)
            os.write(1, _whole(s.recv))


if __name__ == "__main__":
    _relay(sys.argv[1])
