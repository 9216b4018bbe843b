"""What people vouch for: attestations of rows, and that inventory, policy and baseline are right.

All of it are acts of the record: only ever added, each with who, when and why.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from otsec.controls.model import Attestation
from otsec.detect.cases import Word
from otsec.errors import InputError, UsageError
from otsec.inventory.model import Asset, Node
from otsec.policy.model import Policy
from otsec.store.acts import Act, ActKind

KINDS = ("evidence", "compensating", "review")
LONGEST = 2_000  # letters of what is said
CHUNK = 1 << 20
INVENTORY = "inventory"  # attribute of the act that is about all of it


def _act(
    word: Word, kind: ActKind, attribute: str, after: str, asset: str = "", before: str = ""
) -> Act:
    if max(len(word.who), len(word.reason)) > LONGEST:
        raise UsageError(f"at most {LONGEST} letters are kept")
    return Act(
        *(0, word.time, word.who, kind, asset, attribute, before, after, word.reason),
        login=word.login,
        host=word.host,
    )


# ------------------------------------------------------------------------------- attestations


def attested(row: str, kind: str, word: Word, file: Path | None, expires: int) -> Act:
    """The act of an attestation: what is said of a row stands in the reason."""
    if not word.reason:
        raise UsageError("attest: say what you vouch for with --what")
    told: dict[str, Any] = {"kind": kind, "expires": expires}
    if file is not None:
        told |= {"file": file.name, "sha256": sha256(file)}
    return _act(word, "attest", row, json.dumps(told, sort_keys=True))


def sha256(path: Path) -> str:
    """The hash of a file, in hexadecimal digits."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                found.update(piece)
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: no such file") from None
    return found.hexdigest()


def attestations(acts: Iterable[Act], at: int) -> list[Attestation]:
    """All attestations, the oldest first; those are expired whose last day is over at a time."""
    found = []
    for act in acts:
        if act.kind != "attest":
            continue
        told = json.loads(act.after)
        expires = int(told.get("expires", 0))
        found.append(
            Attestation(
                number=act.number,
                row=act.attribute,
                kind=str(told.get("kind", "evidence")),
                who=act.who,
                what=act.reason,
                file=str(told.get("file", "")),
                sha256=str(told.get("sha256", "")),
                said=act.time,
                expires=expires,
                expired=bool(expires) and expires <= at,
            )
        )
    return found


# --------------------------------------------------------------------------------- approvals


def approved_nodes(acts: Iterable[Act]) -> frozenset[Node] | None:
    """Addresses of the approved inventory; None: nobody has approved one."""
    held: dict[Node, bool] = {}
    anybody = False
    for act in acts:
        anybody = anybody or act.kind == "inventory-approve"
        if act.asset and act.kind in {"inventory-approve", "inventory-retire"}:
            held[Node(*json.loads(act.asset))] = act.kind == "inventory-approve"
    return frozenset(node for node, holds in held.items() if holds) if anybody else None


def approved_inventory(
    assets: Sequence[Asset], known: frozenset[Node], word: Word, *, whole: bool
) -> list[Act]:
    """Acts that approve assets: of each that was not approved yet, and one if they are all."""
    acts = [
        _act(word, "inventory-approve", "", "approved", json.dumps(list(one.anchor)))
        for one in assets
        if not any(address.node in known for address in one.addresses)
    ]
    if whole:
        lines = (f"{one.id} {' '.join((*one.ips, *one.macs))}" for one in assets)
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        told = f"{len(assets)} assets, sha256 {digest}"
        acts.append(_act(word, "inventory-approve", INVENTORY, told))
    return acts


def retired(asset: Asset, word: Word) -> list[Act]:
    """Acts that take an asset out of the approved inventory, under all of its addresses."""
    return [
        _act(word, "inventory-retire", "", "retired", json.dumps(list(one.node)), "approved")
        for one in asset.addresses
    ]


def approved_policy(policy: Policy, word: Word) -> Act:
    """The act that approves a policy as it is written now."""
    return _act(word, "policy-approve", policy.name, policy.digest)


def reviewed_baseline(word: Word, open_deviations: int) -> Act:
    """The act of a review: somebody looked for changes to the baseline."""
    told = f"{open_deviations} deviation{'' if open_deviations == 1 else 's'} open"
    return _act(word, "baseline-review", "", told)
