"""Choosing assets: by the filters of listings, and the one that a person names."""

import difflib
import fnmatch
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from otsec.errors import UsageError
from otsec.inventory.addresses import canonical
from otsec.inventory.assembly import MODELS, Inventory, node_id
from otsec.inventory.model import Asset
from otsec.store.filters import SIGNS, Filter, inside

ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}

T = TypeVar("T")


def chosen(assets: Iterable[Asset], filters: Sequence[Filter]) -> list[Asset]:
    """The assets that pass all filters; ``since`` and ``until`` are times in ns."""
    return [asset for asset in assets if all(_passes(asset, one) for one in filters)]


def _passes(asset: Asset, one: Filter) -> bool:
    return passes(asset, one, KEYS, texts, (asset.first_time, asset.last_time))


def passes(
    row: T,
    one: Filter,
    keys: Mapping[str, Callable[[T], Iterable[str]]],
    texts: Callable[[T], Iterable[str]],
    span: tuple[int, int],
) -> bool:
    """Whether a row passes a filter; ``keys``: what each looks at; ``span``: its times in ns."""
    if one.field == "since":
        return span[1] >= int(one.value)
    if one.field == "until":
        return span[0] <= int(one.value)
    if one.field == "text":
        return _matches(texts(row), f"*{one.value}*") is not one.negated
    told = keys[one.field](row)
    if one.sign in SIGNS:
        return _stands(told, one) is not one.negated
    if one.field in {"host", "client", "server"} and "/" in one.value:
        return _in_network(one.field, told, one.value) is not one.negated
    return _matches(told, one.value) is not one.negated


def _stands(told: Iterable[str], one: Filter) -> bool:
    """Whether a number stands so to the one asked for; what is unknown does not."""
    try:
        wanted = float(one.value)
    except ValueError:
        raise UsageError(f"{one.field}{one.sign}{one.value} is no number") from None
    return any(ORDERS[one.sign](float(text), wanted) for text in told if text)


def _matches(told: Iterable[str], wanted: str) -> bool:
    pattern = wanted.casefold().replace("[", "[[]").replace("?", "[?]")  # only * is special
    return any(fnmatch.fnmatchcase(text.casefold(), pattern) for text in told)


def _in_network(field: str, told: Iterable[str], wanted: str) -> bool:
    try:
        return any(map(inside(wanted), told))
    except ValueError:
        raise UsageError(f"{field}:{wanted} is not a network; write it as 10.0.0.0/8") from None


def _names(asset: Asset) -> tuple[str, ...]:
    return (asset.name, *_values(asset, ("name", "hostname")))


def _values(asset: Asset, attributes: Sequence[str]) -> tuple[str, ...]:
    """All values, also those of modules; or nothing, which an empty filter finds."""
    told = tuple(one.value for one in asset.known if one.attribute in attributes)
    return told or ("",)


def texts(asset: Asset) -> Iterable[str]:
    """Everything in which a text is looked for."""
    yield from (asset.id, asset.name, asset.role.role, asset.site)
    yield from (*asset.ips, *asset.macs, *asset.groups, *asset.places)
    yield from (*asset.answers, *asset.asks)
    yield from (one.value for one in asset.known)


def tags(asset: Asset) -> tuple[str, ...]:
    """The tags that a person gave."""
    return tuple(tag for tag in map(str.strip, asset.value("tags").split(",")) if tag)


def level_text(level: float | None) -> str:
    """``1``, ``3.5``; empty without a level."""
    return "" if level is None else f"{level:g}"


KEYS: dict[str, Callable[[Asset], Iterable[str]]] = {  # what each filter looks at
    "name": _names,
    "role": lambda asset: (asset.role.role,),
    "level": lambda asset: (level_text(asset.level),),
    "vendor": lambda asset: (asset.value("vendor"),),
    "model": lambda asset: _values(asset, MODELS),
    "host": lambda asset: (*asset.ips, *asset.macs),
    "mac": lambda asset: asset.macs,
    "proto": lambda asset: (*asset.answers, *asset.asks),
    "service": lambda asset: asset.services,
    "reach": lambda asset: (asset.reach,),
    "tag": tags,
    "owner": lambda asset: (asset.value("owner"),),
    "criticality": lambda asset: (asset.value("criticality"),),
    "vlan": lambda asset: asset.places or ("",),
    "group": lambda asset: asset.groups,
    "site": lambda asset: (asset.site,),
}


# ------------------------------------------------------------------------------------- one


def find(found: Inventory, text: str) -> Asset:
    """The asset with an id, name or address. Raises UsageError if there is none, or several."""
    return one_of(candidates(found, text), found, text)


def candidates(found: Inventory, text: str) -> list[Asset]:
    """All that the text can mean: by id, else by name, else by address."""
    if (told := found.named(text)) is not None:
        return told
    wanted = text.strip().casefold()
    for node, number in found.by_node.items():
        if node_id(node) == wanted:
            return [found.assets[number]]
    named = [one for one in found.assets if one.name.casefold() == wanted]
    named = named or [
        one for one in found.assets if wanted in (name.casefold() for name in _names(one))
    ]
    address = canonical(text)
    return named or [one for one in found.assets if address in one.ips or address in one.macs]


def one_of(met: Sequence[Asset], found: Inventory, text: str) -> Asset:
    """The only one of the candidates."""
    if len(met) == 1:
        return met[0]
    if met:
        several = ", ".join(f"{one.id} ({one.name})" for one in met[:5])
        raise UsageError(
            f"{text!a} is the name or address of {len(met)} assets; say one id: {several}"
        )
    names = [one.name for one in found.assets]
    near = difflib.get_close_matches(text, names, 1)
    hint = f"; did you mean {near[0]!a}?" if near else "; `otsec assets` lists them"
    raise UsageError(f"no asset {text!a}{hint}")
