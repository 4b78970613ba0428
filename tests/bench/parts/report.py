"""What a run found: lines for people, figures for --json, and what failed."""


class Skip(Exception):
    """This cannot be measured here, and why."""


class Report:
    """Lines for people, figures for --json, and what failed."""

    def __init__(self):
        self.figures, self.checks, self.times, self.skipped = {}, [], [], []

    @staticmethod
    def line(what, value, rest=""):
        print(f"  {what:<44} {value:>12}  {rest}".rstrip(), flush=True)

    def figure(self, key, what, value, unit, digits=1):
        self.figures[key] = value
        self.line(what, f"{value:.{digits}f} {unit}".rstrip())

    def check(self, key, what, value, target, unit):
        """A figure that must not exceed its target."""
        ok = value <= target
        self.figures[key] = value
        self.checks.append((key, ok))
        self.line(what, f"{value} {unit}".rstrip(), f"at most {target} {unit}: ".replace(" :", ":") + ("ok" if ok else "FAILED"))

    def equal(self, key, what, value, target, shown=None):
        ok = value == target
        self.figures[key] = value
        self.checks.append((key, ok))
        self.line(what, shown or str(value), "ok" if ok else f"FAILED: must be {target}")

    def time(self, key, what, value, target, unit, digits=2):
        """A figure that is shown beside its target and fails nothing."""
        ok = value <= target
        self.figures[key] = value
        self.times.append((key, ok))
        self.line(what, f"{value:.{digits}f} {unit}".rstrip(),
                  f"target {target} {unit}: ".replace(" :", ":") + ("met" if ok else f"over by {100 * (value / target - 1):.0f} %"))

    def skip(self, what, why):
        self.skipped.append(what)
        self.line(what, "not measured", why)

    def summary(self):
        failed = [k for k, ok in self.checks if not ok]
        over = [k for k, ok in self.times if not ok]
        text = f"bench: {len(self.checks) - len(failed)} checks met, {len(failed)} failed"
        text += f" ({', '.join(failed)})" if failed else ""
        text += f"; {len(self.times) - len(over)} times within their targets, {len(over)} over"
        text += f" ({', '.join(over)})" if over else ""
        return text + (f"; {len(self.skipped)} not measured" if self.skipped else "")
