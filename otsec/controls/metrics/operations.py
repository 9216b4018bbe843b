"""What was done to devices, and signs of harm: `ops.`, `proto.`, `dos.`, `l2.`, `malware.`."""

from collections.abc import Callable, Iterator

from otsec.controls.basis import Basis, count
from otsec.controls.metrics import assets
from otsec.controls.metrics.segmentation import by_policy
from otsec.controls.model import Figure, Item, NotConfigured, NotMeasurable, Number
from otsec.detect.cases import Case
from otsec.policy.verdicts import Flow
from otsec.sessions.kinds import changes
from otsec.store.views import Behaviour

PROGRAM = ("program", "mode")
FIRMWARE = ("firmware",)
SPOOFING = (
    *("address-fought-for", "address-moved", "two-dhcp-servers", "goose-two-publishers"),
    *("goose-replayed", "goose-returned", "profinet-counter"),
)
HIJACKED = (
    *("goose-replayed", "goose-returned", "iec104-counter", "iec104-acknowledgement"),
    *("dnp3-numbers", "profinet-counter"),
)
MALWARE = (
    *(
        "controller-loads-controller",
        "frostygoop",
        "havex-sweep",
        "industroyer2",
        "iocontrol",
        "stuxnet",
    ),
    *("doublepulsar", "doublepulsar-installed", "eternalblue", "ms08-067", "ms17-010-asked"),
    *("triton", "psexec"),
)
FLOODS = ("siprotec-denial",)


# ------------------------------------------------------------------------------- by the policy


def _denied(flow: Flow) -> bool:
    return flow.verdict == "deny" and bool(flow.cls) and flow.option.cause != "window"


def _late(flow: Flow) -> bool:
    return flow.verdict == "deny" and flow.option.cause == "window"


# ------------------------------------------------------------------------------------ changes


def unlinked(basis: Basis, classes: tuple[str, ...]) -> Iterator[Item]:
    """Operations of these classes; those are not counted that a decision or a window covers.

    A decision is a finding in the state `expected`, whether by a person or by a change record; a
    window is that of a conduit which allows the operation at that time.
    """
    done = [one for cls in classes for one in basis.doings(("class", cls))]
    if not done:
        return
    covered = _expected(basis)
    allowed = _in_windows(basis)
    for one in done:
        if one.outcome == "open" or (one.cls != "program" and not changes(one.cls, one.operation)):
            continue
        key = (one.group, one.place, one.client, one.server)
        case = next((case for case in covered.get(key, ()) if _about(case, one)), None)
        rule = allowed.get((*key, one.operation))
        told = f"expected ({case.finding.id})" if case else f"in the window of {rule}" if rule else "no record"  # fmt: skip
        yield basis.deed_item(one, told, counted=case is None and rule is None)


def _about(case: Case, one: Behaviour) -> bool:
    return not case.finding.operations or one.operation in case.finding.operations


def _expected(basis: Basis) -> dict[tuple[str, ...], list[Case]]:
    found: dict[tuple[str, ...], list[Case]] = {}
    for case in basis.cases:
        if case.state == "expected":
            one = case.finding
            found.setdefault((one.group, one.place, one.client, one.server), []).append(case)
    return found


def _in_windows(basis: Basis) -> dict[tuple[str, ...], str]:
    """Operations that a conduit with a window allows, and no flow of them is denied."""
    allowed: dict[tuple[str, ...], str] = {}
    denied: set[tuple[str, ...]] = set()
    for flow in basis.flows:
        key = (flow.group, flow.place, flow.client.address, flow.server.address, flow.operation)
        rule = flow.option.rule
        if flow.verdict == "deny":
            denied.add(key)
        elif rule is not None and rule.window is not None and not flow.doubt:
            allowed[key] = rule.id
    return {key: rule for key, rule in allowed.items() if key not in denied}


def program_unapproved(basis: Basis) -> Figure:
    """Program transfers and changes of mode without a record."""
    return count(unlinked(basis, PROGRAM))


def firmware_unapproved(basis: Basis) -> Figure:
    """Firmware transfers without a record."""
    return count(unlinked(basis, FIRMWARE))


def changes_unlinked(basis: Basis) -> Figure:
    """Changes of program, mode, firmware and identity without a record."""
    return count((*unlinked(basis, (*PROGRAM, *FIRMWARE)), *assets.changes(basis)))


# ------------------------------------------------------------------------------------- signs


def malformed(basis: Basis) -> Figure:
    """Messages that contradict their protocol."""
    found = [one for one in basis.conversations if one.malformed]
    items = tuple(basis.talk_item(one, f"{one.malformed} malformed") for one in found)
    return Number(sum(one.malformed for one in found), items=lambda: items)


def by_findings(*names: str) -> Callable[[Basis], Figure]:
    """A count of findings of these rules."""
    return lambda basis: count(basis.found(names))


def cycle_break(basis: Basis) -> Figure:
    """Cyclic exchanges that stopped or changed their period."""
    if not basis.learned:
        return NotConfigured("otsec baseline learn, then otsec baseline approve --by WHO")
    return count(basis.found(CYCLES))


CYCLES = ("silent-device",)


def floods(basis: Basis) -> Figure:
    """Floods and exhaustion, as rules tell them; a flood that no rule knows is not seen."""
    found = count(basis.found(FLOODS))
    return (
        found if found.value else NotMeasurable("no rule of this version tells floods and storms")
    )


METRICS: dict[str, Callable[[Basis], Figure]] = {
    "ops.unauthorised": by_policy(_denied),
    "ops.outside_window": by_policy(_late),
    "ops.program_unapproved": program_unapproved,
    "ops.firmware_unapproved": firmware_unapproved,
    "changes.unlinked": changes_unlinked,
    "proto.malformed": malformed,
    "proto.session_anomaly": by_findings(*HIJACKED),
    "proto.cycle_break": cycle_break,
    "dos.events": floods,
    "l2.spoof": by_findings(*SPOOFING),
    "malware.hits": by_findings(*MALWARE),
}
