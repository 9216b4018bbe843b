"""Drafts from traffic: they cut what a person must review, and nothing else."""

import random
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from conftest import ROOT, Command
from hypothesis import given, settings
from hypothesis import strategies as st
from inventory_stores import new_store, tap

from otsec.cli import policy as policy_command
from otsec.config import Config
from otsec.inventory.assembly import inventory
from otsec.pipeline import Options, Run, plan_sources
from otsec.policy import drawing
from otsec.policy.checking import Against, checked
from otsec.policy.matrix import matrix
from otsec.policy.model import IMPLIED, Policy
from otsec.policy.placing import People
from otsec.policy.reading import read
from otsec.policy.selection import KEYS
from otsec.policy.simulation import simulate
from otsec.policy.suggestion import Limits, Suggestion, suggest
from otsec.policy.verdicts import Flow, acts_of, flows, judged
from otsec.store import Store, open_store

BERLIN = ZoneInfo("Europe/Berlin")
GOLDEN = ROOT / "tests" / "golden_policy"
REAL = (
    "modbus",
    "s7comm",
    "goose",
    "iec104",
    "enip-cip",
    "opcua",
    "bacnet",
    "profinet",
    "mqtt",
    "dnp3",
)
PLANT = ROOT / "pcaps" / "plant"


def analyzed(store: Store, *captures: Path) -> None:
    """Read captures into a store."""
    reading = Run(store, Config(), Options(), lambda *_: None, lambda: False)
    for _ in reading.read(plan_sources(list(captures), None), named=False):
        pass


def drafted(store: Store) -> tuple[Suggestion, Policy, list[Flow]]:
    """A draft, the policy that it is, and what it says of the same store."""
    found = inventory(store)
    made = suggest(store, found, acts_of(store, details=False), Limits(), BERLIN)
    policy = checked(read(made.text), Against(0)).policy
    assert policy is not None, (checked(read(made.text), Against(0)).problems, made.text)
    return made, policy, flows(judged(store, policy, People(found)))


def key(flow: Flow) -> tuple[str, ...]:
    """What a flow is, whatever is said of it."""
    return (
        *(flow.site, flow.group, flow.place, flow.client.address, flow.server.address),
        *(flow.service, flow.protocol, flow.cls, flow.operation),
    )


def holds(store: Store) -> None:
    """A draft cuts its review list alone, and allows no kind of thing that was not seen."""
    made, policy, told = drafted(store)
    cut = {key(flow) for flow in told if flow.verdict != "allow"}
    assert cut == {key(one.flow) for one in made.review}
    assert {key(flow) for flow in simulate(policy, told).cut} <= cut
    for conduit in made.conduits:
        for protocol, classes in conduit.classes.items():
            seen = {flow.cls for flow in conduit.flows if flow.protocol == protocol}
            assert classes == seen
    used = {flow.rule for flow in told}
    assert {rule.id for rule in policy.conduits} <= used


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the demo plant."""
    path = tmp_path_factory.mktemp("plant") / "plant.db"
    with open_store(path) as store:
        analyzed(store, PLANT)
    return path


def test_demo_plant(plant: Path) -> None:
    """On the demo plant the draft cuts its review list alone, and covers 95 % of the exchanges."""
    with open_store(plant, readonly=True) as store:
        holds(store)
        made, _, told = drafted(store)
    exchanges = sum(flow.count for flow in told if flow.cls and flow.rule != "link")
    covered = sum(flow.count for one in made.conduits for flow in one.flows)
    assert covered >= 0.95 * exchanges
    assert "DESKTOP-7Q2K1" not in made.text.partition("# Review list")[0]


def test_demo_plant_review_list(plant: Path) -> None:
    """The review list of the demo plant is the one that was reviewed."""
    with open_store(plant, readonly=True) as store:
        made, _, _ = drafted(store)
    told = made.text[made.text.index("# Review list") :]
    assert told == (GOLDEN / "plant-review.txt").read_text("utf-8")


@pytest.mark.parametrize("folder", REAL)
def test_real_captures(captures: Path, tmp_path: Path, folder: str) -> None:
    """On real captures too, a draft loads and cuts its review list alone."""
    some = sorted((captures / folder).glob("*.pcap*"))[:6]
    with open_store(tmp_path / "real.db") as store:
        analyzed(store, *some)
        holds(store)


ADDRESSES = (
    *("10.1.1.1", "10.1.1.2", "10.1.2.3", "10.9.0.4", "8.8.4.4", "239.1.1.1", "10.1.1.255"),
    *("00:30:a7:00:20:41", "01:0c:cd:01:00:01", "fd00::7", "fe80::1", "255.255.255.255"),
)
PROTOCOLS = ("modbus", "s7comm", "dnp3", "ntp", "ssh", "rdp", "goose", "")
CLASSES = ("read", "write", "session", "report", "browse", "time", "program", "config", "file")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), rows=st.integers(0, 40))
def test_generated_traffic(tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int) -> None:
    """Whatever talks to whom, a draft loads and cuts its review list alone."""
    chance = random.Random(seed)
    store = new_store(tmp_path_factory.mktemp("made"))
    seen = tap(store)
    for number, address in enumerate(ADDRESSES[:5]):
        seen.heard(f"00:1b:1b:00:00:{number:02x}", address)
    for _ in range(rows):
        client, server = chance.sample(ADDRESSES, 2)
        protocol = chance.choice(PROTOCOLS)
        place = chance.choice(("", "", "100"))
        service = chance.choice(("tcp/502", "tcp/22", "udp/123", "0x88b8"))
        talk = seen.talks(client, server, protocol, service, place, packets_out=chance.randrange(9))
        if protocol:
            cls = chance.choice(CLASSES)
            seen._add(
                "behaviour", number=len(seen.rows.get("behaviour", [])), conversation=talk,
                protocol=protocol, operation=cls, outcome=chance.choice(("ok", "unanswered")),
                count=chance.choice((1, 4, 5, 400)), last_time=60 * 10**9, **{"class": cls},
            )  # fmt: skip
    seen.write()
    holds(store)
    store.close()


def test_what_changes_something_is_never_drafted(tmp_path: Path) -> None:
    """However often it writes, it is for a person to decide; sessions alone come with reading."""
    store = new_store(tmp_path)
    seen = tap(store)
    for number, address in enumerate(("10.1.1.1", "10.1.1.2")):
        seen.heard(f"00:1b:1b:00:00:{number:02x}", address)
    for cls, count in (("read", 9_000), ("write", 9_000), ("session", 1), ("diagnose", 1)):
        seen.does("10.1.1.1", "10.1.1.2", "modbus", cls, count=count)
    seen.write()
    made, _, _ = drafted(store)
    (conduit,) = made.conduits
    assert conduit.classes == {"modbus": {"read", "session"}}
    assert [(one.flow.cls, one.why) for one in made.review] == [
        ("diagnose", "rare: 1 exchange"),
        ("write", "write: it changes something"),
    ]
    assert IMPLIED["report"] == {"read"}


def test_draft_says_what_was_not_seen(plant: Path) -> None:
    """The head of a draft tells which shifts, weekends and ends of months it knows nothing of."""
    with open_store(plant, readonly=True) as store:
        made, _, _ = drafted(store)
    assert [lack.split(";")[0] for lack in made.lacks] == [
        "0.2 hours were seen",
        "no weekend was seen",
        "no late shift (14:00 to 22:00) was seen",
        "no night shift (22:00 to 06:00) was seen",
        "no end of a month was seen",
    ]


def test_simulate_as_a_user(plant: Path, tmp_path: Path, otsec_command: Command) -> None:
    """A draft, checked and simulated, says who loses what, and its exit code stops a pipeline."""
    db = ("--db", plant)
    draft = otsec_command("policy", "suggest", *db, "-w", "draft.yaml", cwd=tmp_path)
    assert (draft.returncode, draft.stdout) == (0, ""), draft.stderr
    assert otsec_command("policy", "check", "draft.yaml", *db, cwd=tmp_path).returncode == 0
    told = otsec_command("policy", "simulate", "draft.yaml", *db, cwd=tmp_path)
    assert told.returncode == 1
    assert "DESKTOP-7Q2K1 (10.20.1.199)" in told.stdout
    assert "start or stop" in told.stdout
    text = (tmp_path / "draft.yaml").read_text("utf-8")
    (tmp_path / "lax.yaml").write_text(
        text.replace("inter_zone: deny, intra_zone: deny, unplaced: alert",
                     "inter_zone: allow, intra_zone: allow, unplaced: allow"), "utf-8",
    )  # fmt: skip
    lax = otsec_command(
        "policy", "simulate", "lax.yaml", *db, "--against", "draft.yaml", cwd=tmp_path
    )
    assert (lax.returncode, "Nothing would be cut." in lax.stdout) == (0, True)
    strict = otsec_command(
        "policy", "simulate", "draft.yaml", *db, "--against", "lax.yaml", cwd=tmp_path
    )
    assert (strict.returncode, "Cut now, let through by lax.yaml" in strict.stdout) == (1, True)
    never = otsec_command(
        "policy", "simulate", "draft.yaml", *db, "--fail-on", "never", cwd=tmp_path
    )
    assert never.returncode == 0


def test_simulate_on_captures(tmp_path: Path, plant: Path, otsec_command: Command) -> None:
    """Captures are simulated as their store is."""
    made = otsec_command("policy", "suggest", "--db", plant, "-w", "draft.yaml", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    by_store = otsec_command(
        "policy", "simulate", "draft.yaml", "--db", plant, "--jsonl", cwd=tmp_path
    )
    by_capture = otsec_command("policy", "simulate", "draft.yaml", PLANT, "--jsonl", cwd=tmp_path)
    assert by_capture.stdout == by_store.stdout
    assert by_store.stdout.count('"what": "cut"') > 50


def test_judge_as_a_user(plant: Path, tmp_path: Path, otsec_command: Command) -> None:
    """`policy judge` lists verdicts by filters, with reason and the smallest conduit."""
    otsec_command("policy", "suggest", "--db", plant, "-w", "draft.yaml", cwd=tmp_path)
    told = otsec_command(
        "policy", "judge", "draft.yaml", "verdict:deny", "class:mode", "--db", plant, "--csv",
        "--columns", "client,server,operation,rule,cause,reason", cwd=tmp_path,
    )  # fmt: skip
    assert told.stderr == ""
    lines = told.stdout.splitlines()
    assert lines[0] == "client,server,operation,rule,cause,reason"
    assert any(line.startswith("10.20.1.199,10.20.1.21,plc_stop,intra_zone") for line in lines)
    assert len(lines) == 3


def test_every_filter_is_described() -> None:
    """The help of `policy judge` has every filter that there is."""
    assert {*policy_command.FILTERS} == {*KEYS}


@pytest.mark.parametrize("words", [("--svg", "matrix"), ("--svg", "purdue"), ("--mermaid",)])
def test_zones_as_a_user(
    plant: Path, tmp_path: Path, otsec_command: Command, words: tuple[str, ...]
) -> None:
    """`otsec zones` draws well-formed pictures that lead nowhere, and Mermaid text."""
    otsec_command("policy", "suggest", "--db", plant, "-w", "draft.yaml", cwd=tmp_path)
    told = otsec_command("zones", "draft.yaml", "--db", plant, *words, cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert "net-10-20-1" in told.stdout
    if "--svg" in words:
        root = ET.fromstring(told.stdout)  # noqa: S314 - our own text
        assert not [one for one in root.iter() if "href" in str(one.attrib) or one.tag == "script"]


def test_names_cannot_leave_a_picture(plant: Path) -> None:
    """Text in a picture is text, whatever is in it."""
    with open_store(plant, readonly=True) as store:
        _, policy, told = drafted(store)
    evil = "</text><script>alert(1)</script>"
    from dataclasses import replace

    other = replace(policy, site=evil)
    made = matrix(other, told)
    for text in (drawing.matrix_svg(other, made), drawing.purdue_svg(other, made)):
        assert "<script" not in text
        ET.fromstring(text)  # noqa: S314 - our own text


def test_matrix_tells_the_worst(plant: Path, otsec_command: Command, tmp_path: Path) -> None:
    """A cell of the matrix with one violation is violated, however much in it is allowed."""
    otsec_command("policy", "suggest", "--db", plant, "-w", "draft.yaml", cwd=tmp_path)
    told = otsec_command("zones", "draft.yaml", "--db", plant, "--csv", cwd=tmp_path)
    rows = [line.split(",") for line in told.stdout.splitlines()]
    cell = next(row for row in rows if row[:2] == ["net-10-20-1", "net-10-20-1"])
    assert cell[2] == "violated"
    assert int(cell[3]) > 30
