"""Writes the MQTT captures of this folder, with `python generate.py`; needs amqtt.

`peers.pcap`: broker and client are amqtt, in MQTT 3.1.1. `by_hand.pcap`: what it does not say, set
from MQTT 3.1.1 and 5.0: refusals, MQTT 5, Sparkplug, a bridge.
"""

import asyncio
import struct
import sys
from pathlib import Path

from amqtt.broker import Broker
from amqtt.client import MQTTClient
from amqtt.mqtt.constants import QOS_0, QOS_1, QOS_2

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Relay, Said, put  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

GATEWAY = Host("edge-gateway", "00:90:e8:6b:09:51", "10.10.30.61")
BROKER = Host("broker", "d0:94:66:2a:20:31", "10.10.30.31")
PORT, BROKER_PORT = 1883, 41_883
CONFIG = {
    "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{BROKER_PORT}"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}


async def peers() -> list[Said]:
    """An edge gateway connects with an account, subscribes, publishes at every level and parts."""
    broker = Broker(CONFIG)
    await broker.start()
    relay = Relay(BROKER_PORT)
    client = MQTTClient(
        client_id="edge-gateway-7", config={"keep_alive": 3, "auto_reconnect": False}
    )
    await client.connect(f"mqtt://telemetry:not-a-secret@127.0.0.1:{relay.port}/")
    await client.subscribe([("plant/line3/setpoint", QOS_1), ("plant/line3/+/state", QOS_0)])
    for level in (QOS_0, QOS_1, QOS_2):
        await client.publish("plant/line3/temperature", b"71.5", qos=level)
    await client.publish("plant/line3/setpoint", b"72.0", qos=QOS_1)
    await client.deliver_message(timeout_duration=2)
    await client.ping()
    await asyncio.sleep(0.3)
    await client.unsubscribe(["plant/line3/setpoint"])
    await client.disconnect()
    await asyncio.sleep(0.3)
    await broker.shutdown()
    return relay.connections


# -------------------------------------------------------------------------------- by hand


def packet(first: int, body: bytes) -> bytes:
    """MQTT 3.1.1 2.2."""
    size, length = len(body), b""
    while True:
        length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            return bytes([first]) + length + body


def text(word: str) -> bytes:
    """MQTT 3.1.1 1.5.3."""
    return struct.pack(">H", len(word.encode())) + word.encode()


def connect(flags: int, level: int, *fields: bytes, name: str = "MQTT") -> bytes:
    """MQTT 3.1.1 3.1, MQTT 5.0 3.1."""
    return packet(0x10, text(name) + struct.pack(">BBH", level, flags, 60) + b"".join(fields))


def refused() -> Said:
    """A wrong password, in MQTT 3.1.1."""
    return [
        (0, connect(0xC2, 4, text("scanner-1"), text("admin"), text("not-a-secret"))),
        (1, packet(0x20, b"\0\4")),
    ]


def bridge() -> Said:
    """A bridge of Mosquitto with a will, in MQTT 3.1."""
    will = text("plant/bridge/state") + text("0")
    return [
        (0, connect(0x2C, 0x83, text("bridge-1"), will, name="MQIsdp")),
        (1, packet(0x20, b"\0\0")),
        (0, packet(0xE0, b"")),
    ]


def version_5() -> Said:
    """What MQTT 5 has."""
    asked = bytes([0x11]) + struct.pack(">I", 3600) + bytes([0x21, 0, 20])
    asked += bytes([0x26]) + text("maker") + text("otsec")
    why = bytes([0x1F]) + text("at the limit")
    given = bytes([0x12]) + text("auto-77") + bytes([0x25, 1])
    alias = bytes([0x23, 0, 7])
    return [
        (0, connect(2, 5, bytes([len(asked)]) + asked, text(""))),
        (1, packet(0x20, b"\0\0" + bytes([len(given)]) + given)),
        (
            0,
            packet(
                0x82, b"\0\1\0" + text("plant/+/alarm") + b"\x2d" + text("plant/line3/#") + b"\0"
            ),
        ),
        (1, packet(0x90, b"\0\1\0\1\x87")),
        (0, packet(0x33, text("plant/line3/valve") + b"\0\2" + bytes([3]) + alias + b"open")),
        (1, packet(0x40, b"\0\2\x87" + bytes([len(why)]) + why)),
        (0, packet(0x30, text("") + bytes([3]) + alias + b"shut")),
        (0, packet(0xA2, b"\0\3\0" + text("plant/+/alarm"))),
        (1, packet(0xB0, b"\0\3\0\0")),
        (1, packet(0xE0, b"\x97" + bytes([len(why)]) + why)),
    ]


def challenged() -> Said:
    """Enhanced authentication of MQTT 5."""
    method = bytes([0x15]) + text("SCRAM-SHA-256")
    data = method + bytes([0x16]) + text("n,,n=service,r=1")
    return [
        (0, connect(2, 5, bytes([len(data)]) + data, text("vendor-2"))),
        (1, packet(0xF0, b"\x18" + bytes([len(data)]) + data)),
        (0, packet(0xF0, b"\x18" + bytes([len(data)]) + data)),
        (1, packet(0x20, b"\0\x86\0")),
    ]


def sparkplug() -> Said:
    """Sparkplug 3.0: a host application commands a node and a device."""
    return [
        (0, connect(2, 4, text("scada-host"))),
        (1, packet(0x20, b"\0\0")),
        (0, packet(0x30, text("spBv1.0/works/NCMD/edge-7") + bytes(12))),
        (0, packet(0x30, text("spBv1.0/works/DCMD/edge-7/pump-2") + bytes(12))),
        (1, packet(0x31, text("spBv1.0/works/NBIRTH/edge-7") + bytes(12))),
        (0, packet(0xC0, b"")),
        (1, packet(0xD0, b"")),
    ]


def main() -> None:
    """Write both captures."""
    tape, now = Tape(), START
    for number, said in enumerate(asyncio.run(peers())):
        now = put(tape, (GATEWAY, BROKER), (55_000 + number, PORT), said, now)
    tape.write(HERE / "peers.pcap")
    tape, now = Tape(), START
    for number, said in enumerate((refused(), bridge(), version_5(), challenged(), sparkplug())):
        now = put(tape, (GATEWAY, BROKER), (55_100 + number, PORT), said, now)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
