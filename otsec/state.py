"""State as plain data in bytes: JSON, with arrays of numbers beside it."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 5  # to be raised when state that looks as before means something else
ARRAY = "$array"  # marks the place of an array; no name of a field begins so
HEAD = 8  # bytes of the length of the JSON text in front


class Unlike(Exception):  # noqa: N818 - a fact, not an error of ours
    """State that another version of otsec wrote, and this one cannot go on from."""


def pack(state: dict[str, Any]) -> bytes:
    """State (dicts, lists, numbers, text, arrays of numbers or records) as bytes."""
    arrays: list[memoryview] = []
    sizes = 0

    def beside(value: Any) -> dict[str, Any]:
        nonlocal sizes
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{type(value).__name__} is no state")
        at, fields = sizes, value.dtype.names
        arrays.append(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        sizes += value.nbytes
        kind = value.dtype.str if fields is None else value.dtype.descr
        return {ARRAY: [at, kind, list(value.shape)]}

    text = json.dumps(state, default=beside, check_circular=False).encode()
    return b"".join([len(text).to_bytes(HEAD, "little"), text, *arrays])


def unpack(data: bytes) -> dict[str, Any]:
    """The state that `pack` was given."""
    size = int.from_bytes(data[:HEAD], "little")
    base = HEAD + size

    def whole(value: dict[str, Any]) -> Any:
        if ARRAY not in value:
            return value
        at, kind, shape = value[ARRAY]
        count = int(np.prod(shape))
        return np.frombuffer(data, _kind(kind), count, base + at).reshape(shape).copy()

    state: dict[str, Any] = json.loads(data[HEAD:base], object_hook=whole)
    return state


def records(array: NDArray[Any], shape: np.dtype[Any]) -> NDArray[Any]:
    """The array, which must have these fields: tables gain and lose columns between versions.

    Raises Unlike.
    """
    if array.dtype != shape:
        raise Unlike(f"it has columns {array.dtype.names}")
    return array


def _kind(told: str | list[list[Any]]) -> np.dtype[Any]:
    if isinstance(told, str):
        return np.dtype(told)
    return np.dtype([(name, kind, *map(tuple, shape)) for name, kind, *shape in told])
