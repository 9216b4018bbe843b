"""The tests that stand in a policy: what it must say of examples."""

import numpy as np

from otsec.policy import words
from otsec.policy.judging import Judge, Moments, What
from otsec.policy.judging import Thing as JudgedThing
from otsec.policy.model import CLASSES, Case, Policy, Subject
from otsec.policy.placing import Endpoint, Person, Places
from otsec.policy.problems import Problems


def run(policy: Policy, at: int, problems: Problems) -> None:
    """Run all tests, as of a time; what fails is a problem E601."""
    judge = Judge(policy, Places(policy))
    for number, case in enumerate(policy.tests, 1):
        verdict, rule = told(judge, case, at)
        by = f' by "{rule}"' if rule else " by the defaults"
        if verdict != case.expect:
            problems.add(
                case.place, "E601", f"test {number}: expected {case.expect}, got {verdict}{by}"
            )
        elif case.rule and rule != case.rule:
            problems.add(
                case.place,
                "E601",
                f'test {number}: expected "{case.rule}" to decide, it was decided{by}',
            )


def told(judge: Judge, case: Case, at: int) -> tuple[str, str]:
    """The verdict, and the id of the rule that decides; empty: a default."""
    client = _end(judge.places, case.client)
    server = judge.places.heard_by(_end(judge.places, case.server), client)
    ruling = judge.ruling(
        client, server, _what(case), JudgedThing(case.device, case.object, case.appids)
    )
    time = np.array([at if case.at is None else case.at], np.int64)
    options, chosen = judge.decide(ruling, Moments(time, np.array([-1], np.int64)))
    option = options[int(chosen[0])]
    return option.verdict, option.rule.id if option.rule is not None else ""


def _end(places: Places, subject: Subject) -> Endpoint:
    names = frozenset({subject.asset}) if subject.asset else frozenset[str]()
    folded = frozenset(tag.casefold() for tag in subject.tags)
    return places.endpoint(subject.address, subject.vlan, Person(subject.role, folded, names))


def _what(case: Case) -> What:
    """The operation; of a class, the first that the protocol has."""
    known = words.service(case.service) if case.service else words.protocols().get(case.protocol)
    port = min(known.ports) if known is not None and known.ports else ""
    protocol = case.protocol or (known.name if known is not None and known.decoded else "")
    if not case.op:
        return What(protocol if case.protocol else "", port, "", "")
    if case.op in CLASSES:
        return What(protocol, port, words.operation_of(protocol, case.op), case.op)
    return What(protocol, port, case.op, words.class_of(protocol, case.op))
