"""Whether the mirror is any good: each capture of `pcaps/health` is told for what it is."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from capture_bytes import enhanced, interface, section, statistics
from conftest import ROOT, Command
from engine_runs import analyse
from store_rows import row, store_with, write

from otsec.config import Caps
from otsec.health import CHECKS, ENGINE, Packet, Report, Severity, Verdict, judge, overall
from otsec.health.content import CAPS
from otsec.health.services import usual
from otsec.health.verdict import counted, duration, percent
from otsec.store import open_store

OWN = ROOT / "pcaps" / "health"
BAD, WARN, UNKNOWN, GOOD = Severity.BAD, Severity.WARN, Severity.UNKNOWN, Severity.GOOD


def judged(path: Path, folder: Path, **options: object) -> Report:
    """The report of one capture."""
    analyse([path], folder / "x.db", **options)
    with open_store(folder / "x.db", readonly=True) as store:
        (report,) = judge(store, engine=True)
    return report


def worst(report: Report) -> list[tuple[str, Severity]]:
    """The checks that complain."""
    return [(one.check, one.severity) for one in report.verdicts if one.severity <= WARN]


@pytest.mark.parametrize(
    ("name", "told", "sentence", "figure", "packets"),
    [
        ("good", [], "good", None, ()),
        (
            "no_traffic", [("traffic", BAD)], "without traffic: nothing can be told",
            "No traffic: not one packet was captured.", (),
        ),
        (
            "only_broadcast", [("receivers", BAD), ("industrial", BAD), ("lookups", WARN)],
            "not usable for what devices say to each other; what controllers do",
            "100 % of 40 frames are broadcast or multicast, 0 went to one device.", (0, 39),
        ),
        (
            "one_direction", [("directions", BAD), ("lookups", WARN)],
            "not usable for answers, outcomes and response times",
            ("1 of 1 TCP conversation with data (100 %) show one direction only: "
            "only the client's side."), (1,),
        ),
        (
            "every_frame_twice", [("repeats", WARN)], "usable with limits: see repeats",
            ("Every frame comes twice: 128 of 256 frames (50 %) repeat the same bytes within 2 ms. "
            "They are counted once."), (1, 255),
        ),
        (
            "lost_answers", [("loss", BAD)], "not usable for exact counts and values",
            ("18 % of the bytes in TCP (289 of 1 639) were acknowledged or passed over but never "
            "seen; most, 289 bytes, between 10.99.0.11 and 10.99.0.21 tcp/502."), (2,),
        ),
        (
            "snap_length", [("snap length", BAD), ("industrial", WARN)],
            "not usable for the content of long messages",
            "80 of 128 packets (62 %) were cut when they were recorded.", (5, 123),
        ),
        (
            "tag_one_way", [("tags", BAD), ("lookups", WARN)],
            "not usable for pairing questions with answers",
            ("1 conversation goes one way with one VLAN tag and back with another or none "
            "(20, untagged): question and answer do not come together."), (2, 3),
        ),
        (
            "shared_address", [("addresses", WARN)], "usable with limits: see addresses",
            ("1 IP address is sent by several MAC addresses: 10.99.0.21; 10.99.0.21 by "
            "00:80:f4:0f:00:21 and 00:80:f4:0f:00:99."), (3, 8),
        ),
        (
            "no_industrial", [("industrial", BAD)], "not usable for what controllers do",
            "No industrial protocol in 125 packets.", (),
        ),
        (
            "silent_addresses", [("lookups", WARN)], "usable with limits: see lookups",
            ("1 of 2 addresses asked for by ARP (50 %) never answered; most asked: 10.99.0.77 "
            "(40 times)."), (3,),
        ),
        (
            "clock_steps", [("clock", WARN)], "usable with limits: see clock",
            ("The time of the packets steps 2 times, the largest 3 days ahead; nothing is told of "
            "how long anything took across a step."), (84, 42),
        ),
        (
            "lost_fragments", [("fragments", WARN)], "usable with limits: see fragments",
            "20 of 40 datagrams in fragments never came whole.", (128, 187),
        ),
        (
            "can_bus", [("industrial", BAD), ("link type", BAD)],
            "not usable for what controllers do; the packets of that link type",
            "No industrial protocol in 40 packets.", (),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong(
    tmp_path: Path,
    name: str,
    told: list[tuple[str, Severity]],
    sentence: str,
    figure: str | None,
    packets: tuple[int, ...],
) -> None:
    """Each spoilt capture is told, in these words, and nothing else is complained of."""
    report = judged(OWN / f"{name}.pcap", tmp_path)

    assert worst(report) == told
    assert report.sentence == sentence
    assert report.severity == min((severity for _, severity in told), default=GOOD)
    if figure is not None:
        first = report.verdicts[0]
        assert first.figure == figure
        assert tuple(packet.ordinal for packet in first.evidence) == packets
        assert (first.cause != "", first.advice != "") == (True, True)
    assert "0 % loss" not in " ".join(one.figure for one in report.verdicts)


def test_generator_writes_these_captures(tmp_path: Path) -> None:
    """The captures are those that the generator beside them writes."""
    import subprocess
    import sys

    code = (
        f"import sys; sys.path.insert(0, {str(OWN)!r}); sys.dont_write_bytecode = True\n"
        f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r})\n"
        "generate.main([])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    assert made == {path.name: path.read_bytes() for path in OWN.glob("*.pcap")}


def test_why_nothing_was_recognised(tmp_path: Path) -> None:
    """A number of a protocol that otsec reads is never explained by otsec not reading it."""
    frame = bytes.fromhex("020000000002 020000000001 890f 0102")  # CC-Link IE
    other = tmp_path / "other"
    other.mkdir()
    path = tmp_path / "unread.pcapng"
    path.write_bytes(section() + interface() + enhanced(0, 0, frame))

    unread, modbus = (
        next(one for one in judged(capture, folder).verdicts if one.check == "industrial")
        for capture, folder in ((path, tmp_path), (OWN / "snap_length.pcap", other))
    )
    assert unread.cause == (
        "otsec does not read every protocol that usually has these numbers, or something else uses "
        "these numbers"
    )
    assert modbus.cause == (
        "no whole message of a protocol that otsec reads is in the capture, or it is encrypted, or "
        "something else uses these numbers"
    )


def test_drops_of_the_recorder(tmp_path: Path) -> None:
    """What pcapng's statistics say was lost is told with its share; without them it is unknown."""
    frame = bytes.fromhex("020000000002 020000000001 88b5 0102")
    body = b"".join(enhanced(0, tick, frame + bytes([tick])) for tick in range(96))
    path = tmp_path / "drops.pcapng"
    path.write_bytes(section() + interface() + body + statistics(0, 97, 4))

    verdicts = {one.check: one for one in judged(path, tmp_path).verdicts}
    assert (verdicts["drops"].severity, verdicts["drops"].figure) == (
        BAD,
        "The recorder says that it lost 4 packets, 4.0 % of all.",
    )
    silent = {one.check: one for one in judged(OWN / "good.pcap", tmp_path / "..").verdicts}
    assert silent["drops"].severity == UNKNOWN


def test_caps_are_named_with_their_settings(tmp_path: Path) -> None:
    """A cap that was hit is named, with what is lost for it and the setting that raises it."""
    path = ROOT / "pcaps" / "modbus" / "all_functions.pcap"
    report = judged(path, tmp_path, caps=Caps(behaviours=2, stations=1))
    told = {one.figure: one.advice for one in report.verdicts if one.check == "caps"}

    for name, cap in CAPS.items():
        figures = [figure for figure in told if f" on {cap.what} was reached: " in figure]
        assert len(figures) == (name in {"behaviours", "stations", "lookups"})
        for figure in figures:
            assert f"The limit caps.{cap.setting} on" in figure
            assert cap.lost in figure
            assert f"raise caps.{cap.setting} in otsec.yaml" in told[figure]


def test_every_cap_has_its_words() -> None:
    """Every setting that a cap names exists."""
    assert {cap.setting for cap in CAPS.values()} <= set(Caps.__slots__)


def test_few_packets_are_not_judged(tmp_path: Path) -> None:
    """A share of three packets says nothing, and no traffic is never a good figure."""
    with store_with(
        tmp_path / "x.db",
        counter=[row("counter", source=1, name="group_frames", count=3)],
        station=[row("station", source=1, mac="00:00:00:00:00:01", frames=3)],
    ) as store:
        write(store, clock=[row("clock", source=1, packets=3)])
        (report,) = judge(store)
    shares = [one for one in report.verdicts if one.check in {"receivers", "directions", "loss"}]

    assert [one.severity for one in shares] == [UNKNOWN] * 3


def test_forged_addresses_are_not_a_bad_mirror(tmp_path: Path) -> None:
    """Where those who are silent answer others, a flood is likelier than a bad mirror."""
    spoofed = [
        row(
            "conversation", source=1, number=number, kind=4, client=f"10.9.0.{number}",
            server="10.0.0.2", service="tcp/502", packets_out=1, payload_out=12,
        )
        for number in range(1, 9)
    ]  # fmt: skip
    real = row(
        "conversation", source=1, number=9, kind=4, client="10.0.0.1", server="10.0.0.2",
        service="tcp/502", packets_out=4, packets_in=4, payload_out=48, payload_in=40,
    )  # fmt: skip
    with store_with(tmp_path / "x.db", conversation=[*spoofed, real]) as store:
        (report,) = judge(store)
    (told,) = (one for one in report.verdicts if one.check == "directions")

    assert told.severity == WARN
    assert told.cause.startswith("a flood or scan with forged addresses")


def talk(number: int, **cells: object) -> tuple[object, ...]:
    """A conversation over TCP of source 1."""
    given = {"service": "tcp/502", "client": f"10.0.0.{number}", "server": "10.0.9.9", **cells}
    return row("conversation", source=1, number=number, kind=4, connections=1, **given)


@pytest.mark.parametrize(
    ("cells", "severity", "figure"),
    [
        (
            {"packets_out": 9, "payload_out": 60, "lost_in": 80}, BAD,
            ("4 of 4 TCP conversations with data (100 %) show one direction only: "
            "only the client's side."),
        ),
        (
            {"packets_in": 9, "payload_in": 60, "lost_out": 80}, BAD,
            ("4 of 4 TCP conversations with data (100 %) show one direction only: "
            "only the server's side."),
        ),
        (  # a sender of logs over TCP, of whose receiver nothing is acknowledged
            {"service": "tcp/514", "packets_out": 900, "payload_out": 90_000}, BAD,
            ("4 of 4 TCP conversations with data (100 %) show one direction only: "
            "only the client's side."),
        ),
        (  # the same, with the receiver's bare acknowledgements
            {"service": "tcp/514", "packets_out": 900, "payload_out": 90_000, "packets_in": 400},
            GOOD, "Both sides are seen of 4 of 4 TCP conversations with data.",
        ),
        (
            {"packets_out": 1, "payload_out": 12}, WARN,
            ("In 4 of 4 TCP conversations with data (100 %) one side sends, and nothing shows that "
            "the other one ever did: no answer, no acknowledgement."),
        ),
        (
            {"service": "udp/514", "packets_out": 900, "payload_out": 90_000}, UNKNOWN,
            "No TCP conversation that carried data.",
        ),
        (
            {"service": "udp/2222", "server": "239.192.1.1", "packets_out": 9, "payload_out": 400},
            UNKNOWN, "No TCP conversation that carried data.",
        ),
    ],
)  # fmt: skip
def test_one_direction(
    tmp_path: Path, cells: dict[str, object], severity: Severity, figure: str
) -> None:
    """A side counts as not seen only where the other one shows that it spoke; UDP never does."""
    with store_with(
        tmp_path / "x.db", conversation=[talk(number, **cells) for number in range(1, 5)]
    ) as store:
        (report,) = judge(store)
    (told,) = (one for one in report.verdicts if one.check == "directions")

    assert (told.severity, told.figure) == (severity, figure)


def test_publishers_do_not_spoil_a_good_mirror(tmp_path: Path) -> None:
    """Many one-way senders beside a few conversations of which both sides are seen are no harm."""
    senders = [
        talk(number, service="udp/514", packets_out=50, payload_out=5000) for number in range(2, 99)
    ]
    both = talk(1, packets_out=9, packets_in=9, payload_out=90, payload_in=90)
    with store_with(tmp_path / "x.db", conversation=[both, *senders]) as store:
        (report,) = judge(store)
    (told,) = (one for one in report.verdicts if one.check == "directions")

    assert told.severity == GOOD


def test_a_call_without_answer_is_no_bad_mirror(tmp_path: Path) -> None:
    """A SYN that nobody answers carried no data, so it does not count as one direction."""
    with store_with(
        tmp_path / "x.db",
        conversation=[
            row("conversation", source=1, kind=4, client="10.0.0.1", server="10.0.0.2",
                service="tcp/502", packets_out=3)
        ],
    ) as store:  # fmt: skip
        (report,) = judge(store)

    assert [one.severity for one in report.verdicts if one.check == "directions"] == [UNKNOWN]


def test_engine_counters_only_when_asked(tmp_path: Path) -> None:
    """Cache hit rate and slow path are told with --verbose, and are no matter of the mirror."""
    with store_with(
        tmp_path / "x.db",
        counter=[
            row("counter", source=1, name="engine:units", count=1000),
            row("counter", source=1, name="engine:decoded", count=50),
            row("counter", source=1, name="engine:plain_flows", count=3),
        ],
    ) as store:
        (told,), (quiet,) = judge(store, engine=True), judge(store)

    assert [one.figure for one in told.verdicts if one.check == ENGINE.name] == [
        "95 % of 1 000 messages were found decoded in the cache, 50 were decoded.",
        "3 flows of batches went the plain, slow way.",
    ]
    assert ENGINE.name not in {one.check for one in quiet.verdicts}


def test_overall() -> None:
    """All sources in one sentence; nothing at all is no good mirror."""

    def one(name: str, *severities: Severity) -> Report:
        verdicts = tuple(Verdict("loss", severity, "x") for severity in severities)
        return Report(SimpleNamespace(), name, verdicts)

    assert overall([]) == "Nothing was captured yet."
    assert overall([one("tap", GOOD)]) == "tap is good."
    assert overall([one("a", BAD), one("b", GOOD, WARN), one("c", UNKNOWN), one("d", GOOD)]) == (
        "4 sources: 1 not usable for some purpose, 1 usable with limits, 1 good, 1 not judged."
    )


def test_words() -> None:
    """Figures never round something to nothing, or nearly all to all."""
    assert [percent(part, 10_000) for part in (0, 1, 10, 123, 5_000, 9_999, 10_000)] == [
        "0 %", "under 0.1 %", "0.1 %", "1.2 %", "50 %", "over 99.9 %", "100 %",
    ]  # fmt: skip
    assert percent(0, 0) == "0 %"
    assert counted(1, "packet") + counted(1_234, "packet") == "1 packet1 234 packets"
    assert duration(-90 * 10**9) + duration(3 * 86_400 * 10**9) == "1 minute3 days"
    assert (usual("tcp/102"), usual("tcp/80"), usual("tcp/9")) == ("S7comm or MMS", "HTTP", "")


def test_documented() -> None:
    """docs/health.md has every check with what it hides."""
    page = (ROOT / "docs" / "health.md").read_text("utf-8")

    assert [check.name for check in (*CHECKS, ENGINE) if f"\n### {check.name}\n" not in page] == []
    assert [check.name for check in CHECKS if check.hides and check.hides not in page] == []


# ------------------------------------------------------------------------------ the command


def test_command(otsec_command: Command, tmp_path: Path) -> None:
    """People read the worst first with packet, cause and change; machines a row a verdict."""
    db = tmp_path / "x.db"
    assert otsec_command("analyze", OWN / "one_direction.pcap", "--db", db).returncode == 0
    done = otsec_command("health", "--db", db)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "one_direction is not usable for answers, outcomes and response times.\n"
        "\n"
        "BAD  directions  (one_direction)\n"
        "      1 of 1 TCP conversation with data (100 %) show one direction only: only the client's side.\n"
        "      packet: 1 (2026-01-05T08:00:00.000+00:00)\n"
        "      likely cause: the mirror copies only received or only sent frames, one leg of a tap is not\n"
        "      connected, or the answers take another way\n"
        "      to change: mirror both directions (rx and tx) of the port, connect both legs of the tap\n"
    )
    rows = json.loads(otsec_command("health", "--db", db, "--json").stdout)["rows"]
    assert [(one["check"], one["severity"]) for one in rows[:3]] == [
        ("overall", "bad"), ("directions", "bad"), ("lookups", "warn"),
    ]  # fmt: skip
    assert rows[1]["packet_time"] == "2026-01-05T08:00:00.000+00:00"
    nothing = otsec_command("health", "--db", db, "--point", "other")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr == f"nothing in {db} matches\n"


def test_evidence_is_within_the_capture(tmp_path: Path) -> None:
    """Every packet that a verdict names is one of the capture, with its time."""
    for path in sorted(OWN.glob("*.pcap")):
        folder = tmp_path / path.stem
        folder.mkdir()
        report = judged(path, folder)
        source = report.source
        for one in report.verdicts:
            for packet in one.evidence:
                assert 0 <= packet.ordinal < source.packets
                assert packet == Packet(packet.ordinal, packet.time)
                assert packet.time >= 1_767_000_000 * 10**9


def test_a_scan_is_told_from_devices_that_are_gone(tmp_path: Path) -> None:
    """Many addresses asked for once and never there are somebody who looks for who is there."""

    def silent(addresses: int, times: int) -> str:
        lookup = [
            row("lookup", source=1, address=f"10.0.0.{number}", asked=times, first_packet=number)
            for number in range(1, addresses + 1)
        ]
        lookup.append(row("lookup", source=1, address="10.0.0.250", asked=1, answered=1))
        with store_with(tmp_path / f"{addresses}-{times}.db", lookup=lookup) as store:
            (report,) = judge(store)
        (verdict,) = (one for one in report.verdicts if one.check == "lookups")
        return verdict.cause

    assert silent(20, 1).startswith("somebody tried addresses one after the other")
    assert silent(20, 40).startswith("devices that are switched off")
    assert silent(2, 1).startswith("devices that are switched off")
