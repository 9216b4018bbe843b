"""A state outlives the protocols of the version that wrote it."""

from dataclasses import replace

import numpy as np

from otsec.protocols import PROTOCOLS
from otsec.streams.claim import Registry


def test_renumbered() -> None:
    """Connections stay with their protocol by its name, whatever its number is now."""
    one, other = (replace(PROTOCOLS[0], name=name) for name in ("one", "other"))
    added = replace(PROTOCOLS[0], name="added")
    before, now = Registry((one, other)), Registry((added, other))
    numbers = np.array([-1, 0, 1, 2])  # withdrawn, unclaimed, no more there, moved

    assert now.renumber(before.names, numbers).tolist() == [-1, 0, 0, 2]
    assert Registry((added, one, other)).renumber(before.names, numbers).tolist() == [-1, 0, 2, 3]
