"""Frameworks, checks and metrics as data: whole, faithful, and errors with their places."""

from pathlib import Path

import pytest
from conftest import ROOT

from otsec.controls.expressions import parse
from otsec.controls.frameworks import built_in, catalogue
from otsec.controls.metrics import METRICS
from otsec.controls.metrics.attributes import ATTRIBUTES
from otsec.errors import ConfigError, UsageError

REFERENCE = ROOT.parent / "shared" / "reference" / "controls.yaml"


def test_all_of_it() -> None:
    """13 frameworks with 332 rows call 56 checks over metrics that are all defined and measured."""
    known = catalogue()
    rows = [row for one in known.frameworks for row in one.controls]
    read = {name for row in rows for name in row.logic.metrics}

    assert (len(known.frameworks), len(rows), len(known.checks)) == (13, 332, 56)
    assert {row.check for row in rows} == {*known.checks}
    assert {name for name in read if not name.startswith("attr.")} <= {*known.metrics}
    assert read <= {*METRICS}
    assert {name for name in METRICS if not name.startswith("attr.")} == {*known.metrics}
    assert len(ATTRIBUTES) == 32
    assert [len([row for row in rows if row.max_status == most]) for most in ("supported", "partial", "context")] == [45, 231, 56]  # fmt: skip
    assert sum(row.id_source == "memory" for row in rows) == 61


def test_faithful() -> None:
    """Every row says what the reference says, word by word, and its logic is the same text."""
    if not REFERENCE.is_file():
        pytest.skip(f"no {REFERENCE} to compare with")
    import yaml

    mine = {(row.framework, row.id): row for one in catalogue().frameworks for row in one.controls}
    theirs = yaml.safe_load(REFERENCE.read_text("utf-8"))

    assert len(theirs) == len(mine)
    for one in theirs:
        row = mine[one["framework"], one["control"]]
        told = (row.version, row.title, row.check, row.evidence, row.max_status, row.limits, row.id_source, row.priority)  # fmt: skip
        keys = ("version", "title", "check", "evidence", "max_status", "limits", "id_source")
        assert told == (*(one[key] for key in keys), one.get("priority", ""))
        for name, text in one["status_logic"].items():
            assert str(getattr(row.logic, name)) == text == str(parse(text))


def test_finding_a_row() -> None:
    """A row is found by its identifier, with the framework where several have it; else the nearest is told."""
    known = catalogue()

    assert known.control("sr 1.5").framework == "IEC 62443-3-3"
    assert known.control("nerc-cip CIP-015-1  R1.2").title == "Anomalous activity detected"
    with pytest.raises(UsageError, match=r"no row 'CIP-015-1 R1\.9'; did you mean"):
        known.control("CIP-015-1 R1.9")
    with pytest.raises(UsageError, match=r"no framework 'nerc'; did you mean .nerc-cip.\?"):
        known.framework("nerc")


CHECKS = """\
look:
  evidence: "What is seen."
  contradicted: "a.x > 0"
  insufficient: "a.x < 0"
  supported: "a.x == 0"
"""
FRAMEWORK = """\
framework: Own rules
order: 1
version: "1"
rows:
  - {control: O1, title: First, check: look, max_status: partial, limits: None, id_source: outline}
"""


def folder(path: Path, **texts: str) -> Path:
    """A folder of controls with some files changed."""
    files = {"metrics": 'a.x: "Something."\n', "checks": CHECKS, "own": FRAMEWORK, **texts}
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text, "utf-8")
    return path


def test_own_framework(tmp_path: Path) -> None:
    """A new framework is a file and takes no code."""
    (one,) = catalogue(folder(tmp_path)).frameworks

    assert (one.slug, one.name, one.controls[0].evidence) == ("own", "Own rules", "What is seen.")
    assert one.controls[0].place.line == 5


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("checks", ('"a.x > 0"', '"a.x >> 0"'), 'checks.yaml:2:3: error E107: check "look": contradicted: expected a metric or a number, found `>`'),
        ("checks", ('"a.x > 0"', '"b.x > 0"'), 'checks.yaml:2:3: error E201: check "look": contradicted: unknown metric "b.x"; did you mean "a.x"?'),
        ("checks", ("  supported:", "  suported:"), 'checks.yaml:5:3: error E102: check "look": unknown key "suported"; did you mean "supported"?'),
        ("own", ("check: look", "check: lok"), 'own.yaml:5:5: error E201: row "O1": unknown check "lok"; did you mean "look"?'),
        ("own", ("max_status: partial", "max_status: passed"), 'own.yaml:5:5: error E107: row "O1": max_status: no "passed"; there are: supported, partial, context'),
        ("own", ("limits: None, ", ""), 'own.yaml:5:5: error E106: row "O1": "limits" is missing'),
        ("own", ("framework: Own rules\n", ""), 'own.yaml:1:1: error E106: "framework" is missing'),
        ("own", ("rows:\n", "rows:\n  - {control: O1, title: Again, check: look, max_status: partial, limits: None, id_source: outline}\n"), 'own.yaml:6:5: error E113: row "O1" stands twice, first in line 5'),
    ],
)  # fmt: skip
def test_errors(tmp_path: Path, name: str, change: tuple[str, str], told: str) -> None:
    """What is wrong in a file is told with line and column, and what was probably meant."""
    text = {"checks": CHECKS, "own": FRAMEWORK}[name]
    assert change[0] in text

    with pytest.raises(ConfigError) as error:
        catalogue(folder(tmp_path, **{name: text.replace(*change)}))

    assert told in str(error.value).replace(f"{tmp_path}/", "").split("\n")


def test_shipped_beside_the_rules() -> None:
    """The files lie where the wheel takes them from, and are not taken for rules."""
    from otsec.detect.documents import files

    assert built_in() == ROOT / "rules" / "controls"
    assert not [path for path in files(ROOT / "rules") if "controls" in path.parts]
