"""The baseline as people use it: learned from the first half of the plant, judged by the second."""

import json
import struct
from pathlib import Path

import pytest
from conftest import ROOT, Command, PlantStore

from otsec.store import open_store
from otsec.store.baseline import Line, lines

PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
WHO = ("--by", "Anna Example", "--reason", "first five minutes")


def halves(folder: Path) -> tuple[Path, Path]:
    """The capture cut after five minutes."""
    raw = PLANT.read_bytes()
    at, begun, parts = 24, None, (bytearray(raw[:24]), bytearray(raw[:24]))
    while at < len(raw):
        seconds, _, size, _ = struct.unpack_from("<IIII", raw, at)
        begun = seconds if begun is None else begun
        parts[seconds - begun >= 300].extend(raw[at : at + 16 + size])
        at += 16 + size
    paths = folder / "first.pcap", folder / "second.pcap"
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    return paths


def kept(path: Path) -> list[Line]:
    """The lines of a store."""
    with open_store(path, readonly=True) as store:
        return lines(store)


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, otsec_command: Command
) -> tuple[Path, Path, Path]:
    """A store with the first half, approved and closed; the halves themselves."""
    folder = tmp_path_factory.mktemp("site")
    first, second = halves(folder)
    store = folder / "site.db"
    assert otsec_command("analyze", first, "--db", store, "-q").returncode == 0
    done = otsec_command("baseline", "approve", "--all", "--complete", *WHO, "--db", store)
    assert done.returncode == 0, done.stderr
    return store, first, second


def test_a_laptop_that_writes_is_told_and_nothing_else(
    site: tuple[Path, Path, Path], otsec_command: Command
) -> None:
    """Of five minutes with a laptop that scans, stops and writes, the baseline tells what rules do not, or call less bad."""
    store, _, second = site
    otsec_command("analyze", second, "--db", store, "-q")
    told = otsec_command("findings", "category:baseline", "--db", store, "--json").stdout

    rows = [(one["name"], one["client"], one["server"]) for one in json.loads(told)["rows"]]
    assert rows == [
        ("new-writer", "10.20.1.15", "10.20.1.21"),  # a restart, which the rule calls medium
        ("new-writer", "10.20.1.199", "10.20.1.23"),
        ("new-device", "", "10.20.1.199"),
    ]
    dump = otsec_command("db", "dump", "--db", store).stdout
    assert "s7-plc-stop" in dump
    assert "new-writer" not in dump
    assert "first five minutes" not in dump
    told = otsec_command("finding", json.loads(told)["rows"][1]["id"], "--db", store).stdout
    page = " ".join(told.split())
    assert "holding 100 = 2950" in page
    assert "It is changed by 10.20.1.11 (approved by Anna Example)." in page
    why = otsec_command("explain", "10.20.1.199", "10.20.1.21", "--db", store, "--json").stdout
    stop = [one for one in json.loads(why)["rows"] if one["what"].startswith("plc_stop")]
    assert [(one["verdict"], one["why"]) for one in stop] == [("told", "by the rule s7-plc-stop")]


def test_text_goes_round(
    site: tuple[Path, Path, Path], otsec_command: Command, tmp_path: Path
) -> None:
    """What is exported is the same as what is kept; changed by hand the difference is told."""
    store, _, _ = site
    text = tmp_path / "baseline.txt"
    otsec_command("baseline", "export", "-o", text, "--db", store)
    same = otsec_command("baseline", "diff", "--with", text, "--db", store)
    lines = text.read_text("utf-8").splitlines()
    other = [one for one in lines if not one.startswith("writer ")]
    text.write_text("\n".join([*other, "device site=site server=10.9.9.9"]), "utf-8")
    found = otsec_command("baseline", "diff", "--with", text, "--db", store, "--json")

    assert (same.returncode, same.stdout) == (0, "")
    assert found.returncode == 1
    rows = json.loads(found.stdout)["rows"]
    assert [(one["change"], one["server"]) for one in rows if one["kind"] == "device"] == [
        ("new", "10.9.9.9")
    ]
    assert {one["change"] for one in rows if one["kind"] == "writer"} == {"gone"}
    text.write_text("device site=site\nnonsense\n", "utf-8")
    wrong = otsec_command("baseline", "import", text, *WHO, "--db", store)
    assert wrong.returncode == 2
    assert f"{text}:2: 'nonsense' is no kind" in wrong.stderr


def test_audit_names_the_laptop(
    otsec_command: Command, plant_store: PlantStore, tmp_path: Path
) -> None:
    """Before anything is protected the stop, the scans and the laptop's writes are listed."""
    store = plant_store(tmp_path / "plant.db")
    learned = otsec_command("baseline", "learn", "--db", store)
    told = json.loads(otsec_command("baseline", "audit", "--db", store, "--json").stdout)["rows"]

    assert "new things" in learned.stderr
    assert [one for one in kept(store) if one.cls == "mode"] == []
    assert {
        ("asked many that never answered", "10.20.1.199", "several"),
        ("changed by an unlikely host", "10.20.1.199", "10.20.1.23"),
    } <= {(one["risk"], one["client"], one["server"]) for one in told}
    stop = [one for one in told if one["what"].startswith("mode: plc_stop")]
    assert [(one["level"], one["state"]) for one in stop] == [("high", "needs a person")]
    status = json.loads(otsec_command("baseline", "status", "--db", store, "--json").stdout)["rows"]
    assert len(status) == 21
    assert {one["state"] for one in status} == {"learning"}
    assert all("more days of watching" in one["open"][-1] for one in status)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("approve", "class:write"), "say why with --reason"),
        (("approve",), "name things by id or filter, or say --all"),
        (("approve", "client:1.2.3.4", "--reason", "x"), "nothing matches"),
        (("forget", "deadbeef99", "--reason", "x"), "nothing matches"),
        (("approve", "color:red", "--reason", "x"), "no filter 'color'"),
        (("import", "nowhere.txt", "--reason", "x"), "nowhere.txt: no such file"),
        (("learn", "--until", "someday"), "'someday' is no time"),
    ],
)
def test_mistakes_are_one_line(
    site: tuple[Path, Path, Path], otsec_command: Command, words: tuple[str, ...], expected: str
) -> None:
    """What cannot be done is said in one line, and changes nothing."""
    store, _, _ = site
    before = kept(store)
    done = otsec_command("baseline", *words, "--db", store)

    assert done.returncode in {2, 3}
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert kept(store) == before


def test_explaining_nothing(site: tuple[Path, Path, Path], otsec_command: Command) -> None:
    """What was never seen or learned cannot be explained, and that is said."""
    store, _, _ = site
    done = otsec_command("explain", "192.0.2.1", "192.0.2.2", "--db", store)

    assert done.returncode == 2
    assert "nothing seen or learned is meant by '192.0.2.1 192.0.2.2'" in done.stderr
