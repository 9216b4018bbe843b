"""Checks of what could be made of it: industrial protocols, bytes not decoded, caps that were hit."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from otsec import protocols
from otsec.health.seen import Seen, busiest, packets_of
from otsec.health.services import INDUSTRIAL
from otsec.health.verdict import Packet, Severity, Verdict, counted, number, percent
from otsec.store import checks

UNDECODED_WARN = 0.05  # of the payload of a protocol that otsec reads


def industrial(seen: Seen) -> Iterable[Verdict]:
    """Whether any industrial protocol is spoken that otsec reads."""
    if not seen.packets:
        return
    names = protocols.industrial()
    read = Counter({one.protocol: one.packets for one in seen.spoken if one.protocol in names})
    if read:
        yield Verdict("industrial", Severity.GOOD, f"Recognised by content: {busiest(read, 6)}.")
        return
    found = checks.numbered(seen.store, seen.source.id, tuple(INDUSTRIAL))
    if found:
        others = Counter(
            {f"{INDUSTRIAL[one.service]} ({one.service})": one.packets for one in found}
        )
        most = max(found, key=lambda one: one.packets)
        yield Verdict(
            "industrial",
            Severity.WARN,
            "Nothing was recognised as an industrial protocol; by their numbers these may be some: "
            f"{busiest(others, 6)}.",
            packets_of(seen.examples("numbered", 2, most.service)),
            _why_unrecognised({one.service for one in found}),
            "nothing about the mirror; who talks to whom is told all the same (otsec conversations)",
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


def _why_unrecognised(services: set[str]) -> str:
    """Why nothing was recognised where numbers promise it: otsec may read what they stand for."""
    read = services & {
        service for one in protocols.PROTOCOLS if one.industrial for service in one.services
    }
    causes = []
    if services - read:
        causes.append("otsec does not read every protocol that usually has these numbers")
    if read:
        causes.append("no whole message of a protocol that otsec reads is in the capture")
        causes.append("it is encrypted")
    return ", or ".join([*causes, "something else uses these numbers"])


def decoding(seen: Seen) -> Iterable[Verdict]:
    """Whether the protocols that otsec reads could be read in full."""
    names = protocols.industrial()
    for one in seen.spoken:
        if one.protocol not in names:
            continue
        figure = (
            f"{one.protocol}: {percent(one.undecoded, one.payload)} of {number(one.payload)} bytes "
            f"not decoded, {counted(one.malformed, 'message')} malformed, "
            f"{number(one.truncated)} cut"
        )
        if one.undecoded <= UNDECODED_WARN * one.payload and not one.malformed:
            yield Verdict("decoding", Severity.GOOD, f"{figure}.")
            continue
        (worst,) = seen.examples("not decoded", 1, one.protocol)
        yield Verdict(
            "decoding",
            Severity.WARN,
            f"{figure}; most between {worst.client} and {worst.server} {worst.service}.",
            packets_of([worst]),
            "lost or cut packets, a device that departs from the standard, or somebody who tries "
            "what it does with wrong messages",
            "see what is said here of lost bytes; if none is lost, look at these packets",
            one.undecoded / one.payload if one.payload else 1.0,
        )


# ------------------------------------------------------------------------------------- caps


class Cap(NamedTuple):
    """A limit of otsec's own tables."""

    setting: str  # in otsec.yaml
    what: str  # there is room for only so much of
    lost: str  # what became of that which found no room; behind a count


CAPS = {
    "connections": Cap(
        "connections",
        "connections at the same time",
        "packets of further connections were counted as those of `many`; their messages were not "
        "read, and who sent them is not told",
    ),
    "conversations": Cap(
        "conversations",
        "conversations",
        "further connections are told as those of `many`, without their addresses",
    ),
    "behaviours": Cap(
        "behaviours",
        "operations on objects",
        "messages about further objects were only counted, together as `(many)`",
    ),
    "stations": Cap("stations", "senders", "packets of further senders are not told as of devices"),
    "paths": Cap(
        "conversations",
        "pairs of sender and receiver",
        "further pairs were not followed: neither their volume by hour nor their silences are kept",
    ),
    "lookups": Cap(
        "stations", "addresses asked for by ARP", "questions for further addresses were not kept"
    ),
    "cells": Cap(
        "value_cells", "registers and points", "messages are told without the values in them"
    ),
    "facts": Cap("facts", "facts", "statements of devices about themselves were not kept"),
    "stamps": Cap("facts", "clocks of a protocol", "times of further clocks were not kept"),
    "gaps": Cap("gaps", "gaps of the capture", "further gaps were only counted"),
    "reassembly": Cap(
        "reassembly_bytes",
        "bytes that wait for others",
        "times what had come out of order or in parts was given up as lost",
    ),
    "fragments": Cap(
        "fragments_bytes",
        "bytes of datagrams in fragments",
        "datagrams were given up before all their fragments had come",
    ),
}


def caps(seen: Seen) -> Iterable[Verdict]:
    """Which limits were reached, what is lost for it, and which setting raises each."""
    hit = False
    for name in sorted({one.name for one in seen.counters if one.name.startswith("cap:")}):
        hit = True
        count = seen.total(name)
        what = name.removeprefix("cap:")
        cap = CAPS.get(what) or Cap(what, what.replace("_", " "), "times something found no room")
        yield Verdict(
            "caps",
            Severity.WARN,
            f"The limit caps.{cap.setting} on {cap.what} was reached: {number(count)} {cap.lost}.",
            tuple(Packet(one.first_packet, one.first_time) for one in seen.counts(name)[:1]),
            "a very large network, several networks under one capture point; or a scan or a flood",
            "look at who has most conversations (otsec conversations); if all of it belongs here, "
            f"raise caps.{cap.setting} in otsec.yaml and read into a new store",
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
