"""Filters by network: as SQL where that tells it, else tested address by address, always alike."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_rows import row

from otsec.store import open_store, paging
from otsec.store.filters import Filter, condition
from otsec.store.selects import FIELDS

ADDRESSES = ("10.0.0.1", "10.20.0.1", "10.20.128.9", "10.200.0.1", "100.1.1.1", "1.0.0.1", "9.9.9.9",
    "11.0.0.0", "255.255.255.255", "0.0.0.1", "fe80::1", "2001:db8::7", "00:11:22:33:44:55", "many",
    "10.20", "10", "")  # fmt: skip


@given(
    st.builds(
        lambda number, bits: ipaddress.ip_network((number, bits), strict=False),
        st.sampled_from([*(int(ipaddress.ip_address(one)) for one in ADDRESSES[:9])]),
        st.integers(0, 32),
    ),
    st.booleans(),
)
def test_a_network_keeps_its_addresses(network: ipaddress.IPv4Network, negated: bool) -> None:
    """Whatever a network's size, its filter keeps what is in it, or with ! all that is not."""
    import sqlite3

    wanted = condition([Filter("client", str(network), negated)], FIELDS["conversations"])
    with sqlite3.connect(":memory:") as found:
        found.execute("CREATE TABLE t (client TEXT)")
        found.executemany("INSERT INTO t VALUES (?)", [(one,) for one in ADDRESSES])
        statement = f"SELECT client FROM t WHERE {wanted.sql}"  # noqa: S608 - values are bound
        rows = found.execute(statement, wanted.parameters).fetchall()
    found.close()

    def inside(text: str) -> bool:
        try:
            return ipaddress.ip_address(text) in network
        except ValueError:
            return False

    kept = {text for (text,) in rows if wanted.keeps({"client": text})}
    real = {one for one in ADDRESSES if one != "10.20"}  # no address, and none is ever stored
    assert kept & real == {one for one in real if inside(one) is not negated}


@pytest.mark.parametrize(
    ("value", "clients"),
    [
        ("10.20.0.0/16", {"10.20.0.1", "10.20.128.9"}),
        ("10.20.0.0/17", {"10.20.0.1"}),
        ("10.20.128.9/32", {"10.20.128.9"}),
        ("2001:db8::/32", {"2001:db8::7"}),
        ("0.0.0.0/0", set(ADDRESSES[:10])),
    ],
)
def test_conversations_of_a_network(tmp_path: Path, value: str, clients: set[str]) -> None:
    """Pages of a listing hold the rows of the network, IPv4 or IPv6, and no MAC address."""
    with open_store(tmp_path / "x.db") as store:
        store.source("site", "tap", "net", "")
        told = [
            row("conversation", source=1, number=n, client=one) for n, one in enumerate(ADDRESSES)
        ]
        store.checkpoint({"conversation": told}, [], [], {1})
        keys = paging.order_of(store, "conversations", [Filter("client", value)])
        found = paging.page(store, "conversations", keys)

    assert {one.row.client for one in found} == clients
