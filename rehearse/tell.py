"""What is shown: narration, log lines, dialogs, and whether what was promised has been seen."""

import signal
import sys
import textwrap
import time

STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class Unable(Exception):
    """This host lacks what a rehearsal needs."""


class Failed(Exception):
    """The daemon does not do what all scenarios begin with."""


def _wrap(text, first, rest):
    return textwrap.fill(" ".join(text.split()), 100, initial_indent=first, subsequent_indent=rest, break_long_words=False)


class Teller:
    """Prints as things happen; the same lines go to the folder's file "told"."""

    def __init__(self, folder):
        self._file = open(folder / "told", "w")
        self._steps, self.broken, self.kept = 0, [], 0
        self.begin = time.monotonic()

    def line(self, text=""):
        print(text, flush=True)
        print(text, file=self._file, flush=True)

    def title(self, name, what):
        self.line(f"== {name}: {what}")

    def step(self, text):
        """What is about to happen."""
        self._steps += 1
        self.line()
        self.line(_wrap(text, f"{self._steps}. ", "   "))

    def look(self, text):
        """What to look at in what was just shown."""
        self.line(_wrap(text, "   look: ", "         "))

    def log(self, line):
        self.line(f"   {self.stamp()} daemon | {line}")

    def dialog(self, who, line):
        self.line(f"   {self.stamp()} {who:<6} | {line}")

    def stamp(self):
        return f"{time.monotonic() - self.begin:5.1f}s"

    def promise(self, seen, text):
        """Something that a scenario promises: seen says whether it was observed."""
        if seen:
            self.kept += 1
        else:
            self.broken.append(text)
        self.line(_wrap(text, "   seen: " if seen else "   NOT SEEN: ", "         "))
        return bool(seen)

    def remember(self, *texts):
        self.line()
        self.line("Remember:")
        for text in texts:
            self.line(_wrap(text, "  - ", "    "))

    def verdict(self):
        """The last line; the exit status."""
        self.line()
        if self.broken or self.kept == 0:
            self.line(_wrap(f"FAILED: {len(self.broken)} of {len(self.broken) + self.kept} promises were not seen: "
                            + "; ".join(self.broken), "", "  "))
            return 1
        self.line(f"All {self.kept} promises were seen, in {time.monotonic() - self.begin:.1f} seconds.")
        return 0

    def close(self):
        self._file.close()


def complain(text):
    print(f"mta-xoauth2: rehearse: {text}", file=sys.stderr, flush=True)
