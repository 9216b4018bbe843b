"""From captured frames to packets: link, network and transport layers, in columns."""

from otsec.dissect.fragments import Fragments
from otsec.dissect.layers import dissect, dissect_datagrams
from otsec.dissect.link import LINKS
from otsec.dissect.mirror import DuplicateTail, duplicates
from otsec.dissect.resolution import ArpColumns, arp
from otsec.dissect.stacks import Openings, openings, stack_text, stack_words

__all__ = [
    "LINKS",
    "ArpColumns",
    "DuplicateTail",
    "Fragments",
    "Openings",
    "arp",
    "dissect",
    "dissect_datagrams",
    "duplicates",
    "openings",
    "stack_text",
    "stack_words",
]
