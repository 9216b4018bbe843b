"""The executive report: two pages, and what recommendations do to the rows of control frameworks."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from big_store import BEGIN
from big_store import write as write_big
from inventory_stores import new_store, tap
from store_rows import row

from otsec.cli import main
from otsec.errors import Exit
from otsec.store import open_store


@pytest.fixture(scope="module")
def crowd_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 700 assets and 1,500 findings."""
    db = tmp_path_factory.mktemp("crowd") / "crowd.db"
    write_big(db, assets=700, conversations_=900, findings_=1500)
    return db


# ----------------------------------------------------------------------------------- pages


EXCEPTION = """  - {{id: x-{n}, from: a, to: b, allow: [{{service: ssh}}], starts: 2025-12-01,
     expires: 2026-11-20, owner: ot-network, approved_by: plant-manager, ticket: CHG-{n},
     reason: "{reason}"}}
"""


def grave(crowd_db: Path, tmp_path: Path) -> list[str]:
    """All at its longest: 30 capture points, texts without end, 40 exceptions; words for a run."""
    db, policy = tmp_path / "grave.db", tmp_path / "grave.yaml"
    shutil.copy(crowd_db, db)
    long = "a very long reason " * 40
    with open_store(db) as store:
        for n in range(30):
            source = store.source("site", f"point {n} {'with a long name ' * 3}", "net", "")
            clock = row(
                "clock", source=source, packets=9, first_time=BEGIN, last_time=BEGIN + 10**12
            )
            store.checkpoint({"clock": [clock]}, [], [], {source})
        store.db.execute("UPDATE finding SET title = title || ?, next = ?", (long, long))
    zones = "".join(f"  {name}: {{nets: [10.0.{n}.0/24]}}\n" for n, name in enumerate("ab"))
    held = "".join(EXCEPTION.format(n=n, reason=long[:200]) for n in range(40))
    policy.write_text(
        f"otsec_policy: 1\nsite: {{id: site, timezone: UTC}}\nzones:\n{zones}exceptions:\n{held}"
    )
    return ["--db", str(db), "--policy", str(policy)]


@pytest.mark.parametrize("how", ["many", "grave"])
def test_the_executive_report_has_two_pages(how: str, crowd_db: Path, tmp_path: Path) -> None:
    """However much is wrong, and however long the texts are, management gets two pages."""
    pytest.importorskip("weasyprint")
    if not shutil.which("pdfinfo"):
        pytest.skip("needs poppler-utils")
    words = grave(crowd_db, tmp_path) if how == "grave" else ["--db", str(crowd_db)]
    path = tmp_path / "executive.pdf"
    assert main(["report", "run", "executive", "-q", *words, "-o", str(path)]) == Exit.FINE
    told = subprocess.run(
        ["pdfinfo", str(path)], check=True, capture_output=True, encoding="utf-8"
    ).stdout
    assert re.search(r"Pages: +2\n", told)


# ------------------------------------------------------------------------------------ rows


def plain(folder: Path, **said: str) -> Path:
    """A store of a host that comes in by credentials, and of an SNMP that anybody may ask."""
    folder.mkdir()
    with new_store(folder) as store:
        net = tap(store, site="hall")
        for n in (1, 2, 3):
            net.heard(f"00:1b:1b:00:00:0{n}", f"10.0.0.{n}")
        net.comes_in("10.0.0.3", "10.0.0.2", "snmp", snmp_community="weak (public)")
        net.comes_in("10.0.0.3", "10.0.0.1", "opcua", **said)
        net.talks("10.0.0.3", "10.0.0.2", "telnet")
        net.write()
        return store.path


def table(db: Path, name: str, kind: str, *words: str) -> list[dict[str, str]]:
    """A table of a report."""
    folder = db.parent / f"{kind}-{name}"
    folder.mkdir(exist_ok=True)
    asked = ["report", "run", kind, "-q", "--db", str(db), "--format", "csv", *words]
    assert main([*asked, "-o", str(folder)]) == Exit.FINE
    (path,) = folder.glob(f"*.{name}.csv")
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def contradicted(db: Path) -> set[str]:
    """Rows of one framework against which something speaks."""
    rows = table(db, "controls", "evidence", "--framework", "iec-62443-3-3")
    return {f"IEC 62443-3-3 {one['control']}" for one in rows if one["status"] == "contradicted"}


def test_a_recommendation_closes_the_rows_that_it_names(tmp_path: Path) -> None:
    """Without what it is about these rows, and no others, are contradicted no more."""
    framework = ("--framework", "iec-62443-3-3")
    before = plain(tmp_path / "before", credentials="default", user_identity="anonymous")
    advice = {one["why"]: one for one in table(before, "advice", "executive", *framework)}

    for title, left in (
        ("Default credentials", {"user_identity": "anonymous"}),
        ("Anonymous access", {"credentials": "default"}),
    ):
        after = plain(tmp_path / title, **left)
        closed = set(filter(None, advice[title]["rows"].split(", ")))
        part = set(filter(None, advice[title]["part"].split(", ")))
        assert part
        assert closed == contradicted(before) - contradicted(after), title
        assert part <= contradicted(after)
        shown = advice[title]["closes"]
        assert "in part IEC 62443-3-3 SR" in shown

    alone = plain(tmp_path / "alone", credentials="default")
    (only,) = [
        one for one in table(alone, "advice", "executive", *framework)
        if one["why"] == "Default credentials"
    ]  # fmt: skip
    assert set(only["rows"].split(", ")) == contradicted(alone) - contradicted(
        plain(tmp_path / "none")
    )


def test_what_rows_need_is_named_with_them(tmp_path: Path) -> None:
    """Commands and settings that rows wait for are told, the most wanted first, with every row."""
    db = plain(tmp_path / "a")
    needed = table(db, "needed", "executive", "--framework", "iec-62443-3-3")
    controls = table(db, "controls", "evidence", "--framework", "iec-62443-3-3")
    insufficient = {
        f"IEC 62443-3-3 {one['control']}" for one in controls if one["status"] == "insufficient"
    }
    counts = [int(one["count"]) for one in needed]

    assert counts == sorted(counts, reverse=True)
    assert all(len(one["rows"].split(", ")) == int(one["count"]) for one in needed)
    assert {name for one in needed for name in one["rows"].split(", ")} <= insufficient
    assert "otsec inventory approve --by WHO" in {one["command"] for one in needed}


@pytest.mark.parametrize("kind", ["evidence", "executive"])
def test_a_report_that_was_written_changes_not_the_next(kind: str, tmp_path: Path) -> None:
    """Each export is an act, and acts are figures; the same report again has the same bytes."""
    db = plain(tmp_path / "a", user_identity="anonymous")
    words = [kind, "--framework", "nerc-cip", "--format", "json,html,csv", "-q", "--db", str(db)]
    made = []
    for name in ("one", "two", "three"):
        assert main(["report", "run", *words, "-o", str(tmp_path / name)]) == Exit.FINE
        made.append({one.name: one.read_bytes() for one in (tmp_path / name).iterdir()})
    assert made[0] == made[1] == made[2]
