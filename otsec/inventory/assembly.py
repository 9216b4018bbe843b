"""The inventory: a pure function of what the store holds and of what people said."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from otsec.inventory import knowledge, roles, stacks
from otsec.inventory.addresses import Network, network
from otsec.inventory.completeness import LOGGING, attributes
from otsec.inventory.families import CONTROL
from otsec.inventory.identity import Partition, resolve
from otsec.inventory.model import Address, Asset, Join, Node
from otsec.inventory.roles import Traits
from otsec.memory import no_cycles
from otsec.store import Store, sightings
from otsec.store.acts import Act, acts
from otsec.store.broadcasts import At, broadcasts
from otsec.store.filters import Filter
from otsec.store.queries import address_key, is_device
from otsec.store.sightings import Deed, Said, Talk

ID_DIGITS = 10  # 40 bits: among 5,000 assets two are the same once in 80,000 sites
SERVICES_NAMED = 8  # unrecognised ones that an asset asks or answers: a scanner asks thousands


@dataclass(frozen=True, slots=True)
class Inventory:
    """All assets, in order of their addresses."""

    assets: Sequence[Asset]
    by_node: Mapping[Node, int]  # where each address stands in `assets`

    def pick(
        self,
        filters: Sequence[Filter],
        choose: Callable[[Iterable[Asset], Sequence[Filter]], list[Asset]],
    ) -> list[Asset]:
        """The assets that pass filters; ``choose`` does so where they are all at hand."""
        return choose(self.assets, filters)

    def named(self, text: str) -> "list[Asset] | None":  # noqa: ARG002 - of shelves
        """All that a person's word can mean, where that needs not all assets; None: it does."""
        return None

    def at(self, node: Node) -> Asset | None:
        """The asset that has an address."""
        number = self.by_node.get(node)
        return None if number is None else self.assets[number]


@no_cycles()
def inventory(store: Store, talks: Sequence[Talk] | None = None) -> Inventory:
    """Who is there; ``talks``: all conversations, where they have been read."""
    found = census(store, talks)
    drafts = found.drafts
    drafts.reverse()  # each is let go as soon as its asset is made: there may be very many
    made = [_asset(drafts.pop(), found.network) for _ in range(len(drafts))]
    return Inventory(_distinct(made), found.by_node)


@dataclass(frozen=True, slots=True)
class Census:
    """All that belongs to each asset, of which nothing is made until it is asked for."""

    drafts: "list[Draft]"
    by_node: Mapping[Node, int]  # where the draft of each address stands
    network: Network

    def asset(self, number: int) -> Asset:
        """An asset; its name may be that of another one, too."""
        return _asset(self.drafts[number], self.network)

    def find(self, node: Node) -> int | None:
        """Which asset has an address: in its VLAN, else the only one of the group that has it."""
        if node in self.by_node:
            return self.by_node[node]
        elsewhere = self.network.homes.get((node.site, node.group, node.address), ())
        others = {self.by_node[one] for one in elsewhere}
        return others.pop() if len(others) == 1 else None


@no_cycles()
def census(store: Store, talks: Sequence[Talk] | None = None) -> Census:
    """What tells who is there, sorted by asset; ``talks`` as of `inventory`."""
    stations, lookups = sightings.stations(store), sightings.lookups(store)
    said = [*sightings.said(store), *stacks.told(stations)]
    talks = sightings.talks(store) if talks is None else talks
    people = acts(store)
    found = network(stations, lookups, said, talks)
    partition = resolve(found, said, people)
    drafts = _drafts(found, partition)
    number = {node: at for at, draft in enumerate(drafts) for node in draft.nodes}
    _sort_facts(drafts, number, found, said)
    _sort_talks(drafts, number, found, talks, broadcasts(store))
    _sort_deeds(drafts, number, found, sightings.deeds(store))
    _sort_acts(drafts, number, people)
    _sort_joins(drafts, number, partition)
    return Census(drafts, number, found)


def node_id(node: Node) -> str:
    """The id of an asset whose anchor is the node."""
    text = json.dumps(list(node)).encode()
    return hashlib.sha256(text).hexdigest()[:ID_DIGITS]


# ---------------------------------------------------------------------------------- drafts


@dataclass(slots=True)
class Draft:
    """All that belongs to one asset, before anything is made of it."""

    nodes: list[Node]
    facts: list[Said] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    traits: Traits = field(default_factory=Traits)
    spoken: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    acts: list[Act] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _node_key(node: Node) -> tuple[object, ...]:
    return node.site, node.group, node.place, address_key(node.address)


def _drafts(found: Network, partition: Partition) -> list[Draft]:
    sets = [sorted(nodes, key=_node_key) for nodes in partition.sets()]
    drafts = [Draft(nodes) for nodes in sorted(sets, key=lambda nodes: _node_key(nodes[0]))]
    for draft in drafts:
        for node in draft.nodes:
            forwarder = found.forwarders.get(node)
            if forwarder is not None:
                kind = "proxy" if forwarder.proxy else "router"
                for reason in forwarder.reasons:
                    told = f"{node.address} {reason}, as a {kind} does"
                    draft.traits.forwards.append((told, forwarder.proxy))
            draft.notes += _notes(found, node)
    return drafts


def _notes(found: Network, node: Node) -> Iterable[str]:
    if router := found.routed(node):
        yield f"{node.address} is only seen behind {router}"
        return
    owner = found.owner.get(node)
    for mac, frames in sorted(found.carriers.get(node, {}).items()):
        if owner is not None and mac != owner and mac not in found.forwarders:
            yield f"{mac.address} carried {node.address} as well ({frames} packets)"


def _sort_facts(
    drafts: Sequence[Draft], number: Mapping[Node, int], found: Network, said: Iterable[Said]
) -> None:
    for one in said:
        where = one.site, one.group, one.place
        node = found.home(*where, one.address)
        if node is not None:
            drafts[number[node]].facts.append(one)
        if (one.attribute, one.protocol) == ("gateway", "dhcp"):
            way_out = found.home(*where, one.value)
            if way_out is not None:
                drafts[number[way_out]].traits.leads_out.add(one.address)


def _sort_talks(
    drafts: Sequence[Draft],
    number: Mapping[Node, int],
    found: Network,
    talks: Iterable[Talk],
    aloud: frozenset[At],
) -> None:
    for talk in sightings.most_seen(talks):
        where = (talk.site, talk.group, talk.place)
        client, server = found.home(*where, talk.client), found.home(*where, talk.server)
        if client is not None:
            to_all = not is_device(talk.server) or (*where, talk.server) in aloud
            _ask(drafts[number[client]], talk, to_all=to_all)
        if server is not None:
            _answer(drafts[number[server]], talk, same=client == server)


def _word(talk: Talk) -> str:
    return talk.protocol or talk.service


def _ask(draft: Draft, talk: Talk, *, to_all: bool) -> None:
    draft.talks.append(talk)
    if not talk.packets_out:
        return
    if talk.service in LOGGING:
        draft.traits.logs[talk.service].add(talk.server)
    if to_all:
        draft.traits.publishes.update({talk.protocol} - {""})
    elif talk.protocol or talk.payload_in:
        draft.traits.asks[_word(talk)].add(talk.server)


def _answer(draft: Draft, talk: Talk, *, same: bool) -> None:
    if not same:
        draft.talks.append(talk)
    if talk.payload_in or (talk.claimed and talk.service.startswith("tcp/")):
        draft.traits.answers[_word(talk)].add(talk.client)
        if "/" in talk.service and not talk.service.endswith("/many"):
            draft.traits.services.add(talk.service)


def _sort_deeds(
    drafts: Sequence[Draft], number: Mapping[Node, int], found: Network, deeds: Iterable[Deed]
) -> None:
    for deed in deeds:
        where = (deed.site, deed.group, deed.place)
        client, server = found.home(*where, deed.client), found.home(*where, deed.server)
        if client is not None:
            done = drafts[number[client]].traits.does[deed.cls]
            done.setdefault(deed.server, set()).add(deed.protocol)
        if server is not None and deed.answered:
            drafts[number[server]].spoken[deed.device].add(deed.protocol)


def _sort_acts(drafts: Sequence[Draft], number: Mapping[Node, int], people: Iterable[Act]) -> None:
    for act in people:
        at = number.get(Node(*json.loads(act.asset)))
        if at is not None:
            drafts[at].acts.append(act)


def _sort_joins(drafts: Sequence[Draft], number: Mapping[Node, int], partition: Partition) -> None:
    for join in partition.joins:
        drafts[number[join.one]].joins.append(join)
    for join in partition.refused:
        text = f"{join.one.address} and {join.other.address} are kept apart although {join.reason}"
        drafts[number[join.one]].notes.append(text)


# ---------------------------------------------------------------------------------- assets


def _asset(draft: Draft, found: Network) -> Asset:
    addresses = tuple(_address(found, node) for node in draft.nodes)
    told = knowledge.gather(draft.facts)
    folded = knowledge.fold(told, draft.spoken)
    known, changes = knowledge.weigh(
        [*folded, *knowledge.by_prefix(addresses), *knowledge.by_people(draft.acts)]
    )
    modules = knowledge.modules(known, draft.spoken)
    for module in modules:
        if module.kind == "unit":
            for protocol in module.protocols:
                draft.traits.behind[protocol].add(module.device)
    guesses = roles.guess(draft.traits, known)
    asset = Asset(
        id=node_id(draft.nodes[0]),
        name="",
        site=draft.nodes[0].site,
        groups=tuple(sorted({node.group for node in draft.nodes})),
        addresses=addresses,
        joins=tuple(draft.joins),
        known=known,
        changes=changes,
        guesses=guesses,
        level=roles.level_of(guesses[0], known),
        modules=modules,
        talks=tuple(draft.talks),
        answers=_control_first(draft.traits.answers),
        asks=_control_first(draft.traits.asks),
        services=tuple(sorted(draft.traits.services, key=_service_key)),
        acts=tuple(draft.acts),
        notes=tuple(draft.notes),
        own={one.attribute: one for one in known if one.standing == "best" and not one.device},
    )
    return replace(asset, name=_name(asset), attributes=attributes(asset, draft.traits))


def _address(found: Network, node: Node) -> Address:
    seen = found.seen[node]
    return Address(node, seen.frames, seen.first, seen.last, found.routed(node), seen.told_by)


def _control_first(words: Iterable[str]) -> tuple[str, ...]:
    """Protocols of the process, then other protocols, then mere services, unless they are many."""
    ordered = sorted(words, key=lambda word: (word not in CONTROL, *_service_key(word)))
    named = tuple(word for word in ordered if "/" not in word and word[:2] != "0x")
    others = tuple(word for word in ordered if word not in named)
    return named + (others if len(others) <= SERVICES_NAMED else (f"{len(others)} services",))


@lru_cache(maxsize=4096)  # a plant has few services, and every asset some of them
def _service_key(service: str) -> tuple[str, int]:
    transport, _, port = service.partition("/")
    return transport, int(port) if port.isdecimal() else 0


# ----------------------------------------------------------------------------------- names

NAMING = ("name", "hostname")
MODELS = ("model", "product_name", "model_name", "module_name", "order_number")
LONGEST_NAME = 60  # letters; devices may call themselves anything


def current_address(asset: Asset) -> str:
    """The address under which an asset is found now."""
    told = [one.after for one in asset.changes if one.attribute == "ip_address"]
    shown = asset.ips or asset.macs
    return told[-1] if told and told[-1] in shown else shown[0]


def _name(asset: Asset) -> str:
    if name := asset.value(*NAMING):
        return name[:LONGEST_NAME]
    model = asset.value(*MODELS)
    return f"{model[:LONGEST_NAME]} {current_address(asset)}" if model else current_address(asset)


def _distinct(assets: Sequence[Asset]) -> tuple[Asset, ...]:
    """No two assets of one name: an address, then the place, then the id tells them apart."""
    found = list(assets)
    for more in (
        current_address,
        lambda asset: "/".join(asset.groups),
        lambda asset: f"VLAN {asset.anchor.place}" if asset.anchor.place else "untagged",
        lambda asset: asset.id,
    ):
        often = Counter(asset.name.casefold() for asset in found)
        found = [
            replace(one, name=f"{one.name} ({told})")
            if often[one.name.casefold()] > 1 and (told := more(one)) != one.name
            else one
            for one in found
        ]
    return tuple(found)
