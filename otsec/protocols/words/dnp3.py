"""The words of DNP3: functions, object groups and their layouts, qualities, status codes.

Source: [1815] IEEE 1815-2012.
"""

from otsec.model import OperationClass

CONFIRM, READ, WRITE = 0, 1, 2
SELECT, OPERATE, DIRECT_OPERATE, DIRECT_OPERATE_NO_ACK = 3, 4, 5, 6
CONTROLS = (SELECT, OPERATE, DIRECT_OPERATE, DIRECT_OPERATE_NO_ACK)
FREEZE_WITH_TIME = (11, 12)
NO_ACK = (DIRECT_OPERATE_NO_ACK, 8, 10, 12, 33)
RESPONSE, UNSOLICITED, AUTHENTICATION_RESPONSE = 129, 130, 131
ANSWERS = (RESPONSE, UNSOLICITED, AUTHENTICATION_RESPONSE)
FUNCTIONS: dict[int, tuple[str, OperationClass]] = {  # [1815] 4.4
    CONFIRM: ("confirm", "session"),
    READ: ("read", "read"),
    WRITE: ("write", "write"),
    SELECT: ("select", "control"),
    OPERATE: ("operate", "control"),
    DIRECT_OPERATE: ("direct_operate", "control"),
    DIRECT_OPERATE_NO_ACK: ("direct_operate_no_ack", "control"),
    7: ("immediate_freeze", "write"),
    8: ("immediate_freeze_no_ack", "write"),
    9: ("freeze_and_clear", "write"),
    10: ("freeze_and_clear_no_ack", "write"),
    11: ("freeze_with_time", "write"),
    12: ("freeze_with_time_no_ack", "write"),
    13: ("cold_restart", "mode"),
    14: ("warm_restart", "mode"),
    15: ("initialize_data", "config"),
    16: ("initialize_application", "mode"),
    17: ("start_application", "mode"),
    18: ("stop_application", "mode"),
    19: ("save_configuration", "config"),
    20: ("enable_unsolicited", "config"),
    21: ("disable_unsolicited", "config"),
    22: ("assign_class", "config"),
    23: ("delay_measurement", "time"),
    24: ("record_current_time", "time"),
    25: ("open_file", "file"),
    26: ("close_file", "file"),
    27: ("delete_file", "file"),
    28: ("get_file_info", "file"),
    29: ("authenticate_file", "file"),
    30: ("abort_file", "file"),
    31: ("activate_configuration", "config"),
    32: ("authentication_request", "session"),
    33: ("authentication_request_no_ack", "session"),
    RESPONSE: ("response", "read"),
    UNSOLICITED: ("unsolicited_response", "report"),
    AUTHENTICATION_RESPONSE: ("authentication_response", "session"),
}
# what a function does with objects of a group may be of another class than the function
CLASS_OF_GROUP: dict[tuple[int, int], OperationClass] = {
    (READ, 0): "browse",
    (RESPONSE, 0): "browse",
    (READ, 70): "file",
    (RESPONSE, 70): "file",
    (WRITE, 70): "file",
    (WRITE, 0): "config",
    (WRITE, 34): "config",
    (WRITE, 50): "time",
    (WRITE, 80): "config",
}
RESET_LINK, RESET_USER_PROCESS, TEST_LINK, REQUEST_LINK_STATUS = 0x40, 0x41, 0x42, 0x49
ACK, NACK, LINK_STATUS, NOT_FUNCTIONING, NOT_SUPPORTED = 0x00, 0x01, 0x0B, 0x0E, 0x0F
LINK_FUNCTIONS: dict[int, tuple[str, OperationClass]] = {  # PRM and function, [1815] 9.2.4
    RESET_LINK: ("reset_link", "session"),
    RESET_USER_PROCESS: ("reset_user_process", "session"),
    TEST_LINK: ("test_link", "diagnose"),
    REQUEST_LINK_STATUS: ("request_link_status", "diagnose"),
    ACK: ("ack", "session"),
    NACK: ("nack", "session"),
    LINK_STATUS: ("link_status", "diagnose"),
    NOT_FUNCTIONING: ("link_not_functioning", "diagnose"),
    NOT_SUPPORTED: ("link_not_supported", "diagnose"),
}
LINK_OUTCOMES = {NACK: "nack", NOT_FUNCTIONING: "not_functioning", NOT_SUPPORTED: "not_supported"}
PAIRED_ANSWERS = (LINK_STATUS, NOT_FUNCTIONING, NOT_SUPPORTED)
LINK_CODE = 0x100  # of a link function in the list of operations
GROUPS = {  # [1815] annex A
    0: "device_attribute",
    1: "binary_input",
    2: "binary_input_event",
    3: "double_bit_input",
    4: "double_bit_input_event",
    10: "binary_output",
    11: "binary_output_event",
    12: "control_relay_output_block",
    13: "binary_command_event",
    20: "counter",
    21: "frozen_counter",
    22: "counter_event",
    23: "frozen_counter_event",
    30: "analog_input",
    31: "frozen_analog_input",
    32: "analog_input_event",
    33: "frozen_analog_input_event",
    34: "analog_input_deadband",
    40: "analog_output",
    41: "analog_output_block",
    42: "analog_output_event",
    43: "analog_command_event",
    50: "time_and_date",
    51: "common_time",
    52: "time_delay",
    60: "class",
    70: "file",
    80: "internal_indication",
    81: "device_storage",
    82: "device_profile",
    83: "private_registration",
    85: "data_set_prototype",
    86: "data_set_descriptor",
    87: "data_set",
    88: "data_set_event",
    90: "application",
    91: "status_of_operation",
    100: "floating_point",
    101: "bcd",
    102: "unsigned_integer",
    110: "octet_string",
    111: "octet_string_event",
    112: "virtual_terminal",
    113: "virtual_terminal_event",
    120: "authentication",
    121: "security_statistic",
    122: "security_statistic_event",
}
ATTRIBUTES, CROB, AOB, TIME, COMMON_TIME, TIME_DELAY, CLASS, FILE, APPLICATION, SECURITY = (
    0, 12, 41, 50, 51, 52, 60, 70, 90, 120,
)  # fmt: skip
OCTETS = (110, 111, 112, 113)  # the variation is the length
# what only a READ or nothing asked for; the rest answers other functions
DATA_GROUPS = (
    *range(5), 10, 11, 13, *range(20, 24), *range(30, 35), 40, 42, 43, 50, 80, 81, 82, 83,
    *range(85, 89), 100, 101, 102, *OCTETS, 121, 122,
)  # fmt: skip
UNLISTED = (COMMON_TIME, SECURITY)  # headers that only serve those beside them

_COUNTERS = {
    1: "f u4", 2: "f u2", 3: "f u4", 4: "f u2", 5: "f u4 t", 6: "f u2 t", 7: "f u4 t", 8: "f u2 t",
}  # fmt: skip
_ANALOGS = {
    1: "f i4", 2: "f i2", 3: "f i4 t", 4: "f i2 t", 5: "f f4", 6: "f f8", 7: "f f4 t", 8: "f f8 t",
}  # fmt: skip
LAYOUTS: dict[int, dict[int, str]] = {
    # by group and variation: f flags, s status, t time (6), r relative time (2), b bits of a packed
    # point, x skipped bytes, else a number; "" for objects that have no content
    1: {1: "b1", 2: "f"},
    2: {1: "f", 2: "f t", 3: "f r"},
    3: {1: "b2", 2: "f"},
    4: {1: "f", 2: "f t", 3: "f r"},
    10: {1: "b1", 2: "f"},
    11: {1: "f", 2: "f t"},
    12: {1: "x2 u4 u4 e", 2: "x2 u4 u4 e", 3: "b1"},
    13: {1: "s", 2: "s t"},
    20: _COUNTERS | {5: "u4", 6: "u2", 7: "u4", 8: "u2"},
    21: _COUNTERS | {9: "u4", 10: "u2", 11: "u4", 12: "u2"},
    22: _COUNTERS,
    23: _COUNTERS,
    30: {1: "f i4", 2: "f i2", 3: "i4", 4: "i2", 5: "f f4", 6: "f f8"},
    31: _ANALOGS | {5: "i4", 6: "i2", 7: "f f4", 8: "f f8"},
    32: _ANALOGS,
    33: _ANALOGS,
    34: {1: "u2", 2: "u4", 3: "f4"},
    40: {1: "f i4", 2: "f i2", 3: "f f4", 4: "f f8"},
    41: {1: "i4 e", 2: "i2 e", 3: "f4 e", 4: "f8 e"},
    42: _ANALOGS,
    43: {number: layout.replace("f ", "s ", 1) for number, layout in _ANALOGS.items()},
    50: {1: "t", 2: "t x4", 3: "t", 4: "t x5"},
    51: {1: "t", 2: "t"},
    52: {1: "u2", 2: "u2"},
    60: {1: "", 2: "", 3: "", 4: ""},
    80: {1: "b1"},
    101: {1: "u2", 2: "u4"},
    102: {1: "u1"},
    120: {3: "x6", 4: "x2"},
    121: {1: "x3 u4"},
    122: {1: "x3 u4", 2: "x3 u4 t"},
}
QUALITY = ("offline", "restart", "comm_lost", "remote_forced", "local_forced")
ONLINE = 0x01
MORE_QUALITY = {  # bits 5 and 6 of the flags, [1815] annex A; empty: not defined, or not of quality
    **dict.fromkeys((1, 2, 3, 4), ("chatter", "")),
    **dict.fromkeys((20, 21, 22, 23), ("", "discontinuity")),
    **dict.fromkeys((30, 31, 32, 33), ("over_range", "reference_error")),
}
CONTROL_STATUS = {  # [1815] A.8
    0: "ok",
    1: "timeout",
    2: "no_select",
    3: "format_error",
    4: "not_supported",
    5: "already_active",
    6: "hardware_error",
    7: "local",
    8: "too_many_objects",
    9: "not_authorized",
    10: "automation_inhibit",
    11: "processing_limited",
    12: "out_of_range",
    13: "downstream_local",
    14: "already_complete",
    15: "blocked",
    16: "cancelled",
    17: "blocked_other_master",
    18: "downstream_fail",
    126: "non_participating",
    127: "undefined",
}
CONTROL_CODES = ("nul", "pulse_on", "pulse_off", "latch_on", "latch_off")
TRIP_CLOSE = ("", "close ", "trip ", "reserved ")
FAILURES = {8: "function_not_supported", 9: "object_unknown", 10: "parameter_error"} | {
    12: "already_executing"
}  # bits of the indications, the first octet's from 0, [1815] 4.5
INDICATIONS = {
    4: "need_time",
    5: "local_control",
    6: "device_trouble",
    7: "device_restart",
    11: "event_buffer_overflow",
    13: "config_corrupt",
}
ATTRIBUTE_NAMES = {  # variations of group 0, [1815] annex A.1
    196: "configuration_id",
    197: "configuration_version",
    202: "resource_id",
    206: "secondary_operator",
    207: "primary_operator",
    208: "system_name",
    209: "authentication_version",
    242: "revision",
    243: "hardware_revision",
    245: "location",
    246: "device_id",
    247: "name",
    248: "serial",
    249: "conformance",
    250: "product_name",
    252: "vendor",
}
SECURITY_OBJECTS = {  # [1815] A.45
    1: "challenge",
    2: "reply",
    3: "aggressive mode request",
    4: "session key status request",
    5: "session key status",
    6: "session key change",
    7: "error",
    8: "user certificate",
    9: "mac",
    10: "user status change",
    11: "update key change request",
    12: "update key change reply",
    13: "update key change",
    14: "update key change signature",
    15: "update key change confirmation",
}
FILE_MODES = {0: "delete", 1: "read", 2: "write", 3: "append"}
FILE_STATUS = {  # [1815] A.27
    0: "ok",
    1: "permission_denied",
    2: "invalid_mode",
    3: "file_not_found",
    4: "file_locked",
    5: "too_many_open",
    6: "invalid_handle",
    7: "write_block_size",
    8: "comm_lost",
    9: "cannot_abort",
    16: "not_opened",
    17: "handle_expired",
    18: "buffer_overrun",
    19: "fatal",
    20: "block_sequence",
    255: "undefined",
}
