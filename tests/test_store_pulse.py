"""What the first screen tells of when: findings by level, and who is in from another machine."""

from pathlib import Path

from store_rows import row

from otsec.store import Store, open_store
from otsec.store.pulse import Remote, findings, remote

SECOND = 10**9
BEGIN = 1_767_600_000 * SECOND


def _store(path: Path) -> Store:
    store = open_store(path)
    store.source("site", "tap", "net", "")
    clock = row("clock", source=1, packets=9, first_time=BEGIN, last_time=BEGIN + 3599 * SECOND)
    store.checkpoint({"clock": [clock]}, [], [], {1})
    return store


def _finding(number: int, level: str, at: int) -> tuple[object, ...]:
    lists = ("witnesses", "operations", "objects", "outcomes", "techniques", "falsepositives")
    return row(
        "finding", **dict.fromkeys(lists, "[]"), id=f"{number:08x}", site="site", point_group="net",
        level=level, first_time=at, last_time=at + SECOND, source=1,
    )  # fmt: skip


def test_findings_stand_where_they_were_first_seen(tmp_path: Path) -> None:
    """Each finding counts once, in its level, in the part of the time in which it was first seen."""
    from otsec.store import TABLES

    told = [("high", 0), ("high", 3598), ("low", 1800), ("high", 3599), ("low", -5)]
    with _store(tmp_path / "x.db") as store:
        rows = [_finding(n, level, BEGIN + at * SECOND) for n, (level, at) in enumerate(told)]
        store.db.conn.executemany(TABLES["finding"].upsert, rows)
        store.db.conn.commit()
        found = findings(store, "site", 4)
        assert findings(store, "elsewhere", 4) == {}

    assert {level: one.counts for level, one in found.items()} == {
        "high": (1, 0, 0, 2),
        "low": (1, 0, 1, 0),
    }


def test_who_is_in_from_another_machine(tmp_path: Path) -> None:
    """Only who was heard in the last moments is told, the last first, and what only a port suggests is said so."""
    end = BEGIN + 3599 * SECOND
    talks = (
        ("10.0.0.1", "ssh", "tcp/22", 5, 30),
        ("10.0.0.2", "", "tcp/3389", 5, 10),
        ("10.0.0.3", "", "tcp/3389", 0, 10),  # never answered
        ("10.0.0.4", "rdp", "tcp/3389", 5, 900),  # long ago
        ("10.0.0.5", "modbus", "tcp/502", 5, 0),
    )
    with _store(tmp_path / "x.db") as store:
        rows = [
            row(
                "conversation", source=1, number=n, client=client, server="10.0.0.9", service=service,
                protocol=protocol, payload_in=payload, last_time=end - ago * SECOND,
            )
            for n, (client, protocol, service, payload, ago) in enumerate(talks)
        ]  # fmt: skip
        store.checkpoint({"conversation": rows}, [], [], {1})
        ports = {"tcp/22": "ssh", "tcp/3389": "rdp"}
        found = remote(store, "site", ["ssh", "rdp"], ports, 5, 600 * SECOND)

    assert found == [
        Remote("10.0.0.2", "10.0.0.9", "rdp", by_port=True, last_time=end - 10 * SECOND),
        Remote("10.0.0.1", "10.0.0.9", "ssh", by_port=False, last_time=end - 30 * SECOND),
    ]
