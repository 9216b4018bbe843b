"""`otsec report run`: kinds and formats, what they promise to readers, auditors and machines."""

import csv
import gc
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from big_store import write as write_big
from conftest import ROOT, PlantStore
from inventory_stores import Tap, new_store, tap

from otsec.cli import main
from otsec.errors import Exit, UsageError
from otsec.reports.document import (
    MOST_ROWS,
    TLPS,
    Column,
    Document,
    Key,
    Keys,
    Section,
    Table,
)
from otsec.reports.formats import FORMATS, Manner, finished, write
from otsec.reports.formats.markdown import plain
from otsec.reports.kinds import KINDS
from otsec.reports.period import period
from otsec.reports.since import compared
from otsec.store import open_store
from otsec.store.changes import link
from otsec.store.findings import findings

CAPTURE = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
PLAIN = ("executive", "inventory", "changes", "findings", "sessions", "health", "assessment")
TEXT = ("json", "html", "md", "csv", "oscal")
HOSTILE = '=1+1"><script>alert(1)</script>\u202e\x1b[31m|{{7*7}}`_*<b>'
VOID = {"meta", "br", "col", "hr", "img", "input", "link"}
MANNER = Manner(str, str, str)


def made(db: Path, folder: Path, *words: str) -> dict[str, bytes]:
    """The files of a run."""
    assert main(["report", "run", *words, "-q", "--db", str(db), "-o", str(folder)]) == Exit.FINE
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_file_without_ending(plant_db: Path, tmp_path: Path) -> None:
    """A file that is there is written anew whatever its name; a name without ending that is not is a folder."""
    (tmp_path / "report").write_text("before")
    words = ("report", "run", "inventory", "-q", "--db", str(plant_db), "-o")

    assert main([*words, str(tmp_path / "report")]) == Exit.FINE
    assert main([*words, str(tmp_path / "reports")]) == Exit.FINE
    assert main([*words, str(tmp_path / "report" / "x")]) == Exit.USAGE

    assert (tmp_path / "report").read_bytes().startswith(b"<!DOCTYPE html>")
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["inventory.html"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # XlsxWriter's files
@pytest.mark.parametrize("suffix", ["html", "json", "pdf", "zip", "md", "xlsx", "docx"])
def test_a_disk_that_is_full(
    plant_db: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
) -> None:
    """A report that cannot be written whole leaves the one that was there, and nothing beside it."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / f"report.{suffix}"
    path.write_text("before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    with open_store(plant_db, readonly=True):  # its files beside are there, and need no room
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
        try:
            code = main(["report", "run", "inventory", "--db", str(plant_db), "-o", str(path)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    gc.collect()  # what is left open is told of here, and not in the next test

    assert code == Exit.STORAGE
    assert capsys.readouterr().err.count("\n") == 1
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(path.name, "before")]


def named(db: Path, rule: str) -> str:
    """The id of the finding of a rule."""
    with open_store(db, readonly=True) as store:
        return next(one.id for one in findings(store) if one.name == rule)


def read(db: Path, *words: str) -> Path:
    """A store of the demo plant."""
    assert main(["analyze", "-q", "--db", str(db), *words, str(CAPTURE)]) == Exit.FINE
    return db


@pytest.fixture(scope="module")
def plant_db(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """The same, of a site with a name of two words."""
    return plant_store(tmp_path_factory.mktemp("plant") / "plant.db", "--site", "north works")


@pytest.fixture(scope="module")
def policy(plant_db: Path) -> Path:
    """A policy that otsec suggests for it."""
    path = plant_db.with_name("policy.yaml")
    words = ["policy", "suggest", "-q", "--db", str(plant_db), "-w", str(path)]
    assert main(words) == Exit.FINE
    return path


@pytest.fixture(scope="module")
def every(plant_db: Path, policy: Path) -> dict[str, bytes]:
    """Every kind that needs no framework, in every format of text."""
    words = ("--policy", str(policy), "--finding", named(plant_db, "s7-plc-stop"))
    kinds = (*PLAIN, "segmentation", "incident")
    return made(plant_db, plant_db.parent / "all", *kinds, "--format", ",".join(TEXT), *words)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Tap]:
    """A tap of a store of its own."""
    with new_store(tmp_path) as store:
        yield tap(store, site="hall")


# ------------------------------------------------------------------------------------ bytes


def test_the_same_store_gives_the_same_bytes(
    plant_db: Path, policy: Path, every: dict[str, bytes], tmp_path: Path
) -> None:
    """A store that was read in other batches gives the same files in all formats of text."""
    again = read(tmp_path / "again.db", "--site", "north works", "--batch", "777")
    words = ("--policy", str(policy), "--finding", named(plant_db, "s7-plc-stop"))
    kinds = (*PLAIN, "segmentation", "incident")
    assert made(again, tmp_path / "b", *kinds, "--format", ",".join(TEXT), *words) == every


@pytest.mark.parametrize("name", ["pdf", "xlsx", "docx"])
def test_the_same_report_gives_the_same_archive(
    plant_db: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Office documents and PDF bear no time and no chance, nor the folder's archive of CSV."""
    pytest.importorskip({"pdf": "weasyprint", "xlsx": "xlsxwriter", "docx": "docx"}[name])
    one = made(plant_db, tmp_path / "one", "executive", "--format", name)
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    assert made(plant_db, tmp_path / "other", "executive", "--format", name) == one


def test_the_id_is_a_hash_of_the_json(every: dict[str, bytes]) -> None:
    """Who has the JSON can check the id by sha256sum, and all formats bear the same one."""
    from hashlib import sha256

    for kind in PLAIN:
        text = every[f"{kind}.json"]
        told = json.loads(text)["id"]
        assert sha256(text.partition(b"\n")[2]).hexdigest().startswith(told)
        assert told.encode() in every[f"{kind}.html"]
        assert told.encode() in every[f"{kind}.md"]


# ------------------------------------------------------------------------------------- html


class Page(HTMLParser):
    """What a browser would make of a page, with what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.wrong: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"{tag} is not closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down a tag."""
        if tag not in VOID:
            self.open.append(tag)
        if len({name for name, _ in attrs}) < len(attrs):
            self.wrong.append(f"{tag} says something twice")
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down a tag of a drawing, which is closed by itself."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"{tag} is closed where it is not open")

    def handle_data(self, data: str) -> None:
        """Take down text."""
        self.text.append(data)


def problems(text: str) -> list[str]:
    """What is wrong with a page, by the rules that a reader with a screen reader depends on."""
    page = Page(text)
    tags, found = page.tags, page.wrong
    names = [tag for tag, _ in tags]
    attributes = [(tag, name, value) for tag, all_ in tags for name, value in all_.items()]
    found += [f"<{tag}>" for tag in names if tag in {"script", "iframe", "object", "embed", "base",
              "link", "form", "img", "foreignobject", "image", "use"}]  # fmt: skip
    found += [f"{name} of {tag}" for tag, name, _ in attributes
              if name in {"src", "srcset", "data", "action", "xlink:href", "background", "poster"}
              or name.startswith("on")]  # fmt: skip
    found += [f"a link to {value}" for _, name, value in attributes
              if name == "href" and not value.startswith("#")]  # fmt: skip
    ids = [value for _, name, value in attributes if name == "id"]
    found += [f"id {one} twice" for one in ids if ids.count(one) > 1]
    found += [f"no {value} to go to" for _, name, value in attributes
              if name == "href" and value[1:] not in ids]  # fmt: skip
    if re.search(r"url\(|@import|https?:", text):
        found.append("a reference to outside")
    levels = [int(tag[1]) for tag in names if re.fullmatch("h[1-6]", tag)]
    found += [
        "a heading is left out" for a, b in zip([0, *levels], levels, strict=False) if b > a + 1
    ]
    found += [] if levels.count(1) == 1 else ["not one h1"]
    found += [] if tags[0][1].get("lang") == "en" else ["no language"]
    found += [] if names.count("main") == 1 and "title" in names else ["no main or no title"]
    found += ["a table without caption" for n, tag in enumerate(names)
              if tag == "table" and names[n + 1] != "caption"]  # fmt: skip
    found += ["a head without scope" for tag, all_ in tags if tag == "th" and "scope" not in all_]
    for n, (tag, all_) in enumerate(tags):
        if tag == "svg" and (all_.get("role") != "img" or not all_.get("aria-label")
                             or names[n + 1] != "title"):  # fmt: skip
            found.append("a drawing without words")
        if all_.get("class", "").startswith("wide") and all_.get("tabindex") != "0":
            found.append("a table that the keyboard cannot scroll")
    return found


def test_pages_stand_alone_and_are_accessible(every: dict[str, bytes]) -> None:
    """Every kind: nothing fetched, no script, tags closed, headings in order, tables named."""
    pages = {name: text for name, text in every.items() if name.endswith(".html")}
    assert len(pages) == len(PLAIN) + 2
    assert {name: found for name, text in pages.items() if (found := problems(text.decode()))} == {}


def test_the_check_of_pages_finds_what_is_wrong() -> None:
    """The rules of these tests see a page that breaks them."""
    bad = (
        "<html><head><title>x</title></head><body><main><h1>a</h1><h3>b</h3><table><tr><th>c</th>"
        '</tr></table><svg></svg><img src="https://example.org/x.png"></main></body></html>'
    )
    for wrong in ("<img>", "src of img", "a reference to outside", "a heading is left out",
                  "no language", "a table without caption", "a head without scope",
                  "a drawing without words"):  # fmt: skip
        assert wrong in problems(bad)


def test_page_one_tells_what_was_not_seen(every: dict[str, bytes]) -> None:
    """In each kind changes, figures and coverage come first, and the method and checks last."""
    for kind in (*PLAIN, "segmentation", "incident"):
        sections = [one["name"] for one in json.loads(every[f"{kind}.json"])["sections"]]
        assert sections[:3] == ["changes", "figures", "coverage"]
        assert "exceptions" in sections
        assert sections[-1] == ("method" if kind == "executive" else "verification")
        told = " ".join(Page(every[f"{kind}.html"].decode()).text)
        assert "rules of firewalls" in told
        assert "This is the first report of its kind" in told


def test_ratios_of_text_to_ground_are_enough() -> None:
    """Every colour of text in the style has a contrast of 4.5 to 1 on its ground."""
    style = (ROOT / "otsec" / "reports" / "formats" / "report.css").read_text("utf-8")
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", style))

    def light(colour: str) -> float:
        parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        high, low = sorted((light(one), light(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for name in ("ink", "soft", "blue", "red"):
        assert contrast(colours[name], colours["pale"]) >= 4.5, name
    for name in ("red", "orange", "green", "grey", "dark", "blue"):  # tags have white letters
        assert contrast("#ffffff", colours[name]) >= 4.5, name


# ----------------------------------------------------------------------------------- tables


@pytest.fixture(scope="module")
def crowd_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 700 assets and 1,500 findings."""
    db = tmp_path_factory.mktemp("crowd") / "crowd.db"
    write_big(db, assets=700, conversations_=900, findings_=1500)
    return db


def test_pages_show_500_rows_and_name_the_file_of_all(crowd_db: Path, tmp_path: Path) -> None:
    """The worst 500 are shown, the number left out is told, and the CSV and JSON have all."""
    files = made(crowd_db, tmp_path, "findings", "--format", "html,json,csv,md")
    page = Page(files["findings.html"].decode())
    rows = list(csv.DictReader(io.StringIO(files["findings.findings.csv"].decode())))
    (table,) = [
        block for section in json.loads(files["findings.json"])["sections"]
        for block in section["blocks"] if block.get("name") == "findings"
    ]  # fmt: skip

    assert len(rows) == len(table["rows"]) == 1500
    assert [row["level"] for row in rows[:300]] == ["critical"] * 300
    left = "more rows are not shown here; findings.findings.csv (--format csv) has all."
    assert f"1\u00a0000 {left}" in page.text
    assert sum(text == rows[499]["id"] for text in page.text) >= 1
    assert rows[500]["id"] not in page.text
    assert left.replace("_", r"\_") in files["findings.md"].decode()


def test_documents_of_word_show_500_rows_and_sheets_all(crowd_db: Path, tmp_path: Path) -> None:
    """DOCX is cut as the page is; XLSX has a sheet of all rows, and neither has a formula."""
    docx, openable = pytest.importorskip("docx"), pytest.importorskip("xlsxwriter")
    assert openable
    files = made(crowd_db, tmp_path, "inventory", "--format", "docx,xlsx")
    grids = docx.Document(io.BytesIO(files["inventory.docx"])).tables
    assert max(len(grid.rows) for grid in grids) == MOST_ROWS + 1
    with ZipFile(io.BytesIO(files["inventory.xlsx"])) as book:
        sheets = [book.read(name).decode() for name in book.namelist() if "/sheet" in name]
        assert max(sheet.count("<row ") for sheet in sheets) == 701
        assert not any("<f>" in sheet for sheet in sheets)


def test_hostile_names_change_nothing(net: Tap, tmp_path: Path) -> None:
    """Markup, formulas, controls and pipes in what a device says stand as text in every format."""
    net.heard("00:1b:1b:00:00:01", "10.0.0.1")
    net.says("10.0.0.1", "s7comm", name=HOSTILE, vendor=HOSTILE, order_number=HOSTILE)
    net.write()
    files = made(net.store.path, tmp_path / "o", "inventory", "--format", ",".join(TEXT))
    page = Page(files["inventory.html"].decode())
    cells = next(csv.DictReader(io.StringIO(files["inventory.assets.csv"].decode())))

    assert problems(files["inventory.html"].decode()) == []
    assert "script" not in {tag for tag, _ in page.tags}
    assert cells["vendor"].startswith("'=1+1")
    for content in files.values():
        assert b"\x1b" not in content
        assert "\u202e".encode() not in content
    rows = [line for line in files["inventory.md"].decode().splitlines() if "alert" in line]
    assert rows
    assert all(r"\<script\>" in line and r"\|" in line for line in rows)


def test_markdown_shows_text_as_it_is() -> None:
    """What Markdown would read as a mark is escaped; words stay."""
    assert plain("a_b *c* [d](e) `f` <g> #h | 1. x") == (
        r"a\_b \*c\* \[d\](e) \`f\` \<g\> \#h \| 1. x"
    )
    assert plain("1. first") == r"\1. first".replace(r"\1.", "\\1.")
    assert plain("- item") == r"\- item"


def test_times_of_csv_are_utc(plant_db: Path, tmp_path: Path) -> None:
    """Pages have the site's zone; CSV and JSON have UTC, whatever the site's zone is."""
    config = tmp_path / "otsec.yaml"
    config.write_text(f"site: north works\ntime_zone: Asia/Tokyo\nstore: {plant_db}\n", "utf-8")
    words = ["report", "run", "changes", "--format", "csv,html,json", "-q", "-o"]
    assert main([*words, str(tmp_path / "o"), "--config", str(config)]) == Exit.FINE

    told = (tmp_path / "o" / "changes.operations.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(told)))
    assert rows[0]["time"].startswith("2026-01-05T08:0")
    assert rows[0]["time"].endswith("Z")
    assert "2026-01-05 17:07:20+09:00" in (tmp_path / "o" / "changes.html").read_text("utf-8")
    assert (
        json.loads((tmp_path / "o" / "changes.json").read_text())["period"]["zone"] == "Asia/Tokyo"
    )


# ------------------------------------------------------------------------------------ marks


@pytest.mark.parametrize("mark", TLPS)
def test_the_mark_stands_in_every_format(plant_db: Path, tmp_path: Path, mark: str) -> None:
    """TLP is in the JSON, on the page, in its print style, in Markdown and in OSCAL."""
    files = made(
        plant_db, tmp_path, "health", "--format", "json,html,md,oscal", "--tlp", mark.lower()
    )
    assert json.loads(files["health.json"])["tlp"] == f"TLP:{mark}"
    page = files["health.html"].decode()
    assert f'@top-right {{ content: "TLP:{mark}"; }}' in page
    assert f">TLP:{mark}</div>" in page
    assert f"**TLP:{mark}**" in files["health.md"].decode()
    assert f'"value": "TLP:{mark}"' in files["health.oscal.json"].decode()


def test_every_page_of_the_pdf_bears_the_mark(plant_db: Path, tmp_path: Path) -> None:
    """The mark and the report's id are on each page of the PDF, and the executive has two."""
    pytest.importorskip("weasyprint")
    if not shutil.which("pdftotext"):
        pytest.skip("needs poppler-utils")
    files = made(plant_db, tmp_path, "executive", "health", "--format", "json,pdf", "--tlp", "red")
    for kind in ("executive", "health"):
        told = subprocess.run(
            ["pdftotext", "-layout", str(tmp_path / f"{kind}.pdf"), "-"],
            check=True, capture_output=True, encoding="utf-8",
        ).stdout  # fmt: skip
        pages = told.split("\f")[:-1]
        assert all("TLP:RED" in page for page in pages)
        assert all(json.loads(files[f"{kind}.json"])["id"] in page for page in pages)
        assert kind != "executive" or len(pages) == 2


def test_pdf_without_weasyprint_says_what_to_do(
    plant_db: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the extra is missing one line names it, and how to do without."""
    monkeypatch.setitem(__import__("sys").modules, "weasyprint", None)
    words = ["report", "run", "health", "--format", "pdf", "-q", "--db", str(plant_db)]
    assert main([*words, "-o", str(tmp_path)]) == Exit.USAGE
    assert "otsec-monitor[pdf]" in capsys.readouterr().err


# ---------------------------------------------------------------------------------- decided


def test_what_a_record_announces_is_told_by_the_record(plant_db: Path, tmp_path: Path) -> None:
    """A finding that nobody decided of and a change announces stands as expected, with the change."""
    db = Path(shutil.copy(plant_db, tmp_path / "a.db"))
    with open_store(db) as store:
        stop = next(one for one in findings(store) if one.name == "s7-plc-stop")
        link(store, {stop.id: "CHG-4711"})
    files = made(db, tmp_path / "out", "findings", "health", "--format", "csv")
    decided = list(csv.DictReader(io.StringIO(files["findings.decided.csv"].decode())))
    spared = list(csv.DictReader(io.StringIO(files["health.exceptions.csv"].decode())))
    assert [(one["id"], one["state"], one["by"], one["reason"]) for one in decided] == [
        (stop.short, "expected", "", "announced by change CHG-4711")
    ]
    assert [(one["state"], one["reason"]) for one in spared] == [
        ("expected", "announced by change CHG-4711")
    ]


def test_reports_do_not_tell_where_files_of_the_site_lie(
    plant_db: Path, policy: Path, tmp_path: Path
) -> None:
    """Of what the site says for its controls the name of the file is told, and not its folder."""
    said = tmp_path / "folder of kim" / "said.yaml"
    said.parent.mkdir()
    said.write_text("otsec_compliance: 1\nabsent: [wireless]\nretention: {required_days: 9}\n")
    words = ("--framework", "nerc-cip", "--policy", str(policy), "--inputs", str(said))
    files = made(plant_db, tmp_path / "out", "evidence", *words, "--format", "json,html")
    assert all(b"said.yaml" in one and b"kim" not in one for one in files.values())


# -------------------------------------------------------------------------------- redaction


def test_redacted_reports_name_nobody(plant_db: Path, policy: Path, tmp_path: Path) -> None:
    """No address, name, site or point of the plant is left in any format, nor an id of theirs."""
    stop = named(plant_db, "s7-plc-stop")
    words = ("--policy", str(policy), "--finding", stop, "--redact", "--format", ",".join(TEXT))
    files = made(plant_db, tmp_path, *PLAIN, "segmentation", "incident", *words)
    with open_store(plant_db, readonly=True) as store:
        from otsec.inventory.assembly import inventory

        assets = inventory(store).assets
        told = {node for asset in assets for node in (*asset.ips, *asset.macs, asset.id)}
        told |= {asset.name for asset in assets} | {asset.value("serial") for asset in assets}
        told |= {one.id for one in findings(store)}
    told |= {"north works", "ten_minutes", "DESKTOP-7Q2K1", "10.20.1.", "net-10-20-1"}
    kept = {"", "10.20.1.255", "10.20.1.1"} | {one for one in told if one.startswith("01:")}
    for name, content in files.items():
        text = content.decode()
        left = {
            one for one in told - kept
            if re.search(rf"(?<![\w.]){re.escape(one)}(?![\w])", text, re.IGNORECASE)
        }  # fmt: skip
        assert left == set(), name
    assert json.loads(files["health.json"])["redacted"]


def test_pseudonyms_are_the_same_in_all_reports(plant_db: Path, tmp_path: Path) -> None:
    """With one key a host has one name, today and in the next report; with another key another."""

    def names(key: str, folder: str) -> list[str]:
        words = ("inventory", "--redact", "ip,hostname", "--key", str(tmp_path / key))
        files = made(plant_db, tmp_path / folder, *words, "--format", "csv")
        rows = csv.DictReader(io.StringIO(files["inventory.assets.csv"].decode()))
        return sorted(row["name"] for row in rows)

    first = names("one.key", "a")
    assert names("one.key", "b") == first
    assert set(names("two.key", "c")).isdisjoint(first)


def test_only_what_is_named_is_redacted(plant_db: Path, tmp_path: Path) -> None:
    """`--redact ip` leaves names, and `--redact hostname` leaves addresses."""
    ips = made(plant_db, tmp_path / "a", "findings", "--redact", "ip", "--format", "html")
    names = made(plant_db, tmp_path / "b", "findings", "--redact", "hostname", "--format", "html")
    assert b"DESKTOP-7Q2K1" in ips["findings.html"]
    assert b"10.20.1.199" not in ips["findings.html"]
    assert b"DESKTOP-7Q2K1" not in names["findings.html"]
    assert b"10.20.1.199" in names["findings.html"]


# -------------------------------------------------------------------------------- last, time


def report(assets: int, rows: tuple[str, ...]) -> Document:
    """A small report."""
    table = Table("hosts", "Hosts", (Column("name", "Name"),), tuple((one,) for one in rows),
                  key=("name",))  # fmt: skip
    return Document(
        "inventory", "Inventory", "hall", "", 0, 10**9, "", "UTC", "AMBER", (), (),
        (Section("changes", "Since", ()), Section("figures", "Figures", (
            Keys((Key("assets", assets, "of all"),)), table))),
    )  # fmt: skip


def test_a_report_tells_what_changed_since_the_last() -> None:
    """Figures have their last value, and rows that are new or gone are named."""
    (file,) = write(finished(report(2, ("a", "b"))), "json", MANNER)
    now = compared(report(3, ("b", "c", "d")), json.loads(file[1]))
    head, points = now.sections[0].blocks

    assert next(iter(now.key_figures())).last == 2
    assert "Compared with report" in head.text  # type: ignore[union-attr]
    assert points.items == ("Figures: assets 2 \u2192 3.", "Hosts: 2 new (c; d), 1 gone (a).")  # type: ignore[union-attr]
    same = compared(report(2, ("a", "b")), json.loads(file[1]))
    assert "Nothing that it lists has changed." in same.sections[0].blocks[0].text  # type: ignore[union-attr]


def test_the_last_report_is_named_by_its_file(plant_db: Path, tmp_path: Path) -> None:
    """`--last` takes the JSON that a run wrote; of the same store nothing has changed."""
    made(plant_db, tmp_path / "a", "findings", "--format", "json")
    last = tmp_path / "a" / "findings.json"
    files = made(plant_db, tmp_path / "b", "findings", "--format", "html", "--last", str(last))
    told = " ".join(Page(files["findings.html"].decode()).text)
    assert "Nothing that it lists has changed." in told
    assert "as in the last report" in told


BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600 * 10**9


@pytest.mark.parametrize(
    ("text", "begin", "hours"),
    [
        ("2026", "2025-12-31T23:00", 8760),
        ("2026-Q1", "2025-12-31T23:00", 90 * 24 - 1),  # the clocks go forward in March
        ("2026-03", "2026-02-28T23:00", 31 * 24 - 1),
        ("2026-10", "2026-09-30T22:00", 31 * 24 + 1),  # and back in October
        ("2026-W01", "2025-12-28T23:00", 168),
        ("2026-03-29", "2026-03-28T23:00", 23),
        ("2026-02-27..2026-03", "2026-02-26T23:00", 33 * 24 - 1),
        ("2d", "2026-06-28T12:00", 48),
    ],
)
def test_periods_are_days_of_the_site(text: str, begin: str, hours: int) -> None:
    """A period in words is whole days by the site's clock, also where these are 23 or 25 hours."""
    from datetime import datetime

    newest = int(datetime.fromisoformat("2026-06-30T12:00+00:00").timestamp()) * 10**9 - 1
    found = period(text, BERLIN, newest)
    assert found.begin == int(datetime.fromisoformat(f"{begin}+00:00").timestamp()) * 10**9
    assert found.end - found.begin + 1 == hours * HOUR


@pytest.mark.parametrize(
    "text", ["", "2026-13", "2026-1", "yesterday", "0d", "2026-02-30", "2026-Q5"]
)
def test_other_periods_are_refused(text: str) -> None:
    """What is no period is told with what one looks like."""
    with pytest.raises(UsageError, match="write 2026, 2026-Q1"):
        period(text, BERLIN, 0)


def test_a_period_leaves_out_what_was_not_seen_in_it(plant_db: Path, tmp_path: Path) -> None:
    """A report of a day on which nothing was captured says so, and lists nothing."""
    files = made(plant_db, tmp_path, "findings", "--period", "2026-01-06", "--format", "html,json")
    told = " ".join(Page(files["findings.html"].decode()).text)
    assert "Nothing was captured of this site in this time" in told
    figures = {
        one["name"]: one["value"] for section in json.loads(files["findings.json"])["sections"]
        for block in section["blocks"] if block["block"] == "figures" for one in block["figures"]
    }  # fmt: skip
    assert set(figures.values()) == {0}


# ------------------------------------------------------------------------------------ oscal


def test_oscal_never_calls_anything_satisfied(every: dict[str, bytes]) -> None:
    """Findings are observations with their packets' time; ids are uuids, none twice."""
    told = json.loads(every["findings.oscal.json"])["assessment-results"]
    (result,) = told["results"]
    uuids = re.findall(r'"uuid": "([^"]+)"', every["findings.oscal.json"].decode())

    assert told["metadata"]["oscal-version"] == "1.1.2"
    assert told["metadata"]["last-modified"].startswith("2026-01-05T08:09:59")
    rows = csv.DictReader(io.StringIO(every["findings.findings.csv"].decode()))
    assert len(result["observations"]) == len(list(rows)) > 9
    assert {one["methods"][0] for one in result["observations"]} == {"EXAMINE"}
    assert "findings" not in result
    assert b'"satisfied"' not in every["findings.oscal.json"]
    assert len(set(uuids)) == len(uuids)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one) for one in uuids)


# --------------------------------------------------------------------------------- evidence


def test_evidence_names_packets_limits_and_populations(
    plant_db: Path, policy: Path, tmp_path: Path
) -> None:
    """Contradicted rows name packets that the population has, and nothing is called compliant."""
    pytest.importorskip("otsec.controls")
    words = ("--framework", "iec-62443-3-3", "--policy", str(policy))
    files = made(plant_db, tmp_path, "evidence", *words, "--format", "html,csv,oscal")
    name = "evidence-iec-62443-3-3"

    def rows(table: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(files[f"{name}.{table}.csv"].decode())))

    controls = rows("controls")
    against = {row["control"] for row in rows("against")}
    found = json.loads(files[f"{name}.oscal.json"])["assessment-results"]["results"][0]["findings"]

    assert len(controls) == 40
    assert all(row["limits"] and row["coverage"] for row in controls)
    assert {row["control"] for row in controls if row["status"] == "contradicted"} == against
    assert against
    assert len(found) == len(against)
    assert {one["target"]["status"]["state"] for one in found} == {"not-satisfied"}
    assert {row["packet"] for row in rows("against")} <= {
        row["packet"] for row in rows("population")
    }
    assert problems(files[f"{name}.html"].decode()) == []
    assert b"ompliant" not in files[f"{name}.html"]


# --------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("executiv",), "no KIND 'executiv'; did you mean executive?"),
        (("health", "--format", "htm"), "--format: no 'htm'; did you mean html?"),
        (("health", "--tlp", "blue"), "no mark 'blue'; there are: CLEAR, GREEN"),
        (("health", "--redact", "mac"), "--redact: no 'mac'; there are: ip, hostname, user"),
        (("health", "--key", "x"), "--key: only --redact needs it"),
        (("segmentation",), "report segmentation: say --policy FILE"),
        (("evidence",), "report evidence: say --framework NAME"),
        (("incident",), "report incident: say --finding ID"),
        (("incident", "--finding", "zzz"), "no finding 'zzz'"),
        (("health", "--period", "soon"), "period 'soon': write 2026"),
        (("health", "findings", "-o", "x.html"), "x.html: is one file; name a folder"),
        (("health", "--format", "csv", "-o", "-"), "standard output takes one report"),
    ],
)
def test_mistakes_are_told_in_a_line(
    plant_db: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    wrong: str,
) -> None:
    """What cannot be made is told in one line with what can."""
    monkeypatch.chdir(tmp_path)
    assert main(["report", "run", *words, "-q", "--db", str(plant_db)]) == Exit.USAGE
    told = capsys.readouterr().err
    assert wrong in told
    assert told.count("\n") == 1


def test_a_file_that_is_no_report_is_refused(
    plant_db: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--last` with another JSON file says what to name."""
    other = tmp_path / "other.json"
    other.write_text('{"rows": []}', "utf-8")
    words = ["report", "run", "health", "--last", str(other), "--db", str(plant_db)]
    assert main([*words, "-o", str(tmp_path)]) == Exit.INPUT
    assert "is no report of otsec; name its .json" in capsys.readouterr().err


def test_the_output_tells_the_format(plant_db: Path, tmp_path: Path) -> None:
    """The ending of the file is enough; CSV as a file is one archive with a fixed date."""
    for name, begin in (("r.json", b'{"schema"'), ("r.md", b"# "), ("r.csv.zip", b"PK")):
        words = ["report", "run", "health", "-q", "--db", str(plant_db), "-o", str(tmp_path / name)]
        assert main(words) == Exit.FINE
        assert (tmp_path / name).read_bytes().startswith(begin)
    with ZipFile(tmp_path / "r.csv.zip") as archive:
        assert "health.verdicts.csv" in archive.namelist()
        assert {one.date_time[0] for one in archive.infolist()} == {1980}


def test_kinds_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every kind stands in the list with its reader and what it needs."""
    assert main(["report", "kinds", "--json"]) == Exit.FINE
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["name"] for row in rows] == [*KINDS]
    assert {row["name"] for row in rows if row["needs"]} == {"segmentation", "evidence", "incident"}
    assert all(row["reader"] and row["about"] for row in rows)
    assert set(FORMATS) == {"json", "html", "pdf", "csv", "md", "xlsx", "docx", "oscal"}
