"""MQTT, DCE/RPC, and ways in from afar: tunnels, TeamViewer, services by name; against tshark."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from engine_runs import Bench, cells, difference, said
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_units import claimed_by
from test_protocols_golden import Golden, load
from wire_captures import tshark

from otsec.capture import open_capture
from otsec.config import Caps
from otsec.engine import Engine, Settings, columnar
from otsec.errors import WireError
from otsec.protocols import PROTOCOLS, dcerpc, ike, mqtt, openvpn, wireguard
from otsec.protocols.api import Protocol, Reader, Side, Units
from otsec.protocols.words.dcerpc import INTERFACES
from otsec.protocols.words.services import service_of, service_of_certificate
from otsec.streams.claim import Registry

OWN = Path(__file__).parents[1] / "pcaps"
NAMES = ("mqtt", "dcerpc", "ike", "openvpn", "wireguard", "teamviewer")
MINE = {protocol.name: protocol for protocol in PROTOCOLS if protocol.name in NAMES}
GOLDEN = {name: load(protocol) for name, protocol in MINE.items()}
each = pytest.mark.parametrize("name", NAMES)
CAPTURES = [path for name in NAMES for path in sorted((OWN / name).glob("*.pcap"))]
CAPTURES += [OWN / "http" / "by_hand.pcap", OWN / "tls" / "services.pcap"]
by_capture = pytest.mark.parametrize(
    "path", CAPTURES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def units(golden: list[Golden], data: list[bytes]) -> Units:
    """Messages as columns, each with side, framing and kind of its golden message."""
    size = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(size)
    columns = [
        np.array([getattr(one, name) for one in golden], np.uint8)
        for name in ("side", "framing", "kind")
    ]
    return Units(np.frombuffer(b"".join(data), np.uint8), end - size, end, *columns)


def keys(protocol: Protocol, golden: list[Golden], data: list[bytes]) -> list[tuple[object, ...]]:
    """What tells messages apart: side, context, words and span."""
    split = protocol.split(units(golden, data))
    words = zip(*(word.tolist() for word in split.key_words), strict=True)
    starts, sizes = split.key_start.tolist(), split.key_length.tolist()
    whole = b"".join(data)
    return [
        (one.side, one.context, one.framing, *word, whole[start : start + size])
        for one, word, start, size in zip(golden, words, starts, sizes, strict=True)
    ]


def decoded(golden: Golden, data: bytes) -> object:
    """What a message says without its request; None where it is malformed."""
    reader = Reader(data, framing=golden.framing, context=golden.context)
    try:
        return golden.protocol.decode(reader, golden.side, None)
    except WireError:
        return None


# -------------------------------------------------------------------------- keys and damage


@each
def test_equal_keys_say_equal_messages(name: str) -> None:
    """What has one key says one thing: golden messages, and those with other bytes."""
    protocol, seen = MINE[name], {}
    for golden in GOLDEN[name]:
        whole = golden.data
        data = [whole]
        data += [
            whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :] for at in range(len(whole))
        ]
        same = [golden] * len(data)
        malformed = protocol.split(units(same, data)).malformed.tolist()
        found = zip(data, keys(protocol, same, data), malformed, strict=True)
        for at, (one, key, bad) in enumerate(found, -1):
            if not bad:
                told = decoded(golden, one)
                assert seen.setdefault(key, told) == told, (golden.name, at)
    assert len(seen) >= len(protocol.operations) / 2


@each
def test_bytes_that_say_nothing_change_no_key(name: str) -> None:
    """Numbers of packets, keys, contents and what is sealed are in no key."""
    free = 0
    for golden in GOLDEN[name]:
        for begin, end in golden.open:
            other = bytearray(golden.data)
            other[begin:end] = bytes(octet ^ 1 for octet in other[begin:end])
            if decoded(golden, bytes(other)) != decoded(golden, golden.data):
                continue  # several of the bytes together may say something
            one, two = keys(MINE[name], [golden] * 2, [golden.data, bytes(other)])
            free += one == two
    assert free or name == "teamviewer"


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Golden, bytes]:
    """A golden message with some bytes changed, cut or put in."""
    golden = draw(st.sampled_from(GOLDEN[draw(st.sampled_from(NAMES))]))
    data = bytearray(golden.data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=6))
    return golden, bytes(data)


@settings(max_examples=800, deadline=None)
@given(damaged())
def test_damage_is_survived(case: tuple[Golden, bytes]) -> None:
    """Columns never raise nor point outside; decoding raises nothing but errors of the wire."""
    golden, data = case
    protocol, some = golden.protocol, units([golden], [data])
    protocol.claims(some)
    assert np.isin(protocol.sides(some), (0, 1, 2)).all()
    split = protocol.split(some)
    assert 0 <= split.key_start[0] <= split.key_start[0] + split.key_length[0] <= len(data)
    if protocol.contexts is not None:
        protocol.contexts.names(some)
        if protocol.contexts.sets(some)[0]:
            with suppress(WireError):
                protocol.contexts.learn(Reader(data, framing=0), golden.side, {})
    for side in (Side.REQUEST, Side.RESPONSE):
        decoded(replace(golden, side=side), data)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=80), st.integers(0, 40))
def test_framings_survive_anything(name: str, data: bytes, start: int) -> None:
    """A framing gives a length for any bytes; what is cut by it lies in them."""
    for framing in MINE[name].framings:
        size = framing.header.itemsize
        if start + size > len(data):
            continue
        buffer = np.frombuffer(data, np.uint8)
        begin, end = np.array([start]), np.array([len(data)])
        header = np.frombuffer(data[start : start + size], framing.header)
        length = int(framing.lengths(buffer, begin, end, header)[0])
        assert length >= 0
        if size <= length <= len(data) - start and framing.pieces is not None:
            pieces = framing.pieces(buffer, begin, begin + length)
            assert start <= pieces.start[0] <= pieces.end[0] <= start + length


# ---------------------------------------------------------------------------- own captures


@by_capture
def test_own_captures_are_sound(path: Path) -> None:
    """Nothing in our captures is malformed, in tshark's reading."""
    wrong = "_ws.malformed || tcp.analysis.flags"
    assert tshark(path, "-Y", wrong, "-e", "frame.number") == []


@by_capture
def test_batches_make_no_difference(path: Path, tmp_path: Path) -> None:
    """Our captures say the same however they are cut into batches, in columns or one by one."""
    bench = Bench(tmp_path)
    content = path.read_bytes()
    whole = bench.dump(content)
    for batch, plain in ((1, False), (3, True), (7, False)):
        assert not difference(whole, bench.dump(content, batch=batch, all_plain=plain))


def operations(path: Path, tmp_path: Path) -> Counter[str]:
    """How often each operation was done in a capture."""
    mine: Counter[str] = Counter()
    for (_, operation, _, _), count in said(Bench(tmp_path).dump(path.read_bytes())).items():
        mine[operation] += count
    return mine


def facts(path: Path, tmp_path: Path) -> set[tuple[str, str]]:
    """Attributes and values that a capture tells."""
    rows = cells(Bench(tmp_path).dump(path.read_bytes()), "fact")
    return {(row["attribute"], str(row["value"])) for row in rows}


# ------------------------------------------------------------------------- against tshark

MQTT_SHARED = (
    "suricata-verify__mqtt-limit-2-input.pcap",
    "suricata-verify__mqtt31-unsub-qos2-input.pcap",
    "suricata-verify__mqtt311-pub-qos1-input.pcap",
    "suricata-verify__mqtt5-sub-customauth-input.pcap",
)
ANSWERED = {2: 1, 9: 8, 11: 10, 13: 12}  # types of MQTT that answer others: one exchange


def mqtt_paths(captures: Path) -> list[Path]:
    """Captures of others, and our own."""
    shared = [captures / "mqtt" / name for name in MQTT_SHARED]
    return [*shared, *sorted((OWN / "mqtt").glob("*.pcap"))]


@cache
def told_of_mqtt(path: Path) -> list[tuple[str, ...]]:
    """Of each packet with MQTT what tshark reads of its messages, by `MQTT_FIELDS`."""
    wanted = [word for field in MQTT_FIELDS for word in ("-e", f"mqtt.{field}")]
    return [tuple(row) for row in tshark(path, "-Y", "mqtt", *wanted)]


MQTT_FIELDS = ("msgtype", "clientid", "username", "topic", "topic_len")


def test_packets_of_mqtt(captures: Path, tmp_path: Path) -> None:
    """As many packets of each type as tshark counts, requests with their answers as one."""
    for path in mqtt_paths(captures):
        rows = told_of_mqtt(path)
        theirs = Counter(int(word) for kinds, *_ in rows for word in kinds.split(","))
        mine = operations(path, tmp_path)
        mine["publish"] += mine["deliver"] + mine["sparkplug_ncmd"] + mine["sparkplug_dcmd"]
        for code, (name, _) in mqtt.PACKETS.items():
            if code not in ANSWERED:
                assert mine[name] == theirs[code], (path.name, name)
            else:
                assert theirs[code] == theirs[ANSWERED[code]]


def test_identities_of_mqtt(captures: Path, tmp_path: Path) -> None:
    """Every client id and account that tshark reads is a fact, and no password is anywhere."""
    for path in mqtt_paths(captures):
        told = facts(path, tmp_path)
        for _, client, account, *_ in told_of_mqtt(path):
            assert not client or ("mqtt_client_id", client) in told, path.name
            assert not account or ("account", account) in told, path.name
        rows = tshark(path, "-Y", "mqtt.passwd", "-e", "frame.number")
        assert (("credentials", "clear") in told) == bool(rows)
        assert "not-a-secret" not in "\n".join(Bench(tmp_path).dump(path.read_bytes()))


def test_topics_of_mqtt(captures: Path, tmp_path: Path) -> None:
    """What is published is named as tshark names it, but for topics that come as an alias."""
    for path in mqtt_paths(captures):
        theirs = Counter(
            topics
            for kinds, _, _, topics, size in told_of_mqtt(path)
            if "3" in kinds.split(",") and size != "0"
        )
        found = said(Bench(tmp_path).dump(path.read_bytes()))
        mine: Counter[str] = Counter()
        for (_, operation, object_, _), count in found.items():
            if operation in {"publish", "deliver", "sparkplug_ncmd", "sparkplug_dcmd"} and object_:
                mine[object_] += count
        assert mine == theirs, path.name


def test_operations_of_dcerpc(tmp_path: Path) -> None:
    """Every call is of the interface and the operation that tshark counts."""
    for path in sorted((OWN / "dcerpc").glob("*.pcap")):
        rows = tshark(path, "-Y", "dcerpc.pkt_type == 0", "-e", "dcerpc.opnum")
        theirs = Counter(int(row[0]) for row in rows)
        found = said(Bench(tmp_path).dump(path.read_bytes()))
        binding = {"bind", "alter_context", "auth3", "shutdown", "cancel", "orphaned"}
        calls = sum(
            count for (_, operation, *_), count in found.items()
            if operation not in binding and operation not in {"request", "reply"}
        )  # fmt: skip
        assert calls == theirs.total(), path.name


def test_interfaces_are_those_of_tshark() -> None:
    """Tshark has another name for no interface of ours that it knows."""
    path = OWN / "dcerpc" / "by_hand.pcap"
    rows = tshark(
        path, "-Y", "dcerpc.pkt_type == 11", "-e", "dcerpc.cn_bind_to_uuid", "-e", "_ws.col.Info"
    )
    theirs = {row[0]: row[1].split("context items: ")[1].split(" V")[0] for row in rows}
    renamed = {
        "epmapper": "EPMv4", "taskscheduler": "TaskSchedulerService",
        "netlogon": "RPC_NETLOGON", "initshutdown": "INITSHUTDOWN", "oxid_resolver": "IOXIDResolver",
        "system_activator": "ISystemActivator", "rem_unknown": "IRemUnknown",
        "wbem_login": "IWbemLevel1Login", "wbem_services": "IWbemServices",
    }  # fmt: skip
    known = {uuid: word for uuid, word in theirs.items() if word != uuid and "-" not in word}
    assert len(known) > 12
    for uuid, word in known.items():
        name = INTERFACES[uuid][0] if uuid in INTERFACES else ""
        if name:
            assert renamed.get(name, name).lower() == word.lower()


def test_opnums_are_those_of_impacket() -> None:
    """Operations have the numbers that a second implementation gives them."""
    pytest.importorskip("impacket", reason="no impacket")
    from impacket.dcerpc.v5 import drsuapi, epm, even, lsat, rrp, samr, scmr, srvs, tsch, wkst

    modules = {
        "svcctl": scmr, "samr": samr, "winreg": rrp, "srvsvc": srvs, "wkssvc": wkst,
        "drsuapi": drsuapi, "taskscheduler": tsch, "epmapper": epm, "eventlog": even,
        "lsarpc": lsat,
    }  # fmt: skip
    checked = 0
    for name, table in INTERFACES.values():
        for code, (operation, _) in table.items():
            listed = getattr(modules.get(name), "OPNUMS", {})
            if code not in listed:
                continue
            theirs = listed[code][0].__name__.lower()
            word = SAID_OTHERWISE.get((name, operation), operation.replace("_", ""))
            assert word in theirs, (name, code, operation, theirs)
            checked += 1
    assert checked > 60


SAID_OTHERWISE = {
    ("svcctl", "open_sc_manager"): "openscmanager",
    ("samr", "enumerate_users"): "enumerateusersindomain",
    ("samr", "enumerate_domains"): "enumeratedomainsinsamserver",
    ("samr", "enumerate_groups"): "enumerategroupsindomain",
    ("samr", "enumerate_aliases"): "enumeratealiasesindomain",
    ("samr", "change_password"): "changepassworduser",
    ("winreg", "open_key"): "open",
    ("winreg", "close_key"): "closekey",
    ("winreg", "create_key"): "createkey",
    ("winreg", "query_info_key"): "queryinfokey",
    ("srvsvc", "share_delete"): "sharedel",
    ("srvsvc", "remote_time_of_day"): "remotetod",
    ("samr", "lookup_names"): "lookupnamesindomain",
    ("drsuapi", "replica_add"): "replicaadd",
    ("taskscheduler", "highest_version"): "highestversion",
    ("wkssvc", "user_enum"): "userenum",
    ("eventlog", "clear_event_log"): "clearel",
    ("eventlog", "open_event_log"): "openel",
    ("eventlog", "read_event_log"): "readel",
    ("samr", "set_information_user"): "setinformationuser",
}


def test_what_psexec_does_is_told(tmp_path: Path) -> None:
    """A service is looked for, made, started and deleted; and where it was found is a fact."""
    path = OWN / "dcerpc" / "peers.pcap"
    found = {
        (operation, outcome)
        for _, operation, _, outcome in said(Bench(tmp_path).dump(path.read_bytes()))
    }
    assert {
        ("svcctl_open_sc_manager", "ok"),
        ("svcctl_open_service", "service_does_not_exist"),
        ("svcctl_create_service", "ok"),
        ("svcctl_start_service", "ok"),
        ("svcctl_delete_service", "ok"),
        ("epmapper_map", "ok"),
    } <= found
    assert ("rpc_endpoint", "svcctl tcp 49671 10.10.30.21") in facts(path, tmp_path)


def test_calls_in_fragments_are_one(tmp_path: Path) -> None:
    """A call in several fragments, between others, is one call of its operation."""
    bind = next(one.data for one in GOLDEN["dcerpc"] if one.name == "bind")
    call = next(one for one in GOLDEN["dcerpc"] if one.name == "epmapper_lookup")
    head, stub = call.data[:24], bytes(600)

    def fragment(flags: int, number: int) -> bytes:
        size = (24 + len(stub)).to_bytes(2, "little")
        start = head[:3] + bytes([flags]) + head[4:8] + size + b"\0\0"
        return start + number.to_bytes(4, "little") + head[16:20] + b"\0\0" + head[22:24] + stub

    from engine_runs import CLIENT, Tcp, Wire

    wire = Wire()
    tcp = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", 135)))
    tcp.open()
    for data in (
        bind,
        fragment(1, 7),
        fragment(1, 8),
        fragment(0, 7),
        fragment(2, 8),
        fragment(2, 7),
    ):
        tcp.say(CLIENT, data)
    found = said(Bench(tmp_path).dump(wire.bytes()))
    assert sum(n for (_, name, *_), n in found.items() if name == "epmapper_lookup") == 2


def test_exchanges_of_ike(tmp_path: Path) -> None:
    """As many messages of each exchange as tshark counts; requests with their answers as one."""
    path = OWN / "ike" / "tunnels.pcap"
    rows = tshark(
        path,
        "-Y",
        "isakmp",
        "-e",
        "isakmp.exchangetype",
        "-e",
        "isakmp.version",
        "-e",
        "isakmp.flags",
    )
    theirs: Counter[str] = Counter()
    for exchange, version, flags in rows:
        newer, bits = int(version, 16) == ike.V2, int(flags, 16)
        if newer and bits & ike.RESPONDS and not bits & ike.INITIATOR:
            continue  # with its request
        theirs[ike.EXCHANGES[int(version, 16)][int(exchange)]] += 1
    mine = operations(path, tmp_path)
    assert {name: mine[name] for name in theirs} == dict(theirs)
    assert mine["esp"] == len(tshark(path, "-Y", "esp", "-e", "frame.number"))
    assert mine["nat_keep_alive"] == len(
        tshark(path, "-Y", "udpencap.nat_keepalive", "-e", "frame.number")
    )


def test_tunnels_are_known(tmp_path: Path) -> None:
    """What tshark takes for OpenVPN and WireGuard, we do: as many packets by type."""
    theirs: Counter[int]
    for protocol, filter_, field, shift in (
        (openvpn, "openvpn", "openvpn.opcode", 0), (wireguard, "wg", "wg.type", 0),
    ):  # fmt: skip
        path = OWN / protocol.PROTOCOL.name / "tunnels.pcap"
        rows = tshark(path, "-Y", filter_, "-e", field)
        theirs = Counter(int(row[0], 0) >> shift for row in rows)
        names = {one.code: one.name for one in protocol.PROTOCOL.operations}
        mine = operations(path, tmp_path)
        answers = {8, 2}
        for code, count in theirs.items():
            if code not in answers or (protocol is openvpn and code != 8):
                assert mine[names[code]] == count, names[code]
    assert ("openvpn_protection", "tls-crypt-v2") in facts(
        OWN / "openvpn" / "tunnels.pcap", tmp_path
    )


# --------------------------------------------------------------------------------- claims

HOLD = {  # captures that hold them, as tshark sees it
    "coap/nDPI__coap_mqtt.pcap": {"mqtt"},  # on port 17501
    "modbus/zeek__modbus-and-non-modbus-p502.pcap": {"dcerpc"},  # a scanner's binding
    "mqtt/nDPI__mqtt.pcapng": {"mqtt"},
    **{
        f"mqtt/suricata-verify__{name}-input.pcap": {"mqtt"}
        for name in (
            "mqtt-events-missing-connect", "mqtt-limit-2", "mqtt31-unsub-qos2", "mqtt311-pub-qos1",
            "mqtt5-sub-customauth",
        )
    },
}  # fmt: skip
LARGEST = 20_000_000


def owners(path: Path) -> set[str]:
    """Which of these protocols own a connection of a capture."""
    registry = Registry(PROTOCOLS)
    engine = Engine(registry, Caps(), Settings(seed=7))
    reader = open_capture(path)
    try:
        for chunk in reader.chunks():
            for batch in chunk.batches:
                engine.apply(batch, columnar(batch, registry, engine.settings))
    finally:
        reader.close()
    rows = engine.take_rows(1)["behaviour"]
    return {word for row in rows for word in row if isinstance(word, str)} & set(NAMES)


def test_no_capture_of_another_is_claimed(claimed: dict[str, set[str]]) -> None:
    """Of all shared captures these hold what tshark finds in them, and no other holds any."""
    found = {name: mine for name, owners in claimed.items() if (mine := owners & set(NAMES))}
    assert found == HOLD


def test_no_datagram_of_another_is_claimed(captures: Path) -> None:
    """Of single datagrams, wherever in a conversation, none of another protocol is claimed."""
    protocols = [ike.PROTOCOL, openvpn.PROTOCOL, wireguard.PROTOCOL, MINE["teamviewer"]]
    for path in sorted(captures.rglob("*.pcap*")):
        if path.stat().st_size < 2_000_000:
            assert claimed_by(path, protocols) == [0] * len(protocols), path.name


@by_capture
def test_own_captures_are_claimed(path: Path) -> None:
    """Each of our captures is taken for what it is, and for nothing else of these."""
    assert owners(path) == {path.parent.name} & set(NAMES)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from((1, 4)), st.integers(2, 90), st.binary(min_size=16, max_size=16))
def test_counted_things_are_no_wireguard(kind: int, blocks: int, front: bytes) -> None:
    """What has the length and the type of WireGuard is none where its end does not look random."""
    data = bytes([kind, 0, 0, 0]) + front[:4] + bytes([front[0], *bytes(7)])
    data = data.ljust(148 if kind == 1 else blocks * 16, front[4:5])
    golden = GOLDEN["wireguard"][0]
    assert not wireguard.claims(units([golden], [data])).any()


# --------------------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("router9.teamviewer.com", "TeamViewer (by name)"),
        ("relay-1.net.ANYDESK.com.", "AnyDesk (by name)"),
        ("mozilla.cloudflare-dns.com", "DNS over HTTPS (by name)"),
        ("dns.google", "DNS over HTTPS (by name)"),
        ("notteamviewer.com", ""),
        ("teamviewer.com.plant.example", ""),
        ("com", ""),
        ("", ""),
    ],
)
def test_services_by_name(host: str, service: str) -> None:
    """A name below a service's domain is known for it, a name that only looks so is not."""
    assert service_of(host) == service


def test_services_are_told(tmp_path: Path) -> None:
    """Names in hellos and the subject of a certificate make facts that say how they are known."""
    told = {
        value for name, value in facts(OWN / "tls" / "services.pcap", tmp_path) if name == "service"
    }
    assert told == {
        "TeamViewer (by name)", "AnyDesk (by name)", "AnyDesk (by certificate)",
        "DNS over HTTPS (by name)", "Ewon Talk2M (by name)",
    }  # fmt: skip
    assert not service_of_certificate("CN=gateway, O=AnyNet Relay")


def test_winrm_is_told(tmp_path: Path) -> None:
    """What WinRM refuses and a session of it are told apart; names over HTTP are a fact."""
    path = OWN / "http" / "by_hand.pcap"
    found = {
        (operation, outcome)
        for _, operation, _, outcome in said(Bench(tmp_path).dump(path.read_bytes()))
    }
    assert {("winrm", "status 401"), ("winrm", "ok")} <= found
    assert ("service", "DNS over HTTPS") in facts(path, tmp_path)


def test_version_5_is_told_from_its_elders() -> None:
    """A subscription of MQTT 5 with properties is read as such; one of 3.1.1 has none."""
    newer = bytes.fromhex("8210 0001 02 0b05 0008") + b"plant/+a" + b"\1"
    assert mqtt._told(bytes([0x82, len(newer) - 2]) + newer[2:]).object == "plant/+a qos 1"
    older = b"\0\1\0\5a/b/c\2"
    assert mqtt._told(bytes([0x82, len(older)]) + older).object == "a/b/c qos 2"


def test_bindings_say_who_asks() -> None:
    """What NTLM tells in a binding is told; of its responses nothing is."""
    told = {
        (fact.attribute, fact.value, fact.about)
        for golden in GOLDEN["dcerpc"]
        for message in golden.messages
        for fact in message.facts
    }
    assert ("user", "PLANT\\service", "client") in told
    assert ("netbios_name", "HISTORI", "server") in told
    assert dcerpc.PROTOCOL.contexts is not None
