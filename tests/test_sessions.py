"""Sessions: cut out of conversations, their logins, and the chains that they form."""

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT
from inventory_stores import Tap, new_store, seen, tap
from store_rows import row, write

from otsec.cli import main
from otsec.errors import Exit
from otsec.sessions import authentication
from otsec.sessions.assembly import sessions
from otsec.sessions.chains import BASE, LEAST, WEIGHTS
from otsec.sessions.model import Session
from otsec.store import Store, open_store
from otsec.store.sessions import Moment, Told

VENDOR, JUMP, EWS, PLC, HMI = "62.1.2.3", "10.9.0.5", "10.0.0.2", "10.0.0.1", "10.0.0.3"
END = 1000  # seconds at which the capture ends


def plant(store: Store) -> Tap:
    """A tap that heard five hosts."""
    net = tap(store)
    for number, address in enumerate((VENDOR, JUMP, EWS, PLC, HMI)):
        net.heard(f"00:1b:1b:00:00:{number:02x}", address)
    return net


def work(net: Tap, *way: tuple[str, str, str, int, int]) -> None:
    """Conversations of one connection: client, server, protocol, and from when to when."""
    for client, server, protocol, first, last in way:
        net.talks(client, server, protocol, connections=1, **seen(first, last))


def told(store: Store, net: Tap) -> list[Session]:
    """The sessions of what a tap saw until END."""
    net.write()
    last = {"packets": 10_000, "last_time": END * 10**9}
    write(store, clock=[row("clock", source=net.number, **last)])
    return sessions(store)


def download(net: Tap, at: int, *, client: str = EWS, connection: int = -1) -> None:
    """A block is loaded into the controller."""
    net.does(
        client, PLC, "s7comm", "program", operation="request_download", object="OB1", **seen(at, at)
    )
    net.event(len(net.rows["behaviour"]) - 1, at, connection)


def test_a_chain_is_followed_to_who_began(tmp_path: Path) -> None:
    """A download is told with the way from the vendor through jump host and workstation."""
    with new_store(tmp_path) as store:
        net = plant(store)
        work(
            net,
            (VENDOR, JUMP, "rdp", 100, 900),
            (JUMP, EWS, "vnc", 150, 850),
            (EWS, PLC, "s7comm", 200, 700),
        )
        download(net, 300)

        found = told(store, net)

    assert [(one.kind, one.chain, one.chain_confidence) for one in found] == [
        ("interactive", (VENDOR, JUMP), None),
        ("interactive", (VENDOR, JUMP, EWS), 0.85),
        ("engineering", (VENDOR, JUMP, EWS, PLC), 0.72),
    ]
    last = found[-1]
    assert [deed.text for deed in last.deeds] == ["request_download OB1"]
    assert (last.origin, last.remote, last.client.outside) == (VENDOR, True, False)
    assert last.path[0].session == found[0].id
    assert last.path[1].reasons == (
        "no other session was open on that host",
        "began and ended while it was open",
        "began within ten minutes of it",
    )


@pytest.mark.parametrize(
    ("entry", "way"),
    [
        ((JUMP, EWS, "rdp", 250, 900), ()),  # began behind it
        ((JUMP, EWS, "rdp", 10, 100), ()),  # was over by then
        ((JUMP, HMI, "rdp", 100, 900), ()),  # to another host
        ((JUMP, EWS, "smb", 100, 900), ()),  # nobody sits at a file share
        ((JUMP, EWS, "rdp", 10, 150), (JUMP,)),  # within the minute behind its last packet
    ],
)
def test_only_a_session_open_to_the_client_leads_on(
    tmp_path: Path, entry: tuple[str, str, str, int, int], way: tuple[str, ...]
) -> None:
    """A step is told only where a person's session to that very host was open at the time."""
    with new_store(tmp_path) as store:
        net = plant(store)
        work(net, entry, (EWS, PLC, "s7comm", 200, 700))
        download(net, 300)

        (session,) = [one for one in told(store, net) if one.protocol == "s7comm"]

    assert tuple(step.name for step in session.path) == way


def test_a_refused_login_leads_nowhere(tmp_path: Path) -> None:
    """Nobody works through a session whose login was refused."""
    with new_store(tmp_path) as store:
        net = plant(store)
        work(net, (JUMP, EWS, "rdp", 100, 900), (EWS, PLC, "s7comm", 200, 700))
        net.does(JUMP, EWS, "rdp", "session", operation="connection_request", outcome="refused")
        net.event(0, 100)
        download(net, 300)

        entry, session = told(store, net)

    assert (entry.outcome, session.path) == ("refused", ())


def test_a_circle_of_sessions_ends(tmp_path: Path) -> None:
    """Two hosts that work on each other at the same time are no endless way."""
    with new_store(tmp_path) as store:
        net = plant(store)
        work(net, (JUMP, EWS, "ssh", 100, 900), (EWS, JUMP, "ssh", 100, 900))

        assert [len(one.path) for one in told(store, net)] == [1, 1]


def test_confidence_never_claims_to_be_sure() -> None:
    """What speaks for a step adds up from the base to no more than certainty, and all is needed."""
    assert BASE + sum(weight for weight in WEIGHTS.values() if weight > 0) == pytest.approx(1)
    assert BASE > LEAST > BASE + min(WEIGHTS.values())


def test_each_connection_is_a_session(tmp_path: Path) -> None:
    """Of three connections in one conversation each is a session with what was done in it."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.talks(EWS, PLC, "s7comm", connections=3, **seen(10, 600))
        net.connects(EWS, PLC, "s7comm", 0, 10, 20)
        net.connects(EWS, PLC, "s7comm", 1, 100, 400, client_port=50001, bytes_out=900)
        net.connects(EWS, PLC, "s7comm", 2, 300, 600, ended="reset")
        download(net, 350, connection=1)  # while two were open
        stop = {"operation": "plc_stop", "object": "", "outcome": "busy"}
        net.does(EWS, PLC, "s7comm", "mode", **stop, **seen(510, 510))
        net.event(1, 510, connection=2)
        net.does(EWS, PLC, "s7comm", "write", operation="write_var", object="DB1", **seen(160, 170))
        net.does(EWS, PLC, "s7comm", "write", operation="write_var", object="DB2", **seen(310, 320))

        found = told(store, net)

    unsure = "write_var DB2 x3 (here or in another session)"
    assert [
        (one.first_time // 10**9, one.last_time // 10**9, [deed.text for deed in one.deeds])
        for one in found
    ] == [
        (100, 400, ["request_download OB1", "write_var DB1 x3", unsure]),
        (300, 600, ["plc_stop (busy)", unsure]),
    ]
    assert [(one.extent, one.bytes_out, one.client_port, one.ended) for one in found] == [
        ("connection", 900, 50001, ""),
        ("connection", 0, 0, "reset"),
    ]
    assert len({one.id for one in found}) == 2


def test_connections_without_rows_are_told_together(tmp_path: Path) -> None:
    """What nobody recognised, as what began before the capture, is one session beside the others."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.talks(
            EWS,
            JUMP,
            "ssh",
            connections=4,
            bytes_out=100,
            payload_out=9,
            payload_in=9,
            **seen(0, 90),
        )
        net.connects(EWS, JUMP, "ssh", 0, 50, 60, bytes_out=70, payload_out=5, payload_in=5)
        net.talks(HMI, JUMP, "ssh", connections=4, payload_out=9, payload_in=5, **seen(0, 90))
        net.connects(HMI, JUMP, "ssh", 1, 51, 61, payload_out=5, payload_in=5)  # no one else spoke

        found = told(store, net)

    assert [(one.extent, one.connections, one.bytes_out) for one in found] == [
        ("conversation", 3, 30), ("connection", 1, 70), ("connection", 1, 0),
    ]  # fmt: skip


def test_connections_that_cannot_be_told_apart_stay_together(tmp_path: Path) -> None:
    """Where none is kept by itself a conversation is one row that says how many it stands for."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.talks(EWS, PLC, "s7comm", connections=3, **seen(10, 600))
        download(net, 150)

        (session,) = told(store, net)

    assert (session.extent, session.connections) == ("conversation", 3)


@pytest.mark.parametrize(
    ("last", "closing", "active"),
    [(990, "", True), (900, "", False), (990, "close_session", False)],
)
def test_active_is_what_was_heard_at_the_end(
    tmp_path: Path, last: int, closing: str, active: bool
) -> None:
    """A session is active if it was heard in the last minute and did not say that it ends."""
    with new_store(tmp_path) as store:
        net = plant(store)
        work(net, (EWS, PLC, "opcua", 10, last))
        net.does(EWS, PLC, "opcua", "write", operation="write", **seen(20, 20))
        if closing:
            net.does(EWS, PLC, "opcua", "session", operation=closing, **seen(last, last))
            net.event(1, last)

        (session,) = told(store, net)

    assert session.active is active


def test_reading_is_no_session(tmp_path: Path) -> None:
    """Polls, questions for the time and requests to be told of changes are no session."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.does(HMI, PLC, "modbus", "read")
        net.does(HMI, PLC, "opcua", "config", operation="create_subscription")
        net.event(1, 30)
        net.does(HMI, PLC, "ntp", "time", operation="client")
        net.event(2, 31)
        net.does(HMI, PLC, "http", "write", operation="post")

        assert told(store, net) == []


def test_connections_of_an_hour_may_share_a_row(tmp_path: Path) -> None:
    """Connections beyond the cap are one row that says how many it stands for."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.talks(EWS, JUMP, "ssh", connections=40, **seen(10, 90))
        net.connects(EWS, JUMP, "ssh", 0, 10, 11)
        net.connects(EWS, JUMP, "ssh", 1, 12, 90, connections=39)

        found = told(store, net)

    assert [(one.extent, one.connections) for one in found] == [
        ("connection", 1), ("connections", 39),
    ]  # fmt: skip


def test_an_account_is_of_the_session_in_which_it_was_named(tmp_path: Path) -> None:
    """Of two logins in one conversation each has its own account."""
    with new_store(tmp_path) as store:
        net = plant(store)
        number = net.talks(EWS, PLC, "telnet", connections=2, **seen(10, 90))
        net.does(EWS, PLC, "telnet", "session", operation="account")
        for one, (at, account) in enumerate(((10, "admin"), (50, "maint"))):
            net.connects(EWS, PLC, "telnet", one, at, at + 20)
            net._add(
                "fact", conversation=number, attribute="account", value=account,
                protocol="telnet", about="client", **seen(at, at),
            )  # fmt: skip

        found = told(store, net)

    assert [one.account for one in found] == [("admin",), ("maint",)]


@pytest.mark.parametrize(
    ("protocol", "operation", "kind"),
    [("dcerpc", "svcctl_create_service", "administration"), ("snmp", "set_request", "administration"),
     ("mqtt", "subscribe", None), ("dns", "update", None), ("fins", "program_area_write", "engineering")],
)  # fmt: skip
def test_kinds_of_what_is_changed(
    tmp_path: Path, protocol: str, operation: str, kind: str | None
) -> None:
    """Changes of hosts are administration, of devices engineering; housekeeping is none."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.does(EWS, PLC, protocol, "config", operation=operation)
        net.event(0, 10)

        assert [one.kind for one in told(store, net)] == ([kind] if kind else [])


def test_clearing_the_restart_bit_is_no_engineering(tmp_path: Path) -> None:
    """A master of DNP3 that takes note of a restart and operates a relay is an operator's station."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.does(HMI, PLC, "dnp3", "config", operation="write", object="internal_indication 7")
        net.does(HMI, PLC, "dnp3", "control", operation="operate", object="relay 1")
        for behaviour in (0, 1):
            net.event(behaviour, 10 + behaviour)

        (session,) = told(store, net)

    assert (session.kind, session.changes) == ("operating", 2)


def test_a_scan_of_objects_stays_in_bounds(tmp_path: Path) -> None:
    """Of thousands of written objects the first are told one by one, and all are counted."""
    with new_store(tmp_path) as store:
        net = plant(store)
        for at in range(3000):
            net.does(EWS, PLC, "modbus", "write", object=f"coil {at}")

        (session,) = told(store, net)

    assert (len(session.deeds), session.changes) == (500, 9000)


def test_thousands_of_sessions_are_joined_in_time(tmp_path: Path) -> None:
    """Thousands of short sessions through one host are each joined to those that were open."""
    with new_store(tmp_path) as store:
        net = plant(store)
        for client, server, protocol in ((VENDOR, JUMP, "ssh"), (JUMP, EWS, "ssh")):
            net.talks(client, server, protocol, connections=2000, **seen(0, 3 * 2000))
        for at in range(2000):
            net.connects(VENDOR, JUMP, "ssh", 2 * at, 3 * at, 3 * at + 2)
            net.connects(JUMP, EWS, "ssh", 2 * at + 1, 3 * at + 1, 3 * at + 2)

        found = told(store, net)

    assert len(found) == 4000
    assert {one.chain for one in found} == {(VENDOR, JUMP), (VENDOR, JUMP, EWS)}


def test_a_port_alone_needs_an_answer(tmp_path: Path) -> None:
    """What no protocol claims is a session by its port only where both sides sent content."""
    with new_store(tmp_path) as store:
        net = plant(store)
        net.talks(HMI, EWS, "", "tcp/3389", connections=1, payload_out=5)
        net.talks(HMI, JUMP, "", "tcp/3389", connections=1, payload_out=5, payload_in=0)

        (session,) = told(store, net)

    assert (session.server.address, session.protocol, session.by_port) == (EWS, "rdp", True)


MOMENT = Moment(0, 0, 0, "session", "", "", "", "ok", 1, -1)


@pytest.mark.parametrize(
    ("protocol", "facts", "operations", "state"),
    [
        ("s7comm", (), (), "none"),
        ("s7comm", (), ("plc_password",), "clear"),
        ("ssh", (), (), "unknown"),
        ("http", (("credentials", "clear (http basic)"),), (), "clear"),
        ("ftp", (("credentials", "anonymous"),), (), "none"),
        ("vnc", (("vnc_security", "none, tight"),), (), "none"),
        ("vnc", (("vnc_security", "vnc, tight"),), (), "challenge"),
        ("rdp", (("rdp_security", "credssp"), ("credentials", "user name clear (rdp cookie)")), (),
         "challenge"),
        ("rdp", (("rdp_security", "tls"),), (), "unknown"),
        ("smb", (), ("session_setup",), "challenge"),
        ("opcua", (("user_identity", "anonymous"),), (), "none"),
        ("opcua", (("user_identity", "user name ann, password in clear"),), (), "clear"),
        ("opcua", (("user_identity", "user name ann"),), (), "challenge"),
        ("opcua", (("user_certificate", "CN=ann"),), (), "certificate"),
        ("opcua", (("user_identity", "anonymous"), ("user_certificate", "CN=ann")), (), "none"),
        ("dnp3", (), ("authentication_request",), "challenge"),
        ("ldap", (("auth_method", "simple"), ("credentials", "weak")), (), "clear"),
        ("ldap", (("auth_method", "sasl GSSAPI"),), (), "challenge"),
        ("tds", (("auth_method", "integrated"),), (), "challenge"),
    ],
)  # fmt: skip
def test_authentication_by_what_packets_show(
    protocol: str, facts: tuple[tuple[str, str], ...], operations: tuple[str, ...], state: str
) -> None:
    """The state of a login is that which facts and operations show, of several the weakest."""
    said = [Told(attribute, value, "client", 0, 0) for attribute, value in facts]
    moments = [MOMENT._replace(operation=operation) for operation in operations]

    assert authentication.state(protocol, said, moments)[0] == state


def test_accounts_are_names_alone() -> None:
    """Of what a client says of itself only the user's name is an account."""
    said = [
        Told("user_identity", "user name ann, password in clear", "client", 0, 0),
        Told("user_identity", "anonymous", "client", 0, 0),
        Told("user", "PLANT\\bob", "client", 0, 0),
        Told("user", "of the server", "server", 0, 0),
    ]

    assert authentication.accounts(said) == ("ann", "PLANT\\bob")


def test_sessions_of_the_plant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The laptop that stops a controller is found in the demo plant, with what it did."""
    db = tmp_path / "plant.db"
    capture = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
    assert main(["analyze", "-q", "--db", str(db), str(capture)]) == Exit.FINE
    capsys.readouterr()

    assert main(["sessions", "--db", str(db), "--json", "client=DESKTOP-7Q2K1"]) == Exit.FINE
    rows = json.loads(capsys.readouterr().out)["rows"]

    assert [
        (one["kind"], one["protocol"], one["server"], one["authentication"], one["deeds"])
        for one in rows
    ] == [
        ("operating", "modbus", "plc-pumps.works.local", "none",
         ["write_single_register holding 100", "write_single_register holding 101"]),
        ("engineering", "s7comm", "INTAKE STATION", "none", ["plc_stop"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((), 3),
        (("--remote",), 3),
        (("--active",), 0),
        (("kind=engineering",), 1),
        (("through=62.1.2.3",), 2),
        (("!through=62.1.2.3",), 1),
        (("host=10.9.0.0/16",), 2),
        (("class=program", "op=request_*"), 1),
        (("auth=none",), 1),
        (("download",), 1),
        (("-S", "1970-01-01T00:14:00"), 2),
    ],
)
def test_sessions_are_filtered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], count: int
) -> None:
    """Filters and switches of the listing leave the sessions that they name."""
    with new_store(tmp_path) as store:
        net = plant(store)
        work(
            net,
            (VENDOR, JUMP, "rdp", 100, 900),
            (JUMP, EWS, "vnc", 150, 850),
            (EWS, PLC, "s7comm", 200, 700),
        )
        download(net, 300)
        told(store, net)

    assert main(["sessions", "--db", str(store.path), "--json", *words]) == Exit.FINE
    assert len(json.loads(capsys.readouterr().out)["rows"]) == count


def test_a_table_leaves_out_what_nobody_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Empty columns are no part of the table, unless they are asked for; JSON has all."""
    with new_store(tmp_path) as store:
        net = plant(store)
        work(net, (VENDOR, JUMP, "ssh", 100, 900))
        told(store, net)

    def head(*words: str) -> str:
        assert main(["sessions", "--db", str(store.path), *words]) == Exit.FINE
        return capsys.readouterr().out.splitlines()[0]

    assert head().split() == [
        "start",
        "duration",
        "kind",
        "protocol",
        "client",
        "server",
        "login",
        "bytes",
    ]
    assert head("--columns", "id,account,chain").split() == ["id", "account", "chain"]


def test_sessions_of_a_real_attack_on_passwords(tmp_path: Path, captures: Path) -> None:
    """Of two attacks on SSH as many sessions are told as tshark sees streams with content."""
    capture = captures / "labelled-switched-network" / "westermo-2023-right-tap-reduced.pcap"
    db = tmp_path / "westermo.db"
    assert main(["analyze", "-q", "--db", str(db), str(capture)]) == Exit.FINE
    with open_store(db, readonly=True) as store:
        found = [one for one in sessions(store) if one.protocol == "ssh"]

    counted = Counter[str]()
    for one in found:
        counted[one.server.address] += one.connections
    # tshark -Y "ssh && tcp.srcport != 22" -T fields -e ip.dst -e tcp.stream | sort -u
    assert (counted["198.18.134.41"], counted["198.18.134.45"]) == (239, 311)
    assert {one.client.address for one in found} == {"198.18.134.99"}


def test_real_stops_are_sessions(tmp_path: Path, captures: Path) -> None:
    """A real stop of a controller is an engineering session with that deed, also mid-stream."""
    db = tmp_path / "stops.db"
    files = ("enip-cip/iti__cip_stop_plc.pcap", "s7comm/iti__step7_s300_stop.pcap")
    words = ["analyze", "-q", "--db", str(db), *(str(captures / name) for name in files)]
    assert main(words) == Exit.FINE
    with open_store(db, readonly=True) as store:
        found = sessions(store)

    assert [(one.kind, one.server.address, [deed.text for deed in one.deeds]) for one in found] == [
        ("engineering", "134.249.61.163", ["plc_stop"]),
        (
            "engineering",
            "192.168.1.30",
            ["stop class 0x8e (controller_mode) instance 1 unknown (open)"],
        ),
    ]


@pytest.mark.parametrize(
    ("capture", "service", "state"),
    [
        ("attacks/passwords_tried", "tcp/21", "clear"),
        ("attacks/s7_racks_and_passwords", "tcp/102", "clear"),
        ("smb/peers", "tcp/445", "challenge"),
        ("modbus/all_functions", "tcp/502", "none"),
        ("plant/ten_minutes", "tcp/4840", "none"),
        ("ntp/clocks", "udp/123", "unknown"),
    ],
)
def test_conversations_tell_how_their_client_was_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], capture: str, service: str, state: str
) -> None:
    """The authentication of a conversation, whether it is a session or not."""
    db = tmp_path / "store.db"
    main(["analyze", "-q", "--db", str(db), str(ROOT / "pcaps" / f"{capture}.pcap")])
    capsys.readouterr()
    assert main(["conversations", "--db", str(db), "--json", f"service:{service}"]) == Exit.FINE
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["authentication"] for row in rows} == {state}
