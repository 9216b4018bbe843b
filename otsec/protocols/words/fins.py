"""Words of FINS: areas of memory, end codes.

Source: [W342] OMRON SYSMAC CS/CJ Series Communications Commands, 5-1-3 (end codes), 5-2-2 (areas);
the areas of the older CV series as in its manual W227 and in Wireshark.
"""

from otsec.model import OperationClass

# area code: its name, and whether it is addressed by bits; a bit comes as a byte, a word as two
AREAS: dict[int, tuple[str, bool]] = {
    0x30: ("cio", True), 0x31: ("wr", True), 0x32: ("hr", True), 0x33: ("ar", True),
    0x70: ("cio", True), 0x71: ("wr", True), 0x72: ("hr", True),
    0xB0: ("cio", False), 0xB1: ("wr", False), 0xB2: ("hr", False), 0xB3: ("ar", False),
    0x09: ("timer_flag", True), 0x49: ("timer_flag", True), 0x89: ("timer", False),
    0x02: ("dm", True), 0x82: ("dm", False), 0x98: ("em", False), 0x0A: ("em", True),
    0x06: ("task_flag", True), 0x46: ("task_status", True), 0x07: ("clock_pulse", True),
    0x00: ("cv_cio", True), 0x40: ("cv_cio", True), 0x80: ("cv_cio", False),
    0x01: ("cv_timer_flag", True), 0x41: ("cv_timer_flag", True), 0x81: ("cv_timer", False),
    0x03: ("transition", True), 0x43: ("transition", True),
    0x04: ("step", True), 0x44: ("step", True), 0x84: ("step_timer", False),
    0x05: ("forced", True), 0x85: ("forced", False), 0x1B: ("action", True),
    **{0x20 + bank: (f"em{bank:x}", True) for bank in range(16)},
    **{0xA0 + bank: (f"em{bank:x}", False) for bank in range(16)},
    **{0x90 + bank: (f"cv_em{bank}", False) for bank in range(8)},
    **{0x60 + bank: (f"em{bank + 16:x}", False) for bank in range(9)},
}  # fmt: skip
FLAGS = frozenset(
    {
        "timer_flag",
        "cv_timer_flag",
        "task_flag",
        "task_status",
        "clock_pulse",
        "transition",
        "step",
        "action",
    }
)  # bits that are numbered, not placed in words

OK = "ok"
END_CODES: dict[int, str] = {
    0x0000: OK, 0x0001: "service_interrupted",
    0x0101: "local_node_not_in_network", 0x0102: "token_timeout", 0x0103: "too_many_retries",
    0x0104: "too_many_frames", 0x0105: "node_out_of_range", 0x0106: "node_address_duplicated",
    0x0201: "destination_not_in_network", 0x0202: "no_such_unit", 0x0203: "third_node_missing",
    0x0204: "destination_busy", 0x0205: "response_timeout",
    0x0301: "controller_error", 0x0302: "cpu_error", 0x0303: "controller_fault",
    0x0304: "unit_number_error",
    0x0401: "undefined_command", 0x0402: "not_supported_by_model",
    0x0501: "destination_not_in_routing_table", 0x0502: "no_routing_table",
    0x0503: "routing_table_error", 0x0504: "too_many_relays",
    0x1001: "command_too_long", 0x1002: "command_too_short", 0x1003: "wrong_number_of_elements",
    0x1004: "wrong_format", 0x1005: "wrong_header",
    0x1101: "no_such_area", 0x1102: "wrong_access_size", 0x1103: "address_out_of_range",
    0x1104: "address_range_exceeded", 0x1106: "no_such_program", 0x1109: "wrong_relation",
    0x110A: "duplicate_access", 0x110B: "response_too_long", 0x110C: "wrong_parameter",
    0x2002: "protected", 0x2003: "no_such_table", 0x2004: "no_such_data",
    0x2005: "no_such_program", 0x2006: "no_such_file", 0x2007: "data_mismatch",
    0x2101: "read_only", 0x2102: "protected", 0x2103: "cannot_register",
    0x2105: "no_such_program", 0x2106: "no_such_file", 0x2107: "file_exists",
    0x2108: "cannot_change",
    0x2201: "not_possible_during_execution", 0x2202: "not_possible_while_running",
    0x2203: "in_program_mode", 0x2204: "in_debug_mode", 0x2205: "in_monitor_mode",
    0x2206: "in_run_mode", 0x2207: "not_polling_node", 0x2208: "step_cannot_be_executed",
    0x2301: "no_such_file_device", 0x2302: "no_such_memory", 0x2303: "no_clock",
    0x2401: "no_such_data_link_table",
    0x2502: "memory_content_error", 0x2503: "io_setting_error", 0x2504: "too_many_io_points",
    0x2505: "cpu_bus_error", 0x2506: "io_duplication", 0x2507: "io_bus_error",
    0x2509: "sysmac_bus_2_error", 0x250A: "cpu_bus_unit_error",
    0x250D: "sysmac_bus_number_duplicated", 0x250F: "memory_error",
    0x2510: "sysmac_bus_end_missing",
    0x2601: "not_protected", 0x2602: "wrong_password", 0x2604: "protected",
    0x2605: "service_executing", 0x2606: "service_stopped", 0x2607: "no_execution_right",
    0x2608: "settings_not_complete", 0x2609: "necessary_items_not_set",
    0x260A: "number_already_defined", 0x260B: "error_will_not_clear",
    0x3001: "no_access_right", 0x4001: "service_aborted",
}  # fmt: skip
# bits of an end code that are no part of it: an error on the way, errors that the CPU has anyway
RELAY, FATAL, NON_FATAL = 0x8000, 0x0080, 0x0040

TCP_ERRORS: dict[int, str] = {  # [W421] 7-4
    0: OK, 1: "no_fins_header", 2: "too_long", 3: "command_not_supported",
    0x20: "all_connections_in_use", 0x21: "node_already_connected", 0x22: "address_not_permitted",
    0x23: "node_out_of_range", 0x24: "same_node_address", 0x25: "no_node_address_left",
}  # fmt: skip

STATUS = {0x00: "stopped", 0x01: "running", 0x80: "standby"}  # [W342] 5-3-13
MODES = {0: "program", 1: "debug", 2: "monitor", 4: "run"}

READ, WRITE, FILL, READ_SEVERAL, TRANSFER = 0x0101, 0x0102, 0x0103, 0x0104, 0x0105
PARAMETER_READ, PARAMETER_WRITE, PARAMETER_CLEAR = 0x0201, 0x0202, 0x0203
PROTECT, UNPROTECT = 0x0304, 0x0305
PROGRAM_READ, PROGRAM_WRITE, PROGRAM_CLEAR = 0x0306, 0x0307, 0x0308
RUN, STOP, RESET = 0x0401, 0x0402, 0x0403
CONTROLLER, CONNECTION = 0x0501, 0x0502
STATUS_READ, NETWORK_STATUS, LINK_STATUS, CYCLE_TIME = 0x0601, 0x0602, 0x0603, 0x0620
CLOCK_READ, CLOCK_WRITE = 0x0701, 0x0702
LOOPBACK, TEST_RESULTS, TEST_DATA = 0x0801, 0x0802, 0x0803
MESSAGE, ERROR_LOG = 0x0920, 0x2102
FILE_NAMES, FILE_READ, FILE_WRITE, FILE_COPY = 0x2201, 0x2202, 0x2203, 0x2207
AREA_TRANSFER, PARAMETER_TRANSFER, PROGRAM_TRANSFER = 0x220A, 0x220B, 0x220C
BLOCK_READ, BLOCK_WRITE = 0x2210, 0x2211
FORCE, FORCED_READ = 0x2301, 0x230A
NAME_SET, NAME_READ = 0x2601, 0x2603
MESSAGE_CLEAR, FAL_READ = 0x40, 0x80  # of the parameter of MESSAGE

# command: operation, class, least and most bytes behind the command in a request, and how many of
# them are in the key (None: all); in a response how many behind the command are, end code included
_ALL = None
COMMANDS: dict[int, tuple[str, OperationClass, int, int, int | None, int | None]] = {
    READ: ("memory_area_read", "read", 6, 6, _ALL, 2),
    WRITE: ("memory_area_write", "write", 7, 2006, 6, _ALL),
    FILL: ("memory_area_fill", "write", 8, 8, _ALL, _ALL),
    READ_SEVERAL: ("multiple_memory_area_read", "read", 4, 2000, _ALL, 2),
    TRANSFER: ("memory_area_transfer", "write", 10, 10, _ALL, _ALL),
    PARAMETER_READ: ("parameter_area_read", "read", 6, 6, _ALL, 2),
    PARAMETER_WRITE: ("parameter_area_write", "config", 7, 2006, 6, _ALL),
    PARAMETER_CLEAR: ("parameter_area_clear", "config", 8, 8, _ALL, _ALL),
    0x0220: ("data_link_table_read", "read", 4, 10, _ALL, 2),
    0x0221: ("data_link_table_write", "config", 4, 2000, _ALL, _ALL),
    PROTECT: ("program_area_protect", "config", 11, 15, 11, _ALL),
    UNPROTECT: ("program_area_protect_clear", "session", 11, 15, 11, _ALL),
    PROGRAM_READ: ("program_area_read", "program", 8, 8, 2, 2),
    PROGRAM_WRITE: ("program_area_write", "program", 9, 2000, 2, 2),
    PROGRAM_CLEAR: ("program_area_clear", "program", 3, 3, _ALL, _ALL),
    RUN: ("run", "mode", 0, 3, _ALL, _ALL),
    STOP: ("stop", "mode", 0, 2, _ALL, _ALL),
    RESET: ("reset", "mode", 0, 0, _ALL, _ALL),
    CONTROLLER: ("controller_data_read", "browse", 0, 1, _ALL, _ALL),
    CONNECTION: ("connection_data_read", "browse", 1, 2, _ALL, _ALL),
    STATUS_READ: ("controller_status_read", "diagnose", 0, 0, _ALL, _ALL),
    NETWORK_STATUS: ("network_status_read", "diagnose", 0, 0, _ALL, 2),
    LINK_STATUS: ("data_link_status_read", "diagnose", 0, 0, _ALL, _ALL),
    CYCLE_TIME: ("cycle_time_read", "diagnose", 1, 1, _ALL, 2),
    CLOCK_READ: ("clock_read", "read", 0, 0, _ALL, 2),
    CLOCK_WRITE: ("clock_write", "time", 5, 7, 0, _ALL),
    LOOPBACK: ("loopback_test", "diagnose", 0, 2000, 0, 2),
    TEST_RESULTS: ("broadcast_test_results_read", "diagnose", 0, 0, _ALL, _ALL),
    TEST_DATA: ("broadcast_test_data_send", "diagnose", 0, 2000, 0, 2),
    MESSAGE: ("message_read", "diagnose", 2, 2, _ALL, _ALL),
    0x0C01: ("access_right_acquire", "session", 2, 2, _ALL, _ALL),
    0x0C02: ("access_right_forced_acquire", "session", 2, 2, _ALL, _ALL),
    0x0C03: ("access_right_release", "session", 2, 2, _ALL, _ALL),
    0x2101: ("error_clear", "control", 2, 2, _ALL, _ALL),
    ERROR_LOG: ("error_log_read", "diagnose", 4, 4, _ALL, 2),
    0x2103: ("error_log_clear", "config", 0, 0, _ALL, _ALL),
    FILE_NAMES: ("file_name_read", "file", 6, 70, _ALL, 2),
    FILE_READ: ("single_file_read", "file", 20, 85, 14, 2),
    FILE_WRITE: ("single_file_write", "file", 22, 2000, 16, _ALL),
    0x2204: ("memory_card_format", "file", 2, 2, _ALL, _ALL),
    0x2205: ("file_delete", "file", 16, 2000, _ALL, _ALL),
    0x2206: ("volume_label_create_or_delete", "file", 4, 80, _ALL, _ALL),
    FILE_COPY: ("file_copy", "file", 28, 160, _ALL, _ALL),
    0x2208: ("file_name_change", "file", 26, 160, _ALL, _ALL),
    0x2209: ("file_data_check", "file", 14, 80, _ALL, _ALL),
    AREA_TRANSFER: ("memory_area_file_transfer", "file", 22, 90, _ALL, _ALL),
    PARAMETER_TRANSFER: ("parameter_area_file_transfer", "config", 22, 90, _ALL, _ALL),
    PROGRAM_TRANSFER: ("program_area_file_transfer", "program", 26, 90, _ALL, _ALL),
    0x220F: ("file_memory_index_read", "file", 3, 3, _ALL, 2),
    BLOCK_READ: ("file_memory_read", "file", 2, 2, 0, 2),
    BLOCK_WRITE: ("file_memory_write", "file", 4, 2000, 0, _ALL),
    FORCE: ("forced_set_reset", "control", 8, 2000, _ALL, _ALL),
    0x2302: ("forced_set_reset_cancel", "control", 0, 0, _ALL, _ALL),
    FORCED_READ: ("multiple_forced_status_read", "read", 6, 6, _ALL, 2),
    NAME_SET: ("name_set", "config", 1, 8, _ALL, _ALL),
    0x2602: ("name_delete", "config", 0, 0, _ALL, _ALL),
    NAME_READ: ("name_read", "browse", 0, 0, _ALL, _ALL),
}  # fmt: skip
