"""Rules over rows: conditions, correlations, and what findings are made of them."""

import operator
import random
from pathlib import Path
from typing import Any

import pytest
from detect_rules import HEAD, correlation, finds, loaded, rule, where
from hypothesis import given
from hypothesis import strategies as st
from inventory_stores import SECOND, Tap, new_store, seen, tap
from store_rows import row

from otsec.detect.conditions import UNKNOWN, all_of, any_of, leaf, not_of
from otsec.detect.judging import found_in, judge
from otsec.detect.rows import scope
from otsec.detect.telling import MOST, outcome_words
from otsec.inventory import assembly
from otsec.store import TABLES
from otsec.store.dump import dump
from otsec.store.findings import packets
from otsec.store.judged import carried

PLC, PANEL, EVIL = "10.0.0.1", "10.0.0.2", "203.0.113.9"


@pytest.fixture
def net(tmp_path: Path) -> Tap:
    """A tap in a new store."""
    return tap(new_store(tmp_path))


MATCHES: dict[str, tuple[str, bool]] = {  # a selection over one write, and whether it holds
    "a word": ("{operation: WRITE}", True),
    "another word": ("{operation: read}", False),
    "one of several": ("{operation: [read, write]}", True),
    "all of a selection": ("{operation: write, outcome: refused}", False),
    "the beginning": ("{'object|startswith': holding}", True),
    "the end": ("{'object|endswith': holding}", False),
    "a part": ("{'object|contains': 'ing 1'}", True),
    "all parts": ("{'object|contains|all': [hold, coil]}", False),
    "stars": ("{object: 'hol*1?0*'}", True),
    "case where it counts": ("{'object|cased': 'Holding 100-109'}", False),
    "a pattern": ("{'object|re': '1.0-'}", True),
    "a network": ("{'server|cidr': 10.0.0.0/8}", True),
    "no address in a network": ("{'device|cidr': 10.0.0.0/8}", False),
    "at least": ("{'count|gte': 3}", True),
    "less": ("{'count|lt': 3}", False),
    "a number": ("{count: 3}", True),
    "nothing": ("{device: null}", True),
    "something": ("{'device|exists': true}", False),
    "two fields": ("{'client|fieldref': server}", False),
    "where it is": ("{client_scope: private}", True),
    "a role nobody knows": ("{client_role: unknown}", True),
    "a role of the inventory": ("{server_role: plc}", True),
    "a level of the inventory": ("{'server_level|lte': 1}", True),
    "a maker of the inventory": ("{'server_vendor|startswith': ACME}", True),
    "a name of the inventory": ("{server_name: press}", True),
    "no name": ("{'client_name|exists': true}", False),
}


@pytest.mark.parametrize(("selection", "holds"), MATCHES.values(), ids=MATCHES)
def test_selections(net: Tap, tmp_path: Path, selection: str, holds: bool) -> None:
    """Each modifier does what Sigma says, also where the inventory must be asked."""
    net.heard("00:1b:1b:00:00:01", PLC)
    net.says(PLC, "s7comm", vendor="ACME Works", order_number="6ES7 315-2EH14-0AB0", name="press")
    net.does(PANEL, PLC, "modbus", "write", object="holding 100-109")
    net.write()

    for condition, wanted in (("a", holds), ("not a", not holds)):
        text = rule("operation", f"{{a: {selection}, condition: {condition}}}")
        assert bool(finds(net.store, tmp_path / "rules", text)) is wanted


def test_only_assets_that_are_asked_for_are_made(
    net: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that asks for the role of one device does not have the whole inventory made."""
    made: list[str] = []
    make = assembly._asset

    def noted(draft: assembly.Draft, found: Any) -> Any:
        made.append(draft.nodes[0].address)
        return make(draft, found)

    monkeypatch.setattr(assembly, "_asset", noted)
    for number in range(9):
        net.heard(f"00:1b:1b:00:00:0{number}", f"10.0.0.{number}")
    net.says(PLC, "s7comm", vendor="ACME Works", order_number="6ES7 315-2EH14-0AB0")
    net.does(PANEL, PLC, "modbus", "write", object="holding 1")
    net.does(PANEL, PLC, "modbus", "write", object="holding 2")
    net.write()
    text = rule("operation", "{a: {class: write, server_role: plc}, condition: a}")

    assert finds(net.store, tmp_path / "rules", text)
    assert len(made) == 2, made


@pytest.mark.parametrize("group_by", ["client, server", "client, client_role"])
def test_the_inventory_is_asked_of_what_can_come_together(
    net: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_by: str
) -> None:
    """Forged senders, each with one part of a rule alone, do not have the inventory looked through."""
    made: list[str] = []
    make = assembly._asset

    def noted(draft: assembly.Draft, found: Any) -> Any:
        made.extend(node.address for node in draft.nodes)
        return make(draft, found)

    monkeypatch.setattr(assembly, "_asset", noted)
    for number, cls in enumerate(("read", "write")):
        net.does(EVIL, PLC, "modbus", cls)
        net.does(f"10.0.1.{number}", PLC, "modbus", cls)
    for address in (EVIL, PLC, "10.0.1.0", "10.0.1.1"):
        net.heard("00:1b:1b:00:00:01", address)
    net.write()
    parts = [
        f"title: Part\nname: {cls}\nlogsource: {{product: otsec, category: operation}}\n"
        f"detection: {{a: {{class: {cls}, client_role: unknown}}, condition: a}}\n---\n"
        for cls in ("read", "write")
    ]
    how = f"{{type: temporal, rules: [read, write], group-by: [{group_by}], timespan: 5m}}"
    found = finds(net.store, tmp_path / "rules", f"{''.join(parts)}{HEAD}correlation: {how}\n")

    assert where(found, "client") == [(EVIL,)]
    if group_by == "client, server":
        assert set(made) == {EVIL, PLC}


@pytest.mark.parametrize(
    ("field", "others"),
    [("server_role", PLC), ("server_scope", EVIL), ("server_name", PLC)],
)
def test_groups_by_what_the_condition_does_not_ask(
    net: Tap, tmp_path: Path, field: str, others: str
) -> None:
    """A correlation can group by scope and inventory, though nothing else of the rule needs them."""
    net.says(PLC, "s7comm", vendor="ACME", order_number="6ES7 315-2EH14-0AB0", name="press")
    for number, server in enumerate(("10.0.0.7", others)):
        net.heard(f"00:1b:1b:00:00:0{number}", server)
        net.does(PANEL, server, "modbus", "write")
        net.does(PANEL, server, "modbus", "write", object="holding 2")
    net.write()
    how = f"type: event_count, rules: [base], timespan: 5m, condition: {{gte: 2}}, group-by: [{field}]"
    text = correlation("{a: {class: write}, condition: a}", f"{{{how}}}")

    found = finds(net.store, tmp_path / "rules", text)
    assert sorted(where(found, "server")) == sorted([("10.0.0.7",), (others,)])


def test_reads_are_held_against_changes(net: Tap, tmp_path: Path) -> None:
    """Reads of one client from one server count for each of its changes, in the same protocol."""
    net.does(PANEL, PLC, "modbus", "write", object="holding 1", count=2)
    net.does(PANEL, PLC, "modbus", "mode", object="", count=1)
    net.does(PANEL, PLC, "modbus", "read", object="holding 1-9", count=29)
    net.does(PANEL, PLC, "modbus", "read", object="coil 1", count=2)
    net.does(PANEL, PLC, "s7comm", "read", object="DB1", count=50)
    net.does(EVIL, PLC, "modbus", "write", object="holding 1", count=4)
    net.write()

    for client, protocol, wanted in (
        *((PANEL, "modbus", 10), (PANEL, "s7comm", -1), (EVIL, "modbus", 0)),
    ):
        chosen = f"client: {client}, protocol: {protocol}, reads_per_write"
        for told in (wanted, wanted + 1):
            text = rule("operation", f"{{a: {{{chosen}: {told}}}, condition: a}}")
            assert bool(finds(net.store, tmp_path / "rules", text)) is (told == wanted)


@given(
    st.lists(st.sampled_from([True, False, UNKNOWN]), min_size=3, max_size=3), st.integers(0, 63)
)
def test_unknown_cells_never_decide_wrongly(known: list[Any], shape: int) -> None:
    """What is decided with unknown cells is what every way to fill them in would decide."""
    leaves = [leaf(at, bool) for at in range(3)]
    leaves = [not_of(one) if shape >> at & 1 else one for at, one in enumerate(leaves)]
    inner = (all_of if shape >> 3 & 1 else any_of)(leaves[1:])
    whole = (all_of if shape >> 4 & 1 else any_of)([leaves[0], not_of(inner)])
    verdict = whole(known)
    ways = [[]]
    for cell in known:
        ways = [
            [*way, one] for way in ways for one in ([True, False] if cell is UNKNOWN else [cell])
        ]
    answers = {whole(way) for way in ways}

    assert None not in answers
    assert verdict is None or answers == {verdict}


SCOPES = {
    "10.1.2.3": "private", "192.168.0.1": "private", "8.8.8.8": "public", "2001:4860::1": "public",
    "192.0.2.7": "public", "198.51.100.7": "public", "203.0.113.7": "public",
    "2001:db8::7": "public", "198.18.0.7": "private",
    "fd00::1": "private", "169.254.1.1": "link", "fe80::1": "link", "224.0.0.1": "group",
    "255.255.255.255": "group", "ff02::1": "group", "::": "none", "many": "none", "": "none",
    "00:1b:1b:00:00:01": "link", "01:0e:cf:00:00:00": "group", "ff:ff:ff:ff:ff:ff": "group",
}  # fmt: skip


@pytest.mark.parametrize(("address", "told"), SCOPES.items())
def test_scopes(address: str, told: str) -> None:
    """Where an address is, by itself."""
    assert scope(address) == told


# ------------------------------------------------------------------------------- findings


def test_findings_are_grouped(net: Tap, tmp_path: Path) -> None:
    """What one client does to one device is one finding; another device is another."""
    for device, outcome in (("unit 1", "ok"), ("unit 1", "exception busy"), ("unit 2", "open")):
        net.does(PANEL, PLC, "modbus", "mode", device=device, outcome=outcome, operation="stop")
    net.write()
    text = rule("operation", "{a: {class: mode}, condition: a}")
    found = sorted(finds(net.store, tmp_path / "rules", text), key=lambda one: one.device)

    assert where(found, "client", "server", "device", "times", "outcomes") == [
        (PANEL, PLC, "unit 1", 6, ("exception busy", "ok")),
        (PANEL, PLC, "unit 2", 3, ("open",)),
    ]
    assert found[0].seen.startswith(
        f"{PANEL} to {PLC} (unit 1): stop holding 1 refused (busy) / it was done"
    )
    assert found[0].id != found[1].id
    assert "not known whether it was done" in found[1].doubt


def test_points_of_a_group_are_witnesses(tmp_path: Path) -> None:
    """Two points that see the same give one finding, as the one that saw more tells it."""
    store = new_store(tmp_path)
    one, two, elsewhere = tap(store, point="a"), tap(store, point="b"), tap(store, "far", "c")
    for net, count in ((one, 2), (two, 5), (elsewhere, 1)):
        net.does(PANEL, PLC, "modbus", "mode", count=count)
        net.write()
    text = rule("operation", "{a: {class: mode}, condition: a}")
    found = finds(store, tmp_path / "rules", text)

    told = sorted(where(found, "group", "source", "times", "witnesses"))
    assert told == [("far", 3, 1, ()), ("net", 2, 5, ("a",))]


def test_changes_of_identity(net: Tap, tmp_path: Path) -> None:
    """A value that takes the place of another is seen; one that comes back is told from it."""
    net.says(PLC, "arp", mac="aa", at=0, until=10)
    net.says(PLC, "arp", mac="bb", at=20, until=30)
    net.says(PANEL, "arp", mac="cc", at=0, until=50)
    net.says(PANEL, "arp", mac="dd", at=20, until=30)
    net.write()
    came_back = rule("identity", "{a: {attribute: mac, returned: true}, condition: a}")
    moved = rule(
        "identity", "{a: {attribute: mac, before: aa, returned: false}, condition: a}"
    ).replace("0001", "0002")
    found = finds(net.store, tmp_path / "rules", came_back, moved)

    assert sorted(where(found, "name", "server", "first_packet")) == [
        ("rule-0", PANEL, 20),
        ("rule-1", PLC, 20),
    ]


def test_steps_and_losses_are_told(net: Tap, tmp_path: Path) -> None:
    """A finding says what limits its times."""
    net.does(PANEL, PLC, "modbus", "mode", **seen(0, 60))
    for number, kind in enumerate(("clock_back", "drops")):
        net._add("gap", number=number, kind=kind, packet=30 + number)
    net.write()
    (found,) = finds(
        net.store, tmp_path / "rules", rule("operation", "{a: {class: mode}, condition: a}")
    )

    assert found.doubt == (
        "The clock of the capture stepped between the first and the last packet. "
        "The capture lost packets in between, so it may have happened more often"
    )


def test_text_of_the_network_stays_text(net: Tap, tmp_path: Path) -> None:
    """Braces and endless names in what devices say are not filled in, and are cut."""
    net.does(PANEL, PLC, "modbus", "mode", object="{client}" + "x" * 5000)
    net.write()
    (found,) = finds(
        net.store, tmp_path / "rules", rule("operation", "{a: {class: mode}, condition: a}")
    )

    assert "{client}xxx" in found.seen
    assert len(found.seen) < 300


def test_a_flood_is_bounded(net: Tap, tmp_path: Path) -> None:
    """Beyond a number of findings of one rule the others are told as one; the first ones stay."""
    text = rule("operation", "{a: {class: mode}, condition: a}")
    for number in range(MOST + 50):
        net.does(
            f"10.1.{number // 250}.{number % 250}", PLC, "modbus", "mode", **seen(number, number)
        )
        if number == MOST - 1:
            net.write()
            before = {one.id for one in finds(net.store, tmp_path / "rules", text)}
    net.write()
    found = finds(net.store, tmp_path / "rules", text)

    (further,) = [one for one in found if one.id not in before]
    assert (len(before), len(found)) == (MOST, MOST + 1)
    assert (further.client, further.server, further.times) == ("several", PLC, 150)
    assert f"beyond the first {MOST} findings" in further.doubt


def test_judged_again(net: Tap, tmp_path: Path) -> None:
    """Judging replaces all findings; a rule that is gone leaves nothing behind, the id stays."""
    net.does(PANEL, PLC, "modbus", "mode")
    net.write()
    made = loaded(tmp_path / "rules", rule("operation", "{a: {class: mode}, condition: a}"))
    (first,) = judge(net.store, made.rules)
    (again,) = judge(net.store, made.rules)
    kept = list(dump(net.store))

    assert first == again
    assert sum(line.startswith("finding ") for line in kept) == 1
    assert [one.packet for one, _ in packets(net.store, first.id)] == [0, 60]
    assert judge(net.store, []) == []
    assert not any(line.startswith("finding") for line in dump(net.store))


# ---------------------------------------------------------------------------- correlations


def many(net: Tap, times: list[int], **cells: Any) -> None:
    """A behaviour with an event at each of the times, in seconds."""
    number = len(net.rows.get("behaviour", []))
    net.does(
        PANEL, PLC, "ssh", "session", count=len(times), **seen(min(times), max(times)), **cells
    )
    for at in times:
        net.event(number, at)


COUNT = "{type: event_count, rules: [base], group-by: [client, server], timespan: 1m, condition: {gte: 5}}"
ANY = "{a: {client: '*'}, condition: a}"
RATES: dict[str, tuple[list[int], int]] = {  # times of events, most in a window (0: no finding)
    "enough in a minute": ([0, 5, 10, 15, 20], 5),
    "too few": ([0, 5, 10, 15], 0),
    "too slow": ([0, 20, 40, 60, 80, 100], 0),
    "across a minute's border": ([50, 55, 60, 65, 70], 5),
    "the densest counts": ([0, 5, 10, 15, 20, 200, 201, 202, 203, 204, 205], 6),
}


@pytest.mark.parametrize(("times", "most"), RATES.values(), ids=RATES)
def test_event_count(net: Tap, tmp_path: Path, times: list[int], most: int) -> None:
    """So many events within the timespan, wherever its borders lie."""
    many(net, times)
    net.write()
    found = finds(net.store, tmp_path / "rules", correlation(ANY, COUNT))

    assert bool(found) is bool(most)
    assert not found or f" {most} " in f"{found[0].seen} "


def test_event_count_of_events_that_were_only_counted(net: Tap, tmp_path: Path) -> None:
    """Events beyond the cap count where they surely lie in one window, and not where they may not."""
    for client, end, in_hour in (("10.0.0.7", 30, 1), ("10.0.0.8", 3500, 1)):
        number = len(net.rows.get("behaviour", []))
        net.does(client, PLC, "ssh", "session", count=12, **seen(10, end))
        net._add(
            "event", packet=number, time=10 * SECOND, kind="capped", count=12 * in_hour,
            behaviour=number, conversation=number,
        )  # fmt: skip
    net.write()
    found = finds(net.store, tmp_path / "rules", correlation(ANY, COUNT))

    assert where(found, "client") == [("10.0.0.7",)]


@pytest.mark.parametrize("kind", ["clock_ahead", "outage"])
def test_no_window_reaches_across_what_nobody_can_measure(
    net: Tap, tmp_path: Path, kind: str
) -> None:
    """Events on both sides of an outage, or of a clock that ran ahead, are not counted together."""
    many(net, [0, 5, 10, 15, 20])
    net._add("gap", number=0, kind=kind, packet=12)
    net.write()

    assert finds(net.store, tmp_path / "rules", correlation(ANY, COUNT)) == []


@pytest.mark.parametrize(("back", "number"), [(3600, 1), (0, 0)])
def test_a_window_goes_on_where_the_clock_was_set_back(
    net: Tap, tmp_path: Path, back: int, number: int
) -> None:
    """Behind a step back time goes on from where it was, so what lies around it is near."""
    many(net, [7200, 7205, 7210, 7215 - 3600, 7220 - 3600])
    cells = {"begin_time": 7212 * 10**9, "end_time": (7212 - back) * 10**9}
    packet = TABLES["event"].names.index("packet")
    net.rows["event"] = [
        (*event[:packet], at, *event[packet + 1 :]) for at, event in enumerate(net.rows["event"])
    ]
    net._add("gap", number=0, kind="clock_back", packet=3, **cells)
    net.write()

    assert len(finds(net.store, tmp_path / "rules", correlation(ANY, COUNT))) == number


def test_lost_packets_end_no_count(net: Tap, tmp_path: Path) -> None:
    """What is there counts, also where packets between are lost."""
    many(net, [0, 5, 10, 15, 20])
    net._add("gap", number=0, kind="drops", packet=12)
    net.write()

    assert len(finds(net.store, tmp_path / "rules", correlation(ANY, COUNT))) == 1


def test_value_count(net: Tap, tmp_path: Path) -> None:
    """Different values within the timespan count, the same again does not; groups are apart."""
    how = "{type: value_count, rules: [base], group-by: [client], timespan: 1m, condition: {field: device, gte: 4}}"
    for unit in range(4):
        net.does(PANEL, PLC, "modbus", "read", device=f"unit {unit}", **seen(unit * 10, unit * 10))
        net.does(EVIL, PLC, "modbus", "read", device="unit 1", object=f"holding {unit}")
    net.does("10.0.0.9", PLC, "modbus", "read", device="unit 9")
    net.write()
    (found,) = finds(net.store, tmp_path / "rules", correlation(ANY, how))

    assert (found.client, found.server, found.device) == (PANEL, PLC, "several")
    assert "4 unit 0, unit 1, unit 2, unit 3" in found.seen


PAIR = """\
title: One
name: one
logsource: {{product: otsec, category: operation}}
detection: {{a: {{operation: select}}, condition: a}}
---
title: Two
name: two
logsource: {{product: otsec, category: operation}}
detection: {{a: {{operation: operate}}, condition: a}}
---
title: A test
id: 00000000-0000-4000-8000-000000000001
level: high
otsec: {{seen: "{{client}}", next: Look.}}
correlation: {{type: {kind}, rules: [{order}], group-by: [client], timespan: 1m}}
"""
ORDERS = {  # kind, rules, times of select, of operate, gap at packet, found
    "any order": ("temporal", "one, two", [30], [10], None, True),
    "too far apart": ("temporal", "one, two", [100], [10], None, False),
    "in order": ("temporal_ordered", "one, two", [10], [30], None, True),
    "the wrong way": ("temporal_ordered", "one, two", [30], [10], None, False),
    "in order the second time": ("temporal_ordered", "one, two", [5, 40], [1, 50], None, True),
    "again in the packet of the next": ("temporal_ordered", "one, two", [10, 30], [30], None, True),
    "in one packet alone": ("temporal_ordered", "one, two", [30], [30], None, False),
    "across lost packets": ("temporal_ordered", "one, two", [10], [30], 20, False),
    "only one of them": ("temporal", "one, two", [10], [], None, False),
}


@pytest.mark.parametrize(
    ("kind", "order", "one", "two", "gap", "wanted"), ORDERS.values(), ids=ORDERS
)
def test_temporal(
    net: Tap, tmp_path: Path, kind: str, order: str, one: list[int], two: list[int], gap: int | None, wanted: bool
) -> None:  # fmt: skip
    """Rules that hold together, in any order or in theirs; never across what was not seen."""
    for operation, times in (("select", one), ("operate", two)):
        if times:
            number = len(net.rows.get("behaviour", []))
            net.does(
                PANEL, PLC, "dnp3", "control", operation=operation, **seen(times[0], times[-1])
            )
            for at in times:
                net.event(number, at)
    if gap is not None:
        net._add("gap", number=0, kind="drops", packet=gap)
    net.write()

    found = finds(net.store, tmp_path / "rules", PAIR.format(kind=kind, order=order))
    assert bool(found) is wanted


def test_windows_are_those_of_plain_counting(tmp_path: Path) -> None:
    """The most in a window is what counting every window by hand gives."""
    dice = random.Random(7)
    store = new_store(tmp_path)
    plain = []
    net = tap(store)
    for client in range(40):
        times = sorted(dice.sample(range(600), dice.randint(1, 25)))
        number = len(net.rows.get("behaviour", []))
        net.does(
            f"10.1.0.{client}", PLC, "ssh", "session", count=len(times), **seen(times[0], times[-1])
        )
        for at in times:
            net._add(
                "event", packet=at, part=client, time=at * SECOND, kind="operation", count=1,
                behaviour=number, conversation=number,
            )  # fmt: skip
        ticks = [at // 10 for at in times]
        most = max(sum(tick - 6 < other <= tick for other in ticks) for tick in ticks)
        if most >= 5:
            plain.append((f"10.1.0.{client}", most))
    net.write()
    found = finds(store, tmp_path / "rules", correlation(ANY, COUNT))

    told = [(one.client, int(one.seen.rsplit(" ", 2)[1])) for one in found]
    assert sorted(told, key=operator.itemgetter(0)) == sorted(plain)
    assert len(plain) > 5


def test_outcomes_have_words() -> None:
    """Outcomes are told in words; what a device says stays recognisable."""
    assert outcome_words("ok") == "it was done"
    assert outcome_words("exception illegal_function") == "refused (illegal function)"
    assert outcome_words("challenged") == "proof was asked for"


def test_bad_quality_is_no_refusal() -> None:
    """A value that its device does not vouch for was told: it is marked, not refused."""
    assert outcome_words("offline, comm_lost") == "marked offline, comm lost"
    assert outcome_words("not_topical") == "marked not topical"


def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The rows that judging reads of the database from now on."""
    from otsec.detect import rows as reading

    read: list[Any] = []
    original = reading.judged.rows

    def counting(*given: Any, **named: Any) -> Any:
        for one in original(*given, **named):
            read.append(one)
            yield one

    monkeypatch.setattr(reading.judged, "rows", counting)
    return read


def test_rows_nobody_wants_are_not_read(net: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Rows whose protocol, operation, class and outcome no rule can want stay in the database."""
    net.does(PANEL, PLC, "modbus", "mode")
    for number in range(50):
        net.does(PANEL, PLC, "modbus", "read", object=f"holding {number}")
    net.write()
    read = rows_read(monkeypatch)
    made = loaded(tmp_path / "rules", rule("operation", "{a: {class: mode, 'object|contains': hold}, condition: a}"))  # fmt: skip

    assert len(found_in(net.store, made.rules)) == 1
    assert len(read) == 1


def test_conversations_nobody_wants_are_not_read(
    net: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a scan, in which hardly more than addresses differ, only what a rule can want is read."""
    from otsec.detect import rows as reading

    for number in range(50):
        net.talks(f"10.0.1.{number}", PLC, "modbus", packets_out=number % 2)
    net.talks(PANEL, PLC, "modbus", "tcp/502", packets_out=99)
    net.write()
    read = rows_read(monkeypatch)
    text = rule("conversation", "{a: {transport: tcp, 'packets_out|gte': 90}, condition: a}")

    for combinations, wanted in ((1_000, 1), (1, 51)):
        monkeypatch.setattr(reading.judged, "COMBINATIONS", combinations)
        read.clear()
        assert where(finds(net.store, tmp_path / "rules", text), "client") == [(PANEL,)]
        assert len(read) == wanted


def test_of_stations_only_what_showed_itself_is_read(net: Tap) -> None:
    """Of who merely sent, forged or not, nothing is read for the addresses that ARP shows."""
    net.heard("00:1b:1b:00:00:01", PLC, PANEL, *(f"10.7.0.{n}" for n in range(50)), ttl=64)
    net.heard("00:1b:1b:00:00:02", PLC)
    net.write()

    found = carried(net.store, {PLC})
    assert {key[2:] for key in found} == {
        (PLC, "00:1b:1b:00:00:01"),
        (PLC, "00:1b:1b:00:00:02"),
    }


def test_lookups_are_rows(net: Tap, tmp_path: Path) -> None:
    """What ARP looks for in vain is a row of its own."""
    net.rows["lookup"] = [
        row("lookup", source=1, address="10.0.0.99", asked=50, first_time=SECOND, first_packet=1),
        row("lookup", source=1, address="10.0.0.98", asked=50, answered=50),
    ]
    net.write()
    found = finds(net.store, tmp_path / "rules", rule("lookup", "{a: {answered: 0}, condition: a}"))

    assert where(found, "server", "times") == [("10.0.0.99", 50)]
