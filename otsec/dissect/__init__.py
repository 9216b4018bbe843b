"""From captured frames to packets: link, network and transport layers, in columns."""

from otsec.dissect.fragments import Fragments
from otsec.dissect.layers import dissect, dissect_datagrams
from otsec.dissect.link import LINKS
from otsec.dissect.mirror import LOOPED, DuplicateTail, Repeats, repeated
from otsec.dissect.resolution import ArpColumns, arp
from otsec.dissect.stacks import Openings, openings, stack_text, stack_words

__all__ = [
    "LINKS",
    "LOOPED",
    "ArpColumns",
    "DuplicateTail",
    "Fragments",
    "Openings",
    "Repeats",
    "arp",
    "dissect",
    "dissect_datagrams",
    "openings",
    "repeated",
    "stack_text",
    "stack_words",
]
