"""Choosing sessions by the filters of listings."""

from collections.abc import Callable, Iterable, Sequence

from otsec.inventory.selection import passes
from otsec.sessions.model import Session
from otsec.store.filters import Filter


def chosen(sessions: Iterable[Session], filters: Sequence[Filter]) -> list[Session]:
    """The sessions that pass all filters; ``since`` and ``until`` are times in ns."""
    return [
        one
        for one in sessions
        if all(passes(one, each, KEYS, _texts, (one.first_time, one.last_time)) for each in filters)
    ]


def _parties(session: Session) -> tuple[str, ...]:
    return (*_client(session), *_server(session))


def _client(session: Session) -> tuple[str, ...]:
    return session.client.address, session.client.name


def _server(session: Session) -> tuple[str, ...]:
    return session.server.address, session.server.name


def _texts(session: Session) -> Iterable[str]:
    yield from (session.id, session.site, session.place, session.kind, session.protocol)
    yield from (session.service, *_parties(session), *session.account, *session.chain)
    yield from (session.authentication, session.outcome, *(deed.text for deed in session.deeds))


KEYS: dict[str, Callable[[Session], Iterable[str]]] = {  # what each filter looks at
    "id": lambda one: (one.id,),
    "kind": lambda one: (one.kind,),
    "proto": lambda one: (one.protocol,),
    "service": lambda one: (one.service,),
    "client": _client,
    "server": _server,
    "host": _parties,
    "through": lambda one: tuple(step.name for step in one.path) or ("",),
    "account": lambda one: one.account or ("",),
    "auth": lambda one: (one.authentication,),
    "class": lambda one: tuple({deed.cls for deed in one.deeds}) or ("",),
    "op": lambda one: tuple({deed.operation for deed in one.deeds}) or ("",),
    "outcome": lambda one: (one.outcome,),
    "vlan": lambda one: (one.place,),
    "point": lambda one: (one.point,),
    "group": lambda one: (one.group,),
    "site": lambda one: (one.site,),
}
