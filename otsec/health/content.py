"""Checks of what could be made of it: industrial protocols, bytes not decoded, caps that were hit."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from otsec.health.seen import Seen, busiest, first_of
from otsec.health.services import by_number
from otsec.health.verdict import Packet, Severity, Verdict, counted, number, percent

if TYPE_CHECKING:
    from otsec.store.queries import Conversation

UNDECODED_WARN = 0.05  # of the payload of a protocol that otsec reads


def industrial(seen: Seen) -> Iterable[Verdict]:
    """Whether any industrial protocol is spoken that otsec reads."""
    if not seen.packets:
        return
    read = Counter[str]()
    others = Counter[str]()
    shown: list[Conversation] = []
    for talk in seen.conversations:
        packets = talk.packets_out + talk.packets_in
        if talk.protocol:
            read[talk.protocol] += packets
        elif name := by_number(talk.service):
            others[f"{name} ({talk.service})"] += packets
            shown.append(talk)
    if read:
        yield Verdict("industrial", Severity.GOOD, f"Recognised by content: {busiest(read, 6)}.")
        return
    if others:
        yield Verdict(
            "industrial",
            Severity.WARN,
            "No industrial protocol that otsec reads; by their numbers these may be some: "
            f"{busiest(others, 6)}.",
            tuple(first_of(talk) for talk in shown[:2]),
            "these protocols are not read by this version of otsec, or something else uses their "
            "numbers",
            "nothing in the mirror; who talks to whom is told all the same (otsec conversations)",
            1.0,
        )
        return
    yield Verdict(
        "industrial",
        Severity.BAD,
        f"No industrial protocol in {counted(seen.packets, 'packet')}.",
        (),
        "the mirrored ports or VLANs carry no traffic of controllers, or it is encrypted or inside "
        "a tunnel",
        "mirror the ports of the controllers, or the link between them and the control room",
        1.0,
    )


def decoding(seen: Seen) -> Iterable[Verdict]:
    """Whether the protocols that otsec reads could be read in full."""
    totals: dict[str, list[int]] = {}
    for talk in seen.conversations:
        if not talk.protocol:
            continue
        sums = totals.setdefault(talk.protocol, [0, 0, 0, 0])
        for at, count in enumerate(
            (
                talk.payload_out + talk.payload_in,
                talk.undecoded_out + talk.undecoded_in,
                talk.malformed,
                talk.truncated,
            )
        ):
            sums[at] += count
    for protocol, (payload, undecoded, malformed, truncated) in sorted(totals.items()):
        figure = (
            f"{protocol}: {percent(undecoded, payload)} of {number(payload)} bytes not decoded, "
            f"{counted(malformed, 'message')} malformed, {number(truncated)} cut"
        )
        if undecoded <= UNDECODED_WARN * payload and not malformed:
            yield Verdict("decoding", Severity.GOOD, f"{figure}.")
            continue
        worst = max(
            (talk for talk in seen.conversations if talk.protocol == protocol),
            key=lambda talk: (talk.malformed, talk.undecoded_out + talk.undecoded_in),
        )
        yield Verdict(
            "decoding",
            Severity.WARN,
            f"{figure}; most between {worst.client} and {worst.server} {worst.service}.",
            (first_of(worst),),
            "lost or cut packets, a device that departs from the standard, or somebody who tries "
            "what it does with wrong messages",
            "see what is said here of lost bytes; if none is lost, look at these packets",
            undecoded / payload if payload else 1.0,
        )


# ------------------------------------------------------------------------------------- caps


class Cap(NamedTuple):
    """A limit of otsec's own tables."""

    setting: str  # in otsec.yaml
    lost: str  # what is not told of what found no room; behind a count


CAPS = {
    "connections": Cap(
        "connections", "packets of connections that found no room were only counted"
    ),
    "conversations": Cap(
        "conversations", "connections are told only as of `many`, without their addresses"
    ),
    "behaviours": Cap("behaviours", "sightings of operations on new objects were not kept"),
    "stations": Cap("stations", "packets of further senders are not told as of devices"),
    "lookups": Cap("stations", "questions for further addresses were not kept"),
    "cells": Cap("value_cells", "sightings of operations are told without their values"),
    "facts": Cap("facts", "statements of devices about themselves were not kept"),
    "gaps": Cap("gaps", "further gaps were only counted"),
    "reassembly": Cap("reassembly_bytes", "bytes that came out of order or in parts were given up"),
    "fragments": Cap("fragments_bytes", "datagrams in fragments were given up"),
}


def caps(seen: Seen) -> Iterable[Verdict]:
    """Which limits were reached, what is lost for it, and which setting raises each."""
    hit = False
    for name in sorted({one.name for one in seen.counters if one.name.startswith("cap:")}):
        hit = True
        count = seen.total(name)
        cap = CAPS.get(name.removeprefix("cap:"))
        lost = cap.lost if cap else "times something found no room"
        setting = cap.setting if cap else name.removeprefix("cap:")
        yield Verdict(
            "caps",
            Severity.WARN,
            f"The cap on {name.removeprefix('cap:').replace('_', ' ')} was reached: "
            f"{number(count)} {lost}.",
            tuple(Packet(one.first_packet, one.first_time) for one in seen.counts(name)[:1]),
            "a very large network, several networks under one capture point; or a scan or a flood",
            f"look at who has most conversations; if it is all wanted, raise caps.{setting} in "
            "otsec.yaml and read into a new store",
            min(1.0, count / max(seen.packets, 1)),
        )
    if not hit and seen.packets:
        yield Verdict("caps", Severity.GOOD, "No limit of otsec was reached.")


def speed(seen: Seen) -> Iterable[Verdict]:
    """How otsec went about it; told only when asked for more."""
    told = {
        one.name.removeprefix("engine:"): one.count
        for one in seen.counters
        if one.name.startswith("engine:")
    }
    units, decoded = told.pop("units", 0), told.pop("decoded", 0)
    if units:
        yield Verdict(
            "engine",
            Severity.GOOD,
            f"{percent(max(units - decoded, 0), units)} of {number(units)} messages were found "
            f"decoded in the cache, {number(decoded)} were decoded.",
        )
    plain = told.pop("plain_flows", 0)
    flows = told.pop("flows", 0)
    if plain or flows:
        of_all = f" of {number(flows)} ({percent(plain, flows)})" if flows else ""
        yield Verdict(
            "engine",
            Severity.GOOD,
            f"{number(plain)}{of_all} flows of batches went the plain, slow way.",
        )
    for name, count in sorted(told.items()):
        yield Verdict("engine", Severity.GOOD, f"{name.replace('_', ' ')}: {number(count)}.")
