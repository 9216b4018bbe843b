"""Which recorded files open findings need: they outlive the bounds of a recording.

A flood of findings must not fill the disk, so files are pinned worst finding first, and no more of
them than a share of what may be kept.
"""

from pathlib import Path

from otsec.detect.cases import cases
from otsec.detect.model import LEVELS
from otsec.sensor.recording import Bounds
from otsec.store import Store
from otsec.store.sensor import evidence_of

SHARE = 0.5  # of the bytes that are kept
LEAST = LEVELS.index("medium")  # below this nobody waits for a decision


def pinned(store: Store, source: int, bounds: Bounds) -> set[Path]:
    """The files of a source in which packets of its open findings lie."""
    needs = evidence_of(store, source)
    left = int(bounds.bytes * SHARE)
    found: set[Path] = set()
    for case in cases(store):  # worst first, of equals the newest
        if not case.open or LEVELS.index(case.finding.level) < LEAST:
            continue
        for path in needs.get(case.finding.id, ()):
            size = _size(path)
            if path not in found and size <= left:
                found.add(path)
                left -= size
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it is gone already
