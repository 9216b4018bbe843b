"""What people said of assets and of changes, decided of findings and of the baseline: only added to.

It stands apart from all that derives from packets.

Rows are only ever added. Triggers of the schema refuse to change or delete one, whoever asks, and
each row has a link to the one before (`otsec/store/chain.py`).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from otsec.store import chain
from otsec.store.database import Store, storable
from otsec.store.faults import told
from otsec.store.schema import TABLES

AssetAct: TypeAlias = Literal[
    "set", "import", "merge", "split", "inventory-approve", "inventory-retire"
]
FindingAct: TypeAlias = Literal[
    "ack", "resolve", "false-positive", "accept", "expect", "reopen", "assign", "comment"
]
BaselineAct: TypeAlias = Literal[
    "baseline-approve", "baseline-forget", "baseline-import", "baseline-review"
]
ControlAct: TypeAlias = Literal["attest", "policy-approve"]
ChangeAct: TypeAlias = Literal["change-add", "change-import", "change-close"]
RecordAct: TypeAlias = Literal["config", "export", "schedule", "retention"]
ActKind: TypeAlias = (
    AssetAct | FindingAct | BaselineAct | ControlAct | ChangeAct | RecordAct | Literal["selftest"]
)


class Act(NamedTuple):
    """One thing that a person said or did; columns as in the table of the same name."""

    number: int  # 0 until it is recorded
    time: int  # ns since 1970 UTC by the clock of the machine
    who: str
    kind: ActKind
    asset: str  # an address of the asset, as `inventory.people` writes it; empty: of none
    attribute: str
    before: str
    after: str
    reason: str
    login: str = ""
    host: str = ""
    finding: str = ""  # its id; empty: the act is about an asset, or a self-test
    seen_until: int = 0  # time of the finding's last packet when it was decided


# Ids had eight digits once, and decisions name findings by them for ever. Such a one is of the
# finding whose id begins so; of several, of that which was there first when it was decided.
MEANT = (
    "COALESCE((SELECT meant.id FROM finding AS meant "
    "WHERE meant.id >= act.finding AND meant.id < act.finding || 'g' "
    "AND (meant.id = act.finding OR meant.first_time <= act.seen_until) "
    "ORDER BY meant.first_time, meant.id LIMIT 1), act.finding)"
)


def acts(store: Store) -> list[Act]:
    """All acts about assets, the oldest first."""
    return [act for act in every_act(store) if act.asset]


def acts_of_findings(store: Store) -> list[Act]:
    """All decisions about findings that there are, the oldest first, with their whole ids."""
    names = ", ".join(f"act.{name}" for name in TABLES["act"].names if name != "finding")
    rows = store.all(
        f"SELECT {names}, {MEANT} AS finding FROM act WHERE act.finding <> '' ORDER BY act.number"  # noqa: S608 - names of schema.py
    )
    order = [name for name in Act._fields if name != "finding"]
    return [Act(**dict(zip((*order, "finding"), row, strict=True))) for row in rows]


def acts_of_changes(store: Store) -> list[Act]:
    """All that was announced, and closed, the oldest first."""
    return [act for act in every_act(store) if act.kind.startswith("change-")]


def every_act(store: Store) -> list[Act]:
    """All acts, the oldest first."""
    table = TABLES["act"]
    rows = store.all(f"SELECT {', '.join(table.names)} FROM act ORDER BY number")  # noqa: S608 - names of schema.py
    return [Act(*row) for row in rows]


def record(store: Store, said: Sequence[Act]) -> None:
    """Add acts, all or none; their numbers are given here."""
    with store._transaction():  # noqa: SLF001 - this is a part of the store
        add(store, said)


def add(store: Store, said: Sequence[Act]) -> None:
    """Add acts within the transaction of who calls; their numbers are given here."""
    table = TABLES["act"]
    (newest,) = store.db.conn.execute("SELECT COALESCE(MAX(number), 0) FROM act").fetchone()
    for number, act in enumerate(said, int(newest) + 1):
        store.db.conn.execute(
            f"INSERT INTO act ({', '.join(table.names)}) VALUES ({', '.join('?' * len(act))})",  # noqa: S608 - names of schema.py
            [number, *(storable(cell) if isinstance(cell, str) else cell for cell in act[1:])],
        )
        chain.extend(store.db.conn, number)


def head(store: Store) -> chain.Head:
    """Where the record ends; reports hold it, so that a record made anew is told."""
    with told(store.path):
        return chain.head(store.db.conn)


def verified(store: Store, noted: Sequence[chain.Head] = ()) -> chain.Verified:
    """Follow the chain of the record; ``noted``: heads that were told earlier."""
    with told(store.path):
        return chain.verified(store.db.conn, noted)
