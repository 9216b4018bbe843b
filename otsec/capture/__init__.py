"""Captures to packet batches: pcap, pcapng, gzip, zstd, folders, standard input."""

from otsec.capture.contract import Chunk, Damage, Drops, Interface, Reader, Tick
from otsec.capture.files import head_hash, open_capture, tail_hash
from otsec.capture.sources import OVERLAP_NS, Source, find_captures, plan, times

__all__ = [
    "OVERLAP_NS",
    "Chunk",
    "Damage",
    "Drops",
    "Interface",
    "Reader",
    "Source",
    "Tick",
    "find_captures",
    "head_hash",
    "open_capture",
    "plan",
    "tail_hash",
    "times",
]
