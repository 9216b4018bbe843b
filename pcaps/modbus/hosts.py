"""The plant of the captures: a small waterworks, all on one network behind one mirror port."""

import struct

from tape import Host

MILLISECOND, SECOND = 1_000, 1_000_000  # in microseconds, as all times on a tape

HMI = Host("hmi-1", "d0:94:66:2a:10:11", "10.10.10.11")
HISTORIAN = Host("historian", "d0:94:66:2a:10:12", "10.10.10.12")
ENGINEERING = Host("ews-1", "8c:ec:4b:51:30:15", "10.10.10.15")
FILTER_PLC = Host("plc-filter", "00:80:f4:0e:21:21", "10.10.10.21")
PUMP_PLC = Host("plc-pumps", "00:80:f4:0e:21:22", "10.10.10.22")
GATEWAY = Host("gw-serial", "00:90:e8:6b:03:30", "10.10.10.30")  # five meters and drives behind it
RADIO = Host("radio-tank", "00:90:e8:6b:07:41", "10.10.10.41")  # RTU frames, unchanged
SOFT_PLC = Host("soft-plc", "00:30:de:40:60:60", "10.10.10.60")  # its Modbus server is on 5020
CAMERA = Host("camera-intake", "00:40:8c:77:70:70", "10.10.10.70")  # its web page is on 502
LAPTOP = Host("unknown laptop", "3c:52:82:9f:a1:99", "10.10.10.199")


def unit(transaction: int, unit_id: int, pdu: str) -> bytes:
    """One unit by hand: MBAP header ([TCP] 3.1.3) and the function and data given in hex."""
    body = bytes.fromhex(pdu)
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit_id) + body
