"""Which findings speak of a device, a session, or something that was done."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from otsec.detect.cases import Case
from otsec.inventory.assembly import Inventory
from otsec.inventory.directory import Directory
from otsec.inventory.model import Asset


def about(asset: Asset, found: Inventory, cases: Iterable[Case]) -> list[Case]:
    """The findings in which the asset is who did it, or whom it was done to, in their order."""
    known = Directory(found)

    def is_it(case: Case, address: str) -> bool:
        one = case.finding
        met = known.at(one.site, one.group, one.place, address) if address else None
        return met is not None and met.id == asset.id

    return [
        case
        for case in cases
        if is_it(case, case.finding.client) or is_it(case, case.finding.server)
    ]


class Named:
    """Open findings by who did what to whom, to name them beside what else tells of it."""

    def __init__(self, cases: Iterable[Case], *, short: bool = False) -> None:
        self._short = short  # ids as people read them, else whole
        self._between: dict[tuple[str, ...], list[Case]] = defaultdict(list)
        for case in cases:
            one = case.finding
            if case.open and one.client and one.server:
                self._between[one.site, one.place, one.client, one.server].append(case)

    def session(
        self, site: str, place: str, client: str, server: str, service: str, span: Sequence[int]
    ) -> tuple[str, ...]:
        """Ids of those of a service that were seen in a span, the worst first."""
        return tuple(
            self._id(case)
            for case in self._between.get((site, place, client, server), ())
            if case.finding.service in {"", service} and _overlap(case, span)
        )

    def action(
        self, site: str, place: str, client: str, server: str, operation: str, span: Sequence[int]
    ) -> tuple[str, ...]:
        """Ids of those of an operation that were seen in a span, the worst first."""
        return tuple(
            self._id(case)
            for case in self._between.get((site, place, client, server), ())
            if operation in case.finding.operations and _overlap(case, span)
        )

    def _id(self, case: Case) -> str:
        return case.finding.short if self._short else case.finding.id


def _overlap(case: Case, span: Sequence[int]) -> bool:
    return case.finding.first_time <= span[1] and case.finding.last_time >= span[0]
