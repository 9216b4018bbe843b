"""What devices say of themselves changes nothing but the cell that shows it, in any command.

Two stores are alike but for one text: hostile in one, and in the other the harmless spelling of it.
Whatever is printed of both must be the same, to the byte; only JSON keeps what was sent.
"""

import csv
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

from otsec.cli import main
from otsec.cli.harmless import harmless
from otsec.errors import Exit

# Short enough that its spelling, too, is a whole name: names of assets are cut behind 64 letters.
EVIL = "=cmd|' /C calc'!A0<b>[red]\x1b[2J\u202e\r\n\t\x9b\";,"
TAME = harmless(EVIL)
CAPTURE = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
STOP = "61bdad60"  # the finding: the laptop stopped a controller, in packet 7407
LISTS = ("operations", "objects", "outcomes")
TEXTS = {  # columns of the store that hold text of the network, or of people
    "fact": ("value",),
    "behaviour": ("object", "device"),
    "site_source": ("point",),
    "finding": ("title", "seen", "expected", "why", "next", "doubt", "device", "protocol", "name"),
    "finding_packet": ("what",),
}
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\ufeff]")

Printed = Callable[..., str]


def spoiled(db: Path, text: str) -> Path:
    """Put the text into every cell that may hold any."""
    connection = sqlite3.connect(db)
    for table, columns in TEXTS.items():
        for column in columns:
            told = f"UPDATE {table} SET {column} = ? || rowid WHERE {column} <> ''"  # noqa: S608 - from TEXTS
            connection.execute(told, (text,))
    for column in LISTS:
        cell = json.dumps([text, text], ensure_ascii=False)
        connection.execute(f"UPDATE finding SET {column} = ?", (cell,))  # noqa: S608 - of LISTS
    connection.commit()
    connection.close()
    words = ("-q", "--db", str(db), "--by", text, "--reason", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time_ns", lambda: 1_800_000_000 * 10**9)
        assert main(["ack", STOP, *words]) == Exit.FINE
        assert main(["assign", STOP, text, *words]) == Exit.FINE
        assert main(["asset", "set", "10.20.1.21", f"note={text}", *words]) == Exit.FINE
    return db


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The plant as it is, with hostile texts, and with their harmless spelling."""
    folder = tmp_path_factory.mktemp("hostile")
    plain = folder / "plain.db"
    assert main(["analyze", "-q", "--db", str(plain), str(CAPTURE)]) == Exit.FINE
    made = []
    for name, text in (("evil", EVIL), ("tame", TAME)):
        (folder / name).mkdir()
        copy = folder / name / "site.db"
        assert main(["db", "backup", "-q", str(copy), "--db", str(plain)]) == Exit.FINE
        made.append(spoiled(copy, text))
    return plain, made[0], made[1]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """What a command prints, run where its store is `site.db`."""

    def run(db: Path, *words: str) -> str:
        monkeypatch.chdir(db.parent)
        capsys.readouterr()
        code = main([*words, "--db", "site.db"])
        told = capsys.readouterr()
        assert code in {Exit.FINE, Exit.FINDINGS}, told.err
        return told.out + told.err

    return run


REPORT_ID = re.compile(r"\b[0-9a-f]{16}\b|rule-[a-z0-9-]+-[0-9a-f]{8}")
PAGES = [
    *(("findings",), ("findings", "--columns", "all"), ("findings", "--all", "--csv")),
    *(("finding", STOP), ("finding", "i95a2575"), ("finding", STOP, "--csv")),
    *(("sessions", "--columns", "all"), ("sessions", "--csv")),
    *(("clocks",), ("clocks", "--csv")),
    *(("asset", "10.20.1.21"), ("asset", "10.20.1.24"), ("assets", "--columns", "all")),
    *(("asset", "10.20.1.21", "--timeline"), ("asset", "10.20.1.24", "--timeline", "--csv")),
    *(("rules", "list"), ("writers",), ("health",), ("audit",), ("audit", "--csv")),
    *(("behaviours", "--columns", "all"), ("conversations",), ("wanted",), ("protocols",)),
    ("selftest", "--rule", "s7-plc-stop", "--no-record"),
    ("report", "assessment", "-o", "-"),
]


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_only_its_cell_shows_it(
    stores: tuple[Path, Path, Path], printed: Printed, words: tuple[str, ...], tmp_path: Path
) -> None:
    """A hostile text prints as its harmless spelling does, and leaves everything else as it is."""
    told = []
    for number, db in enumerate(stores[1:]):  # copies: a report is itself taken down
        folder = tmp_path / str(number)
        folder.mkdir()
        told.append(printed(Path(shutil.copy(db, folder / "site.db")), *words))

    one, other = (REPORT_ID.sub("", text) for text in told)  # of the content as it was sent
    assert one == other
    assert not RAW.search(told[0])


@pytest.mark.parametrize("ends", [("plain", "site"), ("site", "plain")])
@pytest.mark.parametrize("form", [(), ("--csv",)])
def test_only_its_cell_shows_it_in_a_comparison(
    stores: tuple[Path, Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ends: tuple[str, str],
    form: tuple[str, ...],
) -> None:
    """What differs from a hostile store is told as of one with harmless names."""
    plain, *both = stores
    told = []
    for db in both:
        shutil.copy(plain, db.parent / "plain.db")
        monkeypatch.chdir(db.parent)
        capsys.readouterr()
        assert main(["diff", *(f"{name}.db" for name in ends), *form]) == Exit.FINDINGS
        told.append(capsys.readouterr().out)

    assert told[0] == told[1]
    assert not RAW.search(told[0])


def test_it_is_one_cell_of_a_table_for_spreadsheets(
    stores: tuple[Path, Path, Path], printed: Printed
) -> None:
    """CSV has as many cells in each row as in its head, and none that a spreadsheet computes."""
    for words in (("findings", "--all"), ("sessions",), ("clocks",), ("audit",)):
        head, *rows = csv.reader(printed(stores[1], *words, "--csv").splitlines())
        assert rows
        assert {len(row) for row in rows} == {len(head)}
        assert not [cell for row in rows for cell in row if cell[:1] in "=+@" and cell]


def test_json_keeps_what_was_sent(stores: tuple[Path, Path, Path], printed: Printed) -> None:
    """JSON has the very text, escaped, so that nothing of it reaches a terminal."""
    told = printed(stores[1], "findings", "--json")

    assert json.loads(told)["rows"][0]["title"].startswith(EVIL)
    assert not RAW.search(told)


@pytest.mark.parametrize("mask", [(), ("--pseudonymise",)])
def test_evidence_does_not_carry_it_further(
    stores: tuple[Path, Path, Path], printed: Printed, mask: tuple[str, ...]
) -> None:
    """Manifest and comments of evidence hold no control; the manifest is JSON as before."""
    _, evil, tame = stores
    lengths = []
    for db in (evil, tame):
        printed(db, "evidence", STOP, "-w", "out.pcapng", "--force", *mask)
        manifest = (db.parent / "out.pcapng.manifest.json").read_text("utf-8")
        assert not RAW.search(manifest)
        lengths.append(len(json.loads(manifest)["packets"]))
        capture = (db.parent / "out.pcapng").read_bytes()
        assert EVIL.encode() not in capture
        assert b"\x1b[2J" not in capture
    assert lengths[0] == lengths[1] > 1
