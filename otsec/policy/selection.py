"""Choosing flows by the filters of listings."""

import fnmatch
import ipaddress
from collections.abc import Callable, Iterable, Sequence

from otsec.errors import UsageError
from otsec.policy.reasons import called, reason, zone_of
from otsec.policy.verdicts import Flow
from otsec.store.filters import Filter


def chosen(told: Iterable[Flow], filters: Sequence[Filter]) -> list[Flow]:
    """The flows that pass all filters; ``since`` and ``until`` are times in ns."""
    return [flow for flow in told if all(_passes(flow, one) for one in filters)]


def _passes(flow: Flow, one: Filter) -> bool:
    if one.field == "since":
        return flow.last_time >= int(one.value)
    if one.field == "until":
        return flow.first_time <= int(one.value)
    if one.field == "text":
        return _matches(_texts(flow), f"*{one.value}*") is not one.negated
    told = KEYS[one.field](flow)
    if one.field in {"client", "server", "host"} and "/" in one.value:
        return _in_network(told, one) is not one.negated
    return _matches(told, one.value) is not one.negated


def _matches(told: Iterable[str], wanted: str) -> bool:
    pattern = wanted.casefold().replace("[", "[[]").replace("?", "[?]")  # only * is special
    return any(fnmatch.fnmatchcase(text.casefold(), pattern) for text in told)


def _in_network(told: Iterable[str], one: Filter) -> bool:
    try:
        network = ipaddress.ip_network(one.value, strict=False)
    except ValueError:
        raise UsageError(
            f"{one.field}:{one.value} is not a network; write it as 10.0.0.0/8"
        ) from None
    for text in told:
        try:
            if ipaddress.ip_address(text) in network:
                return True
        except ValueError:  # a MAC address, or a name
            continue
    return False


def _texts(flow: Flow) -> Iterable[str]:
    yield from (flow.verdict, flow.rule, flow.option.cause, flow.protocol, flow.service)
    yield from (flow.cls, flow.operation, flow.site, flow.point, flow.place)
    yield from (
        called(flow.client),
        called(flow.server),
        zone_of(flow.client),
        zone_of(flow.server),
    )
    yield reason(flow)


KEYS: dict[str, Callable[[Flow], Iterable[str]]] = {  # what each filter looks at
    "verdict": lambda flow: (flow.verdict,),
    "rule": lambda flow: (flow.rule,),
    "cause": lambda flow: (flow.option.cause,),
    "from": lambda flow: (zone_of(flow.client),),
    "to": lambda flow: (zone_of(flow.server),),
    "zone": lambda flow: (zone_of(flow.client), zone_of(flow.server)),
    "client": lambda flow: (flow.client.address, flow.client.person.name),
    "server": lambda flow: (flow.server.address, flow.server.person.name),
    "host": lambda flow: (
        *(flow.client.address, flow.client.person.name),
        *(flow.server.address, flow.server.person.name),
    ),
    "proto": lambda flow: (flow.protocol,),
    "service": lambda flow: (flow.service,),
    "class": lambda flow: (flow.cls,),
    "op": lambda flow: (flow.operation,),
    "vlan": lambda flow: (flow.place,),
    "site": lambda flow: (flow.site,),
    "group": lambda flow: (flow.group,),
    "point": lambda flow: (flow.point,),
}
