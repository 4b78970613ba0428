"""The test files in parts of about the same length, for runs side by side: always the same files in the same part.

SECONDS: what a file took on two cores of a small machine; those that are not named take a second for each test. A wrong figure
costs a minute, no result: no need to keep them up.
"""

SECONDS = {
}


def part_of(files, parts):
    """{file: its part, from 1}; files: {name: number of tests}."""
    cost = {name: SECONDS.get(name, n) for name, n in files.items()}
    load, found = [0] * parts, {}
    for name in sorted(cost, key=lambda name: (-cost[name], name)):
        least = load.index(min(load))
        load[least] += cost[name]
        found[name] = least + 1
    return found


def parse(text):
    """"1/2" as (1, 2)."""
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"a part is given as 1/2, not as {text!r}")
    return int(part), int(parts)
