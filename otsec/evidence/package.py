"""The evidence as files: a pcapng, and a manifest of hashes beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from otsec import __version__, whole
from otsec.evidence import pcapng
from otsec.evidence.captures import Frame, Library, file_hash
from otsec.evidence.gather import Gathered
from otsec.evidence.references import Reference

VERSION = 1  # of the manifest
SHOWN_SOURCES = 50  # captures that the section's comment lists; the manifest has all


class Mask(Protocol):
    """What hides who is who in frames and in what is said of them."""

    def frames(self, frames: Sequence[Frame]) -> list[bytes]:
        """The bytes of frames of one source, masked; as many and as long as before."""

    def text(self, text: str) -> str:
        """Words about the packets, masked."""

    def told(self) -> dict[str, Any]:
        """What was done, for the manifest."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    path: Path
    manifest: Path
    packets: int
    named: int
    bytes: int
    sha256: str
    notes: tuple[str, ...]


def manifest_path(path: Path) -> Path:
    """Where the manifest of a capture stands: beside it."""
    return Path(f"{path}.manifest.json")


def write(
    path: Path,
    library: Library,
    ids: Sequence[str],
    wanted: Sequence[Reference],
    gathered: Sequence[Gathered],
    mask: Mask | None,
) -> Written:
    """Write both files, each whole or not at all."""
    sources = _sources(library, gathered, mask)
    words = mask.text if mask is not None else str
    notes = tuple(words(note) for one in gathered for note in one.notes)
    section = [
        f"Evidence written by otsec {__version__} for: {words(', '.join(ids))}",
        *(f"Site {words(t.site)}, capture point {words(t.name)}" for t in _taps(gathered)),
        *sorted({f"{words(one.id)}: {words(one.why)}" for one in wanted if one.why != "named"})[
            :50
        ],
        *(f"Capture {one['name']}, SHA-256 {one['sha256']}" for one in sources[:SHOWN_SOURCES]),
        *notes[:50],
        *([_HIDDEN] if mask is not None else []),
    ]
    interfaces, packets, listed = _packets(gathered, sources, mask)
    data = pcapng.capture(
        f"otsec {__version__}", ["\n".join(map(_clean, section))], interfaces, packets
    )
    digest = sha256(data).hexdigest()
    manifest = {
        "manifest_version": VERSION,
        "written_by": f"otsec {__version__}",
        "file": path.name,
        "sha256": digest,
        "size": len(data),
        "ids": [words(one) for one in ids],
        "pseudonymised": mask.told() if mask is not None else None,
        "captures": sources,
        "packets": listed,
        "notes": list(notes),
    }
    beside = manifest_path(path)
    whole.write(path, data)
    whole.write(beside, (json.dumps(manifest, indent=1) + "\n").encode())
    named = sum(len(one.named) for one in gathered)
    return Written(path, beside, len(packets), named, len(data), digest, notes)


_HIDDEN = (
    "Addresses and names are pseudonyms, equal for equal ones; who wrote this file has the key."
)


def _taps(gathered: Sequence[Gathered]) -> list[Any]:
    return [one.tap for one in gathered]


def _sources(
    library: Library, gathered: Sequence[Gathered], mask: Mask | None
) -> list[dict[str, Any]]:
    """The capture files that frames are from, in order of their numbers in the store."""
    used = sorted({frame.capture for one in gathered for frame in one.frames})
    known = {capture.id: capture for capture in library.store.all_captures()}
    told = []
    for at, number in enumerate(used, 1):
        path, capture = library.path(known[number]), known[number]
        entry: dict[str, Any] = {
            "capture": number,
            "name": f"capture {at}" if mask is not None else path.name,
            "sha256": file_hash(path),
            "size": path.stat().st_size,
            "packets": capture.packets,
            "complete": capture.complete,
        }
        if mask is None:
            entry["path"] = str(path)
            entry["read_at"] = capture.path
        told.append(entry)
    return told


def _packets(
    gathered: Sequence[Gathered], sources: Sequence[dict[str, Any]], mask: Mask | None
) -> tuple[list[pcapng.Interface], list[pcapng.Packet], list[dict[str, Any]]]:
    """Interfaces, packets in order of time, and the list of them for the manifest."""
    names = {one["capture"]: one["name"] for one in sources}
    words = mask.text if mask is not None else str
    interfaces: list[pcapng.Interface] = []
    rows: list[tuple[tuple[int, int, int], pcapng.Packet, dict[str, Any]]] = []
    for order, one in enumerate(gathered):
        tap = replace_words(one, words)
        data = [f.data for f in one.frames] if mask is None else mask.frames(one.frames)
        for at, (frame, bytes_) in enumerate(zip(one.frames, data, strict=True)):
            number = _interface(interfaces, frame.link, tap)
            why = tuple(_clean(words(text)) for text in one.why[at])
            comments = (f"otsec {_clean(tap[0])}:{frame.ordinal}", *why)
            packet = pcapng.Packet(number, frame.time, frame.wire, bytes_, ("\n".join(comments),))
            entry = {
                "source": tap[0],
                "packet": frame.ordinal,
                "time_ns": frame.time,
                "capture": names[frame.capture],
                "frame": frame.number,
                "length": frame.wire,
                "captured": len(frame.data),
                "sha256": sha256(bytes_).hexdigest(),
                "named": at in one.named,
                "why": list(why),
            }
            if mask is not None:
                entry["changed"] = bytes_ != frame.data
            rows.append(((frame.time, order, frame.ordinal), packet, entry))
    rows.sort(key=lambda row: row[0])
    listed = [{"number": n, **entry} for n, (_, _, entry) in enumerate(rows, 1)]
    return interfaces, [packet for _, packet, _ in rows], listed


def replace_words(one: Gathered, words: Any) -> tuple[str, str]:
    """The name of a source and of its site, as they may be told."""
    return words(one.tap.name), words(one.tap.site)


def _interface(known: list[pcapng.Interface], link: int, tap: tuple[str, str]) -> int:
    point, site = map(_clean, tap)
    wanted = pcapng.Interface(link, point, f"capture point {point} of site {site}")
    if wanted not in known:
        known.append(wanted)
    return known.index(wanted)


def _clean(text: str) -> str:
    """Text that may be of the network, what does not print shown as its escape."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
