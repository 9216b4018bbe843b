"""What a request is about, as text."""

from collections.abc import Callable
from typing import Any

from otsec.protocols.der import subject_of
from otsec.protocols.ua.codes import (
    ACTIVATE_SESSION,
    CREATE_ITEMS,
    CREATE_SESSION,
    LISTED,
    MODES,
    MODIFY_ITEMS,
    NO_POLICY,
    OPEN_CHANNEL,
    PUBLISHED,
    READ,
    WRITE,
)
from otsec.protocols.ua.types import Array, Body, status_word
from otsec.protocols.words.opcua import ATTRIBUTES, STRUCTURE_IDS


def _several(texts: list[str], said: int | None = None) -> str:
    """A list as text: the first few, and how many more."""
    more = (len(texts) if said is None else said) - LISTED
    text = ", ".join(texts[:LISTED])
    return f"{text}, and {more} more" if more > 0 else text


def _each(body: Body, name: str, text: Callable[[Any], str]) -> str:
    elements = body.get(name, Array())
    return _several([text(one) for one in elements[:LISTED]], elements.said)


def _nodes_in(name: str) -> Callable[[Body], str]:
    return lambda body: _each(body, name, lambda one: str(one["node_id"]))


def _plain_list(name: str) -> Callable[[Body], str]:
    return lambda body: _each(body, name, str)


def _endpoint(body: Body) -> str:
    return str(body.get("endpoint_url", ""))


def _opened(body: Body) -> str:
    mode = MODES.get(body.get("security_mode", 0), "invalid mode")
    renews = ", renewed" if body.get("request_type") == 1 else ""
    return f"{NO_POLICY if mode == 'none' else mode}{renews}"


def user_text(body: Body) -> str:
    """Who a session is for, [4] 7.41; of a password only whether it was sent in the clear."""
    token = body.get("user_identity_token", {})
    name = STRUCTURE_IDS.get(token.get("encoding", ""))
    if name == "UserNameIdentityToken":
        clear = ", password in clear" if _is_clear(token) else ""
        return f"user name {token['user_name']}{clear}"
    if name == "X509IdentityToken":
        return f"certificate {subject_of(token['certificate_data'])}".rstrip()
    if name == "IssuedIdentityToken":
        return "issued token, in clear" if _is_clear(token) else "issued token"
    return "anonymous" if name or token.get("encoding") == "i=0" else str(token.get("encoding", ""))


def _is_clear(token: Body) -> bool:
    secret = token.get("password") or token.get("token_data")
    return bool(secret) and not token.get("encryption_algorithm")


def _path(path: Body) -> str:
    steps = [one["target_name"] or "?" for one in path["relative_path"]["elements"]]
    return "/".join([str(path["starting_node"]), *steps])


def _reference(one: Body) -> str:
    arrow = "->" if one["is_forward"] else "<-"
    return f"{one['source_node_id']} {arrow} {one['target_node_id']} ({one['reference_type_id']})"


def _method(one: Body) -> str:
    method = METHODS.get(one["method_id"], one["method_id"])
    return f"{one['object_id']} method {method}"


METHODS = {  # [5], [9]: methods of the standard by their ids in its types
    "i=3875": "ConditionRefresh",
    "i=9111": "Acknowledge",
    "i=9113": "Confirm",
    "i=9029": "AddComment",
    "i=9027": "Enable",
    "i=9028": "Disable",
    "i=11492": "GetMonitoredItems",
    "i=12873": "ResendData",
}


def attribute_text(one: Body) -> str:
    """A node, its attribute if it is not the value, its part, [4] 7.29."""
    number = one["attribute_id"]
    text = str(one["node_id"])
    if number != 13:
        text += f" {ATTRIBUTES.get(number, f'attribute {number}')}"
    return f"{text}[{one['index_range']}]" if one["index_range"] else text


def _of_subscription(listed: Callable[[Body], str] | None = None) -> Callable[[Body], str]:
    def text(body: Body) -> str:
        found = f"subscription {body['subscription_id']}" if "subscription_id" in body else ""
        rest = listed(body) if listed is not None else ""
        return f"{found}: {rest}" if rest else found

    return text


def _watched(body: Body) -> str:
    return _each(body, "items_to_create", lambda one: attribute_text(one["item_to_monitor"]))


def _monitored_items(body: Body) -> str:
    return _each(body, "monitored_item_ids", lambda number: f"item {number}")


def _modified(body: Body) -> str:
    return _each(body, "items_to_modify", lambda one: f"item {one['monitored_item_id']}")


def _monitoring_mode(body: Body) -> str:
    mode = {0: "disabled", 1: "sampling", 2: "reporting"}.get(body.get("monitoring_mode", -1), "?")
    return f"{mode} {_monitored_items(body)}"


def _triggering(body: Body) -> str:
    links = [f"{sign}{number}" for sign, name in (("+", "links_to_add"), ("-", "links_to_remove"))
             for number in body.get(name, ())]  # fmt: skip
    return f"item {body.get('triggering_item_id', '?')} links {_several(links)}"


def _publishing(body: Body) -> str:
    word = "on" if body.get("publishing_enabled") else "off"
    return f"{word} {_subscriptions(body)}"


def _subscriptions(body: Body) -> str:
    return _each(body, "subscription_ids", lambda number: f"subscription {number}")


def _reported(body: Body) -> str:
    """What a publish response tells that is not cut into items: events, changes of status."""
    text = _of_subscription()(body)
    told = body.get("notification_message", {}).get("notification_data", ())
    words = []
    for one in told:
        name = STRUCTURE_IDS.get(one["encoding"], one["encoding"])
        listed = one.get("events") or one.get("monitored_items") or ()
        handles = sorted({f"handle {entry['client_handle']}" for entry in listed})
        word = {"EventNotificationList": "events", "DataChangeNotification": "data changes"}.get(
            name, name
        )
        if name == "StatusChangeNotification":
            word = f"status {status_word(one.get('status', 0))}"
        words.append(" ".join([word, *handles[:LISTED]]))
    return f"{text}: {', '.join(words)}" if words else text


def _history(body: Body) -> str:
    return _each(body, "nodes_to_read", lambda one: str(one["node_id"]))


def _updated(body: Body) -> str:
    def text(one: Body) -> str:
        name = str(STRUCTURE_IDS.get(one["encoding"], one["encoding"])).removesuffix("Details")
        return f"{one['node_id']} {name}" if "node_id" in one else str(name)

    return _each(body, "history_update_details", text)


def _queried(body: Body) -> str:
    return _each(body, "node_types", lambda one: str(one["type_definition_node"]))


def _registered(body: Body) -> str:
    server = body.get("server", {})
    online = "" if server.get("is_online", True) else ", off line"
    return f"{server.get('server_uri', '')}{online}"


def _interval(body: Body) -> str:
    return f"every {body.get('requested_publishing_interval', 0):g} ms"


OBJECTS: dict[int, Callable[[Body], str]] = {
    422: _endpoint,
    428: _endpoint,
    437: _registered,
    12211: _registered,
    OPEN_CHANNEL: _opened,
    CREATE_SESSION: _endpoint,
    ACTIVATE_SESSION: user_text,
    488: lambda body: _each(
        body, "nodes_to_add", lambda one: f"{one['parent_node_id']}/{one['browse_name']}"
    ),
    494: lambda body: _each(body, "references_to_add", _reference),
    500: _nodes_in("nodes_to_delete"),
    506: lambda body: _each(body, "references_to_delete", _reference),
    527: _nodes_in("nodes_to_browse"),
    554: lambda body: _each(body, "browse_paths", _path),
    560: _plain_list("nodes_to_register"),
    566: _plain_list("nodes_to_unregister"),
    615: _queried,
    READ: lambda body: _each(body, "nodes_to_read", attribute_text),
    664: _history,
    WRITE: lambda body: _each(body, "nodes_to_write", attribute_text),
    700: _updated,
    712: lambda body: _each(body, "methods_to_call", _method),
    CREATE_ITEMS: _of_subscription(_watched),
    MODIFY_ITEMS: _of_subscription(_modified),
    769: _of_subscription(_monitoring_mode),
    775: _of_subscription(_triggering),
    781: _of_subscription(_monitored_items),
    787: _interval,
    793: _of_subscription(_interval),
    799: _publishing,
    PUBLISHED: _reported,
    832: _of_subscription(),
    841: _subscriptions,
    847: _subscriptions,
}
