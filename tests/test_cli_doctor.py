"""`otsec doctor`: what is found, what is missing, and the exit code."""

import json
import os
from pathlib import Path

import pytest

from otsec.cli import doctor, main
from otsec.cli.doctor import Check
from otsec.errors import Exit


def test_a_machine_that_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Here every required thing is present: exit code 0, nothing left behind."""
    assert main(["doctor", "--db", str(tmp_path / "site.db"), "--json"]) == 0
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)["rows"]}

    assert list(rows) == [
        "Python", "NumPy", "SQLite", "zstandard", "machine", "configuration", "store",
        "file system", "disk", "clock", "tshark",
    ]  # fmt: skip
    assert {row["state"] for row in rows.values()} <= {"ok", "note"}
    assert rows["store"]["found"] == f"{tmp_path}: a store with write-ahead log can be made"
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there is a problem of storage, and every other check is still made."""
    assert main(["doctor", "--db", str(tmp_path / "none" / "site.db"), "--csv"]) == 5
    out = capsys.readouterr().out

    assert f"store,problem,{tmp_path / 'none'}: no such folder," in out
    assert "\nclock," in out


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_a_folder_that_refuses(tmp_path: Path) -> None:
    """A folder that may not be written is a problem of permission."""
    tmp_path.chmod(0o500)

    assert doctor.writable(tmp_path).exit == Exit.PERMISSION


def test_a_wrong_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mistakes in otsec.yaml are a problem that names the command which tells them all."""
    monkeypatch.chdir(tmp_path)
    Path("otsec.yaml").write_text("sit: a\nstor: b\n")

    assert main(["doctor", "--jsonl"]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = (line for line in lines if line["what"] == "configuration")
    assert told["state"] == "problem"
    assert told["found"] == (
        'otsec.yaml:1:1: otsec.yaml has no "sit"; did you mean "site"? (and 1 more)'
    )
    assert told["advice"] == "`otsec config check` tells every mistake"


def test_versions_too_old() -> None:
    """A version is compared by its numbers, not by its text."""
    assert doctor._at_least("X", "1.9.1", (1, 26), "update") == Check(
        "X", "problem", "1.9.1, older than 1.26", "update"
    )
    assert doctor._at_least("X", "2.0.0rc1", (1, 26), "update") == Check("X", "ok", "2.0.0rc1")


def test_the_file_system_of_a_folder(tmp_path: Path) -> None:
    """The mount that lies deepest above the folder counts; a network is told."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "disk / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\ndisk2 /data\\040two xfs rw 0 0\n"
    )

    kinds = [
        doctor._file_system(Path(folder), mounts)
        for folder in ("/home/x", "/data", "/data/y", "/data two/z", "/database")
    ]
    assert kinds == ["ext4", "nfs4", "nfs4", "xfs", "ext4"]
    assert doctor._file_system(tmp_path, tmp_path / "none") is None


def test_a_missing_tshark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otsec works without tshark, so its absence is a note."""
    monkeypatch.setattr("shutil.which", lambda _: None)

    assert doctor.tshark().state == "note"
