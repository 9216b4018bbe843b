"""The protocols that otsec speaks: one file each, found by listing this folder.

``PROTOCOLS`` is made when it is first asked for, so that importing this package costs nothing.
"""

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otsec.protocols.api import Protocol

    PROTOCOLS: tuple[Protocol, ...]


@cache
def _find() -> "tuple[Protocol, ...]":
    """``PROTOCOL`` of every module here that has one, in the order of the modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return tuple(module.PROTOCOL for module in modules if hasattr(module, "PROTOCOL"))


def industrial() -> tuple[str, ...]:
    """The names of the protocols of plants; the others are of any network."""
    return tuple(protocol.name for protocol in _find() if protocol.industrial)


def __getattr__(name: str) -> "tuple[Protocol, ...]":
    if name != "PROTOCOLS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _find()
