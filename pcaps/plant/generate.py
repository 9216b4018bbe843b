"""Writes the capture of this folder: ten minutes at the mirror port of a waterworks.

    python generate.py

Who is there stands in `works.py`; what they say in `water.py` (S7comm, EtherNet/IP, Modbus,
PROFINET), `energy.py` (DNP3, IEC 60870-5-104, GOOSE, BACnet), `disinfection.py` (OPC UA),
`network.py` (LLDP, SNMP and office protocols) and `laptop.py`. It needs pymodbus and dnp3py.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

import disinfection  # noqa: E402 - it needs the line above
import energy  # noqa: E402
import laptop  # noqa: E402
import network  # noqa: E402
import water  # noqa: E402
from tape import Tape  # noqa: E402

SCENES = (
    water.intake, water.filters, water.rack, water.pumps, water.dosing, water.dosing_trend,
    water.meters, water.pump_trend,
    energy.reservoir, energy.substation, energy.bays, energy.building,
    disinfection.disinfection, disinfection.disinfection_trend,
    network.neighbours, network.switch_trend, network.times, network.names, network.leases,
    water.engineer, water.list_identity, water.identification,
    laptop.comes, laptop.probes, laptop.ruins_speed, laptop.stops_intake,
)  # fmt: skip


def ten_minutes(tape: Tape) -> None:
    """Ten minutes of a waterworks with controllers of many makes, and a laptop that comes."""
    water.modbus.fresh_seeds()
    for scene in SCENES:
        scene(tape)


def main() -> None:
    """Write it."""
    tape = Tape()
    ten_minutes(tape)
    path = HERE / "ten_minutes.pcap"
    tape.write(path)
    print(f"{path.name}: {len(tape.records)} packets, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
