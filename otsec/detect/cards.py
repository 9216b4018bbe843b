"""Addresses that one card shows by ARP as its own, while another card sends from them."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from otsec.store.judged import Carried

MAC = "mac"  # the attribute; who has it goes on sending: it was not given away
PREFIX = len("00:1c:06")  # of a MAC address: who made the card
Told = tuple[Any, ...]  # source, place, address, device, attribute, protocol
Shown = tuple[int, str, str, str]  # source, place, address, and MAC address


def held(told: Mapping[Told, Collection[str]], sent: Mapping[Shown, Carried]) -> dict[Shown, str]:
    """By who shows an address by ARP, the card of another maker that sends from it.

    ``told``: the values of what is told; ``sent``: what each card sent. Cards of one maker may be
    those of one host, which shares its addresses among them; who shows many addresses is a proxy,
    and who shows one alone may have been given it.
    """
    from otsec.inventory.addresses import ARP, FEW, passed_a_router  # noqa: PLC0415 - few need it

    addresses: dict[tuple[int, str, str], set[str]] = defaultdict(set)
    for (source, place, address, _, attribute, protocol), values in told.items():
        if (attribute, protocol) == (MAC, ARP):
            for mac in values:
                addresses[source, place, mac].add(address)
    senders: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for (source, place, address, mac), one in sent.items():
        if not passed_a_router(one.ttl):
            senders[source, place, address].append(mac)
    return {
        (source, place, address, mac): min(others)
        for (source, place, mac), shown in addresses.items()
        if 1 < len(shown) <= FEW
        for address in shown
        if (others := [o for o in senders[source, place, address] if o[:PREFIX] != mac[:PREFIX]])
    }
