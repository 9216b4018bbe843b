"""Types of units and numbers of services; what the operations are called.

Source: [135] ANSI/ASHRAE 135-2020, 20.1 and 21.
"""

from otsec.protocols.api import Operation
from otsec.protocols.words import bacnet as words

ASK, TELL, SIMPLE, COMPLEX, SEGMENT, ERROR, REJECT, ABORT = range(8)  # types, [135] 20.1.1
NETWORK, LINK = 8, 9  # stand for a type where the unit is of a layer below
BY_SERVER = 0x01  # of segment acknowledgements and aborts
NEGATIVE = 0x02
I_AM, I_HAVE, WHO_HAS, WHO_IS, YOU_ARE = 0, 1, 7, 8, 14
COV, EVENT, READ, READ_MANY, WRITE, WRITE_MANY = 1, 2, 12, 14, 15, 16
TOLD_COV, TOLD_EVENT = 2, 3  # of the services without a confirmation
TIME, UTC_TIME = 6, 9


def code_of(kind: int, service: int) -> int:
    """A unit's type and service as one number."""
    return kind << 8 | service


OPERATIONS = (
    *(
        Operation(name, cls, code_of(kind, number))
        for kind, table in (
            (ASK, words.CONFIRMED),
            (TELL, words.UNCONFIRMED),
            (NETWORK, words.NETWORK),
            (LINK, words.VIRTUAL_LINK),
        )
        for number, (name, cls) in table.items()
    ),
    *(Operation(name, cls, code_of(kind, 0)) for kind, (name, cls) in words.APDUS.items()),
    # reading what a device is, is to look around
    Operation("read_property", "browse", code_of(ASK, READ)),
    Operation("read_property_multiple", "browse", code_of(ASK, READ_MANY)),
)
