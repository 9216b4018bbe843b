"""What all parts of CIP share: codes, types, and the forms by which bodies are told apart."""

import numpy as np

from otsec.protocols.api import (
    F32_LE,
    F64_LE,
    I8,
    I16_LE,
    I32_LE,
    I64_LE,
    U8,
    U16_LE,
    U32_LE,
    U64_LE,
    VALUE_TYPES,
)
from otsec.protocols.words import enip as words

REPLY = 0x80  # set in the service of a response, [CIP1] 2-4
SET_LIST, MULTIPLE = 0x04, 0x0A
PCCC_SERVICE, CLOSE, SEND, OPEN, LARGE_OPEN = 0x4B, 0x4E, 0x52, 0x54, 0x5B
IDENTITY_CLASS, ROUTER_CLASS, MANAGER_CLASS, PCCC_CLASS = 0x01, 0x02, 0x06, 0x67
NAME_CLASS, SCOPE_CLASS, SYMBOL_CLASS = 0x64, 0x68, 0x6B  # a controller's name, a program, tags
MEMORY_CLASS, EDIT_CLASS = 0x72, 0xAC  # words of a controller's memory; what was changed in it
INTERFACE_CLASS, LINK_CLASS = 0xF5, 0xF6
MORE, EMBEDDED = 0x06, 0x1E  # general status: there is more; a service in a packet failed
READ_WORDS, WORD_BYTES = 0x4C, 4  # of memory
SEND_FRONT = bytes.fromhex("520220062401")  # an Unconnected_Send to the connection manager
MULTIPLE_FRONT = bytes.fromhex("0a0220022401")  # services for the message router
STRUCTURE = 0x02A0  # type of tags that are structures, [DATA]: its handle follows
TYPES = {  # elementary types of [CIP1] C-6.1, as values
    0xC1: U8,  # BOOL
    0xC2: I8,
    0xC3: I16_LE,
    0xC4: I32_LE,
    0xC5: I64_LE,
    0xC6: U8,
    0xC7: U16_LE,
    0xC8: U32_LE,
    0xC9: U64_LE,
    0xCA: F32_LE,
    0xCB: F64_LE,
    0xD1: U8,
    0xD2: U16_LE,
    0xD3: U32_LE,
    0xD4: U64_LE,
}
NUMBERS = {1: U8, 2: U16_LE, 4: U32_LE, 8: U64_LE}  # of attributes, whose type is not told
REQUESTER = 7  # bytes in front of a PCCC command: their number, vendor and serial, [CIP2] PCCC
LONGEST_ROUTE = 16  # bytes; a longer one makes the whole message its key
SYMBOLIC, CLASSLESS = -1, -2  # in place of a class: a tag's name; nothing that names a class

SIZE_OF = np.array([1 if dtype is None else dtype.itemsize for dtype in VALUE_TYPES])
SHORTEST_TEXT = 5  # bytes with their number: what is shorter may well be a number
SHORTEST_INTERFACE = 22  # bytes: five addresses, the length of a domain name, [CIP2] 5-4.3.2
PCCC_COMMANDS = [*{command for command, _ in words.PCCC}, *words.PCCC_PLAIN]
PCCC_REPLIES = np.isin(np.arange(256), [code | 0x40 for code in PCCC_COMMANDS])
LOGICAL = {0xA1: 2, 0xA2: 3, 0xA9: 2, 0xAA: 3, 0xAB: 3}  # functions with so many address fields
LOGICAL_WRITES = (0xA9, 0xAA)
IDENTITY_SIZES = np.array([0, 2, 2, 2, 2, 2, 4, -1, 1])  # by attribute; 7 is a text


def leading_class(path: bytes) -> int:
    """The class that decides what a service means: the first, or a symbol's within a program."""
    named = _first_class(path)
    if named == SCOPE_CLASS and len(path) > 2:
        further = _first_class(path[6 if path[2] == 0x25 else 4 :])
        return further if further == SYMBOL_CLASS else named
    return named


def _first_class(path: bytes) -> int:
    if len(path) >= 2 and path[0] in (0x20, 0x91):
        return path[1] if path[0] == 0x20 else SYMBOLIC
    if len(path) >= 4 and path[0] == 0x21:
        return int.from_bytes(path[2:4], "little")
    return CLASSLESS


def is_single(data: bytes) -> bool:
    """Whether a list of attributes holds one, which was read: number, attribute, status, data."""
    return len(data) > 6 and data[:2] == b"\1\0" and data[4:6] == b"\0\0"


MOST_ALIKE = 8  # attributes of a list that are told as values: their numbers are of the key


def size_of_each(data: bytes) -> int:
    """Bytes of each attribute in a list of several that were read, if all have as many; else 0."""
    count = int.from_bytes(data[:2], "little")
    if not 2 <= count <= MOST_ALIKE or (len(data) - 2) % count:
        return 0
    step = (len(data) - 2) // count
    heads = [data[at : at + 4] for at in range(2, len(data), step)]
    right = all(any(head[:2]) and head[2:] == b"\0\0" for head in heads)
    return step - 4 if right and step - 4 in NUMBERS else 0


def is_telling_bytes(data: bytes) -> bool:
    """Whether an attribute has the form of a text, or of an address and mask."""
    if len(data) < SHORTEST_TEXT or len(data) in NUMBERS:
        return False
    for front in (1, 2):
        if int.from_bytes(data[:front], "little") == len(data) - front:
            if all(0x20 <= byte < 0x7F for byte in data[front:]):
                return True
            if front == 1:
                break
    mask = ~int.from_bytes(data[4:8], "little") & 0xFFFF_FFFF
    return (
        len(data) >= SHORTEST_INTERFACE
        and data[3] > 0
        and data[7] == 0xFF
        and mask & (mask + 1) == 0
    )
