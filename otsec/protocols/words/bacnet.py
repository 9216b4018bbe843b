"""The words of BACnet: services, messages of the layers below, objects, properties, errors.

Source: [135] ANSI/ASHRAE 135-2020. The long lists stand in `bacnet_names.tsv`, the vendors in
`bacnet_vendors.tsv`; their heads say where they are from.
"""

import re
from functools import cache
from importlib.resources import files

from otsec.model import OperationClass

Named = dict[int, tuple[str, OperationClass]]

CONFIRMED: Named = {  # [135] 21, BACnetConfirmedServiceChoice
    0: ("acknowledge_alarm", "control"),
    1: ("confirmed_cov_notification", "report"),
    2: ("confirmed_event_notification", "report"),
    3: ("get_alarm_summary", "diagnose"),
    4: ("get_enrollment_summary", "diagnose"),
    5: ("subscribe_cov", "config"),
    6: ("atomic_read_file", "file"),
    7: ("atomic_write_file", "file"),
    8: ("add_list_element", "write"),
    9: ("remove_list_element", "write"),
    10: ("create_object", "config"),
    11: ("delete_object", "config"),
    12: ("read_property", "read"),
    13: ("read_property_conditional", "read"),  # given up in 2010; its body is not decoded
    14: ("read_property_multiple", "read"),
    15: ("write_property", "write"),
    16: ("write_property_multiple", "write"),
    17: ("device_communication_control", "mode"),
    18: ("confirmed_private_transfer", "config"),  # a vendor's own: it may change anything
    19: ("confirmed_text_message", "report"),
    20: ("reinitialize_device", "mode"),
    21: ("vt_open", "session"),
    22: ("vt_close", "session"),
    23: ("vt_data", "session"),
    24: ("authenticate", "session"),  # given up in 2010
    25: ("request_key", "session"),  # given up in 2010
    26: ("read_range", "read"),
    27: ("life_safety_operation", "control"),
    28: ("subscribe_cov_property", "config"),
    29: ("get_event_information", "diagnose"),
    30: ("subscribe_cov_property_multiple", "config"),
    31: ("confirmed_cov_notification_multiple", "report"),
    32: ("confirmed_audit_notification", "report"),
    33: ("audit_log_query", "diagnose"),
}
UNCONFIRMED: Named = {  # [135] 21, BACnetUnconfirmedServiceChoice
    0: ("i_am", "browse"),
    1: ("i_have", "browse"),
    2: ("unconfirmed_cov_notification", "report"),
    3: ("unconfirmed_event_notification", "report"),
    4: ("unconfirmed_private_transfer", "config"),
    5: ("unconfirmed_text_message", "report"),
    6: ("time_synchronization", "time"),
    7: ("who_has", "browse"),
    8: ("who_is", "browse"),
    9: ("utc_time_synchronization", "time"),
    10: ("write_group", "write"),
    11: ("unconfirmed_cov_notification_multiple", "report"),
    12: ("unconfirmed_audit_notification", "report"),
    13: ("who_am_i", "browse"),
    14: ("you_are", "config"),
}
NETWORK: Named = {  # [135] 6.2.4, network layer messages
    0x00: ("who_is_router_to_network", "browse"),
    0x01: ("i_am_router_to_network", "browse"),
    0x02: ("i_could_be_router_to_network", "browse"),
    0x03: ("reject_message_to_network", "diagnose"),
    0x04: ("router_busy_to_network", "diagnose"),
    0x05: ("router_available_to_network", "diagnose"),
    0x06: ("initialize_routing_table", "config"),
    0x07: ("initialize_routing_table_ack", "config"),
    0x08: ("establish_connection_to_network", "session"),
    0x09: ("disconnect_connection_to_network", "session"),
    0x0A: ("challenge_request", "session"),  # 0x0A to 0x11: network security, clause 24
    0x0B: ("security_payload", "session"),
    0x0C: ("security_response", "session"),
    0x0D: ("request_key_update", "session"),
    0x0E: ("update_key_set", "config"),
    0x0F: ("update_distribution_key", "config"),
    0x10: ("request_master_key", "config"),
    0x11: ("set_master_key", "config"),
    0x12: ("what_is_network_number", "browse"),
    0x13: ("network_number_is", "browse"),
}
VIRTUAL_LINK: Named = {  # [135] J.2; those that carry a message of the network layer have no name
    0x00: ("bvlc_result", "session"),
    0x01: ("write_broadcast_distribution_table", "config"),
    0x02: ("read_broadcast_distribution_table", "browse"),
    0x03: ("read_broadcast_distribution_table_ack", "browse"),
    0x05: ("register_foreign_device", "session"),
    0x06: ("read_foreign_device_table", "browse"),
    0x07: ("read_foreign_device_table_ack", "browse"),
    0x08: ("delete_foreign_device_table_entry", "config"),
    0x0C: ("secure_bvll", "session"),
}
APDUS: Named = {  # [135] 20.1; units that say nothing of the service
    4: ("segment_ack", "session"),
    6: ("reject", "session"),
    7: ("abort", "session"),
}
LINK_RESULTS = {  # [135] J.2.1.1
    0x0000: "ok",
    0x0010: "write_broadcast_distribution_table_nak",
    0x0020: "read_broadcast_distribution_table_nak",
    0x0030: "register_foreign_device_nak",
    0x0040: "read_foreign_device_table_nak",
    0x0050: "delete_foreign_device_table_entry_nak",
    0x0060: "distribute_broadcast_to_network_nak",
}
ROUTER_REASONS = {  # [135] 6.4.4
    0: "other",
    1: "no_route",
    2: "busy",
    3: "unknown_message_type",
    4: "message_too_long",
    5: "security_error",
    6: "addressing_error",
}
NUMBER_SOURCES = {0: "learned", 1: "configured"}  # [135] 6.4.20
COMMUNICATION = {0: "enable", 1: "disable", 2: "disable_initiation"}  # [135] 16.1
STARTS = {  # [135] 16.4, reinitializedStateOfDevice
    0: "coldstart",
    1: "warmstart",
    2: "start_backup",
    3: "end_backup",
    4: "start_restore",
    5: "end_restore",
    6: "abort_restore",
    7: "activate_changes",
}
LIFE_SAFETY = {  # [135] 21, BACnetLifeSafetyOperation
    0: "none",
    1: "silence",
    2: "silence_audible",
    3: "silence_visual",
    4: "reset",
    5: "reset_alarm",
    6: "reset_fault",
    7: "unsilence",
    8: "unsilence_audible",
    9: "unsilence_visual",
}
STATES = {  # [135] 21, BACnetEventState
    0: "normal",
    1: "fault",
    2: "offnormal",
    3: "high_limit",
    4: "low_limit",
    5: "life_safety_alarm",
}
NOTIFY_TYPES = {0: "alarm", 1: "event", 2: "ack_notification"}
SEGMENTATION = {0: "both", 1: "transmit", 2: "receive", 3: "none"}  # [135] 21

DEVICE, NETWORK_PORT = 8, 56  # object types
ALL, OPTIONAL, REQUIRED = 8, 80, 105  # stand for many properties in a ReadPropertyMultiple
EVERY_INDEX = 0xFFFF_FFFF  # no index is as large

# What a property says of the device that has the object, by object type; [135] 12.11 and 12.56.
IDENTITY: dict[int, dict[int, str]] = {
    DEVICE: {
        12: "application_version",
        28: "description",
        44: "revision",
        58: "location",
        70: "model_name",
        75: "device_id",
        77: "name",
        98: "protocol_version",
        120: "vendor_id",
        121: "vendor",
        139: "protocol_revision",
        155: "database_revision",
        372: "serial",
    },
    NETWORK_PORT: {400: "ip_address", 423: "mac"},
}
OBJECT_LIST = 76  # with the identity and `all` what is read to get to know a device


@cache
def _names(kind: str) -> dict[int, str]:
    """One list of the file, by number."""
    text = files(__package__).joinpath("bacnet_names.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {
        int(number): re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        for field, number, name in rows
        if field == kind
    }


def _name(kind: str, number: int, word: str) -> str:
    return _names(kind).get(number, f"{word}_{number}")


def object_type(number: int) -> str:
    """`analog_input`; `object_type_130` where it is a vendor's own."""
    return _name("objectType", number, "object_type")


def property_name(number: int) -> str:
    """`present_value`; `property_5000` where it is a vendor's own."""
    return _name("property_identifier", number, "property")


def error_class(number: int) -> str:
    """`property`."""
    return _name("error_class", number, "class")


def error_code(number: int) -> str:
    """`unknown_property`."""
    return _name("error_code", number, "code")


def reject_reason(number: int) -> str:
    """`unrecognized_service`."""
    return _name("reject_reason", number, "reason")


def abort_reason(number: int) -> str:
    """`segmentation_not_supported`."""
    return _name("abort_reason", number, "reason")


def event_type(number: int) -> str:
    """`out_of_range`."""
    return _name("event_type", number, "event_type")


def event_state(number: int) -> str:
    """`high_limit`."""
    return STATES.get(number, f"state_{number}")


@cache
def vendors() -> dict[int, str]:
    """Vendor names by id."""
    text = files(__package__).joinpath("bacnet_vendors.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t", 1) for line in text.splitlines() if not line.startswith("#"))
    return {int(number): name for number, name in rows}
