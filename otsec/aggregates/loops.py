"""Who sends what goes round in a loop of the network: senders and receivers of frames without end."""

from collections.abc import Iterator

import numpy as np

from otsec.aggregates.addresses import mac_text
from otsec.columns import I64, gather
from otsec.model import PacketBatch

ETHERNET = 1  # link type of captures
_ENDS = np.dtype("V12")  # target and source of a frame, IEEE 802.3 3.2.3
_MAC_BYTES = 6


def ends(batch: PacketBatch, rows: I64) -> Iterator[tuple[str, I64]]:
    """Frames by who sent them to whom, those first that came first; empty: there are no MACs."""
    if batch.link != ETHERNET:
        yield "", rows
        return
    begin = batch.offset[rows]
    found, _ = gather(batch.buffer, begin, begin + batch.captured[rows], _ENDS)
    _, first, which = np.unique(found.view("S12"), return_index=True, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    lots = np.split(rows[order], np.cumsum(np.bincount(which.ravel()))[:-1])
    for number in np.argsort(first, kind="stable").tolist():
        told = found[first[number]].tobytes()
        target, source = (
            mac_text(int.from_bytes(told[at : at + _MAC_BYTES])) for at in (0, _MAC_BYTES)
        )
        yield f"{source} to {target}", lots[number]
