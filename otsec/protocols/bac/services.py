"""All other services, and failures.

Source: [135] ANSI/ASHRAE 135-2020, 13 to 17, 20.1.
"""

from collections.abc import Callable

from otsec.errors import Malformed
from otsec.protocols.api import Elements, Fact, Message, Reader
from otsec.protocols.bac.codes import (
    ABORT,
    ASK,
    COMPLEX,
    COV,
    ERROR,
    EVENT,
    I_AM,
    I_HAVE,
    NEGATIVE,
    READ,
    READ_MANY,
    REJECT,
    SEGMENT,
    SIMPLE,
    TELL,
    TIME,
    TOLD_COV,
    TOLD_EVENT,
    UTC_TIME,
    WHO_HAS,
    WHO_IS,
    WRITE,
    WRITE_MANY,
    YOU_ARE,
)
from otsec.protocols.bac.pdu import Pdu, named
from otsec.protocols.bac.plain import (
    INSTANCE,
    application,
    context,
    ended,
    expect,
    next_tag,
    object_name,
    optional,
    peek,
    property_name,
    skip,
    text_of,
    unsigned,
)
from otsec.protocols.bac.properties import (
    error,
    list_answered,
    list_asked,
    read_answered,
    read_asked,
    reported,
    speaker,
    write_asked,
)
from otsec.protocols.bac.tags import CLOSE, OPEN, PRIMITIVE
from otsec.protocols.words import bacnet as words


def _i_am(pdu: Pdu) -> Message:
    """[135] 16.10."""
    object_ = application(pdu.body, 12)
    longest = unsigned(application(pdu.body, 2))
    segments = unsigned(application(pdu.body, 9))
    vendor = unsigned(application(pdu.body, 2))
    ended(pdu.body)
    text = object_name(object_)
    name = words.vendors().get(vendor)
    facts = [
        Fact("device_id", str(_instance(object_)), pdu.about),
        Fact("vendor_id", str(vendor), pdu.about),
        *([Fact("vendor", name, pdu.about)] if name else []),
        Fact("max_apdu", str(longest), pdu.about),
        Fact("segmentation", words.SEGMENTATION.get(segments, str(segments)), pdu.about),
    ]
    return pdu.says(named(TELL, I_AM), text, facts=tuple(facts))


def _instance(object_: bytes) -> int:
    return int.from_bytes(object_, "big") & INSTANCE


def _i_have(pdu: Pdu) -> Message:
    """[135] 16.9."""
    device, object_ = application(pdu.body, 12), application(pdu.body, 12)
    name = text_of(application(pdu.body, 7))
    ended(pdu.body)
    text = f"{object_name(object_)} {name!r} of {object_name(device)}"
    return pdu.says(named(TELL, I_HAVE), text, facts=speaker(pdu, device))


def _limits(body: Reader) -> str:
    """`devices 1-10`; nothing for all of them."""
    low = optional(body, 0)
    if low is None:
        return ""
    return f"devices {unsigned(low)}-{unsigned(context(body, 1))}"


def _who_is(pdu: Pdu) -> Message:
    """[135] 16.10."""
    text = _limits(pdu.body)
    ended(pdu.body)
    return pdu.says(named(TELL, WHO_IS), text)


def _who_has(pdu: Pdu) -> Message:
    """[135] 16.9."""
    limits = _limits(pdu.body)
    object_ = optional(pdu.body, 2)
    text = object_name(object_) if object_ is not None else repr(text_of(context(pdu.body, 3)))
    ended(pdu.body)
    return pdu.says(named(TELL, WHO_HAS), f"{text} of {limits}" if limits else text)


def _who_am_i(pdu: Pdu) -> Message:
    """[135] 16.11: vendor, model and serial number of a device without an identity."""
    vendor, model, serial = _maker(pdu.body)
    ended(pdu.body)
    facts = (
        Fact("vendor_id", vendor, pdu.about),
        Fact("model_name", model, pdu.about),
        Fact("serial", serial, pdu.about),
    )
    return pdu.says(named(TELL, pdu.service), serial, facts=facts)


def _maker(body: Reader) -> tuple[str, str, str]:
    vendor = str(unsigned(application(body, 2)))
    return vendor, text_of(application(body, 7)), text_of(application(body, 7))


def _you_are(pdu: Pdu) -> Message:
    """[135] 16.11: gives a device its identity, address or both."""
    vendor, model, serial = _maker(pdu.body)
    told = []
    while pdu.body.left():
        tag, content = next_tag(pdu.body)
        if tag.kind != PRIMITIVE or tag.number not in (6, 12):
            raise Malformed(f"tag {tag.number} in an identity")
        told.append(object_name(content) if tag.number == 12 else f"mac {content.hex(':')}")
    text = f"{model} {serial} of vendor {vendor}: {', '.join(told)}"
    return pdu.says(named(TELL, YOU_ARE), text)


def _time(pdu: Pdu) -> Message:
    """[135] 16.7 and 16.8; the values are the date (year, month, day, weekday) and the time."""
    operation = named(TELL, pdu.service)
    return pdu.says(operation, elements=Elements("date, time", 0, 2))


def _event(pdu: Pdu) -> Message:
    """[135] 13.8: an event notification; its time and values are not told."""
    body = pdu.body
    process, device = unsigned(context(body, 0)), context(body, 1)
    object_ = object_name(context(body, 2))
    skip(body, 3)
    place, priority = unsigned(context(body, 4)), unsigned(context(body, 5))
    kind = words.event_type(unsigned(context(body, 6)))
    text = optional(body, 7)
    notify = unsigned(context(body, 8))
    wants = optional(body, 9)
    before = optional(body, 10)
    after = words.event_state(unsigned(context(body, 11)))
    if body.left():
        skip(body, 12)
    ended(body)
    change = f"{words.event_state(unsigned(before))} to {after}" if before is not None else after
    said = [
        f"process {process} by {object_name(device)}, class {place}, priority {priority}",
        *(["wants an acknowledgement"] if wants not in (None, b"\0") else []),
        *([f"text {text_of(text)!r}"] if text is not None else []),
    ]
    name = words.NOTIFY_TYPES.get(notify, f"type {notify}")
    return pdu.says(
        named(pdu.kind, pdu.service), f"{object_}: {kind} {change} {name}",
        facts=speaker(pdu, device), note=", ".join(said),
    )  # fmt: skip


def _acknowledge_alarm(pdu: Pdu) -> Message:
    """[135] 13.5."""
    body = pdu.body
    process, object_ = unsigned(context(body, 0)), object_name(context(body, 1))
    state = words.event_state(unsigned(context(body, 2)))
    skip(body, 3)
    who = text_of(context(body, 4))
    skip(body, 5)
    ended(body)
    note = f"process {process}, by {who!r}"
    return pdu.says(named(ASK, 0), f"{object_} {state}", note=note)


def _subscribe(pdu: Pdu) -> Message:
    """[135] 13.14 and 13.15; without kind and lifetime a subscription is given up."""
    body = pdu.body
    process, object_ = unsigned(context(body, 0)), object_name(context(body, 1))
    confirmed, lifetime = optional(body, 2), optional(body, 3)
    if pdu.service == SUBSCRIBE_PROPERTY:
        expect(body, OPEN, 4)
        object_ += f" {property_name(context(body, 0), optional(body, 1))}"
        expect(body, CLOSE, 4)
        step = optional(body, 5)
        object_ += f" step {step.hex()}" if step is not None else ""
    ended(body)
    how = "" if confirmed is None else "confirmed" if confirmed != b"\0" else "unconfirmed"
    how += f" {unsigned(lifetime)} s" if lifetime is not None else ""
    text = f"{object_} for process {process}: {how.strip() or 'cancel'}"
    return pdu.says(named(ASK, pdu.service), text)


SUBSCRIBE_PROPERTY = 28


def _subscribe_many(pdu: Pdu) -> Message:
    """[135] 13.16."""
    body = pdu.body
    process, confirmed = unsigned(context(body, 0)), optional(body, 1)
    lifetime, delay = optional(body, 2), optional(body, 3)
    how = "cancel" if confirmed is None else "confirmed" if confirmed != b"\0" else "unconfirmed"
    how += f" {unsigned(lifetime)} s" if lifetime is not None else ""
    how += f" within {unsigned(delay)} s" if delay is not None else ""
    texts = []
    expect(body, OPEN, 4)
    while (object_ := optional(body, 0)) is not None:
        texts += _wanted(body, object_name(object_))
    expect(body, CLOSE, 4)
    ended(body)
    return pdu.says(named(ASK, pdu.service), f"{', '.join(texts)} for process {process}: {how}")


def _wanted(body: Reader, object_: str) -> list[str]:
    """The properties of one object that are subscribed to."""
    texts = []
    expect(body, OPEN, 1)
    while (tag := peek(body)) is not None and tag.kind == OPEN:
        expect(body, OPEN, 0)
        text = f"{object_} {property_name(context(body, 0), optional(body, 1))}"
        expect(body, CLOSE, 0)
        step, timed = optional(body, 1), context(body, 2)
        text += f" step {step.hex()}" if step is not None else ""
        texts.append(f"{text} with times" if timed != b"\0" else text)
    expect(body, CLOSE, 1)
    return texts


def _front_asked(pdu: Pdu) -> Message:
    """Services of which the key has the front: an object, or an object and its property."""
    body, texts = pdu.body, []
    object_ = optional(body, 0)
    if object_ is not None:
        texts = [object_name(object_), property_name(context(body, 1), optional(body, 2))]
    asked = pdu.says(named(ASK, pdu.service), " ".join(texts), note=_NOT_TOLD[pdu.service])
    return asked.leaving(body.left())


def _front_answered(pdu: Pdu) -> Message:
    body, texts = pdu.body, []
    object_ = optional(body, 0)
    if object_ is not None:
        texts = [object_name(object_), property_name(context(body, 1), optional(body, 2))]
    return pdu.answers(" ".join(texts), note=_NOT_TOLD[pdu.service]).leaving(body.left())


_NOT_TOLD = {
    8: "elements not told",
    9: "elements not told",
    26: "which part of the list is not told",
}


def _file_asked(pdu: Pdu) -> Message:
    """[135] 14.1 and 14.2; where in the file is not told."""
    object_ = object_name(application(pdu.body, 12))
    return pdu.says(named(ASK, pdu.service), object_, note="place and data not kept")


def _file_answered(pdu: Pdu) -> Message:
    return pdu.answers(note="place and data not kept")


def _create(pdu: Pdu) -> Message:
    """[135] 15.3: of a type, or with a number of its own."""
    body = pdu.body
    expect(body, OPEN, 0)
    kind, object_ = optional(body, 0), optional(body, 1)
    expect(body, CLOSE, 0)
    note = ""
    if body.left():
        skip(body, 1)
        note = "first values not told"
    ended(body)
    text = object_name(object_) if object_ is not None else words.object_type(unsigned(kind or b""))
    return pdu.says(named(ASK, pdu.service), text, note=note)


def _created(pdu: Pdu) -> Message:
    text = object_name(application(pdu.body, 12))
    ended(pdu.body)
    return pdu.answers(text)


def _delete(pdu: Pdu) -> Message:
    text = object_name(application(pdu.body, 12))
    ended(pdu.body)
    return pdu.says(named(ASK, pdu.service), text)


def _communication(pdu: Pdu) -> Message:
    """[135] 16.1: a device is told to be silent, or to speak again."""
    minutes, what = optional(pdu.body, 0), unsigned(context(pdu.body, 1))
    password = optional(pdu.body, 2)
    ended(pdu.body)
    text = words.COMMUNICATION.get(what, f"state {what}")
    text += f" for {unsigned(minutes)} min" if minutes is not None else ""
    return pdu.says(named(ASK, pdu.service), text, note=_password(password))


def _password(content: bytes | None) -> str:
    """What is said of a password; never itself."""
    if content is None:
        return "no password"
    return "password in clear" if content[1:] else "empty password"


def _reinitialize(pdu: Pdu) -> Message:
    """[135] 16.4."""
    state, password = unsigned(context(pdu.body, 0)), optional(pdu.body, 1)
    ended(pdu.body)
    text = words.STARTS.get(state, f"state {state}")
    return pdu.says(named(ASK, pdu.service), text, note=_password(password))


def _private(pdu: Pdu) -> Message:
    """[135] 16.2 and 16.3; what a vendor's own service does nobody else knows."""
    text, note = _private_text(pdu.body)
    return pdu.says(named(pdu.kind, pdu.service), text, note=note).leaving(pdu.body.left())


def _private_text(body: Reader) -> tuple[str, str]:
    vendor, service = unsigned(context(body, 0)), unsigned(context(body, 1))
    name = words.vendors().get(vendor, "nobody known")
    return f"vendor {vendor} service {service}", f"opaque: a vendor's service, of {name}"


def _private_answered(pdu: Pdu) -> Message:
    text, note = _private_text(pdu.body)
    return pdu.answers(text, note=note).leaving(pdu.body.left())


def _message(pdu: Pdu) -> Message:
    """[135] 16.5 and 16.6."""
    body = pdu.body
    source, text = object_name(context(body, 0)), ""
    tag = peek(body)
    if tag is not None and tag.kind == OPEN and tag.number == 1:
        expect(body, OPEN, 1)
        number, name = optional(body, 0), optional(body, 1)
        text = f" class {unsigned(number)}" if number is not None else f" {text_of(name or b'')!r}"
        expect(body, CLOSE, 1)
    urgent = unsigned(context(body, 2))
    said = text_of(context(body, 3))
    ended(body)
    text = f"from {source}{text}{' urgent' if urgent else ''}"
    return pdu.says(named(pdu.kind, pdu.service), text, note=f"text {said!r}")


def _life_safety(pdu: Pdu) -> Message:
    """[135] 13.13."""
    body = pdu.body
    process, who = unsigned(context(body, 0)), text_of(context(body, 1))
    operation, object_ = unsigned(context(body, 2)), optional(body, 3)
    ended(body)
    text = words.LIFE_SAFETY.get(operation, f"operation {operation}")
    text += f" {object_name(object_)}" if object_ is not None else ""
    note = f"process {process}, by {who!r}"
    return pdu.says(named(ASK, pdu.service), text, note=note)


def _alarms_asked(pdu: Pdu) -> Message:
    """[135] 13.10."""
    ended(pdu.body)
    return pdu.says(named(ASK, pdu.service))


def _events_asked(pdu: Pdu) -> Message:
    """[135] 13.12: all of them, or those behind one."""
    behind = optional(pdu.body, 0)
    ended(pdu.body)
    text = f"behind {object_name(behind)}" if behind is not None else ""
    return pdu.says(named(ASK, pdu.service), text)


def _enrollment_asked(pdu: Pdu) -> Message:
    """[135] 13.11; which kinds of enrolments are wanted is not told."""
    wanted = unsigned(context(pdu.body, 0))
    while pdu.body.left():
        next_tag(pdu.body)
    text = {0: "all", 1: "acknowledged", 2: "not acknowledged"}.get(wanted, f"filter {wanted}")
    return pdu.says(named(ASK, pdu.service), text)


def _terminal(pdu: Pdu) -> Message:
    """[135] 17: virtual terminals; session numbers and what is typed are not told."""
    typed = pdu.says(named(ASK, pdu.service), note="opaque: a terminal's text")
    return typed.leaving(pdu.body.left())


def _group_written(pdu: Pdu) -> Message:
    """[135] 15.11."""
    group, priority = unsigned(context(pdu.body, 0)), unsigned(context(pdu.body, 1))
    text = f"group {group} priority {priority}"
    written = pdu.says(named(TELL, pdu.service), text, note="values not told")
    return written.leaving(pdu.body.left())


def _reported_many(pdu: Pdu) -> Message:
    """[135] 13.17 and 13.18."""
    process, device = unsigned(context(pdu.body, 0)), context(pdu.body, 1)
    note = f"process {process}; values not told"
    text = f"of {object_name(device)}"
    facts = speaker(pdu, device)
    told = pdu.says(named(pdu.kind, pdu.service), text, facts=facts, note=note)
    return told.leaving(pdu.body.left())


def plain(pdu: Pdu) -> Message:
    """A service that is only named."""
    note = "body not decoded"
    if pdu.kind == COMPLEX:
        return pdu.answers(note=note).leaving(pdu.body.left())
    return pdu.says(named(pdu.kind, pdu.service), note=note).leaving(pdu.body.left())


def _acknowledged(pdu: Pdu) -> Message:
    ended(pdu.body)
    return pdu.answers()


def _events_told(pdu: Pdu) -> Message:
    return pdu.answers(note="events not told").leaving(pdu.body.left())


def _failed(pdu: Pdu) -> Message:
    """[135] 20.1.7 and 21: an error; of services with several parts also which one failed."""
    body, note = pdu.body, ""
    tag = peek(body)
    if tag is None or tag.kind != OPEN:
        outcome = error(body)
        ended(body)
        return pdu.answers(outcome=outcome)
    expect(body, OPEN, 0)
    outcome = error(body)
    expect(body, CLOSE, 0)
    if pdu.service == WRITE_MANY:
        expect(body, OPEN, 1)
        object_ = object_name(context(body, 0))
        note = f"at {object_} {property_name(context(body, 1), optional(body, 2))}"
        expect(body, CLOSE, 1)
    elif (number := optional(body, 1)) is not None:
        note = f"at element {unsigned(number)}"
    while body.left():
        next_tag(body)
    return pdu.answers(outcome=outcome, note=note)


def _refused(pdu: Pdu) -> Message:
    """Rejects, aborts and acknowledgements of segments: what was asked is in the request alone."""
    ended(pdu.body)
    operation, outcome = words.APDUS[pdu.kind], ""
    if pdu.kind == REJECT:
        outcome = f"reject {words.reject_reason(pdu.service)}"
    elif pdu.kind == ABORT:
        outcome = f"abort {words.abort_reason(pdu.service)}"
    elif pdu.first & NEGATIVE:
        outcome = "out of order"
    return pdu.says(operation, outcome=outcome)


SERVICES: dict[tuple[int, int], Callable[[Pdu], Message]] = {
    (ASK, 0): _acknowledge_alarm,
    (ASK, COV): reported,
    (ASK, EVENT): _event,
    (ASK, 3): _alarms_asked,
    (COMPLEX, 3): _events_told,
    (ASK, 4): _enrollment_asked,
    (COMPLEX, 4): _events_told,
    (ASK, 5): _subscribe,
    (ASK, 6): _file_asked,
    (COMPLEX, 6): _file_answered,
    (ASK, 7): _file_asked,
    (COMPLEX, 7): _file_answered,
    (ASK, 8): _front_asked,
    (ASK, 9): _front_asked,
    (ASK, 10): _create,
    (COMPLEX, 10): _created,
    (ASK, 11): _delete,
    (ASK, READ): read_asked,
    (COMPLEX, READ): read_answered,
    (ASK, READ_MANY): list_asked,
    (COMPLEX, READ_MANY): list_answered,
    (ASK, WRITE): write_asked,
    (ASK, WRITE_MANY): list_asked,
    (ASK, 17): _communication,
    (ASK, 18): _private,
    (COMPLEX, 18): _private_answered,
    (ASK, 19): _message,
    (ASK, 20): _reinitialize,
    (ASK, 21): _terminal,
    (ASK, 22): _terminal,
    (ASK, 23): _terminal,
    (ASK, 26): _front_asked,
    (COMPLEX, 26): _front_answered,
    (ASK, 27): _life_safety,
    (ASK, SUBSCRIBE_PROPERTY): _subscribe,
    (ASK, 29): _events_asked,
    (COMPLEX, 29): _events_told,
    (ASK, 30): _subscribe_many,
    (ASK, 31): _reported_many,
    (TELL, I_AM): _i_am,
    (TELL, I_HAVE): _i_have,
    (TELL, TOLD_COV): reported,
    (TELL, TOLD_EVENT): _event,
    (TELL, 4): _private,
    (TELL, 5): _message,
    (TELL, TIME): _time,
    (TELL, WHO_HAS): _who_has,
    (TELL, WHO_IS): _who_is,
    (TELL, UTC_TIME): _time,
    (TELL, 10): _group_written,
    (TELL, 11): _reported_many,
    (TELL, 13): _who_am_i,
    (TELL, YOU_ARE): _you_are,
}
KINDS: dict[int, Callable[[Pdu], Message]] = {
    SIMPLE: _acknowledged,
    ERROR: _failed,
    **dict.fromkeys((SEGMENT, REJECT, ABORT), _refused),
}
