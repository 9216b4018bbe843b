"""The worked examples that come with otsec: a water plant, a substation, a body shop."""

from importlib import resources
from pathlib import Path

from otsec.errors import UsageError


def folder() -> Path:
    """Where they lie: in the package, or in the checkout."""
    inside = Path(str(resources.files("otsec"))) / "rules"
    rules = inside if inside.is_dir() else inside.parent.parent / "rules"
    return rules / "policies"


def names() -> tuple[str, ...]:
    """Their names."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def text(name: str) -> str:
    """One of them. Raises UsageError if there is no such."""
    if name not in names():
        raise UsageError(f"no template {name!a}; there are: {', '.join(names())}")
    return (folder() / f"{name}.yaml").read_text("utf-8")
