"""One CIP message on its way to being told."""

from dataclasses import dataclass

from otsec.protocols.api import Elements, Fact, Message, Reader
from otsec.protocols.cip.codes import MORE
from otsec.protocols.cip.paths import Path
from otsec.protocols.words import enip as words

UNKNOWN_OBJECT = "unknown"  # of a response whose request, or data whose connection, was not seen
UNKNOWN_DEVICE = "unknown"  # on a connection whose opening was not seen
MISMATCH = "mismatch"  # the response does not fit the request with its tag
OPAQUE = "opaque: body of a service that its maker or class defines"
OPAQUE_ATTRIBUTES = "opaque: attributes whose types are not told"
MORE_FOLLOWS = "more follows"


@dataclass(frozen=True, slots=True)
class Said:
    """One CIP message, its frame read."""

    device: str
    service: int
    path: Path  # of a request
    klass: int  # that decides what the service of a request means: `leading_class`
    body: Reader
    request: Message | None = None
    status: int = 0  # of a reply
    outcome: str = ""

    @property
    def extended(self) -> bool:
        """Whether a reply has more of a status than its first byte."""
        return self.body.data[3] > 0

    @property
    def bare(self) -> bool:
        """Whether nothing stands behind path or status."""
        return not self.body.left()

    def named(self, text: str) -> str:
        """What the only instance of a class is told; of others their path is told too."""
        usual = self.path.instance == 1 and self.path.attribute < 0
        return text if usual else f"{self.path.text}: {text}"

    def opaque(self, word: words.Word, kind: str = OPAQUE, left: int | None = None) -> Message:
        """A message of which so many bytes are not told, else what is left; nothing may be."""
        left = self.body.left() if left is None else left
        return self.message(word, note=kind if left else "").leaving(left)

    def message(
        self,
        word: words.Word,
        object_: str | None = None,
        elements: Elements | None = None,
        facts: tuple[Fact, ...] = (),
        note: str = "",
    ) -> Message:
        """A request, or the response to one: of that it has operation and object."""
        name, cls = word
        asked = self.request
        if asked is not None:
            name, cls, object_ = asked.operation, asked.cls, asked.object
        elif object_ is None:
            object_ = UNKNOWN_OBJECT if self.outcome else self.path.text
        if self.status == MORE and not note:
            note = MORE_FOLLOWS
        return Message(name, cls, object_, self.device, self.outcome, elements, facts, note)


def outcome_of(status: int, extended: list[int]) -> str:
    """General status, and what specifies it; that there is more is no failure."""
    if status in (0, MORE):
        return "ok"
    name = words.GENERAL.get(status, f"{status:#04x}")
    known = words.EXTENDED if status == 1 else {}
    return " ".join([name, *(known.get(one, f"{one:#06x}") for one in extended)])
