"""The child that lets tshark at hostile packets: no rights, no network, bounded, and then parses.

Run as a script by `deep.dissect`, never imported by the command: it must know nothing of otsec
and holds nothing open. It reads a request (one JSON object) from standard input, gives up what it
can of its rights, then has tshark read the file, through pyshark where that is there, else by
reading ``tshark -T pdml`` itself. It writes one JSON object a line: first what it gave up, then a
packet each, at last how it ended.
"""

import ctypes
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from xml.etree.ElementTree import ParseError, XMLPullParser

CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWIPC = 0x1000_0000, 0x4000_0000, 0x0800_0000  # sched.h
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38  # prctl(2)
SIGKILL = 9
MOST_FIELDS = 2_000  # of one packet; a packet of 64 KiB can have more than anyone reads
LONGEST = 300  # letters of one field
PIECE = 1 << 16
LAYERS_KNOWN = frozenset({"geninfo", "frame"})  # say nothing that the caller does not know

Field = tuple[str, str, int, int]  # name, as Wireshark shows it, where it begins, how long it is
Packet = list[tuple[str, list[Field]]]


def main() -> int:
    """Read the request, dissect, tell."""
    request = json.load(sys.stdin)
    pyshark, reason = None, ""
    if request["pyshark"]:
        try:  # while this Python's own files can be read; no packet was looked at yet
            warnings.simplefilter("ignore")  # of asyncio, in Python versions newer than pyshark
            import pyshark  # type: ignore[import-untyped,no-redef] # noqa: PLC0415 - only here
        except Exception as error:  # noqa: BLE001 - whatever ails it, tshark can be read without
            reason = f"pyshark does not work here: {type(error).__name__}: {error}"[:LONGEST]
    how = "pdml" if pyshark is None else "pyshark"
    _tell({"given_up": give_up(request)})
    number = 0
    try:
        packets = through_pdml(request) if pyshark is None else through_pyshark(pyshark, request)
        for number, packet in enumerate(packets, 1):
            _tell({"packet": number, "layers": [told(*layer) for layer in packet]})
            if number >= request["packets"]:
                break
    except Exception as error:  # noqa: BLE001 - the one place: told to the caller, who goes on
        _tell(
            {"how": how, "reason": reason, "failed": f"{type(error).__name__}: {error}"[:LONGEST]}
        )
        return 1
    _tell({"how": how, "reason": reason, "done": number})
    return 0


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def told(name: str, fields: list[Field]) -> dict[str, Any]:
    """A layer as the caller is told, its fields as they lie in the packet, then what was computed.

    pyshark brings fields of one name together, so their order must be found again.
    """
    inorder = sorted(fields, key=lambda one: (one[3] == 0, one[2], -one[3]))[:MOST_FIELDS]
    return {
        "name": name[:LONGEST],
        "fields": [[one[0][:LONGEST], one[1][:LONGEST]] for one in inorder],
        "more": max(len(fields) - MOST_FIELDS, 0),
    }


# ------------------------------------------------------------------------------- giving up


def give_up(request: dict[str, Any]) -> dict[str, bool]:
    """Network, user, privileges, memory, time: what could be given up."""
    done: dict[str, bool] = {}
    libc: Any = None
    if sys.platform == "linux":
        with suppress(OSError):
            libc = ctypes.CDLL(None, use_errno=True)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    flags = CLONE_NEWNET | CLONE_NEWIPC | (0 if root else CLONE_NEWUSER)
    done["network"] = libc is not None and libc.unshare(flags) == 0
    done["limits"] = _limit(request)
    if root:
        done["user"] = _become(int(request["user"]), int(request["group"]))
    if libc is not None:
        done["privileges"] = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)  # after the user changed, which clears it
    return done


def _become(user: int, group: int) -> bool:
    try:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    except OSError:
        return False
    return os.geteuid() == user


def _limit(request: dict[str, Any]) -> bool:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return False
    cpu, memory = int(request["seconds"]), int(request["memory"])
    for name, value in (
        ("RLIMIT_CPU", cpu),
        ("RLIMIT_AS", memory),
        ("RLIMIT_FSIZE", 1 << 20),
        ("RLIMIT_NOFILE", 128),
        ("RLIMIT_CORE", 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))
    return resource.getrlimit(resource.RLIMIT_AS)[0] <= memory


# --------------------------------------------------------------------------------- reading


def through_pyshark(pyshark: Any, request: dict[str, Any]) -> Iterator[Packet]:
    """The packets as pyshark reads them."""
    capture = pyshark.FileCapture(
        request["file"],
        keep_packets=False,
        tshark_path=request["tshark"],
        custom_parameters=list(request["options"]),
    )
    for packet in capture:
        yield [
            (layer.layer_name, list(_fields(layer)))
            for layer in packet.layers
            if layer.layer_name not in LAYERS_KNOWN
        ]
    capture.close()


def _fields(layer: Any) -> Iterator[Field]:
    for container in layer._all_fields.values():  # noqa: SLF001 - the way that keeps all of equal name
        for one in container.all_fields:
            if not one.hide and (shown := one.showname or one.show):
                yield one.name, shown, _number(one.pos), _number(one.size)


def through_pdml(request: dict[str, Any]) -> Iterator[Packet]:
    """The packets as ``tshark -T pdml`` writes them."""
    command = [request["tshark"], "-l", "-n", "-T", "pdml", "-r", request["file"]]
    with subprocess.Popen(  # noqa: S603 - what the caller found on the PATH
        [*command, *request["options"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None  # noqa: S101 - asked for
        yield from pdml(child.stdout.read1)  # type: ignore[attr-defined]
        problem = child.stderr.read(LONGEST) if child.stderr is not None else b""
        code = child.wait()
    if code:
        last = problem.decode("utf-8", "replace").strip().splitlines()
        raise RuntimeError(f"tshark ended with {code}" + (f": {last[-1]}" if last else ""))


def pdml(read: Callable[[int], bytes]) -> Iterator[Packet]:
    """Packets of a PDML document, each when it is complete."""
    parser: Any = XMLPullParser(["end"])
    while piece := read(PIECE):
        try:
            parser.feed(piece)
            events = list(parser.read_events())
        except ParseError as error:
            raise RuntimeError(f"tshark's output is no PDML: {error}") from None
        for _, element in events:
            if element.tag == "packet":
                yield [_layer(layer) for layer in element if layer.get("name") not in LAYERS_KNOWN]
                element.clear()


def _layer(element: Any) -> tuple[str, list[Field]]:
    name = element.get("name") or ""
    fields = []
    for one in element.iter("field"):
        shown = one.get("showname") or one.get("show")
        if shown and one.get("hide") != "yes":
            place = _number(one.get("pos")), _number(one.get("size"))
            fields.append((one.get("name") or "", shown, *place))
    return ("DATA" if name == "fake-field-wrapper" else name), fields


def _number(text: Any) -> int:
    return int(text) if text and str(text).isdecimal() else 0


if __name__ == "__main__":
    sys.exit(main())
