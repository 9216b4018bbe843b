"""From captured frames to packets: link, network and transport layers, in columns."""

from otsec.dissect.arp import ArpColumns, arp
from otsec.dissect.duplicates import DuplicateTail, duplicates
from otsec.dissect.fragments import Fragments
from otsec.dissect.layers import dissect, dissect_datagrams
from otsec.dissect.link import LINKS

__all__ = [
    "LINKS",
    "ArpColumns",
    "DuplicateTail",
    "Fragments",
    "arp",
    "dissect",
    "dissect_datagrams",
    "duplicates",
]
