"""`otsec report assessment`: one page for people who were not there."""

import re
import stat
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import ROOT, PlantStore
from inventory_stores import Tap, new_store, seen, tap

from otsec.cli import main
from otsec.errors import Exit
from otsec.inventory.assembly import inventory
from otsec.inventory.directory import Directory
from otsec.inventory.weaknesses import OF_CLIENTS, RULES, weaknesses
from otsec.reports.communication import pairs, relations
from otsec.reports.drawing import MOST_LINES, Flow, Node, drawing
from otsec.store import Store, open_store, sightings
from otsec.store.findings import findings

HOSTILE = '"><script>alert(1)</script>\u202e\x1b[31m{{ 7*7 }}&lt;'
PLC, HMI, OUTSIDE = "10.0.0.1", "10.0.0.3", "62.1.2.3"


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down a tag."""
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Take down text."""
        self.text.append(data)


def page_of(db: Path, *words: str) -> str:
    """The page of a store."""
    path = db.parent / "report.html"
    assert (
        main(["report", "assessment", "-q", "--db", str(db), "-o", str(path), *words]) == Exit.FINE
    )
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def plant_db(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """A store of the demo plant."""
    return plant_store(tmp_path_factory.mktemp("plant") / "plant.db", "--site", "works")


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Tap]:
    """A tap that heard a controller, a panel and a host outside."""
    with new_store(tmp_path) as store:
        net = tap(store, site="Hall <3>")
        for number, address in enumerate((PLC, HMI, OUTSIDE)):
            net.heard(f"00:1b:1b:00:00:{number:02x}", address)
        yield net


def test_the_page_tells_what_was_found(plant_db: Path) -> None:
    """The stop of a controller, its second writer and the weaknesses stand in the page."""
    told = " ".join(" ".join(Page(page_of(plant_db)).text).split())

    for text in (
        "2026-01-05 08:00:00Z to 2026-01-05 08:09:59Z",
        "9 959 packets at 1 capture point over all 9 minutes that this report covers",
        "1 device was changed, or somebody tried to: pi_p_program (1), plc_stop (1).",
        "1 object in controllers is written by more than one client.",
        "2026-01-05 08:07:20Z DESKTOP-7Q2K1 mode plc_stop INTAKE STATION 1 ok 7 407",
        "plc-pumps.works.local holding 100 DESKTOP-7Q2K1 write_single_register 1",
        "high Default credentials",
        "2 Supervision 1 Control s7comm changes 3",  # the drawing's data
    ):
        assert text in told


def test_the_page_tells_what_is_wrong(plant_db: Path) -> None:
    """Findings stand with their next step, and the incident by the stages of the attack."""
    told = " ".join(" ".join(Page(page_of(plant_db)).text).split())

    for text in (
        "S7 controller stopped: 1 finding, DESKTOP-7Q2K1 to INTAKE STATION.",
        "execution: S7 controller stopped, discovery: Many hosts tried for one service",
        "ATT&CK for ICS: T0858 Change Operating Mode",
        "Next: Ask the shift whether 10.20.1.21 is in RUN and who was at 10.20.1.199.",
        "10.20.1.199 sent STOP to the S7 controller 10.20.1.21: it was done.",
    ):
        assert text in told
    wrong = told[told.index("What rules found") :]
    order = [wrong.index(f"{title} ") for title in ("high S7", "medium SNMP", "low OPC")]
    assert order == sorted(order)
    assert "What was decided" not in told


def test_what_was_decided_is_told_with_who_and_why(plant_db: Path, tmp_path: Path) -> None:
    """An accepted finding leaves the cards and stands in a table of its own."""
    db = tmp_path / "copy.db"
    assert main(["db", "backup", str(db), "-q", "--db", str(plant_db)]) == Exit.FINE
    words = ("-q", "--db", str(db), "--by", "Anna", "--reason", "drill <1>")
    assert main(["accept", "61bdad60", *words]) == Exit.USAGE  # its id depends on the site's name
    with open_store(db, readonly=True) as store:
        stop = next(one.id for one in findings(store) if one.name == "s7-plc-stop")
    assert main(["accept", stop, *words]) == Exit.FINE
    told = " ".join(" ".join(Page(page_of(db)).text).split())

    assert "S7 controller stopped: 1 finding" not in told
    decided = f"{stop[:8]} high S7 controller stopped DESKTOP-7Q2K1 INTAKE STATION accepted"
    assert f"{decided} Anna drill <1>" in told


def test_the_page_stands_alone(plant_db: Path) -> None:
    """No script, no frame, and nothing that a browser would fetch; links stay in the page."""
    text = page_of(plant_db)
    page = Page(text)

    assert not page.tags & {"script", "iframe", "link", "img", "object", "embed", "form", "base"}
    assert {name for name, _ in page.attributes if name.startswith("on")} == set()
    names = {"src", "srcset", "data", "action", "xlink:href", "background", "poster"}
    assert names.isdisjoint(name for name, _ in page.attributes)
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert not re.search(r"url\(|@import|https?://", text)


def test_the_same_store_gives_the_same_page(plant_db: Path, tmp_path: Path) -> None:
    """Nothing of the page comes from the machine: twice written, and of a store read otherwise."""
    again = tmp_path / "again.db"
    capture = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
    words = ["--site", "works", "--batch", "1000", "--db", str(again)]
    assert main(["analyze", "-q", *words, str(capture)]) == Exit.FINE

    assert page_of(plant_db) == page_of(plant_db) == page_of(again)


def test_hostile_names_change_nothing(net: Tap) -> None:
    """Markup, controls and templates in what a device says stand as text, wherever they are."""
    net.says(
        PLC,
        "s7comm",
        name=HOSTILE,
        vendor=HOSTILE,
        order_number=HOSTILE,
        revision=HOSTILE,
        os=HOSTILE,
    )
    net._add(
        "fact", conversation=net.talks(HMI, PLC, "http"), attribute="credentials",
        value=f"clear {HOSTILE}", protocol="http", about="client", **seen(5, 5),
    )  # fmt: skip
    net.does(HMI, PLC, "s7comm", "program", operation=HOSTILE, object=HOSTILE, device=HOSTILE)
    net.event(0, 10)
    net.talks(HMI, PLC, "ssh", connections=1, **seen(5, 50))
    net.write()
    page = page_of(net.store.path)
    told = Page(page)

    assert "script" not in told.tags
    assert not {"\u202e", "\x1b"} & set(page)
    shown = r'"><script>alert(1)</script>\u202e\x1b[31m{{ 7*7 }}&lt;'
    assert sum(shown in text for text in told.text) >= 6
    assert "49" not in re.findall(r"\d+", page.split("What was changed")[1].split("</h2>")[0])


def test_the_page_is_for_its_owner_alone(plant_db: Path) -> None:
    """A page names the weak places of a plant: nobody else may read the file."""
    page_of(plant_db)

    assert stat.S_IMODE((plant_db.parent / "report.html").stat().st_mode) == 0o600


def test_an_empty_store_gives_a_page(net: Tap) -> None:
    """Where hosts were heard that do nothing, each section says so."""
    net.write()
    text = page_of(net.store.path)

    for line in (
        "None of the weaknesses that otsec looks for was seen",
        "No operation was seen that changes a device.",
        "No remote or engineering session was seen.",
        "No two assets were heard to answer one another.",
        "No packet tells the time of any device.",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (
            ("assessment", "-o", "x", "--site", "other"),
            "no site 'other'; say --site, one of: 'works'",
        ),
        (("audit", "-o", "x"), "no ACTION 'audit'"),
    ],
)
def test_mistakes_are_told_in_a_line(
    plant_db: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], wrong: str
) -> None:
    """A site or a kind that there is not is named, with those that there are."""
    assert main(["report", *words, "--db", str(plant_db)]) == Exit.USAGE
    assert wrong in capsys.readouterr().err


# ------------------------------------------------------------------------------- weaknesses


def found_of(store: Store) -> dict[str, list[str]]:
    """The weaknesses with what shows each."""
    told = weaknesses(inventory(store), "Hall <3>", sightings.shown(store, OF_CLIENTS))
    return {one.title: [shown.seen for shown in one.shown] for one in told}


@pytest.mark.parametrize(
    ("protocol", "attribute", "value", "title"),
    [
        ("http", "credentials", "clear (http basic)", "Credentials in clear text"),
        ("http", "credentials", "default", "Default credentials"),
        ("ldap", "credentials", "weak", "Weak credentials"),
        ("ldap", "credentials", "anonymous", "Anonymous access"),
        ("rdp", "credentials", "user name clear (rdp cookie)", ""),
        ("opcua", "user_identity", "anonymous", "Anonymous access"),
        ("opcua", "user_identity", "user name ann, password in clear", "Credentials in clear text"),
        ("opcua", "user_identity", "user name ann", ""),
        (
            "opcua",
            "endpoint",
            "opc.tcp://x:4840, none, anonymous",
            "OPC UA endpoint without security",
        ),
        ("opcua", "endpoint", "opc.tcp://x:4840, sign Basic256, anonymous", ""),
        ("snmp", "snmp_version", "2c", "SNMP without encryption (versions 1 and 2c)"),
        ("snmp", "snmp_version", "3", ""),
        ("smb", "smb_dialect", "NT LM 0.12", "SMB version 1"),
        ("smb", "smb_dialect", "SMB 2.0.2", ""),
        ("smb", "smb_signing", "enabled", "SMB signing not required"),
        ("smb", "smb_signing", "required", ""),
        ("tls", "tls_version", "TLS 1.1", "Old version of TLS"),
        ("tls", "tls_version", "TLS 1.2", ""),
        ("tls", "tls_cipher", "0x0005", "Weak cipher of TLS"),
        ("tls", "tls_cipher", "0xc02f", ""),
        ("tls", "tls_cipher", "evil", ""),
        ("tls", "certificate_until", "2020-01-01", "Expired certificate"),
        ("tls", "certificate_until", "2020-01-05", ""),  # its last day, when it was shown
        ("tls", "certificate_until", "soon", ""),
        ("rdp", "rdp_security", "rdp", "Remote desktop without network level authentication"),
        ("rdp", "rdp_security", "credssp", ""),
        ("ssh", "ssh_version", "1.99", "SSH version 1"),
        ("ssh", "ssh_version", "2.0", ""),
        ("smb", "os", "Windows Server 2003 R2 3790", "Operating system without support"),
        ("smb", "os", "Windows 10", ""),
        ("s7comm", "protection_level", "1", "Controller without protection of its program"),
        ("s7comm", "protection_level", "3", ""),
        ("s7comm", "key_switch", "RUN_P", "Key switch lets programs be changed"),
        ("vnc", "vnc_security", "none, tight", "Anonymous access"),
    ],
)
def test_weaknesses_by_what_is_said(
    net: Tap, protocol: str, attribute: str, value: str, title: str
) -> None:
    """A value is the weakness that its rule names, and its near miss is none."""
    at = 1_578_182_400  # 2020-01-05
    if attribute in OF_CLIENTS:
        net._add(
            "fact", conversation=net.talks(HMI, PLC, protocol), attribute=attribute, value=value,
            protocol=protocol, about="client", **seen(at, at),
        )  # fmt: skip
    else:
        net.says(PLC, protocol, at=at, **{attribute: value})
    net.write()

    assert found_of(net.store) == ({title: [f"{attribute} {value}"]} if title else {})


def test_credentials_are_told_of_the_door_that_they_open(net: Tap) -> None:
    """A weak login is one of the server, with each client that used it once, as last seen."""
    for at, conversation in ((50, net.talks(HMI, PLC, "snmp")), (90, net.talks(HMI, PLC, "http"))):
        net._add(
            "fact", conversation=conversation, attribute="credentials", value="default",
            protocol="http", about="client", **seen(at, at),
        )  # fmt: skip
    net.write()

    (weakness,) = weaknesses(
        inventory(net.store), "Hall <3>", sightings.shown(net.store, OF_CLIENTS)
    )

    assert [(one.asset, one.by, one.sight.packet) for one in weakness.shown] == [(PLC, HMI, 90)]


def test_every_rule_tells_what_to_do() -> None:
    """Each weakness has a reason and a next step, and no two the same title."""
    titles = [rule.weakness.title for rule in RULES]

    assert len({*titles}) == len(titles)
    assert all(rule.weakness.why and rule.weakness.action for rule in RULES)


def test_a_clear_text_service_needs_an_answer(net: Tap) -> None:
    """Telnet that a device answers is a weakness of it; one that only asks has none."""
    net.talks(HMI, PLC, "telnet", "tcp/23")
    net.write()

    assert found_of(net.store) == {
        "Service that sends everything in clear text": ["answers Telnet"]
    }


# ---------------------------------------------------------------------------- communication


def test_relations_by_level(net: Tap) -> None:
    """What was answered is told by level and protocol, the gravest of what was done with it."""
    net.does(HMI, PLC, "s7comm", "read")
    net.does(HMI, PLC, "s7comm", "program")
    net.talks(OUTSIDE, HMI, "", "tcp/443")
    net.talks(HMI, OUTSIDE, "", "tcp/80", payload_in=0)
    net.write()
    found = pairs(
        Directory(inventory(net.store)),
        "Hall <3>",
        sightings.talks(net.store),
        sightings.deeds(net.store),
    )

    assert [(one.source, one.target, one.protocol, one.weight) for one in relations(found)] == [
        ("Outside", "2  Supervision", "tcp/443", "other"),
        ("2  Supervision", "1  Control", "s7comm", "change"),
    ]


def test_a_large_network_is_drawn_in_bounds() -> None:
    """Of thousands of hosts the busiest are drawn, the others as one box, within the picture."""
    nodes = [Node(f"n{at}", f"host {at}", "plc", "abc"[at % 3]) for at in range(3000)]
    flows = [
        Flow(f"n{at}", f"n{(at * 7 + 1) % 3000}", "read", 1 + at % 50, "x") for at in range(3000)
    ]
    drawn = drawing(nodes, flows, ("a", "b", "c"))

    assert [lane.name for lane in drawn.lanes] == ["a", "b", "c"]
    assert len(drawn.boxes) == 36
    assert [box.name for box in drawn.boxes if box.more] == ["989 more"] * 3
    assert len(drawn.lines) <= MOST_LINES
    for box in drawn.boxes:
        assert 0 <= box.x <= drawn.width - 150
        assert 0 <= box.y <= drawn.height - 38
    assert all(re.fullmatch(r"[MC0-9. -]+", line.path) for line in drawn.lines)


def test_the_gravest_of_a_pair_is_drawn() -> None:
    """Two flows of a pair are one line, in the colour of the gravest."""
    nodes = [Node("a", "A", "ews", "up"), Node("b", "B", "plc", "down")]
    flows = [Flow("a", "b", "read", 100, "reads"), Flow("a", "b", "change", 1, "stops")]
    (line,) = drawing(nodes, flows, ("up", "down")).lines

    assert (line.weight, line.title) == ("change", "reads; stops")
