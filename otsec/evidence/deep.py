"""Deep dissection of a few packets by tshark, in a child that can do no harm.

The child (`dissector`) has no network, no rights, and a bound on memory, time and what it may
tell. Whatever becomes of tshark there, this side gets a result in time: what was read until then,
and why it is not all.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MEMORY = 2 << 30  # bytes of address space; tshark 4 maps 600 MB before it reads a packet
SECONDS = 30  # by the clock, and of CPU
MOST_TOLD = 64 << 20  # bytes that the child may write
MOST_PACKETS = 2_000
NOBODY = 65_534
# Names are not looked up, and nothing of the user's own Wireshark settings is read: -n and HOME.
OPTIONS = ("-o", "nameres.mac_name:FALSE", "-o", "nameres.network_name:FALSE")
KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH")  # of the environment


@dataclass(frozen=True, slots=True)
class Layer:
    """One protocol of a packet, as tshark shows it. Text of the network: not cleaned."""

    name: str
    fields: tuple[tuple[str, str], ...]  # Wireshark's name of the field, and how it shows it
    more: int  # fields that were left out


@dataclass(frozen=True, slots=True)
class Dissection:
    """What tshark made of some packets."""

    packets: tuple[tuple[Layer, ...], ...]  # the first ones, as far as it came
    how: str  # `pyshark` or `pdml`; empty: nothing was read
    problem: str  # why it is not all, one line; empty: it is
    note: str  # what was otherwise than meant
    given_up: dict[str, bool]  # what the child could not do any more: network, user, ...


def dissect(
    capture: bytes,
    packets: int,
    *,
    tshark: str | None = None,
    pyshark: bool = True,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> Dissection:
    """Have tshark dissect the packets of a capture file, given as its bytes."""
    path = shutil.which(tshark or "tshark")
    if path is None:
        return Dissection((), "", f"{tshark or 'tshark'} is not installed", "", {})
    wanted = min(packets, MOST_PACKETS)
    with TemporaryDirectory(prefix="otsec-show-") as folder:
        request = {
            "file": str(_lay_down(Path(folder), capture)),
            "tshark": path,
            "pyshark": pyshark,
            "options": list(OPTIONS),
            "packets": wanted,
            "seconds": max(int(seconds), 1),
            "memory": memory,
            "user": NOBODY,
            "group": NOBODY,
        }
        lines, problem = _run(request, Path(folder), seconds)
    return _understood(lines, problem, wanted)


def _lay_down(folder: Path, capture: bytes) -> Path:
    """The capture where the child, and nobody else, can read it."""
    path = folder / "packets.pcapng"
    path.touch(mode=0o600)
    path.write_bytes(capture)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        for one in (path, folder):
            os.chown(one, NOBODY, NOBODY)
    return path


def _run(request: dict[str, Any], folder: Path, seconds: float) -> tuple[list[bytes], str]:
    """The lines that the child wrote, and why there are no more."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment.update(HOME=str(folder), XDG_CONFIG_HOME=str(folder), TMPDIR=str(folder))
    script = Path(__file__).with_name("dissector.py")
    with subprocess.Popen(  # noqa: S603 - this Python, a script of this package
        [sys.executable, "-I", "-X", "utf8", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        start_new_session=True,
    ) as child:
        late = threading.Event()
        timer = threading.Timer(seconds, _end, (child, late))
        timer.start()
        try:
            lines, full = _talk(child, request)
        finally:
            timer.cancel()
            _kill(child)
    if late.is_set():
        return lines, f"tshark took longer than {seconds:g} s and was ended"
    if full:
        return lines, f"tshark told more than {MOST_TOLD >> 20} MiB and was ended"
    return lines, ""


def _talk(child: "subprocess.Popen[bytes]", request: dict[str, Any]) -> tuple[list[bytes], bool]:
    lines: list[bytes] = []
    size = 0
    if child.stdin is None or child.stdout is None:
        return [], False
    with suppress(BrokenPipeError):
        child.stdin.write(json.dumps(request).encode())
        child.stdin.close()
    while line := child.stdout.readline(MOST_TOLD):
        size += len(line)
        if size > MOST_TOLD:
            return lines, True
        lines.append(line)
    return lines, False


def _end(child: "subprocess.Popen[bytes]", late: threading.Event) -> None:
    late.set()
    _kill(child)


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """End the child and whatever it started: they are a session, and so a group, of their own."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


def _understood(lines: Sequence[bytes], problem: str, wanted: int) -> Dissection:
    packets: list[tuple[Layer, ...]] = []
    given_up: dict[str, bool] = {}
    end: dict[str, Any] = {}
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            break  # cut off where it was ended
        if "packet" in told:
            packets.append(tuple(map(_layer, told["layers"])))
        elif "given_up" in told:
            given_up = {str(name): bool(done) for name, done in told["given_up"].items()}
        else:
            end = told
    if not problem and "failed" in end:
        problem = f"tshark could not be read: {' '.join(str(end['failed']).split())}"
    elif not problem and not end:
        problem = "the child that runs tshark ended early"
    elif not problem and len(packets) < wanted:
        problem = f"tshark told of {len(packets)} of {wanted} packets and ended"
    how = str(end.get("how", "")) or ("tshark" if packets else "")
    return Dissection(tuple(packets), how, problem, str(end.get("reason", "")), given_up)


def _layer(told: dict[str, Any]) -> Layer:
    fields = tuple((str(name), str(shown)) for name, shown in told["fields"])
    return Layer(str(told["name"]), fields, int(told["more"]))
