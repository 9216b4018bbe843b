"""What the approved baseline lets pass within a zone (`intra_zone: learn`), and verdicts with it."""

from otsec.baseline.learning import Baseline, baseline
from otsec.inventory.assembly import Inventory, inventory
from otsec.policy.model import Policy
from otsec.policy.placing import People
from otsec.policy.verdicts import Flow, flows, judged
from otsec.store import Store
from otsec.store import baseline as kept

Allowed = frozenset[tuple[str, str, str, str]]  # client, server, protocol, class
PEOPLE = frozenset({"approved", "imported"})  # what is only learned counts when a person said so
DOING = frozenset({"operation", "object", "writer"})


def allowed(base: Baseline) -> Allowed:
    """What a named person approved, of what the store shows.

    Whoever approved a conversation and not what is done in it allows what could not be read.
    """
    found = set()
    for thing in base.shown.things:
        key = thing.key
        line = base.known.get(key)
        if line is None or line.how not in PEOPLE or not line.holds(thing.last_time):
            continue
        if key.kind in DOING:
            found.add((thing.client, thing.server, key.protocol or key.service, key.cls))
        elif key.kind == "conversation":
            found.add((thing.client, thing.server, key.protocol or key.service, ""))
    return frozenset(found)


def learns(policy: Policy) -> bool:
    """Whether a policy asks for the baseline."""
    return policy.defaults.intra_zone == "learn"


def verdicts(
    store: Store,
    policy: Policy,
    found: Inventory | None = None,
    base: Baseline | None = None,
) -> list[Flow]:
    """What a policy says of all that a store holds; what is known already need not be made again."""
    approved: Allowed = frozenset()
    if learns(policy) and kept.lines(store):
        base = base or baseline(store)
        found, approved = found or base.shown.inventory, allowed(base)
    return flows(judged(store, policy, People(found or inventory(store)), approved))
