"""diagnose --json is what mta-xoauth2(8) says: its example, the ids of the links, the members."""

import json
import re

import pytest
from test_diagnose_healthy import server, walked  # noqa: F401
from test_diagnose_provider import VALUE, entra, world  # noqa: F401

from mxtest import paths


@pytest.fixture(scope="module")
def page():
    text = (paths.TOP / "man/mta-xoauth2.8").read_text()
    return text[text.index(".Cm diagnose Fl -json\nprints one object"):text.index(".Sh ENVIRONMENT")]


@pytest.fixture(scope="module")
def example(page):
    return json.loads(re.search(r"\.Bd -literal[^\n]*\n(\{.*?\n\})\n\.Ed", page, re.S)[1])


def shape(value):
    """Types, all the way down; a list is what its first one is."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


def test_the_example(world, example, page):  # noqa: F811
    """A secret that has run out: the same members in the same order, the same words; what is shortened ends in dots."""
    said = world(app={"secrets": [{"value": VALUE, "expires": "2021-01-01T00:00:00Z"}]}).say().json
    assert list(example) == list(said)
    assert {k: shape(v) for k, v in example.items() if v} == {k: shape(v) for k, v in said.items() if example[k]}
    for member in ("format", "verdict", "code", "class", "cause", "exit", "claims"):
        assert example[member] == said[member], member
    assert said["fix"].startswith(example["fix"].removesuffix("..."))
    assert (example["links"][-1]["id"], example["links"][-1]["mark"]) == (said["links"][-1]["id"], said["links"][-1]["mark"])
    assert any(line.startswith(example["evidence"][0]) or example["evidence"][0] in line for line in said["evidence"]), said["evidence"]
    for member in said:
        assert re.search(rf"(?m)^\.It Ic (.*, )?{member}\b|^\.It Ic .*\b{member}\b", page), member


def test_the_links(world, walked, page):  # noqa: F811
    """A walk to the end has the links that are documented, in that order, each with a part and a mark of those."""
    said, _ = walked(world(), server())
    listed = page[page.index("The ids of the links"):page.index("The walk ends at the broken one")]
    ids = re.findall(r"[a-z]+(?:-[a-z]+)*", " ".join(re.findall(r"(?m)^\.Ic (.*)$", listed)))
    assert [link["id"] for link in said.json["links"]] == ids
    assert {link["part"] for link in said.json["links"]} == {"here", "provider", "token", "server"}
    assert {link["mark"] for link in said.json["links"]} <= {"ok", "note", "skip", "broken"}
