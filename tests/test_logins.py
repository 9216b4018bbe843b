"""FTP, Telnet, TFTP, TDS, LDAP and RADIUS: accounts, kinds of credentials, and how logins ended.

None of the shared captures holds any of them: so what is counted is counted in our own, of which
one of each protocol is spoken by implementations of others, against tshark.
"""

import contextlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from engine_runs import CLIENT, SERVER, Bench, Tcp, Wire, analyse, cells, difference, records
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_units import units_of
from test_protocols_golden import Golden, load
from wire_captures import tshark

from otsec.errors import WireError
from otsec.protocols import PROTOCOLS
from otsec.protocols.api import Protocol, Reader, Side
from otsec.protocols.credentials import KINDS, kind_of

NAMES = ("ftp", "telnet", "tftp", "radius", "ldap", "tds")
MINE = {protocol.name: protocol for protocol in PROTOCOLS if protocol.name in NAMES}
GOLDEN = {name: load(protocol) for name, protocol in MINE.items()}
OWN = Path(__file__).parents[1] / "pcaps"
CAPTURES = [path for name in NAMES for path in sorted((OWN / name).glob("*.pcap"))]
each = pytest.mark.parametrize("name", NAMES)
each_capture = pytest.mark.parametrize(
    "path", CAPTURES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
BEHAVIOUR = ("operation", "object", "outcome")


def counted(lines: list[str], protocol: str) -> Counter[tuple[str, str, str]]:
    """How often each operation was done, to what, with which outcome."""
    found: Counter[tuple[str, str, str]] = Counter()
    for row in cells(lines, "behaviour"):
        if row["protocol"] == protocol:
            operation, object_, outcome = (str(row[name]) for name in BEHAVIOUR)
            found[operation, object_, outcome] += int(row["count"])
    return found


def facts(lines: list[str], protocol: str, attribute: str) -> set[str]:
    """The values of an attribute."""
    rows = cells(lines, "fact")
    return {
        str(row["value"])
        for row in rows
        if row["protocol"] == protocol and row["attribute"] == attribute
    }


# ----------------------------------------------------------------------------- captures


@each_capture
def test_own_captures_are_sound(path: Path) -> None:
    """Nothing in our captures is malformed or lost, in tshark's reading."""
    wrong = "_ws.malformed || tcp.analysis.flags"
    assert tshark(path, "-Y", wrong, "-e", "frame.number") == []


@each_capture
def test_batches_make_no_difference(path: Path, tmp_path: Path) -> None:
    """Our captures say the same however they are cut into batches, in columns or one by one."""
    bench = Bench(tmp_path)
    content = path.read_bytes()
    whole = bench.dump(content)
    for options in (
        {"batch": 1}, {"batch": 3, "all_plain": True}, {"batch": 7},
        {"all_plain": True}, {"cache_off": True},
    ):  # fmt: skip
        other = bench.dump(content, **options)
        assert not difference(whole, other), options


STREAMS = ("ftp", "telnet", "ldap", "tds")


def dialogue(path: Path) -> list[tuple[int, bytes]]:
    """What both sides of a capture's first connection said, in order."""
    frames = [record[16:] for record in records(path.read_bytes())]
    segments = [one for one in frames if one[12:14] == b"\x08\0" and one[23] == 6]
    client = segments[0][34:36]
    return [
        (CLIENT if one[34:36] == client else SERVER, data)
        for one in segments
        if client in (one[34:36], one[36:38])
        and (data := one[54 : 14 + int.from_bytes(one[16:18])])
    ]


@pytest.mark.parametrize("size", [7, 70, 400])
@pytest.mark.parametrize("name", STREAMS)
def test_segments_make_no_difference(name: str, size: int, tmp_path: Path) -> None:
    """A dialogue says the same in segments of any size."""
    bench = Bench(tmp_path)

    def said(most: int) -> tuple[list[tuple[str, str]], Counter[tuple[str, str, str]]]:
        wire = Wire()
        tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", min(MINE[name].ports))))
        tcp.open()
        for side, data in dialogue(OWN / name / "peers.pcap"):
            for at in range(0, len(data), most):
                tcp.say(side, data[at : at + most])
        lines = bench.dump(wire.bytes())
        rows = cells(lines, "fact")
        told = sorted((str(row["attribute"]), str(row["value"])) for row in rows)
        return told, counted(lines, name)

    assert said(size) == said(1_400)


@each_capture
def test_no_password_is_stored(path: Path, tmp_path: Path) -> None:
    """No password of our captures is in the store that they make, nor in its file's bytes."""
    db = tmp_path / "store.db"
    lines = analyse([path], db).dump
    secrets = ("x9-Not-A-Secret", "not-a-secret", "toor", "hmi@plant.example", "between-us")
    content = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    for secret in secrets:
        assert secret not in "\n".join(lines)
        assert secret.encode() not in content
        assert secret.encode("utf-16-le") not in content


# ------------------------------------------------------------------------------ tshark


def asked(path: Path, *fields: str, only: str) -> list[list[str]]:
    """What tshark says of each packet that has one of the fields, every occurrence."""
    words = [word for field in fields for word in ("-e", field)]
    return tshark(path, "-Y", only, "-E", "occurrence=a", "-E", "aggregator=|", *words)


@pytest.mark.parametrize("capture", ["peers", "by_hand"])
def test_commands_of_ftp(capture: str, tmp_path: Path) -> None:
    """As many commands of each name as tshark counts, of those up to encryption."""
    path = OWN / "ftp" / f"{capture}.pcap"
    found = counted(Bench(tmp_path).dump(path.read_bytes()), "ftp")
    rows = asked(path, "ftp.request.command", only="ftp.request.command")
    theirs = Counter(row[0].lower().replace("xpwd", "pwd") for row in rows)  # its old name
    mine: Counter[str] = Counter()
    for (operation, _, _), count in found.items():
        mine[operation] += count
    unsaid = {"greeting", "transfer_complete", "transfer_aborted"}
    assert {name: count for name, count in mine.items() if name not in unsaid} == theirs
    replies = Counter(
        code for row in asked(path, "ftp.response.code", only="ftp.response.code")
        for code in row[0].split("|")
    )  # fmt: skip
    assert mine["transfer_aborted"] == replies["426"]
    assert mine["greeting"] == (4 if capture == "peers" else 1)


@pytest.mark.parametrize("capture", ["peers", "by_hand"])
def test_options_of_telnet(capture: str, tmp_path: Path) -> None:
    """As many options are offered and wanted as tshark counts."""
    path = OWN / "telnet" / f"{capture}.pcap"
    found = counted(Bench(tmp_path).dump(path.read_bytes()), "telnet")
    rows = asked(path, "telnet.cmd", only="telnet.cmd")
    theirs = Counter(int(code) for row in rows for code in row[0].split("|"))
    mine: Counter[str] = Counter()
    for (operation, _, _), count in found.items():
        mine[operation] += count
    verbs = {251: "will", 252: "wont", 253: "do", 254: "dont", 250: "subnegotiation"}
    assert {name: mine[name] for name in verbs.values()} == {
        name: theirs[code] for code, name in verbs.items()
    }


@pytest.mark.parametrize("capture", ["peers", "by_hand"])
def test_messages_of_tftp(capture: str, tmp_path: Path) -> None:
    """Requests and errors are those that tshark finds; data only where it shows whose it is."""
    path = OWN / "tftp" / f"{capture}.pcap"
    found = counted(Bench(tmp_path).dump(path.read_bytes()), "tftp")
    ports = ("-d", "udp.port==1024-65535,tftp")
    rows = tshark(path, *ports, "-Y", "tftp.opcode", "-e", "tftp.opcode")
    theirs = Counter(int(row[0]) for row in rows)
    mine: Counter[str] = Counter()
    for (operation, _, _), count in found.items():
        mine[operation] += count
    assert mine["read_request"] == theirs[1]
    assert mine["write_request"] == theirs[2]
    assert mine["error"] == theirs[5]
    assert mine["option_acknowledgment"] == theirs[6]
    if capture == "peers":  # every transfer there begins with options
        assert (mine["data"], mine["acknowledgment"]) == (theirs[3], theirs[4])
    else:  # and none here: one datagram and its answer belong to nobody
        assert (mine["data"], theirs[3]) == (0, 1)


@pytest.mark.parametrize("capture", ["peers", "by_hand"])
def test_requests_of_radius(capture: str, tmp_path: Path) -> None:
    """As many requests of each code as tshark counts, each with its answer."""
    path = OWN / "radius" / f"{capture}.pcap"
    found = counted(Bench(tmp_path).dump(path.read_bytes()), "radius")
    theirs = Counter(int(row[0]) for row in asked(path, "radius.code", only="radius"))
    mine: Counter[str] = Counter()
    for (operation, _, _), count in found.items():
        mine[re.sub("accounting_.*", "accounting", operation)] += count
    names = {1: "access_request", 4: "accounting", 12: "status_server",
             40: "disconnect_request", 43: "coa_request"}  # fmt: skip
    assert mine == Counter({name: theirs[code] for code, name in names.items() if theirs[code]})
    assert not any(outcome in ("open", "unasked") for _, _, outcome in found)


@pytest.mark.parametrize("capture", ["peers", "by_hand"])
def test_operations_of_ldap(capture: str, tmp_path: Path) -> None:
    """As many operations of each kind as tshark counts."""
    path = OWN / "ldap" / f"{capture}.pcap"
    found = counted(Bench(tmp_path).dump(path.read_bytes()), "ldap")
    rows = asked(path, "ldap.protocolOp", only="ldap.protocolOp")
    theirs = Counter(int(code) for row in rows for code in row[0].split("|"))
    mine: Counter[str] = Counter()
    for (operation, _, _), count in found.items():
        mine[operation] += count
    names = {0: "bind", 2: "unbind", 3: "search", 4: "search_entry", 6: "modify", 8: "add",
             10: "delete", 12: "modify_dn", 14: "compare", 16: "abandon",
             19: "search_reference", 25: "intermediate"}  # fmt: skip
    assert {name: mine[name] for name in names.values()} == {
        name: theirs[code] for code, name in names.items()
    }
    extended = ("extended", "start_tls", "password_modify", "who_am_i")
    assert sum(mine[name] for name in extended) == theirs[23]


@pytest.mark.parametrize("capture", ["peers", "by_hand"])
def test_packets_of_tds(capture: str, tmp_path: Path) -> None:
    """Logins are those of tshark, by all that it names; requests are as many."""
    path = OWN / "tds" / f"{capture}.pcap"
    lines = Bench(tmp_path).dump(path.read_bytes())
    found = counted(lines, "tds")
    rows = asked(path, "tds.type", "tds.status", only="tds.type")
    theirs = Counter(
        int(kind)
        for row in rows
        for kind, status in zip(row[0].split("|"), row[1].split("|"), strict=True)
        if int(status, 0) & 1
    )
    mine: Counter[str] = Counter()
    for (operation, _, _), count in found.items():
        mine[operation] += count
    own = {"prelogin", "prelogin_tls", "login7", "sspi", "rpc", "bulk_load", "attention",
           "transaction", "encrypted", "result"}  # fmt: skip
    assert mine["login7"] == theirs[16]
    assert mine["sspi"] == theirs[17]
    statements = sum(count for name, count in mine.items() if name not in own) + mine["rpc"]
    assert statements == theirs[1] + theirs[3]
    for field, attribute in (
        ("tds.7login.username", "account"), ("tds.7login.clientname", "hostname"),
        ("tds.7login.appname", "application"),
    ):  # fmt: skip
        names = {row[0] for row in asked(path, field, only=field)} - {""}
        assert names <= facts(lines, "tds", attribute), field


# ------------------------------------------------------------------------------- logins

LOGINS = {  # operation, account and outcome of every login of the captures of peers
    "ftp": {("pass", "anonymous", "ok"): 1, ("pass", "maint", "refused"): 1,
            ("pass", "admin", "ok"): 1, ("pass", "maint", "ok"): 1},
    "telnet": {("login", "admin", "refused"): 1, ("login", "admin", "ok"): 1,
               ("login", "maint", "ok"): 1, ("login", "root", "refused"): 2,
               ("login", "guest", "refused"): 1},
    "radius": {("access_request", "maint", "refused"): 1, ("access_request", "maint", "ok"): 1},
    "ldap": {("bind", "", "ok"): 1,
             ("bind", "cn=maint,ou=people,dc=plant,dc=example", "refused"): 1,
             ("bind", "cn=admin,dc=plant,dc=example", "ok"): 1,
             ("bind", "cn=maint,ou=people,dc=plant,dc=example", "ok"): 1},
    "tds": {("login7", "maint", "refused"): 1, ("login7", "sa", "ok"): 1,
            ("login7", "maint", "ok"): 1},
}  # fmt: skip
KINDS_SHOWN = {
    "ftp": {"anonymous", "clear", "default"},
    "telnet": {"clear", "default"},
    "radius": set(),  # hidden
    "ldap": {"anonymous", "clear", "default"},
    "tds": {"clear", "default"},
}


@pytest.mark.parametrize("name", LOGINS)
def test_logins_are_told(name: str, tmp_path: Path) -> None:
    """Each login with its account and how it ended, and the kinds of credentials."""
    lines = Bench(tmp_path).dump((OWN / name / "peers.pcap").read_bytes())
    operations = {operation for operation, _, _ in LOGINS[name]}
    found = {key: n for key, n in counted(lines, name).items() if key[0] in operations}
    assert found == LOGINS[name]
    assert facts(lines, name, "credentials") == KINDS_SHOWN[name]


@pytest.mark.parametrize(
    ("account", "password", "kind"),
    [
        ("", "", "none"),
        ("admin", "", "none"),
        ("admin", "admin", "default"),
        ("Admin", "MOXA", "default"),
        ("unit7", "unit7", "default"),
        ("sa", "2WSXcder", "weak"),
        ("WinCCConnect", "2WSXcder", "default"),
        ("maint", "1234", "weak"),
        ("maint", "password", "weak"),
        ("", "factorycast@schneider", "weak"),
        ("maint", "x9-Not-A-Secret", "clear"),
    ],
)
def test_kinds_of_credentials(account: str, password: str, kind: str) -> None:
    """Passwords of makers are default with their account, else weak, as short ones are."""
    assert kind_of(account, password) == kind
    assert kind in KINDS


def test_shell_of_a_database_is_seen(tmp_path: Path) -> None:
    """A command of the operating system is told as such, called, configured or in a procedure."""
    shells = Counter(
        (object_, outcome)
        for path in (OWN / "tds").glob("*.pcap")
        for (name, object_, outcome), n in counted(
            Bench(tmp_path).dump(path.read_bytes()), "tds"
        ).items()
        if name == "xp_cmdshell"
        for _ in range(n)
    )
    assert shells == {
        ("execute master..xp_cmdshell", "blocked"): 1,
        ("execute sp_configure", "blocked"): 1,
        ("execute xp_cmdshell", "error"): 1,
    }


def test_files_are_named(tmp_path: Path) -> None:
    """Firmware that is left by FTP and by TFTP is told with its name."""
    ftp = counted(Bench(tmp_path).dump((OWN / "ftp/by_hand.pcap").read_bytes()), "ftp")
    assert ftp["stor", "firmware.bin", "no_space"] == 1
    assert ftp["eprt", "10.10.30.99", "ok"] == 1  # another host than the client's
    tftp = counted(Bench(tmp_path).dump((OWN / "tftp/peers.pcap").read_bytes()), "tftp")
    assert tftp["write_request", "firmware.bin", "ok"] == 1
    assert tftp["error", "", "file_not_found"] == 1


# -------------------------------------------------------------------------------- claims

OTHERS = {  # beginnings of what looks alike: who else says it
    "SMTP greeting": b"220 mail.plant.example ESMTP ftp-gateway\r\n",
    "SMTP greeting of many lines": b"220-mail\r\n220 ready for new user of smtp\r\n",
    "POP3 name": b"USER operator\r\n",
    "POP3 message": b"RETR 1\r\n",
    "NNTP answer": b"381 More authentication required\r\n",
    "POST": b"POST / HTTP/1.1\r\n\r\n",
    "text with a byte order mark": b"\xff\xfe<\0?\0x\0m\0l\0",
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "MP3": b"\xff\xfb\x90\x64\0\0\0\0",
    "SNMP": bytes.fromhex(
        "302602010104067075626c6963a019020101020100020100300e300c06082b060102010101000500"
    ),
    "acknowledgement without its transfer": b"\0\4\0\0",
    "data without its transfer": b"\0\3\0\1hostname relay-91\r\n",
    "DNS": bytes.fromhex("000101000001000000000000037777770000010001"),
    "empty accept": b"\2\1\0\x14" + bytes(range(16)),
    "TPKT": bytes.fromhex("0300001611e00000000100c1020600c2020600c0010a"),
    "Modbus": bytes.fromhex("000100000006010300000001"),
    "zeros": bytes(64),
}


@pytest.mark.parametrize("said", OTHERS)
def test_what_looks_alike_is_not_claimed(said: str) -> None:
    """What others say in nearly the same words belongs to none of these."""
    data = OTHERS[said]
    for name, protocol in MINE.items():
        framing = protocol.framings[0]
        if len(data) < framing.header.itemsize:
            continue
        header = np.frombuffer(data[: framing.header.itemsize], framing.header)
        whole = np.frombuffer(data, np.uint8)
        size = int(framing.lengths(whole, np.array([0]), np.array([len(data)]), header)[0])
        size = len(data) if framing.datagram else size
        if framing.header.itemsize <= size <= len(data):
            assert not protocol.claims(units_of([data[:size]])).any(), name


@each
def test_own_captures_are_claimed_by_nobody_else(name: str, tmp_path: Path) -> None:
    """Each of our captures belongs to its protocol, and what is beside it to none of these."""
    for path in sorted((OWN / name).glob("*.pcap")):
        lines = Bench(tmp_path).dump(path.read_bytes())
        found = {row["protocol"] for row in cells(lines, "conversation") if row["protocol"]}
        assert found - {"arp"} == {name}


@pytest.mark.slow
def test_no_shared_capture_is_claimed(claimed: dict[str, set[str]]) -> None:
    """None of the shared captures holds any of these, as tshark sees it, and none is claimed."""
    assert {name: mine for name, owners in claimed.items() if (mine := owners & set(NAMES))} == {}


# ------------------------------------------------------------------------- hostile bytes


@pytest.mark.parametrize("words", ["/*", "'", "''", "--", "from ", "exec @a=", "[", "insert\t"])
def test_statements_cost_little(words: str) -> None:
    """A statement that begins things and never ends them is read in a moment, not in minutes."""
    text = (words * 40_000)[:40_000].encode("utf-16-le")
    body = text[:32_000]
    data = b"\1\1" + (8 + len(body)).to_bytes(2, "big") + bytes([0, 0, 1, 0]) + body
    said = MINE["tds"].decode(Reader(data, framing=0), Side.REQUEST, None)
    assert said.operation in ("batch", "execute", "insert")


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Protocol, Golden, bytes]:
    """A golden message with some bytes changed, cut or put in."""
    name = draw(st.sampled_from(NAMES))
    golden = draw(st.sampled_from(GOLDEN[name]))
    data = bytearray(golden.data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=6))
    return MINE[name], golden, bytes(data)


@settings(max_examples=800, deadline=None)
@given(damaged())
def test_damage_is_survived(case: tuple[Protocol, Golden, bytes]) -> None:
    """Columns never raise nor point outside; decoding raises nothing but errors of the wire."""
    protocol, golden, data = case
    units = units_of([data], golden.side)
    protocol.claims(units)
    assert np.isin(protocol.sides(units), (0, 1, 2)).all()
    split = protocol.split(units)
    assert (split.key_length == 0).all()
    for side in (Side.REQUEST, Side.RESPONSE):
        reader = Reader(data, framing=0, context=golden.context)
        with contextlib.suppress(WireError):
            protocol.decode(reader, side, None)
        if protocol.contexts is None:
            continue
        protocol.contexts.sets(units)
        protocol.contexts.names(units)
        memory: dict[str, object] = {}
        with contextlib.suppress(WireError):
            protocol.contexts.learn(Reader(data, framing=0), side, memory)
        json.dumps(memory)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=80), st.integers(0, 40))
def test_framings_survive_anything(name: str, data: bytes, start: int) -> None:
    """A framing gives a length for any bytes; what is cut by it lies in them."""
    framing = MINE[name].framings[0]
    size = framing.header.itemsize
    if start + size > len(data):
        return
    buffer = np.frombuffer(data, np.uint8)
    begin, end = np.array([start]), np.array([len(data)])
    header = np.frombuffer(data[start : start + size], framing.header)
    length = int(framing.lengths(buffer, begin, end, header)[0])
    assert length >= 0
    if size <= length <= len(data) - start and framing.pieces is not None:
        pieces = framing.pieces(buffer, begin, begin + length)
        assert pieces.bad[0] or start <= pieces.start[0] <= pieces.end[0] <= start + length


@each
def test_different_messages_have_different_keys(name: str) -> None:
    """No two golden messages that say different things share a key, in the same context."""
    protocol = MINE[name]
    said: dict[object, object] = {}
    for golden in GOLDEN[name]:
        units = units_of([golden.data], golden.side)
        split = protocol.split(units)
        key = (golden.side, golden.kind, golden.context, *(int(w[0]) for w in split.key_words))
        told = protocol.decode(
            Reader(golden.data, framing=0, context=golden.context), golden.side, None
        )
        assert said.setdefault(key, told) == told, golden.name
