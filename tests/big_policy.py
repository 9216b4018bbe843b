"""How long a policy takes to judge a big store: written row by row, without any packet.

python tests/big_policy.py [--behaviours N] [--conduits N]
"""

import argparse
import gc
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from big_store import BEGIN, SECOND, address, stations
from store_rows import row

from otsec.cli import COLLECT
from otsec.inventory.assembly import inventory
from otsec.policy.checking import Against, checked
from otsec.policy.judging import Judge
from otsec.policy.model import Policy
from otsec.policy.placing import People, Places
from otsec.policy.reading import read
from otsec.policy.verdicts import acts_of, flows, judge_acts, judged
from otsec.store import TABLES, open_store

ASSETS = 4_000
EACH = 20  # behaviours of a conversation
ACTS = (
    ("modbus", "read_holding_registers", "read"),
    ("modbus", "write_single_register", "write"),
    ("s7comm", "read_var", "read"),
    ("s7comm", "plc_stop", "mode"),
)


def policy(conduits: int) -> Policy:
    """Zones of /24, and conduits between pairs of them, some with windows and some with objects."""
    zones = [f"  z{n}: {{level: {n % 3 + 1}, nets: [10.0.{n}.0/24]}}" for n in range(ASSETS // 256 + 1)]  # fmt: skip
    rules = []
    for n in range(conduits):
        one, other = n % len(zones), n * 7 % len(zones)
        when = ", when: night" if n % 10 == 0 else ""
        what = ', objects: ["holding 0-1000"]' if n % 7 == 0 else ""
        rules.append(
            f"  - {{id: c{n}, from: {{zone: z{one}, ips: 10.0.{one}.{n % 255}}}, to: z{other}, "
            f"allow: [{{protocol: modbus, ops: [read]{what}}}], owner: o, reason: r{when}}}"
        )
    rules.append(
        "  - {id: all, from: z1, to: z2, allow: [{protocol: modbus}], owner: o, reason: r}"
    )
    text = (
        "otsec_policy: 1\nsite: {id: big, timezone: Europe/Berlin}\nzones:\n"
        + "\n".join(zones)
        + '\nwindows:\n  night: {start: "22:00", end: "06:00"}\nconduits:\n'
        + "\n".join(rules)
        + "\n"
    )
    found = checked(read(text), Against(0))
    if found.policy is None:
        raise ValueError(found.problems)
    return found.policy


def conversations(count: int) -> Iterator[tuple[Any, ...]]:
    """Conversations between many pairs."""
    for n in range(count):
        client, server = n % ASSETS, (n * 7919 + n // ASSETS + 1) % ASSETS
        yield row(
            "conversation", source=1, number=n, client=address(client), server=address(server),
            service="tcp/502", protocol="modbus", claimed_by="content", packets_out=5,
            payload_in=9, connections=1, **_seen(n),
        )  # fmt: skip


def behaviours(count: int) -> Iterator[tuple[Any, ...]]:
    """What is done in them."""
    for n in range(count):
        protocol, operation, cls = ACTS[n % len(ACTS)]
        yield row(
            "behaviour", source=1, number=n, conversation=n // EACH, protocol=protocol,
            operation=operation, object=f"holding {n % 5000}", outcome="ok", count=1 + n % 9,
            **{"class": cls}, **_seen(n),
        )  # fmt: skip


def _seen(number: int) -> dict[str, int]:
    first = BEGIN + number * SECOND // 1000
    return {"first_time": first, "first_packet": number, "last_time": first + SECOND, "last_packet": number + 1}  # fmt: skip


def made(path: Path, count: int) -> None:
    """Write the store."""
    tables = (
        ("station", stations(ASSETS)),
        ("conversation", conversations(max(count // EACH, 1))),
        ("behaviour", behaviours(count)),
    )
    with open_store(path) as store:
        store.source("big", "tap", "", "")
        connection = store.db.conn
        connection.execute("PRAGMA synchronous = OFF")
        for table, rows in tables:
            connection.execute("BEGIN")
            connection.executemany(TABLES[table].upsert, rows)
            connection.execute("COMMIT")


def main() -> None:
    """Write a store, and judge it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--behaviours", type=int, default=1_000_000)
    parser.add_argument("--conduits", type=int, default=500)
    arguments = parser.parse_args()
    gc.set_threshold(*COLLECT)  # as the command does
    chosen = policy(arguments.conduits)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "big.db")
        made(path, arguments.behaviours)
        with open_store(path, readonly=True) as store:
            people = People(inventory(store))
            clock, cpu = perf_counter(), process_time()
            found = judged(store, chosen, people)
            sys.stdout.write(
                f"judged  {perf_counter() - clock:6.2f} s, CPU {process_time() - cpu:6.2f} s" + "\n"
            )
            told = flows(found)
            sys.stdout.write(
                f"+ flows {perf_counter() - clock:6.2f} s, CPU {process_time() - cpu:6.2f} s" + "\n"
            )
            sys.stdout.write(f"{len(found.acts):,} behaviours, {len(told):,} flows" + "\n")
            acts = acts_of(store, details=True)
            judge = Judge(chosen, Places(chosen))
            begin = process_time()
            judge_acts(judge, acts, people, {}, store)
            sys.stdout.write(f"in memory, CPU {process_time() - begin:6.3f} s" + "\n")


if __name__ == "__main__":
    main()
