"""The findings that time makes: what each is called, how bad it is, what it says."""

from otsec.baseline.kinds import APPROVE, Kind
from otsec.baseline.model import TIMED

LEARNED = TIMED  # kinds of lines that are judged so
DRIFT = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b01",
    "response-drift",
    "low",
    "Device answers ever slower",
    (),
    "{at} answers after {seen}.",
    "After {learned}.",
    "A controller that gets slow is overloaded, ages, or somebody stands in between.",
    f"Look at its load and diagnosis, and at who else asks it. {APPROVE}",
    ("The program became larger.", "More clients than before."),
)
COLLAPSE = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b02",
    "response-collapse",
    "medium",
    "Answers come sooner than the device can give them",
    ("T0856",),
    "{at}: {seen}.",
    "It takes {learned}.",
    "Who answers for a device, or replays what it said, need not read any sensor.",
    f"Compare the MAC address of {{server}} with the register, and look who else has it. {APPROVE}",
    ("A device that was replaced by a faster one.",),
)
LINK = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b03",
    "link-failing",
    "low",
    "Answers are lost again and again",
    (),
    "{at}: {seen}.",
    "{learned}.",
    "A cable or connector that fails gets worse until it is gone.",
    f"Look at cable and connector of {{server}}, and at the error counters of its port. {APPROVE}",
    ("A device that is overloaded.",),
)
POLL = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b04",
    "poll-changed",
    "low",
    "Device is asked at another pace",
    (),
    "{client} asks {server} {seen}.",
    "{learned}.",
    "A client that asks at another pace has another program, or is another client.",
    f"Ask who works at {{client}}. {APPROVE}",
    ("The project of the client was changed.",),
)
MISSED = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b09",
    "polls-missed",
    "low",
    "Device is asked late or not at all, again and again",
    (),
    "{client} asks {server} late: {seen}.",
    "{learned}.",
    "What is not asked is not known: its client is overloaded, or something fails between them.",
    "Look at the load of {client}, at its cable and the error counters of its port, and by"
    f" `otsec health` whether packets are missing in the capture. {APPROVE}",
    ("The client asks for something more, and more seldom.", "A client that is being worked on."),
)
LOAD = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b05",
    "load-unusual",
    "medium",
    "Much more is sent than ever before",
    ("T0882",),
    "{client} sent {server} {seen}.",
    "{learned}.",
    "Data that leave, and programs that come, are larger than measured values.",
    f"Find out what was sent. {APPROVE}",
    ("A backup or an update.",),
)
LOAD_HOUR = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b08",
    "load-hour",
    "medium",  # low where no week but the one was learned
    "Much is sent at an hour of the week at which little is",
    ("T0882",),
    "{client} sent {server} {seen}.",
    "{learned}.",
    "What is sent by a known way at another time is work that moved, or data that leave.",
    f"Find out what was sent, and who was there. {APPROVE}",
    ("A backup that was run by hand, or put off.",),
)
ODD_HOUR = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b06",
    "unusual-hour",
    "medium",
    "Changed at an hour at which it never is",
    ("T0855",),
    "{client} changed {seen}.",
    "It changes something {learned}.",
    "When nobody of the shift is there, somebody else is.",
    f"Ask the shift who was at {{client}}. {APPROVE}",
    ("Work at night that was not announced.",),
)
BURST = Kind(
    "3d0b8f5a-91c4-5e0b-8a57-6a5f0d3f1b07",
    "write-burst",
    "medium",
    "Changed far more often than ever before",
    ("T0806",),
    "{client} changed {at} {seen}.",
    "{learned}.",
    "Values that are each as usual wear out a drive or a valve when they come again and again.",
    f"Look at what {{client}} wrote, and what runs on it. {APPROVE}",
    ("A program that was changed.", "Commissioning that was not announced."),
)
OF_SERVERS = (DRIFT, COLLAPSE, LINK)  # told of the server, whoever asks
ALL = (DRIFT, COLLAPSE, LINK, POLL, MISSED, LOAD, LOAD_HOUR, BURST, ODD_HOUR)
