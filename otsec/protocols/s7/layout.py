"""How messages of S7comm are laid out: offsets, sizes and codes that all its parts share."""

import numpy as np

from otsec.protocols.api import F32_BE, I16_BE, I32_BE
from otsec.protocols.words import s7comm as words

PROTOCOL_ID, PLUS_ID = 0x32, 0x72
HEADER = np.dtype(
    [
        ("protocol", "u1"),
        ("kind", "u1"),  # ROSCTR
        ("redundancy", "<u2"),
        ("reference", "<u2"),
        ("parameters", ">u2"),  # bytes
        ("data", ">u2"),
    ]
)
HEAD, ERROR = 10, 2  # bytes of a header, and of the error behind it in ACK and ACK_DATA
DATA_HEAD = 4  # return code, type, length
ADDRESS = 0x12  # first byte of every address
USER_PARAMETERS = (8, 12)  # bytes; the long form is that of responses and what goes on with them
USER_HEADS = (0x12_01_00, 0x10_00_01)  # their first three bytes; the second of mode transitions

CONNECT, CONFIRM = 0xE0, 0xD0  # [ISO8073] 13
DISCONNECT, DISCONNECT_CONFIRM, TRANSPORT_ERROR = 0x80, 0xC0, 0x70
CONNECTED = 7  # bytes in front of the parameters of CR, CC and DR
SIZE, CALLING, CALLED = 0xC0, 0xC1, 0xC2  # parameters of CR and CC, [ISO8073] 13.3.4

NUMBERS = {  # types of data that say how their values are read: (type, bytes)
    words.INT_DATA: (I16_BE, 2),
    words.DINT_DATA: (I32_BE, 4),
    words.REAL_DATA: (F32_BE, 4),
}

# how many bytes of the data of user data are key, head included
TIME = 8  # bytes of a time stamp
MONITORED = DATA_HEAD + 8  # two sizes, and two numbers of the job
SUBSCRIBED = DATA_HEAD + 6  # how many, and the head of the first
LISTED = DATA_HEAD + 8  # id, index, size and number of records
ALARM = DATA_HEAD + TIME + 10  # function, number, head of the first object with its event
DIAGNOSED = DATA_HEAD + 12  # all in front of the time stamp
SENT = DATA_HEAD + 8  # an address with the number of the exchange

TELLING = (0x11, 0x1C, 0x24)  # low bytes of ids of system state lists that tell facts
PROTECTION = (0x32, 4)  # and one index of another
