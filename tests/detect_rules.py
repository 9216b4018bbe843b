"""Rules written in a test, and what they find in a store of the test."""

import textwrap
from functools import cache
from pathlib import Path
from typing import Any

from otsec.detect.judging import found_in
from otsec.detect.loading import Loaded, built_in, load
from otsec.store import Store
from otsec.store.findings import Finding

HEAD = """\
title: A test
id: 00000000-0000-4000-8000-000000000001
level: high
otsec:
  seen: "{client} to {server}: {operations} {objects} {outcomes} {number} {values}"
  next: Look.
"""


@cache
def of_otsec() -> Loaded:
    """The rules that come with otsec, read once: nobody changes them."""
    return load([built_in()])


def loaded(folder: Path, *rules: str) -> Loaded:
    """What becomes of rules, each the text of a file."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(rules):
        (folder / f"rule-{number}.yml").write_text(textwrap.dedent(text), "utf-8")
    return load([folder])


def rule(category: str, detection: str, more: str = HEAD) -> str:
    """The text of a rule; ``detection`` is in YAML's flow style, with its condition."""
    return f"{more}logsource: {{product: otsec, category: {category}}}\ndetection: {detection}\n"


def correlation(detection: str, how: str, category: str = "operation") -> str:
    """The text of a rule with a correlation; ``how`` is in YAML's flow style."""
    base = f"title: Base\nname: base\nlogsource: {{product: otsec, category: {category}}}\n"
    return f"{base}detection: {detection}\n---\n{HEAD}correlation: {how}\n"


def finds(store: Store, folder: Path, *rules: str) -> list[Finding]:
    """What rules without a problem find in a store."""
    made = loaded(folder, *rules)
    assert [str(one) for one in made.problems] == []
    return [finding for finding, _ in found_in(store, made.rules)]


def where(found: list[Finding], *names: str) -> list[tuple[Any, ...]]:
    """Some fields of findings."""
    return [tuple(getattr(one, name) for name in names) for one in found]
