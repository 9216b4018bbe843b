"""IKE 1 and 2, and ESP where both share a UDP port: which tunnels are set up, how, and by whom.

Sources: [V1] RFC 2408 3, RFC 2409 (ISAKMP, IKEv1); [V2] RFC 7296; [NAT] RFC 3948; the IANA
registries of both.

Read is what is in the clear: proposals, notifications, vendors' marks, and in aggressive mode who
somebody says to be. ESP is known by the IKE that went before it on its ports; alone it is noise.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from otsec.columns import I64, Header, Ints, Mask, gather
from otsec.errors import Malformed, WireError
from otsec.protocols.api import Fact, Message, Operation, Protocol, Reader, Side, Split, Units
from otsec.protocols.framing.whole import whole
from otsec.protocols.keyed import plain_split
from otsec.protocols.spoken import keys_of, text_of
from otsec.protocols.texts import address

HEADER = np.dtype(
    [
        ("initiator", "V8"), ("responder", ">u8"), ("next", "u1"), ("version", "u1"),
        ("exchange", "u1"), ("flags", "u1"), ("message", ">u4"), ("length", ">u4"),
    ]
)  # fmt: skip
SIZE = HEADER.itemsize
PLAIN, ON_NAT = 0, 1  # framings: port 500; port 4500, where four zeros stand in front of IKE
MARK = 4  # bytes
V1, V2 = 0x10, 0x20
EXCHANGES = {  # IANA, exchange types
    V1: {
        1: "base", 2: "main_mode", 3: "authentication_only", 4: "aggressive_mode",
        5: "informational", 6: "transaction", 32: "quick_mode", 33: "new_group_mode",
    },
    V2: {
        34: "ike_sa_init", 35: "ike_auth", 36: "create_child_sa", 37: "informational",
        38: "session_resume", 43: "ike_intermediate",
    },
}  # fmt: skip
ESP, KEEP_ALIVE = "esp", "nat_keep_alive"
OPERATIONS = (
    *(
        Operation(name, "session", code)
        for name, code in {
            name: code for table in EXCHANGES.values() for code, name in table.items()
        }.items()
    ),
    Operation(ESP, "session", 0x100),
    Operation(KEEP_ALIVE, "session", 0x101),
)
SEALED_1, INITIATOR, RESPONDS = 0x01, 0x08, 0x20  # flags
_FLAGS = {V1: 0x07, V2: 0x38}
# payloads, [V1] 3.1 and [V2] 3.2
SA_1, TRANSFORM_1, IDENTITY_1, NOTIFY_1, VENDOR_1 = 1, 3, 5, 11, 13
SA_2, NOTIFY_2, VENDOR_2, SEALED_2 = 33, 41, 43, (46, 53)
_KNOWN = {V1: frozenset({*range(22), 130, 131}), V2: frozenset({0, *range(33, 55)})}
MOST = 64  # payloads, or parts of one
FAILURES = {  # IANA, notify message types of either version
    V1: {
        1: "invalid_payload_type", 4: "invalid_cookie", 5: "invalid_major_version",
        7: "invalid_exchange_type", 9: "invalid_message_id", 14: "no_proposal_chosen",
        16: "payload_malformed", 17: "invalid_key_information", 18: "invalid_id_information",
        23: "invalid_hash_information", 24: "authentication_failed", 25: "invalid_signature",
        28: "unequal_payload_lengths", 29: "unsupported_exchange_type",
    },
    V2: {
        1: "unsupported_critical_payload", 4: "invalid_ike_spi", 5: "invalid_major_version",
        7: "invalid_syntax", 9: "invalid_message_id", 11: "invalid_spi", 14: "no_proposal_chosen",
        17: "invalid_ke_payload", 24: "authentication_failed", 34: "single_pair_required",
        35: "no_additional_sas", 38: "ts_unacceptable", 43: "temporary_failure",
    },
}  # fmt: skip
COOKIE_2 = 16390  # asks to come again with it
CIPHERS_1 = {1: "DES", 3: "Blowfish", 5: "3DES", 6: "CAST", 7: "AES", 8: "Camellia"}
HASHES_1 = {1: "MD5", 2: "SHA1", 4: "SHA2-256", 5: "SHA2-384", 6: "SHA2-512"}
SHARED_KEY = "pre-shared key"
METHODS_1 = {1: SHARED_KEY, 2: "DSS", 3: "RSA signature", 4: "RSA encryption",
             65001: "xauth pre-shared key", 65005: "xauth RSA"}  # fmt: skip
CIPHERS_2 = {2: "DES", 3: "3DES", 7: "Blowfish", 11: "NULL", 12: "AES-CBC", 13: "AES-CTR",
             18: "AES-GCM-8", 19: "AES-GCM-12", 20: "AES-GCM", 28: "ChaCha20"}  # fmt: skip
PRFS_2 = {1: "MD5", 2: "SHA1", 4: "AES-XCBC", 5: "SHA2-256", 6: "SHA2-384", 7: "SHA2-512"}
GROUPS = {1: "MODP-768", 2: "MODP-1024", 5: "MODP-1536", 14: "MODP-2048", 15: "MODP-3072",
          16: "MODP-4096", 19: "ECP-256", 20: "ECP-384", 21: "ECP-521", 31: "Curve25519"}  # fmt: skip
VENDORS = {  # as their makers publish them, by the beginning of the mark
    "12f5f28c457168a9702d9fe274cc": "Cisco Unity",
    "1e2b516905991c7d7c96fcbfb587e461": "Microsoft Windows",
    "882fe56d6fd20dbc2251613b2ebe5beb": "strongSwan",
    "f4ed19e0c114eb516faaac0ee37daf2807b4381f": "Check Point",
    "166f932d55eb64d8e4df4fd37e2313f0d0fd8451": "Juniper NetScreen",
    "8299031757a36082c6a621de": "Fortinet",
}
# by which whoever has recorded it can guess the key at leisure
AGGRESSIVE = "aggressive_mode"
IDENTITY = ("ike_version", "ike_algorithms", "ike_vendor", "account", "credentials")
OPAQUE = "opaque: encrypted"
IKE = whole("ike", SIZE)
IKE_ON_NAT = whole("ike_nat", 1)

# ---------------------------------------------------------------------------- in columns


def _heads(units: Units) -> tuple[Header, I64, Mask]:
    """Header of IKE, where it begins, and whether it is right to the last byte."""
    start = units.start + np.where(units.framing == ON_NAT, MARK, 0)
    header, fits = gather(units.buffer, start, units.end, HEADER)
    mark, _ = gather(units.buffer, units.start, units.end, np.dtype(">u4"))
    fits &= (units.framing == PLAIN) | (mark == 0)
    fits &= header["length"] == units.end - start
    right = np.zeros(len(units), np.bool_)
    for version, table in EXCHANGES.items():
        mine = (header["version"] == version) & np.isin(header["exchange"], list(table))
        mine &= header["flags"] & ~np.uint8(_FLAGS[version]) == 0
        right |= mine & np.isin(header["next"], list(_KNOWN[version]))
    return header, start, np.asarray(fits & right, np.bool_)


def claims(units: Units) -> Mask:
    """Headers of known exchanges that tell their length, with payloads that fill it."""
    header, start, mine = _heads(units)
    mine &= header["initiator"] != np.zeros((), "V8")
    for row in np.flatnonzero(mine).tolist():
        try:
            _told(units.buffer[start[row] : units.end[row]].tobytes())
        except WireError:
            mine[row] = False
    return mine


def sides(units: Units) -> Ints:
    """By who began ([V2] 3.1); in version 1 only the first message tells."""
    header, _, fits = _heads(units)
    side = np.full(len(units), Side.UNKNOWN, np.uint8)
    newer = fits & (header["version"] == V2)
    began = header["flags"] & INITIATOR > 0
    side[newer] = np.where(began, Side.REQUEST, Side.RESPONSE)[newer]
    side[fits & ~newer & (header["responder"] == 0)] = Side.REQUEST
    return side


def split(units: Units) -> Split:
    """Key: what is said. Tag: the message's number, where who began asks."""
    header, start, fits = _heads(units)
    natted = units.framing == ON_NAT
    mark, there = gather(units.buffer, units.start, units.end, np.dtype(">u4"))
    size = units.end - units.start
    esp = natted & there & (mark > 0) & (size >= SHORTEST_ESP)
    first, _ = gather(units.buffer, units.start, units.end, np.dtype("u1"))
    alive = natted & (size == 1) & (first == 0xFF)  # [NAT] 2.3
    words, bad = keys_of(
        units, start, units.end, units.kind, np.flatnonzero(fits), lambda data, _: _told(data)
    )
    what = np.select([esp, alive], [1, 2], 0).astype(np.uint64)
    pairs = fits & (header["version"] == V2)
    pairs &= (header["flags"] & INITIATOR > 0) != (header["flags"] & RESPONDS > 0)
    return plain_split(
        [what, *words],
        np.asarray(bad | ~(fits | esp | alive), np.bool_),
        header["message"].astype(np.uint64),
        ~pairs,
    )


SHORTEST_ESP = 16  # bytes: index, number, and the shortest that is encrypted


# -------------------------------------------------------------------------------- decode


def decode(reader: Reader, side: Side, _request: Message | None) -> Message:
    """A message of IKE, or what lies between them on port 4500."""
    data = reader.data
    if reader.framing == ON_NAT:
        if data == b"\xff":
            return Message(KEEP_ALIVE, "session")
        if any(data[:MARK]):
            reader.take(SHORTEST_ESP)
            return Message(ESP, "session", note=OPAQUE)
        data = data[MARK:]
    said = _told(data)
    speaker = "client" if side == Side.REQUEST else "server"
    facts = tuple(Fact(fact.attribute, fact.value, speaker) for fact in said.facts)
    outcome = said.outcome if side == Side.RESPONSE or said.outcome != "ok" else ""
    return Message(
        said.operation, "session", said.object, outcome=outcome, facts=facts, note=said.note
    )


Payload = tuple[int, Reader]


@lru_cache(maxsize=64)
def _told(data: bytes) -> Message:
    reader = Reader(data)
    began, _, following, version = reader.take(8), reader.take(8), reader.u8(), reader.u8()
    exchange, flags, _, size = reader.u8(), reader.u8(), reader.u32(), reader.u32()
    name = EXCHANGES.get(version, {}).get(exchange)
    if name is None or size != len(data) or not any(began):
        raise Malformed(f"exchange {exchange} of version {version:#04x}, {size} bytes")
    if flags & ~_FLAGS[version] or following not in _KNOWN[version]:
        raise Malformed(f"flags {flags:#04x}, payload {following}")
    answers = flags & RESPONDS if version == V2 else 0
    outcome = "ok" if answers or version == V1 else ""
    of = f"IKEv{version >> 4}"
    if version == V1 and flags & SEALED_1:
        return Message(name, "session", of, outcome=outcome, note=OPAQUE)
    facts, notes = [Fact("ike_version", of)], []
    for kind, payload in _payloads(reader, following):
        if kind in (SA_1, SA_2):
            told = _proposals(payload, newer=kind == SA_2)
            notes.append("; ".join(told))
            facts += [Fact("ike_algorithms", one) for one in told[:1]]
        elif kind in (VENDOR_1, VENDOR_2):
            facts += [Fact("ike_vendor", word) for word in _vendor(payload.rest().hex())]
        elif kind in (NOTIFY_1, NOTIFY_2):
            outcome = _notified(payload, version) or outcome
        elif kind == IDENTITY_1:
            named, who = _identity(payload)
            facts += [Fact("account", who)] if named else []
            notes += [] if named else [f"identity {who}"]
        elif kind in SEALED_2:
            notes.append(OPAQUE)
    if name == AGGRESSIVE and any(SHARED_KEY in fact.value for fact in facts):
        facts.append(Fact("credentials", "weak"))
    return Message(
        name, "session", of, outcome=outcome, facts=tuple(dict.fromkeys(facts)),
        note=", ".join(notes),
    )  # fmt: skip


def _payloads(reader: Reader, following: int) -> Iterator[Payload]:
    """[V1] 3.2, [V2] 3.2: each names the next one; what is encrypted is the last."""
    for _ in range(MOST):
        if not following:
            break
        kind, following = following, reader.u8()
        reader.u8()
        yield kind, reader.part(reader.u16() - 4)
        if kind in SEALED_2:
            following = 0
    if following or reader.left():
        raise Malformed(f"{reader.left()} bytes behind the payloads")


def _vendor(mark: str) -> list[str]:
    return [word for front, word in VENDORS.items() if mark.startswith(front)]


def _notified(reader: Reader, version: int) -> str:
    """[V1] 3.14, [V2] 3.10; only what failed."""
    reader.take(6 if version == V1 else 2)
    code = reader.u16()
    if code >= 16384:
        return "cookie_required" if version == V2 and code == COOKIE_2 else ""
    return FAILURES[version].get(code, f"error {code}")


ADDRESSES, WORDS = (1, 5), (2, 3)  # kinds of identity, [V1] RFC 2407 4.6.2.1


def _identity(reader: Reader) -> tuple[bool, str]:
    """Whether somebody gives a name, and it or what else."""
    kind, _ = reader.u8(), reader.take(3)
    raw = reader.rest()
    if kind in ADDRESSES and len(raw) in (4, 16):
        return False, address(raw)
    if kind in WORDS:
        return True, text_of(raw)
    return False, f"of kind {kind}, {len(raw)} bytes"


def _proposals(reader: Reader, *, newer: bool) -> list[str]:
    """[V1] 3.4 to 3.6, [V2] 3.3: the algorithms of each proposal, the first one preferred."""
    if not newer:
        reader.take(8)  # domain of interpretation, situation
    told = []
    for _ in range(MOST):
        more = reader.u8()
        reader.u8()
        inner = reader.part(reader.u16() - 4)
        _, _, spi, count = inner.u8(), inner.u8(), inner.u8(), inner.u8()
        inner.take(spi)
        told += _transforms(inner, min(count, MOST), newer=newer)
        if not more:
            break
    return told


def _transforms(reader: Reader, count: int, *, newer: bool) -> list[str]:
    words, told = [], []
    for _ in range(count):
        reader.take(2)
        inner = reader.part(reader.u16() - 4)
        if newer:
            kind, _, code = inner.u8(), inner.u8(), inner.u16()
            size = dict(_attributes(inner)).get(14)
            words += [_word_2(kind, code) + (f"-{size}" if size else "")]
        else:
            inner.take(4)
            told.append(_word_1(dict(_attributes(inner))))
    return ["/".join(dict.fromkeys(filter(None, words)))] if newer else told


def _word_2(kind: int, code: int) -> str:
    table = {1: CIPHERS_2, 2: PRFS_2, 4: GROUPS}.get(kind)
    return "" if table is None else table.get(code, f"{code}")


def _word_1(told: dict[int, int]) -> str:
    """[V1] RFC 2409 appendix A."""
    size = f"-{told[14]}" if 14 in told else ""
    words = [CIPHERS_1.get(told[1], str(told[1])) + size] if 1 in told else []
    for code, table in ((2, HASHES_1), (4, GROUPS), (3, METHODS_1)):
        words += [table.get(told[code], str(told[code]))] if code in told else []
    return "/".join(words)


def _attributes(reader: Reader) -> Iterator[tuple[int, int]]:
    """[V1] 3.3: short ones by their value, long ones passed over."""
    for _ in range(MOST):
        if not reader.left():
            break
        code = reader.u16()
        if code & 0x8000:
            yield code & 0x7FFF, reader.u16()
        else:
            reader.take(reader.u16())


PROTOCOL = Protocol(
    name="ike",
    title="IKE and IPsec on UDP",
    standard="RFC 2408, RFC 2409, RFC 7296, RFC 3948",
    transports=frozenset({"udp"}),
    ports=frozenset({500, 4500}),
    framings=(IKE, IKE_ON_NAT),
    claims=claims,
    sides=sides,
    split=split,
    decode=decode,
    operations=OPERATIONS,
    identity=IDENTITY,
    industrial=False,
    session=True,
)
