"""The findings that the order of messages makes: what each is called, how bad it is, what it says."""

from otsec.baseline.kinds import APPROVE, Kind

BROKEN = Kind(
    "8c5e1d72-4b0f-5d3a-9e61-2f7a90c4b801",
    "message-order",
    "low",
    "Messages in another order than ever",
    ("T0855",),
    "{client} {did} {at}: behind {before} came {after}{more}; {how}.",
    "Behind these came {expected} ({times} times since {since}).",
    "A machine goes round in its cycle; who sends a right command out of turn knows the plant, or "
    "replays what he heard.",
    f"Ask the shift what was going on, and who was at {{client}}. {APPROVE}",
    ("The program of the client was changed.", "A step of the process was repeated by hand."),
)
DRIFT = Kind(
    "8c5e1d72-4b0f-5d3a-9e61-2f7a90c4b802",
    "order-drift",
    "low",
    "Messages come in less usual orders",
    ("T0855",),
    "{client} {did} {at} in orders that cost {bits} bits a message, in the hours from {begin} on.",
    "{learned} bits, give or take {spread}.",
    "What each message may be and their whole is not points to another program, or another client.",
    f"Compare what {{client}} does with its project. {APPROVE}",
    ("The program of the client was changed.",),
)
ALL = (BROKEN, DRIFT)
