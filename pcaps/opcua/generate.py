"""Writes the OPC UA captures of this folder.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

Both sides are asyncua, speaking to each other on this machine through a relay that notes what was
said; it is then put on a network of its own, with addresses and times that are always the same.
Nonces, certificates and the time stamps in messages are not: no two runs give the same bytes. The
server's name is put in place of the address that it had here, so no signature would hold.
What asyncua cannot say is written by hand from the clause of OPC 10000-6 that stands beside it.
"""

import asyncio
import struct
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from asyncua import Client, Server, ua, uamethod
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.server.user_managers import UserManager
from cryptography.x509.oid import ExtendedKeyUsageOID

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))
from tape import START, Connection, Host, Tape  # noqa: E402 - it stands in another folder

SERVER = Host("mixer-plc2", "00:1b:1b:4a:20:31", "10.10.20.31")
HMI = Host("hmi-2", "d0:94:66:2a:20:11", "10.10.20.11")
STATION = Host("ews-2", "8c:ec:4b:51:20:15", "10.10.20.15")
PORT, RELAY_PORT, BACKEND_PORT = 4840, 48_840, 48_841
MILLISECOND, SECOND = 1_000, 1_000_000
STEP = 4 * MILLISECOND  # between two messages of a connection
BATCHES = 250  # of the archive: so many that a list of them is long
SPACE = "urn:example.org:mixing"
# what both sides call the server while they speak here, and what it is called in the captures
PLACES, NAME = (b"127.0.0.1:48840", b"127.0.0.1:48841"), b"mixer-plc2:4840"
Said = list[tuple[int, bytes]]  # side (0: client), and what it sent at once


@dataclass
class Relay:
    """Between a client and the server: notes who said what, connection by connection."""

    connections: list[Said] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect to the server and pass on both directions."""
        said: Said = []
        self.connections.append(said)
        backend_reader, backend_writer = await asyncio.open_connection("127.0.0.1", BACKEND_PORT)
        for side, source, target in ((0, reader, backend_writer), (1, backend_reader, writer)):
            task = asyncio.create_task(self._pass(side, source, target, said))
            self.tasks.add(task)

    async def _pass(
        self, side: int, source: asyncio.StreamReader, target: asyncio.StreamWriter, said: Said
    ) -> None:
        try:
            while head := await source.readexactly(8):
                size = struct.unpack("<I", head[4:])[0]
                data = head + await source.readexactly(size - 8)
                said.append((side, data))
                target.write(data)
                await target.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            target.close()


class Users(UserManager):
    """Whoever has a name may do all; who has none, or shows a certificate, too."""

    def get_user(  # noqa: D102
        self, _iserver: object, username: str | None = None, **_more: object
    ) -> User | None:
        return User(role=UserRole.Admin, name=username or "anonymous")


async def make_server(folder: Path, *, secured: bool, buffer: int) -> Server:
    """A mixing station with two tanks, a method, and what it was built as."""
    server = Server(user_manager=Users())
    await server.init()
    server.limits.max_send_buffer = server.limits.max_recv_buffer = buffer
    server.set_endpoint(f"opc.tcp://127.0.0.1:{BACKEND_PORT}/mixing")
    await server.set_application_uri("urn:mixer-plc2:example.org:mixing")
    server.product_uri = "urn:example.org:products:mixer"
    server.set_server_name("Mixing station")
    await server.set_build_info(
        "urn:example.org:products:mixer", "Example Automation", "Mixer Controller", "4.2.1",
        "4217", datetime(2025, 3, 4, tzinfo=UTC),
    )  # fmt: skip
    policies = [ua.SecurityPolicyType.NoSecurity]
    if secured:
        await certificate(folder, "server", "urn:mixer-plc2:example.org:mixing", server=True)
        await server.load_certificate(str(folder / "server.der"))
        await server.load_private_key(str(folder / "server.pem"))
        policies += [
            ua.SecurityPolicyType.Basic256Sha256_Sign,
            ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
        ]
    server.set_security_policy(policies)
    space = await server.register_namespace(SPACE)
    mixer = await server.nodes.objects.add_object(f"ns={space};s=Mixer", f"{space}:Mixer")
    for name, value, kind in POINTS:
        point = await mixer.add_variable(
            f"ns={space};s=Mixer.{name}", f"{space}:{name}", value, varianttype=kind
        )
        await point.set_writable()
    await mixer.add_method(f"ns={space};s=Mixer.Rinse", f"{space}:Rinse", rinse,
                           [ua.VariantType.Double], [ua.VariantType.Boolean])  # fmt: skip
    big = await server.nodes.objects.add_object(f"ns={space};s=Archive", f"{space}:Archive")
    for number in range(BATCHES):
        await big.add_variable(
            f"ns={space};s=Archive.Batch{number:03}", f"{space}:Batch{number:03}", float(number)
        )
    return server


POINTS = [
    ("Level", 61.5, ua.VariantType.Double),
    ("Temperature", 21.25, ua.VariantType.Float),
    ("Speed", 1450, ua.VariantType.Int32),
    ("Setpoint", 60.0, ua.VariantType.Double),
    ("Valve", False, ua.VariantType.Boolean),
    ("Batch", "A-17", ua.VariantType.String),
    ("Recipe", [1, 5, 8], ua.VariantType.UInt16),
    ("Started", datetime(2026, 1, 5, 6, tzinfo=UTC), ua.VariantType.DateTime),
    ("Serial", b"\x01\x02\x03", ua.VariantType.ByteString),
]


@uamethod
def rinse(_parent: object, _litres: float) -> bool:
    """What the method of the mixer gives."""
    return True


async def certificate(folder: Path, name: str, uri: str, *, server: bool) -> None:
    """A key and a certificate signed with it."""
    use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    subject = {
        "countryName": "DE", "organizationName": "Example Automation",
        "commonName": "Mixing station" if server else "Operator panel",
    }  # fmt: skip
    host = "mixer-plc2" if server else "hmi-2"
    await setup_self_signed_certificate(
        folder / f"{name}.pem", folder / f"{name}.der", uri, host, [use], subject
    )


def make_client(user: str = "") -> Client:
    """A client that goes through the relay."""
    client = Client(f"opc.tcp://127.0.0.1:{RELAY_PORT}/mixing", timeout=10)
    client.application_uri = "urn:hmi-2:example.org:panel"
    client.product_uri = "urn:example.org:products:panel"
    client.name = client.description = "Operator panel"
    if user:
        client.set_user(user)
        client.set_password("hunter2-on-the-wire")
    return client


Script = Callable[[Server, Path], Awaitable[None]]


async def operator(_server: Server, _folder: Path) -> None:
    """An operator's morning: look around, read, subscribe, write, call."""
    finder = make_client()
    await finder.connect_and_get_server_endpoints()
    finder = make_client()
    await finder.connect_and_find_servers()
    async with make_client("operator") as client:
        space = await client.get_namespace_index(SPACE)
        mixer = client.get_node(f"ns={space};s=Mixer")
        await client.nodes.objects.get_children()
        points = await mixer.get_children()
        for number in (2256, 2260, 2261, 2262, 2263, 2264, 2265, 2259, 2254, 2255):
            await client.get_node(f"i={number}").read_value()
        await mixer.read_display_name()
        await mixer.get_child([f"{space}:Level"])
        nodes = [client.get_node(f"ns={space};s=Mixer.{name}") for name, _, _ in POINTS]
        for _ in range(6):
            await client.read_values(nodes)
        await client.read_values(nodes[:2])
        seen = Seen()
        subscription = await client.create_subscription(50, seen)
        handles = await subscription.subscribe_data_change(nodes[:6])
        await subscription.subscribe_events()
        for step in range(5):
            await nodes[3].write_value(60.0 + step, ua.VariantType.Double)
            await nodes[2].write_value(1450 + step, ua.VariantType.Int32)
            await asyncio.sleep(0.12)
        await nodes[4].write_value(ua.Variant(True, ua.VariantType.Boolean))  # noqa: FBT003
        await nodes[5].write_value("B-18")
        await mixer.call_method(f"{space}:Rinse", 2.5)
        await subscription.modify_monitored_item(handles[0], 200.0)
        await subscription.unsubscribe(handles[:2])
        await subscription.delete()
        await points[0].read_data_type()


class Seen:
    """What a subscription tells; it is only noted by the relay."""

    def datachange_notification(self, *_told: object) -> None:
        """A value changed."""

    def event_notification(self, _told: object) -> None:
        """Something happened."""

    def status_change_notification(self, _told: object) -> None:
        """The subscription changed."""


async def engineer(_server: Server, _folder: Path) -> None:
    """Every other service once; those that the server lacks are answered by a fault."""
    client = make_client()
    await client.connect()
    protocol = client.uaclient.protocol
    subscription = await client.create_subscription(500, Seen())
    number = subscription.subscription_id
    for request in requests(number):
        try:
            await protocol.send_request(request)
        except ua.UaError:
            continue
    await client.disconnect()


def requests(subscription: int) -> list[object]:
    """One request of each service that `operator` does not use."""
    node, other = ua.NodeId("Mixer.Level", 2), ua.NodeId("Mixer.Speed", 2)

    def filled(request: object, **values: object) -> object:
        target = getattr(request, "Parameters", request)
        for name, value in values.items():
            setattr(target, name, value)
        return request

    details = ua.ReadRawModifiedDetails(
        StartTime=datetime(2026, 1, 5, 6, tzinfo=UTC), EndTime=datetime(2026, 1, 5, 7, tzinfo=UTC),
        NumValuesPerNode=10,
    )  # fmt: skip
    update = ua.UpdateDataDetails(
        NodeId=node, PerformInsertReplace=ua.PerformUpdateType.Insert,
        UpdateValues=[ua.DataValue(ua.Variant(61.0, ua.VariantType.Double))],
    )  # fmt: skip
    attributes = ua.ObjectAttributes(
        DisplayName=ua.LocalizedText("Spare"), Description=ua.LocalizedText("")
    )
    server = ua.RegisteredServer(
        ServerUri="urn:mixer-plc2:example.org:mixing", ProductUri="urn:example.org:products:mixer",
        ServerNames=[ua.LocalizedText("Mixing station")], ServerType=ua.ApplicationType.Server,
        DiscoveryUrls=["opc.tcp://mixer-plc2:4840/mixing"], IsOnline=True,
    )  # fmt: skip
    tree = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    return [
        filled(
            ua.AddNodesRequest(),
            NodesToAdd=[
                ua.AddNodesItem(
                    ParentNodeId=ua.NodeId(ua.ObjectIds.ObjectsFolder), ReferenceTypeId=tree,
                    RequestedNewNodeId=ua.NodeId("Spare", 2), BrowseName=ua.QualifiedName("Spare", 2),
                    NodeClass=ua.NodeClass.Object, NodeAttributes=attributes,
                    TypeDefinition=ua.NodeId(ua.ObjectIds.BaseObjectType),
                )
            ],
        ),
        filled(
            ua.AddReferencesRequest(),
            ReferencesToAdd=[
                ua.AddReferencesItem(
                    SourceNodeId=ua.NodeId("Spare", 2), ReferenceTypeId=tree, IsForward=True,
                    TargetNodeId=node, TargetNodeClass=ua.NodeClass.Variable,
                )
            ],
        ),
        filled(
            ua.DeleteReferencesRequest(),
            ReferencesToDelete=[
                ua.DeleteReferencesItem(
                    SourceNodeId=ua.NodeId("Spare", 2), ReferenceTypeId=tree, IsForward=True,
                    TargetNodeId=node, DeleteBidirectional=True,
                )
            ],
        ),
        filled(
            ua.DeleteNodesRequest(),
            NodesToDelete=[ua.DeleteNodesItem(NodeId=ua.NodeId("Spare", 2))],
        ),
        filled(
            ua.BrowseRequest(), RequestedMaxReferencesPerNode=5,
            NodesToBrowse=[
                ua.BrowseDescription(
                    NodeId=ua.NodeId("Archive", 2), BrowseDirection=ua.BrowseDirection.Forward,
                    ReferenceTypeId=tree, IncludeSubtypes=True, ResultMask=63,
                )
            ],
        ),
        filled(ua.BrowseNextRequest(), ContinuationPoints=[b"\x01\x02"]),
        filled(ua.RegisterNodesRequest(), NodesToRegister=[node, other]),
        filled(ua.UnregisterNodesRequest(), NodesToUnregister=[node, other]),
        filled(
            ua.QueryFirstRequest(),
            NodeTypes=[ua.NodeTypeDescription(TypeDefinitionNode=ua.NodeId("MixerType", 2))],
        ),
        filled(ua.QueryNextRequest(), ContinuationPoint=b"\x01"),
        filled(
            ua.HistoryReadRequest(), HistoryReadDetails=details,
            NodesToRead=[ua.HistoryReadValueId(NodeId=node)],
        ),
        filled(ua.HistoryUpdateRequest(), HistoryUpdateDetails=[update]),
        filled(
            ua.SetMonitoringModeRequest(), SubscriptionId=subscription,
            MonitoringMode=ua.MonitoringMode.Sampling, MonitoredItemIds=[1],
        ),
        filled(
            ua.SetTriggeringRequest(), SubscriptionId=subscription, TriggeringItemId=1, LinksToAdd=[2],
        ),
        filled(ua.ModifySubscriptionRequest(), SubscriptionId=subscription,
               RequestedPublishingInterval=250.0),
        filled(ua.SetPublishingModeRequest(), PublishingEnabled=False, SubscriptionIds=[subscription]),
        filled(ua.RepublishRequest(), SubscriptionId=subscription, RetransmitSequenceNumber=1),
        filled(ua.TransferSubscriptionsRequest(), SubscriptionIds=[subscription], SendInitialValues=True),
        filled(ua.CancelRequest(), RequestHandle=7),
        filled(ua.FindServersOnNetworkRequest(), MaxRecordsToReturn=10),
        filled(ua.RegisterServerRequest(), Server=server),
        filled(ua.RegisterServer2Request(), Server=server),
    ]  # fmt: skip


async def secured(_server: Server, folder: Path) -> None:
    """The same channel signed only, then signed and encrypted."""
    await certificate(folder, "client", "urn:hmi-2:example.org:panel", server=False)
    for mode in (ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt):
        client = make_client("operator")
        await client.set_security(
            SecurityPolicyBasic256Sha256, str(folder / "client.der"), str(folder / "client.pem"),
            server_certificate=str(folder / "server.der"), mode=mode,
        )  # fmt: skip
        async with client:
            level = client.get_node("ns=2;s=Mixer.Level")
            for _ in range(3):
                await level.read_value()
            await client.get_node("ns=2;s=Mixer.Setpoint").write_value(63.0, ua.VariantType.Double)


async def chunked(_server: Server, _folder: Path) -> None:
    """A client that takes little at a time: long answers come in several chunks."""
    client = make_client()
    await client.connect()
    await client.get_node("ns=2;s=Archive").get_children_descriptions()
    await client.read_values(
        [client.get_node(f"ns=2;s=Archive.Batch{n:03}") for n in range(BATCHES)]
    )
    await client.disconnect()


# ------------------------------------------------------------------------------ by hand


def text(words: str) -> bytes:
    """String, OPC 10000-6 5.2.2.4."""
    return struct.pack("<i", len(words)) + words.encode()


def unit(kind: bytes, body: bytes) -> bytes:
    """Header and body, OPC 10000-6 7.1.2.2."""
    return kind + struct.pack("<I", 8 + len(body)) + body


def chunk(kind: bytes, number: int, body: bytes) -> bytes:
    """A chunk of channel 6 with token 1, OPC 10000-6 6.7.2."""
    return unit(kind, struct.pack("<IIII", 6, 1, number, number) + body)


def request_header(service: int) -> bytes:
    """OPC 10000-4 7.33: no session, no time, a handle, ten seconds."""
    fixed = struct.pack("<qIIiI", 0, 7, 0, -1, 10_000)
    return struct.pack("<BBH", 1, 0, service) + b"\0\0" + fixed + b"\0\0\0"


def response_header(service: int, status: int = 0) -> bytes:
    """OPC 10000-4 7.34."""
    fixed = struct.pack("<qIIBi", 0, 7, status, 0, -1)
    return struct.pack("<BBH", 1, 0, service) + fixed + b"\0\0\0"


def published(encoding: int, notification: bytes) -> bytes:
    """A publish response of subscription 5 with one structure, OPC 10000-4 5.14.5."""
    front = struct.pack("<IiBIqi", 5, 0, 0, 3, 0, 1)
    structure = struct.pack("<BBHBi", 1, 0, encoding, 1, len(notification)) + notification
    return response_header(829) + front + structure + struct.pack("<ii", 0, -1)


def by_hand() -> list[tuple[Host, Said]]:
    """What no peer says: refusals, aborted messages, the tests of a stack, a server that calls."""
    hello = unit(
        b"HELF",
        struct.pack("<IIIII", 0, 65_536, 65_536, 0, 0) + text("opc.tcp://mixer-plc2:4840/old"),
    )
    acknowledge = unit(b"ACKF", struct.pack("<IIIII", 0, 65_536, 65_536, 0, 0))
    refused = unit(b"ERRF", struct.pack("<I", 0x80830000) + text("no such endpoint"))
    policy = text("http://opcfoundation.org/UA/SecurityPolicy#None") + struct.pack("<ii", -1, -1)
    opens = unit(
        b"OPNF",
        struct.pack("<I", 0)
        + policy
        + struct.pack("<II", 1, 1)
        + request_header(446)
        + struct.pack("<IIIiI", 0, 0, 1, -1, 600_000),
    )
    opened = unit(
        b"OPNF",
        struct.pack("<I", 6)
        + policy
        + struct.pack("<II", 1, 1)
        + response_header(449)
        + struct.pack("<IIIqIi", 0, 6, 1, 0, 600_000, -1),
    )
    tests = chunk(b"MSGF", 2, request_header(410) + struct.pack("<IiBi", 9, 3, 6, 42))
    tested = chunk(b"MSGF", 2, response_header(413) + struct.pack("<Bi", 6, 42))
    reads = chunk(
        b"MSGF", 3,
        request_header(631) + struct.pack("<dIi", 0, 2, 1) + b"\3\2\0" + text("Mixer.Archive")
        + struct.pack("<IiHi", 13, -1, 0, -1),
    )  # fmt: skip
    begins = chunk(
        b"MSGC", 3, response_header(634) + struct.pack("<iBB", 1, 1, 12) + struct.pack("<i", 4096)
    )
    aborts = chunk(b"MSGA", 3, struct.pack("<I", 0x80B90000) + text("longer than agreed"))
    next_ = chunk(b"MSGF", 5, request_header(533) + struct.pack("<Bii", 0, 1, 2) + b"\7\7")
    result = struct.pack("<iIii", 1, 0, -1, 1) + b"\0\x23\1\3\2\0" + text("Mixer.Level")
    result += b"\2\0" + text("Level") + b"\2" + text("Level") + struct.pack("<I", 2) + b"\0\x3f"
    whole = response_header(536) + result + struct.pack("<i", -1)
    parts = [
        chunk(b"MSGC", 5, whole[:50]),
        chunk(b"MSGC", 5, whole[50:80]),
        chunk(b"MSGF", 5, whole[80:]),
    ]
    publishes = chunk(b"MSGF", 6, request_header(826) + struct.pack("<i", 0))
    events = struct.pack("<iIi", 1, 11, 3) + b"\x11\3\2\0" + text("Mixer") + b"\x05\x2c\1"
    events += b"\x15\2" + text("level high")
    tells = chunk(b"MSGF", 6, published(916, events))
    publishes_again = chunk(b"MSGF", 7, request_header(826) + struct.pack("<i", 0))
    changed = chunk(b"MSGF", 7, published(820, struct.pack("<IB", 0x800A0000, 0)))
    fault = chunk(b"MSGF", 8, response_header(397, 0x80790000))
    closes = chunk(b"CLOF", 9, request_header(452))
    calls = unit(
        b"RHEF",
        text("urn:mixer-plc2:example.org:mixing") + text("opc.tcp://mixer-plc2:4840/mixing"),
    )
    return [
        (STATION, [(0, hello), (1, refused)]),
        (STATION, [(0, hello), (1, acknowledge), (0, opens), (1, opened), (0, tests), (1, tested),
                   (0, reads), (1, begins), (1, aborts), (0, next_), *((1, part) for part in parts),
                   (0, publishes), (0, publishes_again), (1, tells), (1, changed), (1, fault),
                   (0, closes)]),
        (SERVER, [(0, calls), (1, hello), (0, acknowledge), (1, opens), (0, opened),
                  (1, tests), (0, tested), (1, closes)]),
    ]  # fmt: skip


# ------------------------------------------------------------------------------ on the wire

# what is said, by whom, whether the server has a certificate, bytes of its buffers
CAPTURES: dict[str, tuple[Script, Host, bool, int]] = {
    "operator": (operator, HMI, False, 65_535),
    "every_service": (engineer, STATION, False, 65_535),
    "secured": (secured, HMI, True, 65_535),
    "chunked": (chunked, STATION, False, 8_192),
}
MOST_SEGMENT, ACKNOWLEDGED = 1460, 2


def put(tape: Tape, client: Host, server: Host, port: int, said: Said, begin: int) -> int:
    """One connection, from handshake to end; gives when it was over."""
    connection = Connection(tape, client, server, port, PORT)
    connection.open(begin)
    now = begin + STEP
    for side, data in said:
        for place in PLACES:
            data = data.replace(place, NAME)  # noqa: PLW2901 - of the same length
        for at in range(0, len(data), MOST_SEGMENT):
            part = data[at : at + MOST_SEGMENT]
            (connection.answer if side else connection.ask)(now, part)
            now += STEP
            if at % (ACKNOWLEDGED * MOST_SEGMENT):  # before the window is full
                connection.acknowledge(now, by_server=not side)
                now += STEP
    connection.close(now)
    return now + STEP


async def record(script: Script, *, with_security: bool, buffer: int) -> list[Said]:
    """What was said, connection by connection."""
    relay = Relay()
    with tempfile.TemporaryDirectory() as folder:
        server = await make_server(Path(folder), secured=with_security, buffer=buffer)
        async with server:
            listener = await asyncio.start_server(relay.accept, "127.0.0.1", RELAY_PORT)
            await script(server, Path(folder))
            await asyncio.sleep(0.2)
            listener.close()
    return [said for said in relay.connections if said]


def main(names: list[str]) -> None:
    """Write the captures that are named, or all."""
    for name in names or [*CAPTURES, "by_hand"]:
        tape = Tape()
        now = START
        if name == "by_hand":
            told = by_hand()
        else:
            script, client, with_security, buffer = CAPTURES[name]
            said = asyncio.run(record(script, with_security=with_security, buffer=buffer))
            told = [(client, one) for one in said]
        for number, (client, one) in enumerate(told):
            server = HMI if client is SERVER else SERVER
            now = put(tape, client, server, 50_100 + number, one, now) + SECOND
        tape.write(HERE / f"{name}.pcap")
        print(name, sum(len(one) for _, one in told), "messages")


if __name__ == "__main__":
    main(sys.argv[1:])
