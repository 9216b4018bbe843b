"""Choosing flows by the filters of listings."""

from collections.abc import Callable, Iterable, Sequence

from otsec.inventory.selection import passes
from otsec.policy.reasons import called, reason, zone_of
from otsec.policy.verdicts import Flow
from otsec.store.filters import Filter


def chosen(told: Iterable[Flow], filters: Sequence[Filter]) -> list[Flow]:
    """The flows that pass all filters; ``since`` and ``until`` are times in ns."""
    return [flow for flow in told if all(_passes(flow, one) for one in filters)]


def _passes(flow: Flow, one: Filter) -> bool:
    return passes(flow, one, KEYS, _texts, (flow.first_time, flow.last_time))


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
