"""Policies are read with everything that is wrong in them, each with its place and what to do."""

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT, Command
from hypothesis import given, settings
from hypothesis import strategies as st
from inventory_stores import new_store, tap
from policy_texts import BASE, changed, more

from otsec.policy import keys, templates, words
from otsec.policy.checking import Against, checked
from otsec.policy.problems import as_github, as_text
from otsec.policy.reading import Read, read
from otsec.policy.schema import TAKES, schema

AT = 1_795_000_000 * 10**9  # 2026-11-18 11:06:40 UTC
EXCEPTION = (
    "exceptions:\n  - {id: x, from: office, to: hmi, allow: [{service: ssh}], "
    "expires: 2026-12-04, owner: a, reason: b, approved_by: c}\n"
)
CONDUIT = "  - {id: new, from: hmi, to: field, allow: [%s], owner: ops, reason: polls}\n"
MISTAKES: list[tuple[str, list[str]]] = [
    (
        changed(("from: hmi, to: field", 'from: hmi, to: {multicast: "10.20.10.255"}')),
        [],
    ),
    (
        changed(("from: hmi, to: field", 'from: hmi, to: {multicast: "10.20.10.63"}')),
        [],
    ),
    (
        changed(("from: hmi, to: field", 'from: hmi, to: {multicast: "10.20.10.7"}')),
        [
            (
                '13:46 E114 conduit "hmi-plc": to: multicast: 10.20.10.7 is no multicast address, '
                "nor the broadcast address of a zone's network"
            )
        ],
    ),
    (
        BASE + "  x: [\n",
        [
            "14:3 E100 not YAML: while parsing a block collection, did not find expected '-' indicator"
        ],
    ),
    (
        changed(("  scada:", "\tscada:")),
        ["6:1 E100 a tab, where YAML wants spaces; replace it by two spaces"],
    ),
    (
        "",
        ["1:1 E101 the file is empty; `otsec policy new` gives an example"],
    ),
    (
        changed(("otsec_policy: 1\n", "")),
        ['1:1 E101 policy: "otsec_policy" is missing'],
    ),
    (
        changed(("otsec_policy: 1", "otsec_policy: 2")),
        ['1:15 E101 otsec_policy: this otsec reads version 1, not "2"'],
    ),
    (
        changed(("defaults:", "default:")),
        ['3:1 E102 policy: unknown key "default"; did you mean "defaults"?'],
    ),
    (
        changed(("level: 1, nets", "level: 1, net")),
        [
            '5:3 E112 zone "field" has neither nets nor vlans nor assets: nothing is in it',
            '5:21 E102 zone "field": unknown key "net"; did you mean "nets"?',
        ],
    ),
    (
        changed(("  scada:", "  field:")),
        [
            '6:3 E103 zones: "field" stands twice, first in line 5',
            '9:15 E201 group "hmi": unknown zone "scada"',
        ],
    ),
    (
        changed(("zones:\n", "zones: none\nzonesx:\n")),
        [
            '4:8 E104 zones: expected `key: value`, found "none"',
            '5:1 E102 policy: unknown key "zonesx"; did you mean "zones"?',
            '10:15 E201 group "hmi": unknown zone "scada"',
            '14:34 E201 conduit "hmi-plc": unknown group "field"',
        ],
    ),
    (
        changed(("id: works", "id: []")),
        ["2:12 E104 site: id: expected text, found a list"],
    ),
    (
        changed(('"22:00"', "22:00")),
        [
            '11:36 E105 window "night": start: 22:00 is read as a number by many YAML programs; write it in quotes: "22:00"'
        ],
    ),
    (
        changed(("id: works, ", "")),
        ['2:7 E106 site: "id" is missing'],
    ),
    (
        changed(("intra_zone: allow", "intra_zone: lern")),
        ['3:42 E107 defaults: intra_zone: no "lern"; did you mean "learn"?'],
    ),
    (
        changed(("level: 1,", "level: 1.5,")),
        [
            '5:18 E107 zone "field": level: expected a Purdue level, found "1.5"; there are: 0, 1, 2, 3, 3.5, 4, 5, null'
        ],
    ),
    (
        changed(("id: works", 'id: "my works"')),
        [
            '2:12 E108 site: id: expected a name, found "my works"; letters, digits, `-`, `_` and `.`, at most 64'
        ],
    ),
    (
        changed(("  hmi: {", "  any: {")),
        [
            '9:3 E108 group "any": means everybody; take another name',
            '13:25 E201 conduit "hmi-plc": unknown zone "hmi"',
        ],
    ),
    (
        changed(("10.20.10.0/24", "10.20.10.0/33")),
        [
            '5:28 E109 zone "field": nets: expected a network, found "10.20.10.0/33"; write 10.20.10.0/24 or 10.20.10.5'
        ],
    ),
    (
        changed(("10.20.30.0/24", "10.20.10.0/24")),
        [
            '6:28 E110 zone "scada" net 10.20.10.0/24 overlaps zone "field" (line 5) with the same prefix'
        ],
    ),
    (
        changed(("10.20.10.0/24", "10.20.10.5/24")),
        [
            '5:28 E111 zone "field": nets "10.20.10.5/24"; host bits are set: write 10.20.10.0/24, or 10.20.10.5 for one host'
        ],
    ),
    (
        changed(("level: 1, nets: [10.20.10.0/24]", "level: 1")),
        ['5:3 E112 zone "field" has neither nets nor vlans nor assets: nothing is in it'],
    ),
    (
        more(CONDUIT.replace("new", "hmi-plc") % "{protocol: s7comm}"),
        ['14:10 E113 conduit "hmi-plc": the id stands twice, first in line 13'],
    ),
    (
        changed(("role: hmi", 'macs: ["00:11:22"]')),
        [
            '9:29 E114 group "hmi": macs: expected a MAC address, found "00:11:22"; write 00:1b:1b:00:20:21 or 00:1b:1b:00:00:00/24'
        ],
    ),
    (
        changed(("from: hmi", "from: hmi1")),
        ['13:25 E201 conduit "hmi-plc": unknown group "hmi1"; did you mean "hmi"?'],
    ),
    (
        changed(("zone: scada", "zone: skada")),
        ['9:15 E201 group "hmi": unknown zone "skada"; did you mean "scada"?'],
    ),
    (
        more(CONDUIT.replace("owner", "when: nigth, owner") % "{protocol: s7comm}"),
        ['14:72 E202 conduit "new": unknown window "nigth"; did you mean "night"?'],
    ),
    (
        more(
            "tests:\n  - {from: 10.1.0.9, to: 10.20.10.5, protocol: modbus, op: read, expect: deny, rule: hmi-plk}\n"
        ),
        ['15:86 E203 test 1: unknown rule "hmi-plk"; did you mean "hmi-plc"?'],
    ),
    (
        changed(("modbus", "modbuss")),
        ['13:60 E301 conduit "hmi-plc": unknown protocol "modbuss"; did you mean "modbus"?'],
    ),
    (
        more(CONDUIT % "{service: rdb}"),
        ['14:55 E302 conduit "new": unknown service "rdb"; did you mean "rdp"?'],
    ),
    (
        more(CONDUIT % "{ops: [read]}"),
        [
            '14:45 E303 conduit "new": an entry of allow names a protocol or a service; it names neither'
        ],
    ),
    (
        more(CONDUIT % "{protocol: s7comm, service: ssh}"),
        [
            '14:45 E303 conduit "new": an entry of allow names a protocol or a service; it names both, where one is asked'
        ],
    ),
    (
        changed(("ops: [read]", 'ops: [read], nodes: ["i=85"]')),
        ['13:81 E304 conduit "hmi-plc": "nodes" is of opcua, not of "modbus"'],
    ),
    (
        changed(("ops: [read]", "ops: [diag]")),
        [
            '13:74 E305 conduit "hmi-plc": "modbus" has no operation "diag"; did you mean "diagnose"? It has read, write, program, mode, firmware, file, diagnose, browse, session'
        ],
    ),
    (
        changed(("ops: [read]", "ops: [report]")),
        [
            '13:74 E305 conduit "hmi-plc": "modbus" has no operation "report"; it has read, write, program, mode, firmware, file, diagnose, browse, session'
        ],
    ),
    (
        more(CONDUIT % "{protocol: mms}"),
        [
            '14:56 W306 conduit "new": "mms" is known but not decoded: its traffic is told as undecoded, not as allowed'
        ],
    ),
    (
        changed(("role: hmi", "role: hmo")),
        ['9:28 E307 group "hmi": role: no "hmo"; did you mean "hmi"?'],
    ),
    (
        more("never:\n  - {id: n, from: office, to: field, ops: [writes]}\n"),
        ['15:44 E308 never "n": no operation "writes"; did you mean "write"?'],
    ),
    (
        changed((", reason: polls", "")),
        ['13:5 E401 conduit "hmi-plc": "reason" is missing'],
    ),
    (
        more(EXCEPTION.replace("expires: 2026-12-04, ", "")),
        ['15:5 E401 exception "x": "expires" is missing'],
    ),
    (
        more(EXCEPTION.replace("2026-12-04", "2026-11-01")),
        [
            '15:5 W506 exception "x" goes from "office" to "scada", between IT and OT without the DMZ',
            '15:70 W402 exception "x" has expired (2026-11-01); remove it or renew it with a new ticket',
        ],
    ),
    (
        more(EXCEPTION.replace("2026-12-04", "2028-01-01")),
        [
            '15:5 W506 exception "x" goes from "office" to "scada", between IT and OT without the DMZ',
            '15:70 E403 exception "x" lasts until 2028-01-01, more than a year; make it a conduit, or let it expire earlier',
        ],
    ),
    (
        more(EXCEPTION.replace("expires", "starts: 2026-12-05, expires")),
        [
            '15:5 W506 exception "x" goes from "office" to "scada", between IT and OT without the DMZ',
            '15:90 E404 exception "x" expires on 2026-12-04, before it starts on 2026-12-05',
        ],
    ),
    (
        changed(('"02:00"', '"22:00"')),
        ['11:50 E405 window "night" ends when it starts; for all day leave both out'],
    ),
    (
        changed(('"02:00"', '"25:00"')),
        ['11:50 E405 window "night": end: expected a time, found "25:00"; write "22:00"'],
    ),
    (
        changed(("Europe/Berlin", "Europe/Berlim")),
        ['2:29 E406 site: no time zone "Europe/Berlim"; did you mean "Europe/Berlin"?'],
    ),
    (
        more(EXCEPTION.replace("2026-12-04", "2026-02-30")),
        [
            '15:70 E407 exception "x": expires: expected a date, found "2026-02-30"; there is no such day'
        ],
    ),
    (
        changed(("days: [tue, thu]", "to_date: 2026-01-01")),
        ['11:3 W408 window "night" lies in the past (until 2026-01-01)'],
    ),
    (
        more("never:\n  - {id: n, from: any, to: field, ops: [read]}\n"),
        ['13:5 E501 conduit "hmi-plc" allows nothing: never "n" (line 15) forbids all of it'],
    ),
    (
        more(CONDUIT % "{protocol: modbus, ops: [read]}"),
        ['14:5 W502 conduit "new" is the same as conduit "hmi-plc" (line 13)'],
    ),
    (
        changed(("level: 2", "level: 3"), ("kind: enterprise", "kind: process")),
        ['13:5 W503 conduit "hmi-plc" skips a level: from "scada" (level 3) to "field" (level 1)'],
    ),
    (
        changed(("from: hmi, to: field", "from: any, to: any")),
        ['13:5 E504 conduit "hmi-plc" goes from any to any; name who is meant'],
    ),
    (
        changed(("level: 1,", "level: 1, kind: safety,"), ("[read]", "[write]")),
        ['13:49 W505 conduit "hmi-plc" allows modbus write into safety zone "field"'],
    ),
    (
        changed(("from: hmi", "from: office")),
        [
            '13:5 W506 conduit "hmi-plc" goes from "office" to "field", between IT and OT without the DMZ'
        ],
    ),
    (
        more(
            EXCEPTION.replace(
                "office, to: hmi, allow: [{service: ssh}]",
                "hmi, to: field, allow: [{protocol: modbus, ops: [read]}]",
            )
        ),
        ['15:5 W507 exception "x" is never reached: conduit "hmi-plc" (line 13) allows the same'],
    ),
    (
        more(EXCEPTION + "never:\n  - {id: n, from: office, to: scada}\n"),
        [
            '15:5 E508 exception "x" allows nothing: never "n" (line 17) forbids all of it',
            '15:5 W506 exception "x" goes from "office" to "scada", between IT and OT without the DMZ',
        ],
    ),
    (
        changed(
            (
                "[{protocol: modbus, ops: [read]}]",
                "[{protocol: modbus, ops: [read]}, {protocol: s7comm, ops: [mode]}]",
            )
        )
        + "never:\n  - {id: n, from: any, to: field, ops: [mode]}\n",
        ['13:82 W511 conduit "hmi-plc": never "n" (line 15) forbids s7comm mode'],
    ),
    (
        more(
            "tests:\n  - {from: 10.1.0.9, to: 10.20.10.5, protocol: modbus, op: read, expect: allow}\n"
        ),
        ["15:5 E601 test 1: expected allow, got deny by the defaults"],
    ),
]


def told(text: str, at: int = AT) -> list[str]:
    """What is wrong with a policy: `line:column code text`."""
    return [
        f"{one.place.line}:{one.place.column} {one.code} {one.text}"
        for one in made(text, at).problems
    ]


def made(text: str, at: int = AT) -> Read:
    """A policy, read and checked."""
    return checked(read(text, "site.yaml"), Against(at))


def test_right_policy() -> None:
    """A policy in which all is right says nothing."""
    assert told(BASE) == []


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes(text: str, expected: list[str]) -> None:
    """Each mistake is told with its exact text, code and position."""
    assert told(text) == expected


def test_every_code_has_a_test() -> None:
    """Every code that the source can give stands in this folder's expectations."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "otsec" / "policy").glob("*.py"))
    codes = set(re.findall(r'"([EW]\d{3})"', source))
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_policy_*.py"))
    assert codes - set(re.findall(r"[EW]\d{3}", tests)) == set()


def test_every_code_is_documented() -> None:
    """Every code that the source can give stands in the documentation."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "otsec" / "policy").glob("*.py"))
    page = (ROOT / "docs" / "segmentation.md").read_text("utf-8")
    assert set(re.findall(r'"([EW]\d{3})"', source)) == set(
        re.findall(r"\| `([EW]\d{3})` \|", page)
    )


def test_against_a_store(tmp_path: Path, otsec_command: Command) -> None:
    """With a store, groups in which nobody is and conduits that nobody used are warnings."""
    store = new_store(tmp_path)
    seen = tap(store)
    seen.heard("00:1b:1b:00:00:01", "10.20.10.5")
    seen.write()
    store.close()
    (tmp_path / "site.yaml").write_text(BASE, "utf-8")
    words = ("policy", "check", "site.yaml", "-q", "--db", "inventory.db")
    found = otsec_command(*words, cwd=tmp_path)
    assert found.returncode == 0
    assert found.stdout.splitlines() == [
        'site.yaml:9:3: warning W204: group "hmi" is empty: no asset of the store is in it',
        'site.yaml:13:5: warning W510: conduit "hmi-plc" was not used in the traffic of the store',
    ]


def test_all_mistakes_in_one_run() -> None:
    """Mistakes of different parts are told together, in the order of the file."""
    text = changed(("level: 1,", "level: 9,"), ("role: hmi", "role: hmo"), ("modbus", "modbuss"))
    codes = [line.split()[1] for line in told(text)]
    assert codes == ["E107", "E307", "E301"]


def test_expiry_counts_at_the_time_given() -> None:
    """An exception that has expired is a warning from its last day's end on, and no error."""
    text = more(EXCEPTION)
    before = [line for line in told(text, AT) if "W402" in line]
    after = [line for line in told(text, AT + 30 * 86_400 * 10**9) if "W402" in line]
    assert before == []
    assert after == [
        '15:70 W402 exception "x" has expired (2026-12-04); remove it or renew it with a new ticket'
    ]
    assert made(text, AT + 30 * 86_400 * 10**9).policy is not None


@pytest.mark.parametrize("name", ["water-plant", "substation", "body-shop"])
@pytest.mark.parametrize("year", [2020, 2026, 2060])
def test_examples_load_on_any_date(name: str, year: int) -> None:
    """The worked examples have no error whenever they are checked, and their tests hold."""
    found = made(templates.text(name), (year - 1970) * 31_557_600 * 10**9)
    assert [problem for problem in found.problems if problem.fatal] == []
    assert found.policy is not None
    assert len(found.policy.tests) >= 5


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_text_breaks_the_reader(data: st.DataObject) -> None:
    """Whatever is put anywhere into a policy, problems come out and nothing is raised."""
    at = data.draw(st.integers(0, len(BASE)))
    size = data.draw(st.integers(0, 12))
    piece = data.draw(st.text(alphabet="{}[]:,-&*! \n\"'#09azé\x00<|>\t", max_size=8))
    found = read(BASE[:at] + piece + BASE[at + size :], "site.yaml")
    assert found.policy is not None or found.problems


def test_aliases_on_aliases_end() -> None:
    """Aliases that would unfold without end are refused, not followed."""
    lines = ["otsec_policy: 1", "a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    assert read("\n".join(lines)).policy is None


def test_formats(tmp_path: Path, otsec_command: Command) -> None:
    """`policy check` speaks text, JSON and GitHub's commands; errors are exit code 2."""
    path = tmp_path / "site.yaml"
    path.write_text(changed(("from: hmi", "from: hmi1")))
    text = otsec_command("policy", "check", "site.yaml", "-q", cwd=tmp_path)
    line = 'site.yaml:13:25: error E201: conduit "hmi-plc": unknown group "hmi1"; did you mean "hmi"?\n'
    assert (text.returncode, text.stdout, text.stderr) == (2, line, "")
    rows = json.loads(
        otsec_command("policy", "check", "site.yaml", "--format", "json", cwd=tmp_path).stdout
    )["rows"]
    assert [(row["line"], row["column"], row["code"]) for row in rows] == [(13, 25, "E201")]
    github = otsec_command(
        "policy", "check", "site.yaml", "--format", "github", cwd=tmp_path
    ).stdout
    assert github == (
        '::error file=site.yaml,line=13,col=25,title=E201::conduit "hmi-plc": unknown group "hmi1"; '
        'did you mean "hmi"?\n'
    )


def test_odd_text_stays_on_its_line() -> None:
    """Line ends and percent signs of a file cannot make commands of their own."""
    found = made(changed(("modbus", '"mod%\\n::error::x"')))
    assert as_github("a,b:c.yaml", found.problems).count("\n") == len(found.problems)
    assert as_text("p.yaml", found.problems).count("\n") == len(found.problems)


def test_schema_is_shipped_and_knows_every_key() -> None:
    """The JSON Schema in `rules/policies` is that of the code, and has every key of every block."""
    assert (templates.folder() / "policy.schema.json").read_text("utf-8") == schema()
    assert {key.takes for _, block in keys.BLOCKS.values() for key in block.values()} <= {*TAKES}


def test_documentation_knows_every_key() -> None:
    """`docs/segmentation.md` has every key with its sentence."""
    page = (ROOT / "docs" / "segmentation.md").read_text("utf-8")
    for title, block in keys.BLOCKS.values():
        assert f"### {title}\n" in page
        for name, key in block.items():
            assert f"| `{name}` |" in page
            assert key.about in page


def test_names_of_operations_come_from_the_protocols() -> None:
    """Modbus may be browsed (FC 43/14), and DNP3's class `read` is not its operation `read`."""
    modbus = words.protocols()["modbus"]
    assert "browse" in modbus.classes
    assert told(changed(("ops: [read]", "ops: [browse, read_device_identification]"))) == []
    found = made(changed(("protocol: modbus", "protocol: dnp3"))).policy
    assert found is not None
    assert found.conduits[0].allows[0].classes == {"read"}
