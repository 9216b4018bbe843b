"""The screens and the keys that lead to them: one more is a file in ``screens/`` and a line here.

Those of ``PLACES`` have a digit of their own and stand at the top. Those of ``FURTHER`` are reached
by ``g`` and their letter. All of them are in the palette, are commands behind ``:`` and modes of the
application; each is imported when it is first shown.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from textual.screen import Screen


class Place(NamedTuple):
    """A screen that is reached by a key."""

    key: str  # a digit; of further screens a letter, typed behind `g`
    name: str  # of the mode, and of the command
    title: str
    short: str  # where there is little room
    path: str  # module and class


PLACES = (
    Place("1", "overview", "Overview", "Over", "overview:OverviewScreen"),
    Place("2", "findings", "Findings", "Find", "findings:FindingsScreen"),
    Place("3", "assets", "Assets", "Assets", "assets:AssetsScreen"),
    Place("4", "sensors", "Sensors", "Sens", "sensors:SensorsScreen"),
    Place("5", "conversations", "Conversations", "Conv", "conversations:ConversationsScreen"),
    Place("6", "protocols", "Protocols", "Prot", "protocols:ProtocolsScreen"),
    Place("7", "sessions", "Sessions", "Sess", "sessions:SessionsScreen"),
    Place("8", "values", "Values", "Vals", "values:ValuesScreen"),
    Place("9", "topology", "Topology", "Topo", "topology:TopologyScreen"),
)
FURTHER = (  # a line each
    Place("z", "zones", "Zones", "Zone", "zones:ZonesScreen"),
    Place("r", "reports", "Reports", "Rep", "reports:ReportsScreen"),
    Place("b", "baseline", "Baseline", "Base", "baseline:BaselineScreen"),
)
FIRST = Place("", "first", "First start", "", "first:FirstScreen")
EVERY = (*PLACES, *FURTHER)


def keys_of(place: Place) -> str:
    """What is typed to come there."""
    return place.key if place.key.isdecimal() else f"g {place.key}"


def opened(place: Place) -> Callable[[], Screen[Any]]:
    """Make a screen when it is first shown, and import it then."""

    def make() -> Screen[Any]:
        module, name = place.path.split(":")
        made: Screen[Any] = getattr(import_module(f"otsec.tui.screens.{module}"), name)()
        return made

    return make
