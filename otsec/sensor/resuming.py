"""What a killed run recorded, and did not come to write into the store: read before listening on.

Of a recording that is not whole each packet bears its ordinal, so the place at which the store
ends is found. Of what is not industrial the headers are all there is: such packets are counted,
and what they said in these last seconds is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from otsec.capture import open_capture
from otsec.capture.pcapng import told_ordinals
from otsec.engine import Engine, Settings, columnar
from otsec.model import PacketBatch
from otsec.pipeline import Place, places, rows_of, take
from otsec.sensor.kept import Evidence
from otsec.store import Capture

ALL_PACKETS: tuple[Evidence, ...] = ("mixed", "headers")  # of the others some have no ordinal


@dataclass(frozen=True, slots=True)
class ReadOn:
    """A file of which packets were read that the store lacked."""

    path: Path
    packets: int
    known: Capture | None  # as the store knows it


def read_on(
    engine: Engine, settings: Settings, captures: Sequence[Capture], files: Sequence[Path]
) -> list[ReadOn]:
    """Read on where the engine is, in the file recorded last and those behind it.

    ``captures``: those of the source, in order; ``files``: of its recording, oldest first. Raises
    InputError where a file is no such recording.
    """
    last = next((one for one in reversed(captures) if one.packets), None)
    if last is None or last.reader_state.get("evidence") not in ALL_PACKETS:
        return []
    lie = [str(path.absolute()) for path in files]
    if last.path not in lie:
        return []  # it was not recorded, or is gone
    found = []
    for path in files[lie.index(last.path) :]:
        count = _read(engine, settings, path)
        if count:
            known = last if str(path.absolute()) == last.path else None
            found.append(ReadOn(path, count, known))
    return found


def _read(engine: Engine, settings: Settings, path: Path) -> int:
    """How many packets of a file the engine lacked."""
    before = engine.packets
    reader = open_capture(path)
    try:
        for place, batch in places(reader):
            begin = 0
            if batch is not None:
                told = told_ordinals(batch)
                begin = int(np.searchsorted(told, engine.packets))
                lacked = told[begin:]
                if len(lacked) and lacked[-1] != engine.packets + len(lacked) - 1:
                    break  # packets in between were not recorded
                batch = rows_of(batch, begin, None)  # noqa: PLW2901 - the rest of it
            _take(engine, settings, _news(place, engine, begin), batch)
    finally:
        reader.close()
    return engine.packets - before


def _take(engine: Engine, settings: Settings, place: Place, batch: PacketBatch | None) -> None:
    prepared = None if batch is None else columnar(batch, engine.registry, settings)
    take(engine, place, batch, prepared)


def _news(place: Place, engine: Engine, begin: int) -> Place:
    """What was noted beside packets, as far as it is new; ``begin``: the first row that is."""
    last = engine.clock.last or 0
    drops = (one for one in place.drops if one.time > last)
    tick = place.tick if place.tick is not None and place.tick.time > last else None
    return replace(
        place,
        drops=tuple(replace(one, row=max(one.row - begin, 0)) for one in drops),
        tick=tick,
    )
