"""The store: schema, migrations, typed queries and the canonical dump; the only SQL of otsec."""

from otsec.store.database import Capture, CaptureProgress, State, Store, open_store, storable
from otsec.store.schema import NONE, TABLES, Column, Table

__all__ = [
    "NONE",
    "TABLES",
    "Capture",
    "CaptureProgress",
    "Column",
    "State",
    "Store",
    "Table",
    "open_store",
    "storable",
]
