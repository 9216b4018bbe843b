"""Where schedules keep what is theirs: beside the store, all but the reports."""

from pathlib import Path


def private_key(store: Path) -> Path:
    """The key that signs; readable by its owner only."""
    return store.with_name(f"{store.name}.sign.key")


def public_key(store: Path) -> Path:
    """The key by which others check signatures."""
    return store.with_name(f"{store.name}.sign.key.pub")


def lock(store: Path) -> Path:
    """Held by the one program that works off schedules of this store."""
    return store.with_name(f"{store.name}.reports.lock")


def reports(store: Path) -> Path:
    """The folder of reports where a schedule names none."""
    return store.with_name("reports")
