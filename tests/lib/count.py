"""Adds up what a test suite did: count.py KIND FILE prints "PASSED FAILED SKIPPED".

KIND: junit (pytest's --junitxml), automake (the output of make check), tap (the output of a script).
"""

import re
import sys
import xml.etree.ElementTree as ET


def junit(path):
    """Every test once: failed if any phase of it failed."""
    cases = {}
    for case in ET.parse(path).getroot().iter("testcase"):
        name = (case.get("classname"), case.get("name"))
        kinds = {child.tag for child in case}
        state = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        rank = ("passed", "skipped", "failed")
        cases[name] = max(state, cases.get(name, "passed"), key=rank.index)
    return [list(cases.values()).count(s) for s in ("passed", "failed", "skipped")]


def automake(path):
    """The last summary of automake's test harness; without one (make gave up) the results that came."""
    found, single = ({k: 0 for k in ("PASS", "SKIP", "XFAIL", "FAIL", "XPASS", "ERROR")} for _ in range(2))
    with open(path, errors="replace") as f:
        for line in f:
            text = re.sub(r"\x1b\[[0-9;]*m", "", line.rstrip())
            if (m := re.match(r"# (\w+): +(\d+)$", text)) and m[1] in found:
                found[m[1]] = int(m[2])
            elif (m := re.match(r"(\w+): ", text)) and m[1] in single:
                single[m[1]] += 1
    if not any(found.values()):
        found = single
    return found["PASS"] + found["XFAIL"], found["FAIL"] + found["XPASS"] + found["ERROR"], found["SKIP"]


def tap(path):
    """ok and not ok lines; a plan that was not kept to is a failure; "1..0 # SKIP" is one skip."""
    passed = failed = skipped = 0
    plan = None
    with open(path, errors="replace") as f:
        for line in f:
            m = re.match(r"(not )?ok\b(?:[^#\\]|\\.)*(#\s*(skip|todo)\b)?", line, re.I)
            if m and (m[3] or "").lower() == "skip":
                skipped += 1
            elif m and m[1] and not m[3]:
                failed += 1
            elif m:
                passed += 1
            elif (m := re.match(r"1\.\.(\d+)", line)):
                plan = int(m[1])
            elif line.startswith("Bail out!"):
                failed += 1
    if plan == 0:
        skipped += 1
    elif plan is None or plan != passed + failed + skipped:
        failed += 1
    return passed, failed, skipped


if __name__ == "__main__":
    print(*{"junit": junit, "automake": automake, "tap": tap}[sys.argv[1]](sys.argv[2]))
