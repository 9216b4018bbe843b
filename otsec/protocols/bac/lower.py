"""Messages of the network layer and of the virtual link.

Source: [135] ANSI/ASHRAE 135-2020, 6.4, annex J.
"""

from collections.abc import Callable

from otsec.model import OperationClass
from otsec.protocols.api import Fact, Message, Reader
from otsec.protocols.bac.bodies import SEALED
from otsec.protocols.bac.codes import LINK, NETWORK, code_of
from otsec.protocols.bac.pdu import Pdu, ip_text, named
from otsec.protocols.bac.plain import ended
from otsec.protocols.words import bacnet as words


def network_message(pdu: Pdu) -> Message:
    """A message of the network layer, [135] 6.4."""
    kind, body = pdu.service, pdu.body
    operation = named(NETWORK, kind)
    if kind >= VENDORS_OWN:
        vendor = body.u16()
        name = words.vendors().get(vendor, "nobody known")
        own = pdu.says(operation, f"vendor {vendor}", note=f"opaque: a vendor's message, of {name}")
        return own.leaving(body.left())
    teller = _NETWORK.get(kind)
    if teller is None:
        sealed = code_of(NETWORK, kind) in SEALED
        note = "opaque: network security" if sealed else "body not decoded"
        return pdu.says(operation, note=note).leaving(body.left())
    text, facts = teller(body, pdu.about)
    ended(body)
    return pdu.says(operation, text, facts=facts)


VENDORS_OWN = 0x80
Told = tuple[str, tuple[Fact, ...]]


def _nothing(_body: Reader, _about: str) -> Told:
    return "", ()


def _some_network(body: Reader, _about: str) -> Told:
    return (f"net {body.u16()}" if body.left() else ""), ()


def _all_networks(body: Reader, _about: str) -> Told:
    texts = []
    while body.left():
        texts.append(f"net {body.u16()}")
    return ", ".join(texts), ()


def _router(body: Reader, about: str) -> Told:
    text, _ = _all_networks(body, about)
    return text, (Fact("role_hint", "bacnet_router", about), Fact("routes_to", text, about))


def _could_route(body: Reader, _about: str) -> Told:
    return f"net {body.u16()} performance {body.u8()}", ()


def _not_routed(body: Reader, _about: str) -> Told:
    reason = body.u8()
    return f"net {body.u16()} {words.ROUTER_REASONS.get(reason, f'reason {reason}')}", ()


def _routing_table(body: Reader, _about: str) -> Told:
    texts = []
    for _ in range(body.u8()):
        texts.append(f"net {body.u16()} port {body.u8()}")
        info = body.take(body.u8())
        texts[-1] += f" {info.hex()}" if info else ""
    return ", ".join(texts), ()


def _connection(body: Reader, _about: str) -> Told:
    return f"net {body.u16()} for {body.u8()} s", ()


def _network_number(body: Reader, about: str) -> Told:
    number, source = body.u16(), body.u8()
    how = words.NUMBER_SOURCES.get(source, f"source {source}")
    return f"net {number} {how}", (Fact("bacnet_network", str(number), about),)


_NETWORK: dict[int, Callable[[Reader, str], Told]] = {
    0x00: _some_network,
    0x01: _router,
    0x02: _could_route,
    0x03: _not_routed,
    0x04: _all_networks,
    0x05: _all_networks,
    0x06: _routing_table,
    0x07: _routing_table,
    0x08: _connection,
    0x09: _some_network,
    0x12: _nothing,
    0x13: _network_number,
}


def link_message(pdu: Pdu) -> Message:
    """A message of the virtual link itself, [135] J.2."""
    operation, body = named(LINK, pdu.service), pdu.body
    if pdu.service == 0x0C:
        return pdu.says(operation, note="opaque: secure BVLL").leaving(body.left())
    if pdu.service == 0:
        code = body.u16()
        ended(body)
        outcome = words.LINK_RESULTS.get(code, f"result {code:#06x}")
        return pdu.says(operation, outcome=outcome)
    if pdu.service in _LINK_TABLES:
        return _table(pdu, operation)
    text = ""
    if pdu.service == REGISTER:
        text = f"{body.u16()} s"
    elif pdu.service == DELETE:
        text = ip_text(body)
    ended(body)
    return pdu.says(operation, text)


WRITE_TABLE, TABLE_TOLD, REGISTER, FOREIGN_TOLD, DELETE = 0x01, 0x03, 0x05, 0x07, 0x08
_LINK_TABLES = {TABLE_TOLD: "bbmd", FOREIGN_TOLD: "foreign_device", WRITE_TABLE: ""}


def _table(pdu: Pdu, operation: tuple[str, OperationClass]) -> Message:
    """Who broadcasts are distributed to; how long a foreign device has left is not told."""
    texts, facts, hint = [], [], _LINK_TABLES[pdu.service]
    while pdu.body.left():
        address = ip_text(pdu.body)
        if pdu.service == FOREIGN_TOLD:
            texts.append(f"{address} for {pdu.body.u16()} s")
            pdu.body.u16()
        else:
            texts.append(f"{address} mask {'.'.join(map(str, pdu.body.take(4)))}")
        facts.append(Fact("role_hint", hint, address.partition(":")[0]))
    if pdu.service == WRITE_TABLE:
        return pdu.says(operation, ", ".join(texts))
    return pdu.says(operation, facts=tuple(facts), outcome="ok", note=", ".join(texts))
