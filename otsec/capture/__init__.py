"""Captures to packet batches: pcap, pcapng, gzip, zstd, folders, standard input."""

from otsec.capture.contract import Chunk, Damage, Drops, Interface, Reader, Tick
from otsec.capture.files import head_hash, open_capture, tail_hash
from otsec.capture.sources import (
    OVERLAP_NS,
    STDIN,
    Source,
    as_text,
    find_captures,
    passes_once,
    plan,
    times,
)

__all__ = [
    "OVERLAP_NS",
    "STDIN",
    "Chunk",
    "Damage",
    "Drops",
    "Interface",
    "Reader",
    "Source",
    "Tick",
    "as_text",
    "find_captures",
    "head_hash",
    "open_capture",
    "passes_once",
    "plan",
    "tail_hash",
    "times",
]
