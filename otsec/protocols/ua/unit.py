"""One message of a service on its way to being told."""

from dataclasses import dataclass

from otsec.model import OperationClass
from otsec.protocols.api import Elements, Fact, Message, Side
from otsec.protocols.ua.codes import PUBLISH, PUBLISH_FAULTS
from otsec.protocols.ua.types import Value, status_word
from otsec.protocols.ua.values import MOST_VALUES, TYPES
from otsec.protocols.words.opcua import REQUESTS, RESPONSES, SERVICE_FAULT

UNKNOWN_OBJECT = "unknown"  # of a response whose request was not seen
MISMATCH = "mismatch"  # the response does not fit the request with its id
SECURED: tuple[str, OperationClass] = ("secured_message", "report")
GREETS: tuple[str, OperationClass] = ("hello", "session")
CALLS_BACK: tuple[str, OperationClass] = ("reverse_hello", "session")
FAILS: tuple[str, OperationClass] = ("error", "session")
ABORTS: tuple[str, OperationClass] = ("abort", "session")
FAULT: tuple[str, OperationClass] = ("service_fault", "session")


def elements_of(space: str, value: Value) -> Elements | None:
    """Which numbers an item holds; none where it is no number."""
    if not TYPES[value.kind] or value.count == 0:
        return None
    return Elements(space, 0, 1 if value.count < 0 else min(value.count, MOST_VALUES))


@dataclass(frozen=True, slots=True)
class Unit:
    """One message of a service, as `split` has it."""

    service: int
    side: Side  # of who speaks so, by the service
    at: int  # where the body behind its header begins
    status: int  # of a response
    policy: str  # of its channel, empty where it was not seen
    request: Message | None

    @property
    def operation(self) -> tuple[str, OperationClass]:
        """Operation and class."""
        if self.side == Side.REQUEST:
            return REQUESTS[self.service]
        if self.service == SERVICE_FAULT and self.request is not None:
            return self.request.operation, self.request.cls
        if self.status in PUBLISH_FAULTS:
            return REQUESTS[PUBLISH]
        return RESPONSES.get(self.service, FAULT)

    @property
    def astray(self) -> bool:
        """Whether it answers a request of another service."""
        asked = self.request
        return asked is not None and asked.operation != self.operation[0]

    def says(
        self, object_: str = "", *, outcome: str = "ok", elements: Elements | None = None,
        facts: list[Fact] | tuple[Fact, ...] = (), note: str = "",
    ) -> Message:  # fmt: skip
        """A message of this service; a response has its request's object, if it was seen."""
        if self.side == Side.REQUEST:
            return Message(*self.operation, object_, "", "", elements, told_once(facts), note)
        if not object_ and self.operation != REQUESTS[PUBLISH]:
            object_ = self.request.object if self.request is not None else UNKNOWN_OBJECT
        if self.status >> 30:
            outcome = status_word(self.status)
        if self.astray:
            object_, outcome = UNKNOWN_OBJECT, MISMATCH
        return Message(*self.operation, object_, "", outcome, elements, told_once(facts), note)


def told_once(facts: list[Fact] | tuple[Fact, ...]) -> tuple[Fact, ...]:
    """Each once, those that say something."""
    return tuple(dict.fromkeys(fact for fact in facts if fact.value))
