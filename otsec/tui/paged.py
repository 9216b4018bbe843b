"""A listing that may be long: the keys of all rows, and of the rows the pages that are seen."""

from collections.abc import Iterator
from typing import Any

from otsec.store import Store, paging
from otsec.tui.listing import Ask, ListingScreen
from otsec.tui.rows import Paged, Rows

QUICK = 500  # rows that are shown while the others are put in order


class PagedScreen(ListingScreen):
    """Rows of the query of `store/paging.py` that is named as the kind."""

    @classmethod
    def fetched(cls, store: Store, keys: Any) -> list[paging.Keyed]:
        """Some rows by their keys."""
        return paging.page(store, cls.KIND, keys)

    def find(self, store: Store, ask: Ask) -> Iterator[Rows]:
        """First some rows, where no order is asked for, then the keys of all."""

        def keys(limit: int) -> Paged:
            found = paging.order_of(
                store, self.KIND, ask.filters, ask.sort, descending=ask.descending, limit=limit
            )  # pages are fetched by the connection of the screen's thread
            return Paged(found, lambda some: self.fetched(self.otsec.store, some))

        if not ask.again and not ask.sort:
            first = keys(QUICK)
            yield first
            if len(first) < QUICK:
                return
        yield keys(paging.MOST)

    def exported(self) -> Any:
        """All rows, fetched by the connection of the thread that writes them."""
        rows = self.table.rows
        return (
            self.KIND,
            self.COLUMNS,
            lambda store: rows.all_rows(lambda keys: self.fetched(store, keys)),
        )
