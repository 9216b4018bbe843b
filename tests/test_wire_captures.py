"""What is asked of a sharkd that stays, against tshark that is started anew."""

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from wire_captures import Sharkd, tshark

OWN = ROOT / "pcaps"
CAPTURES = [OWN / "attacks" / "malformed.pcap", OWN / "modbus" / "all_functions.pcap"]
CHECKED = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE")
FRAMES = ("-e", "frame.number")


@pytest.mark.skipif(not shutil.which("tshark") or not shutil.which("sharkd"), reason="needs tshark")
def test_the_same_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds the frames of each capture, also by a filter and settings that it had before."""
    monkeypatch.setattr("wire_captures.SHARKD", fresh := Sharkd())
    asked: list[tuple[Path, tuple[str, ...]]] = [
        (path, (*settings, "-Y", only, *FRAMES))
        for settings in ((), CHECKED, ())
        for only in ("_ws.malformed", "modbus", "tcp.checksum.status == 1")
        for path in CAPTURES
    ]
    found = [tshark(path, *words) for path, words in asked]
    fresh.close()
    assert found == [_anew(path, *words) for path, words in asked]
    assert len({str(one) for one in found}) > len(CAPTURES)
    assert [] in found


def _anew(path: Path, *words: str) -> list[list[str]]:
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]
