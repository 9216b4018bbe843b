"""How the party of a session was checked, as far as packets show it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from otsec.sessions.model import Authentication
from otsec.store import Store
from otsec.store.sessions import Done, Moment, Told, logins
from otsec.store.views import Conversation

State: TypeAlias = tuple[Authentication, str]  # and what tells it

ACCOUNTS = ("account", "user", "user_identity")
TOLD = (
    *ACCOUNTS,
    *("credentials", "vnc_security", "rdp_security", "smb_dialect", "role_hint"),
    *("auth_method", "user_certificate", "certificate", "http_realm"),
)
# Protocols in which nobody is asked who he is, unless an operation below says otherwise.
OPEN = frozenset(
    {
        *("s7comm", "enip", "modbus", "iec104", "dnp3", "bacnet", "profinet", "goose", "tftp"),
        *("fins", "pcom", "ads", "tristation", "melsec"),
    }
)
ENCRYPTED = frozenset({"ssh", "openvpn", "wireguard", "ike", "anydesk", "teamviewer"})
CHALLENGES = (  # operations that prove knowledge of a secret without sending it
    ("dnp3", "authentic"),
    ("iec104", "s_ch_na"),
    ("iec104", "s_rp_na"),
    ("dcerpc", "auth3"),
)
SPEAKING = ("s7comm", "vnc", "smb", *dict.fromkeys(name for name, _ in CHALLENGES))
_SURE: tuple[Authentication, ...] = ("clear", "none", "challenge", "certificate", "unknown")


def accounts(told: Iterable[Told]) -> tuple[str, ...]:
    """Who the client says he is; of OPC UA tokens the user's name alone."""
    found = []
    for one in told:
        if one.attribute not in ACCOUNTS or one.about == "server":
            continue
        name = one.value
        if one.attribute == "user_identity":
            if not name.startswith("user name "):
                continue
            name = name.removeprefix("user name ").removesuffix(", password in clear")
        found.append(name)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Checked(Conversation):
    """A conversation, with how its client was checked."""

    authentication: Authentication
    authentication_reason: str


def checked(store: Store, conversations: Iterable[Conversation]) -> list[Checked]:
    """Conversations with the authentication that was seen in them, the weakest of several."""
    told, done = logins(store, TOLD, SPEAKING)
    found = []
    for one in conversations:
        at = one.site, one.point, one.interface, one.number
        how, why = state(one.protocol, told.get(at, ()), done.get(at, ()))
        cells: dict[str, Any] = {field.name: getattr(one, field.name) for field in fields(one)}
        found.append(Checked(**cells, authentication=how, authentication_reason=why))
    return found


def state(protocol: str, told: Sequence[Told], moments: Sequence[Moment | Done]) -> State:
    """The authentication of a session; of several that were seen the weakest, clear text first."""
    found = [*_of_facts(told), *_of_operations(protocol, moments)]
    if found:
        return min(found, key=lambda one: _SURE.index(one[0]))
    if protocol in ENCRYPTED:
        return "unknown", "what follows the handshake is encrypted"
    if protocol in OPEN:
        return "none", f"{protocol} asks nobody who he is"
    return "unknown", "no packet shows it"


def _of_facts(told: Iterable[Told]) -> Iterable[State]:
    for one in told:
        reader = FACTS.get(one.attribute)
        if one.attribute == "credentials" and one.about == "server":
            continue  # how strong its own secret is, not how somebody came in
        state = reader(one.value) if reader else None
        if state is not None:
            yield state, f"{one.attribute}: {one.value}"


def _credentials(value: str) -> Authentication | None:
    if value.startswith("user name clear"):  # the name alone, no secret
        return None
    return "none" if value.startswith(("none", "anonymous")) else "clear"


def _vnc(value: str) -> Authentication | None:
    """Types that the server takes, RFC 6143 7.1.2: whoever asks for the weakest gets it."""
    types = value.split(", ")
    if "none" in types:
        return "none"
    return "challenge" if "vnc" in types else None


def _rdp(value: str) -> Authentication | None:
    return "challenge" if value.startswith("credssp") else None


def _opcua(value: str) -> Authentication | None:
    if value.startswith("anonymous"):
        return "none"
    if value.startswith("user name"):
        return "clear" if value.endswith("password in clear") else "challenge"
    return "certificate" if value.startswith("certificate") else None


def _method(value: str) -> Authentication | None:
    """LDAP and databases: all but a password that is sent prove a secret by a challenge."""
    return "challenge" if value.startswith(("sasl", "sicily", "integrated")) else None


FACTS: dict[str, Callable[[str], Authentication | None]] = {
    "credentials": _credentials,
    "vnc_security": _vnc,
    "rdp_security": _rdp,
    "user_identity": _opcua,
    "auth_method": _method,
    "user_certificate": lambda _: "certificate",
}


def _of_operations(protocol: str, moments: Iterable[Moment | Done]) -> Iterable[State]:
    for one in moments:
        if (protocol, one.operation) == ("s7comm", "plc_password"):
            yield "clear", "the password of the CPU is sent in a form that anybody can read"
        elif protocol == "vnc" and one.operation == "challenge":
            yield "challenge", "challenge"
        elif protocol == "smb" and one.operation == "session_setup":
            yield "challenge", f"session_setup {one.object}".rstrip()
        elif any(protocol == name and word in one.operation for name, word in CHALLENGES):
            yield "challenge", one.operation
