"""``otsec behaviours``: what each client does with each server."""

from argparse import ArgumentParser, Namespace
from typing import Any

from otsec.cli import listing
from otsec.cli.output import Column


def _response_mean(row: Any) -> int | None:
    return row.response_sum_us // row.response_count if row.response_count else None


def _interval_mean(row: Any) -> int | None:
    return row.interval_sum_us // row.interval_count if row.interval_count else None


def _response(name: str) -> Any:
    return lambda row: getattr(row, name) if row.response_count else None


def _interval(name: str) -> Any:
    return lambda row: getattr(row, name) if row.interval_count else None


COLUMNS = (
    Column("client", "client", about="address of who asks"),
    Column("server", "server", about="address of who answers"),
    Column("device", "device", about="the device behind the address; empty: the address itself"),
    Column("protocol", "protocol", about="the protocol"),
    Column("operation", "operation", about="the protocol's own word"),
    Column("class", "class", about="what kind of operation it is", value=lambda row: row.cls),
    Column("object", "object", about="what it works on"),
    Column("outcome", "outcome", about="ok, or how it failed; empty: nothing to answer"),
    Column("count", "count", "number", "how often it was seen"),
    Column(
        "interval_mean_us", "every", "duration", "mean time between two of it", value=_interval_mean
    ),
    Column(
        "response_mean_us", "answer in", "duration", "mean time to the answer", value=_response_mean
    ),
    Column("last_time", "last seen", "time", "time of its last packet"),
    Column("first_time", "first seen", "time", "time of its first packet", detail=True),
    Column("number", "no.", "number", "its number: `otsec show behaviour:NUMBER`", detail=True),
    Column("first_packet", "first packet", "number", "ordinal in its source", detail=True),
    Column("last_packet", "last packet", "number", "ordinal in its source", detail=True),
    Column("packets", "packets", "list", "a few packets that show it, ordinals", detail=True),
    *(
        Column(
            f"response_{end}_us",
            f"answer {end}",
            "duration",
            f"{word} time to the answer",
            detail=True,
            value=_response(f"response_{end}_us"),
        )
        for end, word in (("min", "shortest"), ("max", "longest"))
    ),
    *(
        Column(
            f"interval_{end}_us",
            f"every {end}",
            "duration",
            f"{word} time between two of it",
            detail=True,
            value=_interval(f"interval_{end}_us"),
        )
        for end, word in (("min", "shortest"), ("max", "longest"))
    ),
    Column("service", "service", about="transport and port, or ethertype", detail=True),
    Column("place", "vlan", about="VLAN ids and VXLAN network; empty: untagged", detail=True),
    Column("note", "note", about="what was not decoded of it, and why", detail=True),
    Column("doubtful", "doubtful", "flag", "the claim of its protocol was withdrawn", detail=True),
    *listing.WHERE_SEEN,
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, listing.FOR_BEHAVIOURS)


def run(arguments: Namespace) -> int:
    """Print the behaviours by client, server and device, the most frequent first."""
    from otsec.store import queries

    return listing.run(arguments, "behaviours", COLUMNS, listing.FOR_BEHAVIOURS, queries.behaviours)
