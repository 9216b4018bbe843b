"""Things of the baseline in words for people."""

from otsec.baseline.model import DID, Key
from otsec.store.baseline import Line

LASTING = ((7_200e6, 3_600e6, "h"), (600e6, 60e6, "min"), (1e6, 1e6, "s"), (1e3, 1e3, "ms"))


def described(key: Key | Line) -> str:
    """A thing for people."""
    words = {
        "device": f"device {key.server}",
        "conversation": f"{key.client} to {key.server} by {key.service} {key.protocol}".rstrip(),
        "writer": f"{key.client} does {key.cls} at {_at_device(key)}",
        "value": f"{key.object} of {_at_device(key)}",
        "identity": f"{key.operation} {key.object} of {_at_device(key)}",
        "presence": f"presence of {key.server}",
        "cycle": f"how often {key.client} asks {_at_device(key)}",
        "response": f"how fast {_at_device(key)} answers {key.client}",
        "load": f"load of {key.client} to {key.server}",
        "week": f"load of {key.client} to {key.server} by hour of the week",
        "changes": f"how often {key.client} changes {_at_device(key) or 'any one device'}",
        "hours": f"hours at which {key.client} changes something",
        "order": f"order in which {key.client} {DID.get(key.operation, '')} {_at_device(key)}",
        "step": f"{key.object} ({key.client} {DID.get(key.operation, '')} {_at_device(key)})",
        "volume": f"volume of {key.client} to {key.server} by {key.service}",
    }
    between = f"{key.client} to {_at_device(key)}"
    return words.get(key.kind) or " ".join(
        part for part in (key.operation, key.object, f"({between})") if part
    )


def _at_device(key: Key | Line) -> str:
    return f"{key.server} {key.device}".rstrip()


def lasting(us: float) -> str:
    """A time in microseconds for people, to three figures."""
    for least, size, unit in LASTING:
        if us >= least:
            return f"{us / size:.3g} {unit}"
    return f"{us:.0f} us"
