"""Every dependency stands in docs/dependencies.md, with a licence under which it may be used."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, NamedTuple

import pytest
from conftest import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGE = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
FREE = {  # permissive, or weak copyleft that a normal import keeps to
    *("Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "MIT", "MPL-2.0", "PSF-2.0"),
    *("Zlib", "CC0-1.0", "LGPL-2.1-only"),
}
TOLD = {  # words of classifiers, where a package has no expression of SPDX
    "MIT License": "MIT",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
}


class Row(NamedTuple):
    """A line of the table."""

    name: str
    group: str
    licence: str
    wheels: str


def _name(text: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", text)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _rows() -> dict[tuple[str, str], Row]:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if line.startswith("| `")
    ]
    rows = [Row(_name(one[0].strip("`")), *one[1:4]) for one in cells]
    return {(row.group, row.name): row for row in rows}


ASKED = [
    (group, _name(text))
    for group, texts in {
        "always": PROJECT["dependencies"],
        **PROJECT["optional-dependencies"],
    }.items()
    for text in texts
]


@pytest.mark.parametrize(("group", "name"), ASKED)
def test_every_dependency_is_told(group: str, name: str) -> None:
    """Of what is installed always or with an extra: licence, and wheels of each Python; tests: licence."""
    row = _rows()[group, name]
    words = set(re.findall(r"[A-Za-z0-9.-]*[A-Za-z0-9]", row.licence)) - {"AND", "OR"}
    assert words
    if group != "dev":
        assert words <= FREE
        assert row.wheels in {"any", "3.11, 3.12, 3.13, 3.14", "abi3"}


def test_nothing_else_is_told() -> None:
    """No line is of what is no dependency any more."""
    assert sorted(_rows()) == sorted(set(ASKED))


@pytest.mark.parametrize(("group", "name"), ASKED)
def test_the_licence_is_that_of_the_package(group: str, name: str) -> None:
    """What the page says is what the installed package says of itself, in SPDX's words."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    kinds = [one for one in told.get_all("Classifier") or [] if one.startswith("License ::")]
    classified = [TOLD[word] for one in kinds if (word := one.rpartition(":: ")[2]) in TOLD]
    said = told.get("License-Expression") or " OR ".join(classified) or told.get("License", "")
    assert said == _rows()[group, name].licence
