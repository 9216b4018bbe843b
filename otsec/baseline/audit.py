"""What is risky and about to become normal: to be looked at before the baseline protects it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from otsec.baseline.barred import GUARDED
from otsec.baseline.learning import Baseline
from otsec.baseline.model import Key, Thing
from otsec.baseline.words import described
from otsec.detect.model import LEVELS, Level
from otsec.detect.rows import scope
from otsec.inventory.model import SURE, Asset, Node
from otsec.store import Store
from otsec.store.queries import Conversation, conversations, is_device
from otsec.store.sightings import Shown, shown

State: TypeAlias = Literal["about to be learned", "learned", "needs a person", "not learned"]

# Whose business it is to change what a machine does.
OPERATING = frozenset(
    {
        *("hmi", "scada_server", "ews", "plc", "safety_plc", "rtu", "ied", "gateway"),
        *("robot_controller", "cnc", "opc_server", "mes"),
    }
)
ENGINEERING = frozenset({"ews"})
CHANGES = frozenset({"write", "control", "config", "file"})
REMOTE = frozenset(
    {
        *("rdp", "vnc", "ssh", "telnet", "teamviewer", "anydesk", "openvpn", "wireguard", "ike"),
        "rlogin",
    }
)
CREDENTIALS = ("credentials", "user_identity", "snmp_community")
WEAK = ("default", "weak", "clear", "none", "anonymous")
SERVERS = 5  # that never answer one client on one service: it looks for somebody
SERVICES = 10  # of one server that never answer one client


@dataclass(frozen=True, slots=True)
class Risk:
    """One thing to look at."""

    level: Level
    risk: str  # what is risky about it
    what: str
    client: str
    server: str
    state: State
    times: int
    first_time: int
    last_time: int
    point: str
    packet: int
    ids: tuple[str, ...]  # of the things, for `approve` and `forget`
    site: str
    group: str


def audit(store: Store, base: Baseline) -> list[Risk]:
    """All that is risky, worst first; what a person has approved is left out."""
    look = _Look(base)
    talks = conversations(store)
    credentials = shown(store, CREDENTIALS)
    found = [
        *look.guarded(),
        *look.writers(),
        *look.scans(talks),
        *look.internet(),
        *look.remote(),
        *look.logins(credentials),
    ]
    return sorted(
        found,
        key=lambda one: (
            *(-LEVELS.index(one.level), one.risk, one.site, one.group, one.first_time),
            *(one.client, one.server, one.what),
        ),
    )


@dataclass(frozen=True)
class _Look:
    base: Baseline

    # ------------------------------------------------------------------------- the risks

    def guarded(self) -> Iterator[Risk]:
        """Program, mode and firmware: nobody but a named person makes them normal."""
        for thing in self._things("operation"):
            if thing.key.guarded:
                what = f"{thing.key.cls}: {described(thing.key)}"
                more = self._of(thing, "object", "writer")
                yield self._risk("high", GUARDED, what, [thing, *more])

    def writers(self) -> Iterator[Risk]:
        """Whoever changes something and is not known to be there for it; and who is the second."""
        earliest: dict[Key, Thing] = {}
        writers = [one for one in self._things("writer") if one.key.cls in CHANGES]
        for thing in writers:
            at = thing.key._replace(client="")
            before = earliest.get(at)
            if before is None or _began(thing) < _began(before):
                earliest[at] = thing
        for thing in writers:
            role, sure = self._role(thing)
            first = earliest[thing.key._replace(client="")]
            if role not in OPERATING or not sure:
                told = "nobody knows what it is" if role == "unknown" else f"a {role}"
                told = told if sure or role == "unknown" else f"perhaps {told}"
                what = f"{described(thing.key)}; {told}"
                level: Level = "medium" if role in OPERATING else "high"
                yield self._risk(level, "changed by an unlikely host", what, [thing])
            elif first is not thing and role in ENGINEERING:
                told = f"{described(thing.key)}; {first.key.client} did so before"
                yield self._risk("medium", "changed by a second host", told, [thing])

    def scans(self, talks: Sequence[Conversation]) -> Iterator[Risk]:
        """Whoever asks many that never answer."""
        silent: dict[tuple[str, ...], list[Conversation]] = defaultdict(list)
        for one in talks:
            if _unanswered(one):
                where = (one.site, one.group, one.place, one.client)
                silent[*where, "service", one.service].append(one)
                silent[*where, "server", one.server].append(one)
        by_key = self.base.shown.by_key
        for (*_, client, by, name), some in sorted(silent.items()):
            if len(some) < (SERVERS if by == "service" else SERVICES):
                continue
            things = [thing for one in some if (thing := by_key.get(self._talk(one))) is not None]
            things = [thing for thing in things if not self._approved(thing.key)]
            if things:
                told = f"{len(some)} {'hosts' if by == 'service' else 'services'}, {by} {name}"
                yield self._risk(
                    "high", "asked many that never answered", f"{client}: {told}", things
                )

    def internet(self) -> Iterator[Risk]:
        """Whoever talks to the internet, or is talked to from there."""
        for thing in self._things("conversation"):
            sides = scope(thing.client), scope(thing.server)
            if "public" in sides and not {"group", "none"}.intersection(sides):
                inward = sides[0] == "public"
                risk = "reached from the internet" if inward else "talks to the internet"
                yield self._risk(
                    "high" if inward else "medium", risk, described(thing.key), [thing]
                )

    def remote(self) -> Iterator[Risk]:
        """Ways in for people."""
        for thing in self._things("conversation"):
            if thing.key.protocol in REMOTE:
                yield self._risk("medium", "remote access", described(thing.key), [thing])

    def logins(self, credentials: Iterable[Shown]) -> Iterator[Risk]:
        """Whoever came in without a secret, or with one that everybody on the wire can read."""
        talks: Mapping[tuple[str, ...], list[Thing]] = defaultdict(list)
        for thing in self._things("conversation"):
            key = thing.key
            at = (key.site, key.group, key.place)
            talks[*at, thing.client, thing.server, key.protocol].append(thing)
        met = set()
        for one in credentials:
            if not (one.value.startswith(WEAK) or one.value.endswith("password in clear")):
                continue
            who = (one.site, one.group, one.place, one.client, one.server, one.protocol)
            things = talks.get(who, [])
            if things and (*who, one.value) not in met:
                met.add((*who, one.value))
                told = f"{one.protocol} {one.attribute.replace('_', ' ')} {one.value}"
                what = f"{one.client} to {one.server}: {told}"
                yield self._risk("medium", "clear or weak login", what, things)

    # ----------------------------------------------------------------------------- parts

    def _things(self, kind: str) -> Iterator[Thing]:
        for thing in self.base.shown.things:
            if thing.key.kind == kind and not self._approved(thing.key):
                yield thing

    def _approved(self, key: Key) -> bool:
        line = self.base.known.get(key)
        return line is not None and line.how != "learned"

    def _of(self, thing: Thing, *kinds: str) -> Iterator[Thing]:
        """What becomes normal together with an operation."""
        mine = thing.key
        for kind in kinds:
            for other in self._things(kind):
                key = other.key
                same = key[1:6] == mine[1:6] and key[7:9] == mine[7:9] and key.cls == mine.cls
                if same and key.operation in {"", mine.operation}:
                    yield other

    def _talk(self, one: Conversation) -> Key:
        where = (one.site, one.group, one.place, one.client, one.server)
        return self.base.now(Key("conversation", *where, one.service, one.protocol))

    def _role(self, thing: Thing) -> tuple[str, bool]:
        """The likeliest role of who acts, and whether that is sure."""
        asset = self._asset(thing)
        if asset is None:
            return "unknown", False
        return asset.role.role, asset.role.confidence >= SURE

    def _asset(self, thing: Thing) -> Asset | None:
        key = thing.key
        return self.base.shown.inventory.at(Node(key.site, key.group, key.place, thing.client))

    def _risk(self, level: Level, risk: str, what: str, things: Sequence[Thing]) -> Risk:
        first = min(things, key=_began)
        last = max(things, key=lambda one: one.last_time)
        servers = {one.server for one in things}
        several = len(servers) > 1
        return Risk(
            level=level,
            risk=risk,
            what=what,
            client=first.client,
            server="several" if several else first.server,
            state=self._state(things),
            times=len(things) if several else things[0].seen.times,
            first_time=first.first_time,
            last_time=last.last_time,
            point=first.seen.point,
            packet=first.seen.first_packet,
            ids=tuple(one.id for one in things),
            site=first.key.site,
            group=first.key.group,
        )

    def _state(self, things: Iterable[Thing]) -> State:
        some = list(things)
        if any(one.key.guarded for one in some):
            return "needs a person"
        if any(one.key in self.base.known for one in some):
            return "learned"
        if all(one.key in self.base.barred or self.base.end(one.scope) for one in some):
            return "not learned"
        return "about to be learned"


def _unanswered(one: Conversation) -> bool:
    if one.client_reason == "publisher":  # what is told to everybody wants no answer
        return False
    silent = not one.payload_in and not one.protocol and "/" in one.service
    return silent and is_device(one.server) and is_device(one.client)


def _began(thing: Thing) -> tuple[int, int]:
    return thing.first_time, thing.seen.first_packet
