"""Captures for evidence: two connections to one controller, and stores made of them."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine_runs import CLIENT, SERVER, Tcp, Wire, analyse, request, response, write

from otsec.cli import main
from otsec.errors import Exit
from otsec.store import open_store

COLUMNS = ("frame.time_epoch", "frame.len", "frame.comment", "_ws.expert.message")


def two_peers() -> Wire:
    """A session that reads often and writes once (register 5), and one that only reads."""
    wire = Wire()
    panel = Tcp(wire)
    laptop = Tcp(wire, ends=(("10.0.0.9", 50_000), ("10.0.0.2", 502)), first=(9_000, 60_000))
    panel.open()
    laptop.open()
    for number in range(40):
        one = laptop if number % 2 else panel
        one.say(CLIENT, request(number, 1, 0, 2))
        one.say(SERVER, response(number, 1, [number, 7]))
        if number == 30:
            panel.say(CLIENT, write(99, 1, 5, 4711))
            panel.say(SERVER, write(99, 1, 5, 4711))
    panel.close()
    return wire


WRITE, ANSWER = 6 + 2 * 31, 6 + 2 * 31 + 1  # ordinals of the write and of its response


def store_of(folder: Path, *captures: bytes, point: str = "tap", **options: Any) -> Path:
    """A store made of the captures, which are laid down as rotated files."""
    paths = []
    for number, content in enumerate(captures):
        path = folder / f"{point}_{number:05d}.pcap"
        path.write_bytes(content)
        paths.append(path)
    analyse(paths, folder / "test.db", point=point, **options)
    return folder / "test.db"


def number_of(db: Path, operation: str) -> int:
    """The number of a behaviour with that operation."""
    with open_store(db, readonly=True) as store:
        ((number,),) = store.all("SELECT number FROM behaviour WHERE operation = ?", (operation,))
    return int(number)


def evidence(db: Path, out: Path, *words: object) -> dict[str, Any]:
    """Write evidence; gives the manifest."""
    given = ["evidence", "--db", db, "-w", out, "--json", "-q", *words]
    assert main([str(word) for word in given]) == Exit.FINE
    found: dict[str, Any] = json.loads((out.parent / f"{out.name}.manifest.json").read_text())
    return found


def by_tshark(path: Path, *columns: str) -> list[list[str]]:
    """Columns of each packet as tshark reads them, check sums looked at."""
    options = [f"{name}.check_checksum:TRUE" for name in ("ip", "tcp", "udp")]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    command += [word for one in options for word in ("-o", one)]
    command += [word for one in columns for word in ("-e", one)]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    return [line.split("|") for line in done.stdout.splitlines()]


def packets(manifest: dict[str, Any]) -> Sequence[int]:
    """The ordinals that a manifest lists."""
    return [one["packet"] for one in manifest["packets"]]
