"""What bodies say of clients and servers."""

import ipaddress
from collections.abc import Callable

from otsec.model import ip_text
from otsec.protocols.api import Fact
from otsec.protocols.der import certificate_facts, subject_of
from otsec.protocols.ua.codes import (
    ACTIVATE_SESSION,
    APPLICATIONS,
    CREATE_SESSION,
    MODES,
    NO_POLICY,
    READ_DONE,
    SESSION_CREATED,
    TOKENS,
    policy_name,
)
from otsec.protocols.ua.objects import user_text
from otsec.protocols.ua.types import Array, Body, Value
from otsec.protocols.ua.unit import Unit


def _application(body: Body, about: str) -> list[Fact]:
    """[4] 7.2 ApplicationDescription."""
    role = APPLICATIONS.get(body.get("application_type", -1), "")
    return [
        Fact("application_uri", body["application_uri"], about),
        Fact("product_uri", body["product_uri"], about),
        Fact("application", body["application_name"], about),
        Fact("role_hint", role, about),
    ]


def _endpoint(body: Body) -> str:
    """[4] 7.14: where, how it is secured, and who may use it."""
    mode = MODES.get(body["security_mode"], "invalid mode")
    policy = policy_name(body["security_policy_uri"])
    secured = mode if policy == NO_POLICY else f"{mode} {policy}"
    tokens = dict.fromkeys(
        TOKENS.get(token["token_type"], "?") for token in body["user_identity_tokens"]
    )
    return f"{body['endpoint_url']}, {secured}, {' or '.join(tokens)}".rstrip(", ")


def _endpoints(endpoints: list[Body]) -> list[Fact]:
    facts: list[Fact] = []
    for one in endpoints:
        facts += _application(one["server"], "server")
        facts.append(Fact("endpoint", _endpoint(one)))
        facts.append(Fact("hostname", _host_name(one["endpoint_url"])))
        facts += certificate_facts(one["server_certificate"], "server")
    return facts


def _host(url: str) -> str:
    """The host of ``opc.tcp://host:port/path``."""
    place = url.partition("://")[2].partition("/")[0]
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.rpartition(":")[0] or place


def _address(url: str) -> str:
    """The address in a url, "" where it has a name."""
    try:
        return ip_text(ipaddress.ip_address(_host(url)))
    except ValueError:
        return ""


def _host_name(url: str) -> str:
    return "" if _address(url) or _host(url) == "localhost" else _host(url)


def _found_servers(body: Body, _unit: Unit) -> list[Fact]:
    """[4] 5.5.2: the server itself, and others if it is a discovery server.

    Of another one its facts are told only where its url has an address.
    """
    facts: list[Fact] = []
    servers = body.get("servers", Array())
    for one in servers:
        found = [_address(url) for url in one["discovery_urls"]]
        elsewhere = [text for text in found if text and not ipaddress.ip_address(text).is_loopback]
        if one["application_type"] == 3 or servers.said == 1:
            about = "server"
            facts += [Fact("hostname", _host_name(url)) for url in one["discovery_urls"]]
        elif elsewhere:
            about = elsewhere[0]
        else:
            continue
        facts += _application(one, about)
    return facts


def _found_on_network(body: Body, _unit: Unit) -> list[Fact]:
    facts: list[Fact] = []
    for one in body.get("servers", ()):
        about = _address(one["discovery_url"])
        if about:
            facts += [Fact("application", one["server_name"], about)]
            facts += [Fact("endpoint_url", one["discovery_url"], about)]
    return facts


def _registers(body: Body, _unit: Unit) -> list[Fact]:
    """[4] 7.32 RegisteredServer: what a server says of itself to a discovery server."""
    server = body.get("server", {})
    if "server_names" not in server:
        return []
    facts = [Fact("application", name, "client") for name in server["server_names"]]
    facts.append(Fact("application_uri", server["server_uri"], "client"))
    facts.append(Fact("product_uri", server["product_uri"], "client"))
    urls = server.get("discovery_urls", ())
    facts += [Fact("endpoint_url", url, "client") for url in urls]
    return facts + [Fact("hostname", _host_name(url), "client") for url in urls]


def _creates_session(body: Body, _unit: Unit) -> list[Fact]:
    facts = (
        _application(body["client_description"], "client") if "client_description" in body else []
    )
    return facts + certificate_facts(body.get("client_certificate", b""), "client")


def _session_created(body: Body, _unit: Unit) -> list[Fact]:
    facts = certificate_facts(body.get("server_certificate", b""), "server")
    return facts + _endpoints(body.get("server_endpoints", []))


def _activates(body: Body, _unit: Unit) -> list[Fact]:
    token = body.get("user_identity_token", {})
    facts = [Fact("user_identity", user_text(body), "client")]
    if "certificate_data" in token:
        facts.append(Fact("user_certificate", subject_of(token["certificate_data"]), "client"))
    return facts


def _read_one(body: Body, unit: Unit) -> list[Fact]:
    """A read response that stands whole tells of a node only if it is of one."""
    results = body.get("results", Array())
    if results.said != 1 or not results or unit.request is None:
        return []
    return node_facts(unit.request.object, results[0])


FACTS: dict[int, Callable[[Body, Unit], list[Fact]]] = {
    425: _found_servers,
    431: lambda body, _unit: _endpoints(body.get("endpoints", [])),
    437: _registers,
    12211: _registers,
    12209: _found_on_network,
    CREATE_SESSION: _creates_session,
    SESSION_CREATED: _session_created,
    ACTIVATE_SESSION: _activates,
    READ_DONE: _read_one,
}


_IDENTITY_NODES = {  # the server object of every server, [5] 6.3.1 and 12.10
    "i=2261": "product_name",
    "i=2262": "product_uri",
    "i=2263": "vendor",
    "i=2264": "revision",
    "i=2265": "build",
}
_STATES = {  # [5] 12.6
    0: "running", 1: "failed", 2: "no_configuration", 3: "suspended", 4: "shutdown", 5: "test",
    6: "communication_fault", 7: "unknown",
}  # fmt: skip


def node_facts(node: str, value: Value) -> list[Fact]:
    """What a value says of its server."""
    content = value.content
    if node in _IDENTITY_NODES and isinstance(content, str):
        return [Fact(_IDENTITY_NODES[node], content)]
    if node == "i=2254" and isinstance(content, list):  # the server's own uri is the first
        return [Fact("application_uri", uri) for uri in content[:1]]
    if not isinstance(content, dict):
        return []
    facts = (
        [Fact("server_state", _STATES[content["state"]])] if content.get("state") in _STATES else []
    )
    built = content.get("build_info", content) if "encoding" in content else {}
    return facts + [
        Fact(attribute, built[name])
        for attribute, name in (
            ("product_uri", "product_uri"), ("vendor", "manufacturer_name"),
            ("product_name", "product_name"), ("revision", "software_version"),
            ("build", "build_number"),
        )
        if built.get(name)
    ]  # fmt: skip
