"""Writes `libiec61850.pcap`: what the publisher of libIEC61850 sends, by way of pyiec61850-ng.

    unshare --net --map-root-user python publish.py

It needs a network namespace of its own, in which it makes a pair of virtual interfaces and
listens on the far end. pyiec61850-ng is GPL: it is used here alone, in a process of its own. Time
stamps are those of the run, so no two runs give the same bytes.
"""

import contextlib
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from pyiec61850.goose import GoosePublisher

EVERYTHING = 0x0003  # ETH_P_ALL
LONGEST = 65_535


def publish() -> None:
    """Two states of a data set with a bool, an integer and a float."""
    publisher = GoosePublisher("pa")
    publisher.set_go_cb_ref("simpleIOGenericIO/LLN0$GO$gcbAnalogValues")
    publisher.set_go_id("analog")
    publisher.set_data_set("simpleIOGenericIO/LLN0$AnalogValues")
    publisher.set_app_id(0x1000)
    publisher.set_conf_rev(1)
    publisher.set_time_allowed_to_live(500)
    publisher.start()
    for state in range(2):
        for _ in range(4):
            publisher.publish([bool(state), 100 + 40_000 * state, 3.5 * (state + 1), "run"])
            time.sleep(0.05)
        publisher.increase_st_num()
    publisher.stop()


def main() -> None:
    """Publish on one end, record on the other."""
    for command in (
        "ip link add pa type veth peer name pb",
        "ip link set pa address 02:00:00:00:61:85",
        "ip link set pa up",
        "ip link set pb up",
    ):
        subprocess.run(command.split(), check=True)  # noqa: S603 - the three above
    out = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, LONGEST, 1))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING)) as listener:
        listener.bind(("pb", 0))
        listener.settimeout(0.5)
        threading.Thread(target=publish).start()
        with contextlib.suppress(TimeoutError):
            while True:
                data = listener.recv(LONGEST)
                if b"\x88\xb8" not in data[12:18]:
                    continue
                now = time.time_ns() // 1_000
                out += struct.pack("<IIII", *divmod(now, 1_000_000), len(data), len(data)) + data
    Path(__file__).with_name("libiec61850.pcap").write_bytes(out)


if __name__ == "__main__":
    main()
