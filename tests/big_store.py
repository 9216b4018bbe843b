"""A big store for measurements of the screens: written row by row, in SQL, without any packet.

python tests/big_store.py FILE [--assets N] [--conversations N] [--findings N]
"""

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from store_rows import row

from otsec.store import TABLES, open_store

SECOND = 10**9
BEGIN = 1_767_600_000 * SECOND
SERVICES = (
    ("tcp/502", "modbus"),
    ("tcp/102", "s7comm"),
    ("tcp/44818", "enip"),
    ("tcp/4840", "opcua"),
    ("udp/161", "snmp"),
    ("tcp/443", "tls"),
    ("tcp/8081", ""),
)
LEVELS = ("informational", "low", "medium", "high", "critical")


def address(number: int) -> str:
    """The IP address of an asset."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def mac(number: int) -> str:
    """Its MAC address."""
    return ":".join(f"{byte:02x}" for byte in (0x0000BC0000000 + number).to_bytes(6, "big"))


def stations(assets: int) -> Iterator[tuple[Any, ...]]:
    """A station for each asset."""
    for n in range(assets):
        yield row(
            "station",
            source=1,
            number=n,
            mac=mac(n),
            address=address(n),
            frames=10 + n % 1000,
            **seen(n),
        )


def conversations(count: int, assets: int) -> Iterator[tuple[Any, ...]]:
    """Conversations between clients and servers, each once."""
    draw = random.Random(7)
    for n in range(count):
        client, server = n % assets, (n * 7919 + n // assets + 1) % assets
        service, protocol = SERVICES[n % len(SERVICES)]
        packets = draw.randrange(1, 100_000)
        yield row(
            "conversation",
            source=1,
            number=n,
            kind=4,
            client=address(client),
            server=address(server),
            service=service,
            protocol=protocol,
            claimed_by="content" if protocol else "",
            client_reason="syn",
            connections=1,
            packets_out=packets,
            packets_in=packets,
            bytes_out=packets * 80,
            bytes_in=packets * 90,
            payload_in=packets * 30,
            **seen(n),
        )


def findings(count: int, assets: int) -> Iterator[tuple[Any, ...]]:
    """Findings of a few rules."""
    for n in range(count):
        lists = ("witnesses", "operations", "objects", "outcomes", "techniques", "falsepositives")
        yield row(
            "finding",
            **dict.fromkeys(lists, "[]"),
            id=f"{n * 2654435761 % 2**32:08x}",
            short=f"{n * 2654435761 % 2**32:08x}",
            site="site",
            point_group="net",
            rule=f"rule-{n % 40}",
            name=f"rule-{n % 40}",
            category="operation",
            level=LEVELS[n % len(LEVELS)],
            title=f"Something of kind {n % 40} was seen",
            client=address(n % assets),
            server=address(n * 31 % assets),
            protocol=SERVICES[n % 6][1],
            count=1 + n % 9,
            source=1,
            **{"seen": "It was seen.", "next": "Ask the shift.", **seen(n)},
        )


def facts(assets: int) -> Iterator[tuple[Any, ...]]:
    """Two facts of one asset in four."""
    for n in range(0, assets, 4):
        for attribute, value in (("vendor", "Example Works"), ("model", f"PX-{n % 90}")):
            yield row(
                "fact",
                source=1,
                conversation=n,
                attribute=attribute,
                value=value,
                **{"protocol": "modbus", "about": address(n), "count": 3, **seen(n)},
            )


def seen(n: int) -> dict[str, int]:
    """When row n was seen."""
    first = BEGIN + n % 3600 * SECOND
    return {
        "first_time": first,
        "last_time": first + 600 * SECOND + n,
        "first_packet": n,
        "last_packet": n + 10,
    }


def write(path: Path, *, assets: int, conversations_: int, findings_: int) -> None:
    """Write the store."""
    with open_store(path) as store:
        store.source("site", "tap", "net", "")
        store.checkpoint({"clock": [row("clock", source=1, packets=10**9, first_time=BEGIN, last_time=BEGIN + 4200 * SECOND)]}, [], [], {1})  # fmt: skip
        connection = store.db.conn
        connection.execute("PRAGMA synchronous = OFF")
        for table, rows in (
            ("station", stations(assets)),
            ("conversation", conversations(conversations_, assets)),
            ("fact", facts(assets)),
            ("finding", findings(findings_, assets)),
        ):
            connection.execute("BEGIN")
            connection.executemany(TABLES[table].upsert, rows)
            connection.execute("COMMIT")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    for name in ("assets", "conversations", "findings"):
        parser.add_argument(f"--{name}", type=int, default=100_000 if name == "assets" else 10**6)
    given = parser.parse_args()
    write(given.file, assets=given.assets, conversations_=given.conversations, findings_=given.findings)  # fmt: skip
    print(json.dumps({"bytes": given.file.stat().st_size}))  # noqa: T201 - a script
