"""What a program and its children show of themselves to every user of the host."""

import subprocess
import threading
from pathlib import Path


class Watched:
    """A client run to its end, and every command line that it and its children had meanwhile."""

    def __init__(self, argv, env, input=""):
        self.command_lines, self.environments = set(), set()
        process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, env=env, text=True, errors="replace")
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(process.pid, over))
        watcher.start()
        try:
            self.output = process.communicate(input, timeout=30)[0]
        finally:
            process.kill()
            over.set()
            watcher.join()
        self.status = process.returncode

    def _watch(self, pid, over):
        while not over.is_set():
            todo = [pid]
            while todo:  # all of /proc would take longer than some programs live
                p = todo.pop()
                try:
                    self.command_lines.add(Path(f"/proc/{p}/cmdline").read_bytes())
                    self.environments.add(Path(f"/proc/{p}/environ").read_bytes())
                    for of_a_thread in Path(f"/proc/{p}/task").glob("*/children"):
                        todo += of_a_thread.read_text().split()
                except OSError:
                    pass

    def without(self, secret):
        seen = b"".join(self.command_lines) + b"".join(self.environments)
        assert self.command_lines and secret.encode() not in seen
        return True
