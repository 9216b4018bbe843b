"""Small stores for tests of the baseline: a station and a controller that it polls for days."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from inventory_stores import SECOND, Tap, new_store, seen, tap
from store_rows import row, values, write

from otsec.detect.cases import Word

if TYPE_CHECKING:
    from otsec.store import Store

DAY = 86_400
HMI, PLC, LAPTOP = "10.0.0.11", "10.0.0.21", "10.0.0.99"
WORD = Word("Ann", "ann", "desk", 1_700_000_000 * SECOND, "ticket 4711")


class Plant:
    """A store in which rows are put for a span of seconds; a packet a second."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = new_store(folder)
        self.tap: Tap = tap(self.store)
        self.end = 0

    def hears(self, address: str, first: int, last: int) -> None:
        """A device that sends."""
        mac = "00:0e:8c:00:00:" + address.rpartition(".")[2].rjust(2, "0")
        self.tap.heard(mac, address, at=first)
        self.tap.rows["station"][-1] = row(
            "station",
            source=self.tap.number,
            number=len(self.tap.rows["station"]) - 1,
            mac=mac,
            address=address,
            frames=10 + last - first,
            **seen(first, last),
        )

    def does(
        self,
        client: str,
        server: str,
        cls: str = "read",
        first: int = 0,
        last: int = 0,
        value: int | None = None,
        **other: Any,
    ) -> None:
        """What a client does with a server by Modbus, with what it writes."""
        times = seen(first, last)
        self.tap.talks(client, server, "modbus", "tcp/502", **times)
        number = len(self.tap.rows.get("behaviour", []))
        cells = {
            "operation": "write_single_register" if cls == "write" else "read_holding_registers",
            "object": "holding 100-109",
            "count": max(last - first, 1),
            "packets": f"[{first}]",
            "interval_count": max(last - first, 0),
            "interval_max_us": 1_000_000,
            "interval_sum_us": (last - first) * 1_000_000,
            **times,
            **other,
        }
        conversation = self.tap.talked["", client, server, "tcp/502", "modbus"]
        self.tap.rows.setdefault("behaviour", []).append(
            row(
                "behaviour",
                source=self.tap.number,
                number=number,
                conversation=conversation,
                protocol="modbus",
                outcome=cells.pop("outcome", "ok"),
                **{"class": cls},
                **cells,
            )
        )
        if value is not None:
            self.tap.rows.setdefault("value", []).append(
                row(
                    "value",
                    source=self.tap.number,
                    behaviour=number,
                    space="holding",
                    first_element=100,
                    value_type=1,
                    count=cells["count"],
                    **values(value),
                    **times,
                )
            )

    def ends(self, at: int) -> "Plant":
        """Write all, as heard until then."""
        self.tap.write()
        clock = row(
            "clock",
            source=self.tap.number,
            packets=at + 1,
            first_time=0,
            last_time=at * SECOND,
        )
        write(self.store, clock=[clock])
        self.end = at
        return self


def polled(folder: Path, days: int = 5, **other: Any) -> Plant:
    """A controller polled without end for days, a setpoint written now and then."""
    plant = Plant(folder)
    last = days * DAY
    for address in (HMI, PLC):
        plant.hears(address, 0, last)
    plant.does(HMI, PLC, "read", 0, last, **other)
    plant.does(HMI, PLC, "write", 0, last, value=50, object="holding 100")
    return plant
