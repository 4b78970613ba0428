"""Prometheus's text format 0.0.4, strictly: what a parser might forgive is an error here."""

import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?|\+Inf|NaN)")
_TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


class Family:
    """type; help; samples: {(name, ((label, value), ...)): number} in the order written."""

    def __init__(self, name, help_text):
        self.name, self.help, self.type, self.samples = name, help_text, None, {}

    def value(self, name=None, **labels):
        return self.samples[name or self.name, tuple(sorted(labels.items()))]

    def labels(self, key):
        """The values that a label has, in the order written."""
        return [dict(labels)[key] for _, labels in self.samples]


def _labels(text):
    found = []
    for m in re.finditer(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', text or ""):
        found.append((m[1], re.sub(r"\\(.)", lambda e: "\n" if e[1] == "n" else e[1], m[2])))
    assert len({k for k, _ in found}) == len(found), f"a label twice: {text}"
    return tuple(sorted(found))


def parse(text):
    """{family: Family}; AssertionError names what is wrong."""
    assert text.endswith("\n"), "the last line has no line feed"
    assert "\r" not in text and "\t" not in text
    families, now = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            assert re.fullmatch(_NAME, name) and help_text, line
            assert name not in families, f"family {name} twice, or not in one piece"
            now = families[name] = Family(name, help_text)
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            assert now is not None and now.name == name and now.type is None and not now.samples, f"TYPE out of place: {line}"
            assert kind in _TYPES, line
            now.type = kind
        else:
            m = _SAMPLE.fullmatch(line)
            assert m, f"no sample: {line!r}"
            assert now is not None and now.type, f"sample without HELP and TYPE: {line}"
            suffixes = ("_bucket", "_sum", "_count") if now.type == "histogram" else ("",)
            assert m[1] in [now.name + s for s in suffixes], f"sample of another family within {now.name}: {line}"
            key = m[1], _labels(m[2])
            assert key not in now.samples, f"series twice: {line}"
            now.samples[key] = float(m[3])
            assert now.type != "counter" or (now.name.endswith("_total") and now.samples[key] >= 0), line
    for f in families.values():
        assert f.type, f"{f.name} has no TYPE"
        if f.type == "histogram":
            _histogram(f)
    return families


def _histogram(f):
    """Of each series: buckets in rising order, cumulative, to +Inf; then _sum and _count, which is +Inf's."""
    series = {}
    for (name, labels), value in f.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        series.setdefault(rest, []).append((name[len(f.name):], dict(labels).get("le"), value))
    assert series, f"histogram {f.name} without samples"
    for rest, samples in series.items():
        assert [s[0] for s in samples[-2:]] == ["_sum", "_count"], (f.name, rest)
        buckets = samples[:-2]
        assert buckets and all(s[0] == "_bucket" for s in buckets), (f.name, rest)
        bounds = [float(s[1]) for s in buckets]
        assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf") and bounds[0] > 0, (f.name, bounds)
        counts = [s[2] for s in buckets]
        assert counts == sorted(counts), f"{f.name}: buckets are not cumulative"
        assert counts[-1] == samples[-1][2], f"{f.name}: +Inf is not _count"
        assert (samples[-2][2] == 0) == (counts[-1] == 0) or samples[-2][2] == 0, f.name
