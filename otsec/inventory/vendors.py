"""Who made a network card, by the prefix of its MAC address; vendors by number."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files

from otsec.protocols.words import enip

LOCAL_BIT = 0x02  # of the first byte: an address that nobody gave out, IEEE 802 8.2.2


@cache
def _table() -> bytes:
    return (files("otsec.inventory") / "tables" / "oui.tsv").read_bytes()


def dated() -> str:
    """The day of the table, `2024-05-20`."""
    head = _table()[:400].decode().split("\n")
    return next(line[8:] for line in head if line.startswith("# date: "))


@cache
def vendor_of_mac(mac: str) -> str:
    """To whom the first three bytes of a MAC address were given; empty: to nobody known.

    The table is searched as it lies in its file: 35,000 names need not become objects.
    """
    if int(mac[:2], 16) & LOCAL_BIT:
        return ""
    prefix = mac[:8].replace(":", "").encode()
    table = _table()
    low, high = 0, len(table)  # both where lines begin
    while low < high:
        middle = table.rfind(b"\n", low, (low + high) // 2) + 1 or low
        end = table.index(b"\n", middle)
        line = table[middle:end]
        if line[:6] == prefix:
            return line[7:].decode()
        if line[:6] < prefix:  # so is the head: "#" comes before all digits
            low = end + 1
        else:
            high = middle
    return ""


def _cip_vendor(number: str) -> str:
    return enip.vendors().get(int(number), "") if number.isascii() and number.isdecimal() else ""


# Numbers of vendors that protocols have lists of.
NUMBERED: dict[tuple[str, str], Callable[[str], str]] = {
    ("enip", "vendor_id"): _cip_vendor,
    ("enip", "expected_vendor_id"): _cip_vendor,
}
# PROFINET and S7 have no such lists; here stands only what a capture shows, with the capture:
# protocol, attribute, how its value begins, the maker, and where that is seen.
SHOWN: tuple[tuple[str, str, str, str, str], ...] = (
    ("profinet", "vendor_id", "0x002a", "Siemens", "iti__ChangeIPUsingDCP.pcap, packet 1"),
    (
        "s7comm",
        "copyright",
        "Original Siemens",
        "Siemens",
        "icsnpp-s7comm__s7ident.pcap, packet 12",
    ),
    ("s7comm", "order_number", "6ES7 ", "Siemens", "icsnpp-s7comm__s7ident.pcap, packet 10"),
)
TELLING = frozenset({*(name for _, name in NUMBERED), *(row[1] for row in SHOWN)})


def vendor_told(protocol: str, attribute: str, value: str) -> str:
    """The maker that an attribute other than `vendor` tells; empty: none, or nobody known."""
    number = NUMBERED.get((protocol, attribute))
    if number is not None:
        return number(value)
    for protocol_, attribute_, beginning, maker, _ in SHOWN:
        if (protocol, attribute) == (protocol_, attribute_) and value.startswith(beginning):
            return maker
    return ""
