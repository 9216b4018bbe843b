"""When a device is there: always, in shifts, on demand, now here now there, or once."""

from typing import Literal, NamedTuple, TypeAlias

from otsec.baseline.spans import Heard
from otsec.inventory.model import SURE, Asset
from otsec.nanoseconds import SECOND_NS

Class: TypeAlias = Literal["always on", "shift", "on demand", "mobile", "transient", "unknown"]
HOUR_S = 3_600
DAY_S = 24 * HOUR_S
OCCASION_S = 8 * HOUR_S  # what one person does in one shift is one occasion
STEADY_S = HOUR_S  # who is never silent for longer is always on
LONGEST_FREE_S = 3 * DAY_S + HOUR_S  # a weekend, from Friday evening to Monday morning
ENDED = 0.9  # share of the time watched: whoever was heard later is still there
MOVING_ROLES = frozenset({"mobile", "vehicle"})
MOVES = 2  # other addresses than the first


class Presence(NamedTuple):
    """When a device is there."""

    name: Class
    silence_s: int  # the longest that it was silent; 0: not known
    because: str


def presence(asset: Asset, heard: Heard, silence_us: int) -> Presence:
    """The class of an asset; a person's word stands before what was seen."""
    silence_s = -(-silence_us // 1_000_000)
    said = asset.best("presence")
    if said is not None:
        return Presence(said.value, silence_s, said.reason or "a person says so")  # type: ignore[arg-type]
    return _seen(asset, heard, silence_s)


def _seen(asset: Asset, heard: Heard, silence_s: int) -> Presence:
    watched_s = heard.between(asset.first_time, heard.end) // SECOND_NS
    own = [one for one in asset.addresses if not one.told_by]
    first = min((one.first.time for one in own), default=asset.first_time)
    last = max((one.last.time for one in own), default=asset.last_time)
    there_s = heard.between(first, last) // SECOND_NS
    told = "" if not silence_s else f", silent for {silence_s} s at most"
    if because := moving(asset):
        return Presence("mobile", silence_s, because)
    if watched_s < OCCASION_S:
        return Presence("unknown", silence_s, "it was watched for less than 8 hours")
    if there_s < OCCASION_S:
        return Presence("transient", silence_s, f"it was there for {there_s} s, once")
    steady = 0 < silence_s <= STEADY_S
    if steady and there_s >= ENDED * watched_s:
        return Presence("always on", silence_s, f"heard until the end{told}")
    if there_s >= 2 * DAY_S and STEADY_S < silence_s <= LONGEST_FREE_S:
        return Presence("shift", silence_s, f"it came back again and again{told}")
    return Presence("on demand", silence_s, f"it comes and goes{told}")


def moving(asset: Asset) -> str:
    """Why an asset is taken to be now here, now there; empty: it is not."""
    if asset.role.role in MOVING_ROLES and asset.role.confidence >= SURE:
        return f"it is a {asset.role.role}"
    moves = sum(one.attribute == "ip_address" for one in asset.changes)
    return f"its address changed {moves} times" if moves >= MOVES else ""


def comes_and_goes(asset: Asset) -> bool:
    """Whether nobody misses an asset that is silent: as a person says, or because it moves."""
    said = asset.best("presence")
    return said.value != "always on" if said is not None else bool(moving(asset))
