"""The words of S7comm: services, areas, types, system state lists, failures.

The maker has not published S7comm. Names and codes are those of tshark 4.0 (`tshark -G values`,
fields `s7comm.*`), of the snap7 library's documentation, and, for system state lists, of
[SSL] Siemens, System Software for S7-300/400, System and Standard Functions, chapter 33.
"""

from otsec.model import OperationClass

JOB, ACK, ACK_DATA, USERDATA = 1, 2, 3, 7  # kinds of message (ROSCTR)
SETUP, READ, WRITE = 0xF0, 0x04, 0x05
REQUEST_DOWNLOAD, DOWNLOAD_BLOCK, DOWNLOAD_ENDED = 0x1A, 0x1B, 0x1C
START_UPLOAD, UPLOAD, END_UPLOAD = 0x1D, 0x1E, 0x1F
PI_SERVICE, PLC_STOP = 0x28, 0x29

FUNCTIONS: dict[int, tuple[str, OperationClass]] = {
    0x00: ("cpu_services", "diagnose"),
    READ: ("read_var", "read"),
    WRITE: ("write_var", "write"),
    REQUEST_DOWNLOAD: ("request_download", "program"),
    DOWNLOAD_BLOCK: ("download_block", "program"),
    DOWNLOAD_ENDED: ("download_ended", "program"),
    START_UPLOAD: ("start_upload", "program"),
    UPLOAD: ("upload", "program"),
    END_UPLOAD: ("end_upload", "program"),
    PI_SERVICE: ("pi_service", "config"),
    PLC_STOP: ("plc_stop", "mode"),
    SETUP: ("setup_communication", "session"),
}
ACKNOWLEDGE: tuple[str, OperationClass] = ("acknowledge", "session")  # of a request not seen
PROGRAM_INVOCATIONS: dict[str, tuple[str, OperationClass]] = {
    "P_PROGRAM": ("pi_p_program", "mode"),  # starts the controller
    "_INSE": ("pi_inse", "program"),  # links downloaded blocks into the program
    "_INS2": ("pi_ins2", "program"),
    "_DELE": ("pi_dele", "program"),
    "_GARB": ("pi_garb", "program"),  # compresses the memory
    "_MODU": ("pi_modu", "program"),  # copies the work memory to the load memory
}
STARTS = {b"": "warm restart", b"C ": "cold restart", b"R ": "hot restart"}

CONNECTIONS: dict[int, tuple[str, OperationClass]] = {  # units of COTP, [ISO8073] 13
    0xE0: ("connect", "session"),
    0x80: ("disconnect", "session"),
    0xC0: ("disconnect_confirm", "session"),
    0x70: ("transport_error", "session"),
}
PLUS: tuple[str, OperationClass] = ("s7comm_plus", "session")

PUSH, ASKS, ANSWERS = 0, 4, 8  # types of user data
NC_PUSH, NC_ASKS, NC_ANSWERS = 3, 7, 11
MODE, PROGRAMMER, CYCLIC, BLOCKS, CPU, SECURITY, PBC, TIME, NC = 0, 1, 2, 3, 4, 5, 6, 7, 15
GROUPS = {
    MODE: "mode_transition",
    PROGRAMMER: "programmer",
    CYCLIC: "cyclic",
    BLOCKS: "block",
    CPU: "cpu",
    SECURITY: "security",
    PBC: "pbc",
    TIME: "time",
    NC: "nc",
}
VARIABLE_STATUS, MODIFY, FORCE = 2, 8, 9
TRANSFER, UNSUBSCRIBE, CHANGE_DRIVEN, CHANGE_DRIVEN_MODIFY = 1, 4, 5, 7
LIST_BLOCKS, LIST_TYPE, BLOCK_INFO = 1, 2, 3
READ_SZL, MESSAGE_SERVICE, DIAGNOSTIC = 1, 2, 3
SET_PASSWORD, CLEAR_PASSWORD = 1, 2
READ_CLOCK, SET_CLOCK, READ_CLOCK_FOLLOWING, SET_CLOCK_FOLLOWING = 1, 2, 3, 4

USERDATA_SERVICES: dict[tuple[int, int], tuple[str, OperationClass]] = {
    (PROGRAMMER, 1): ("block_status", "read"),
    (PROGRAMMER, VARIABLE_STATUS): ("variable_status", "read"),
    (PROGRAMMER, 3): ("output_istack", "diagnose"),
    (PROGRAMMER, 4): ("output_bstack", "diagnose"),
    (PROGRAMMER, 5): ("output_lstack", "diagnose"),
    (PROGRAMMER, 6): ("time_measurement", "diagnose"),
    (PROGRAMMER, 7): ("force_selection", "write"),
    (PROGRAMMER, MODIFY): ("modify_variable", "write"),
    (PROGRAMMER, FORCE): ("force", "write"),
    (PROGRAMMER, 10): ("breakpoint", "mode"),  # halts the program
    (PROGRAMMER, 11): ("exit_hold", "mode"),
    (PROGRAMMER, 12): ("memory_reset", "mode"),
    (PROGRAMMER, 13): ("disable_job", "diagnose"),  # jobs of the programmer's own, as monitoring
    (PROGRAMMER, 14): ("enable_job", "diagnose"),
    (PROGRAMMER, 15): ("delete_job", "diagnose"),
    (PROGRAMMER, 16): ("read_job_list", "diagnose"),
    (PROGRAMMER, 17): ("read_job", "diagnose"),
    (PROGRAMMER, 18): ("replace_job", "write"),  # which may be one that modifies or forces
    (PROGRAMMER, 19): ("block_status_v2", "read"),
    (PROGRAMMER, 22): ("flash_led", "diagnose"),
    (CYCLIC, TRANSFER): ("cyclic_transfer", "config"),
    (CYCLIC, UNSUBSCRIBE): ("unsubscribe", "config"),
    (CYCLIC, CHANGE_DRIVEN): ("change_driven_transfer", "config"),
    (CYCLIC, CHANGE_DRIVEN_MODIFY): ("change_driven_transfer_modify", "config"),
    (CYCLIC, 8): ("rdrec", "read"),
    (BLOCKS, LIST_BLOCKS): ("list_blocks", "browse"),
    (BLOCKS, LIST_TYPE): ("list_blocks_of_type", "browse"),
    (BLOCKS, BLOCK_INFO): ("get_block_info", "browse"),
    (CPU, READ_SZL): ("read_szl", "browse"),
    (CPU, MESSAGE_SERVICE): ("message_service", "config"),
    (CPU, DIAGNOSTIC): ("diagnostic_message", "report"),
    (CPU, 5): ("alarm_8_indication", "report"),
    (CPU, 6): ("notify_indication", "report"),
    (CPU, 7): ("alarm_8_lock", "config"),
    (CPU, 8): ("alarm_8_unlock", "config"),
    (CPU, 9): ("scan_indication", "report"),
    (CPU, 11): ("alarm_ack", "control"),
    (CPU, 12): ("alarm_ack_indication", "report"),
    (CPU, 13): ("alarm_lock_indication", "report"),
    (CPU, 14): ("alarm_unlock_indication", "report"),
    (CPU, 17): ("alarm_sq_indication", "report"),
    (CPU, 18): ("alarm_s_indication", "report"),
    (CPU, 19): ("alarm_query", "read"),
    (CPU, 22): ("notify_8_indication", "report"),
    (SECURITY, SET_PASSWORD): ("plc_password", "session"),
    (SECURITY, CLEAR_PASSWORD): ("clear_password", "session"),
    (TIME, READ_CLOCK): ("read_clock", "read"),
    (TIME, SET_CLOCK): ("set_clock", "time"),
    (TIME, READ_CLOCK_FOLLOWING): ("read_clock_following", "read"),
    (TIME, SET_CLOCK_FOLLOWING): ("set_clock_following", "time"),
    (NC, 1): ("nc_request_download", "program"),
    (NC, 2): ("nc_download_block", "program"),
    (NC, 3): ("nc_continue_download", "program"),
    (NC, 4): ("nc_download_ended", "program"),
    (NC, 6): ("nc_start_upload", "program"),
    (NC, 7): ("nc_upload", "program"),
    (NC, 8): ("nc_continue_upload", "program"),
}
MODE_TRANSITION: tuple[str, OperationClass] = ("mode_transition", "report")
CYCLIC_DATA: tuple[str, OperationClass] = ("cyclic_data", "report")
BSEND: tuple[str, OperationClass] = ("bsend", "write")  # blocks from program to program
ALARM_PUSHES = (5, 6, 9, 12, 17, 18, 22)  # CPU functions that begin with a time stamp

MODES = {
    0: "STOP",
    1: "warm restart",
    2: "RUN",
    3: "hot restart",
    4: "HOLD",
    6: "cold restart",
    9: "RUN_R",
    11: "LINK-UP",
    12: "UPDATE",
}
OPERATING_STATES = {  # [SSL] W#16#xy24, bzu_id
    1: "STOP (update)",
    2: "STOP (memory reset)",
    3: "STOP (self initialization)",
    4: "STOP",
    5: "cold restart",
    6: "warm restart",
    7: "hot restart",
    8: "RUN",
    9: "RUN_R",
    10: "HOLD",
    11: "LINK-UP",
    12: "UPDATE",
    13: "DEFECT",
}
SWITCHES = {1: "RUN", 2: "RUN_P", 3: "STOP", 4: "MRES"}  # [SSL] W#16#0132 index 4, bart_sch
IDENTITY = {  # [SSL] W#16#xy1C
    1: "name",
    2: "module_name",
    3: "plant_id",
    4: "copyright",
    5: "serial",
    7: "product_name",
    8: "memory_card_serial",
    10: "oem_id",
    11: "location",
}
MANUFACTURER = 9  # index whose record is numbers: vendor, profile, profile's own

BLOCK_TYPES = {
    "08": "OB",
    "09": "CMOD",
    "0A": "DB",
    "0B": "SDB",
    "0C": "FC",
    "0D": "SFC",
    "0E": "FB",
    "0F": "SFB",
}
SUBBLOCK_TYPES = {8: "OB", 10: "DB", 11: "SDB", 12: "FC", 13: "SFC", 14: "FB", 15: "SFB"}
FILESYSTEMS = {"A": "active", "P": "passive", "B": "active and passive"}

DATA_BLOCKS, INSTANCES = 0x84, 0x85
TIMERS_COUNTERS = {0x1C: "C", 0x1D: "T", 0x1E: "C", 0x1F: "T"}
AREAS = {
    0x03: "SYS",
    0x05: "SM",
    0x06: "AI",
    0x07: "AQ",
    0x80: "P",
    0x81: "I",
    0x82: "Q",
    0x83: "M",
    0x86: "L",
    0x87: "V",
}
SYMBOLIC_AREAS = {0x50: "I", 0x51: "Q", 0x52: "M", 0x53: "C", 0x54: "T"}
MONITORED_AREAS = {0: "M", 1: "I", 2: "Q", 3: "P", 7: "DB"}  # high half of an area byte of TIS
MONITORED_TIMER, MONITORED_COUNTER = 0x54, 0x64
BIT, REAL = 0x01, 0x08
TYPE_BYTES = {  # of one element
    0x02: 1,  # BYTE
    0x03: 1,  # CHAR
    0x04: 2,  # WORD
    0x05: 2,  # INT
    0x06: 4,  # DWORD
    0x07: 4,  # DINT
    0x08: 4,  # REAL
    0x09: 2,  # DATE
    0x0A: 4,  # TIME_OF_DAY
    0x0B: 4,  # TIME
    0x0C: 2,  # S5TIME
    0x0F: 8,  # DATE_AND_TIME
    0x13: 1,  # STRING
    0x1C: 2,  # COUNTER
    0x1D: 2,  # TIMER
    0x1E: 2,  # IEC timers and counters of the 200 family
    0x1F: 2,
    0x20: 4,  # HS counter
}
ANY, DBREAD, SYMBOLIC, NCK = 0x10, 0xB0, 0xB2, (0x82, 0x83, 0x84)

NULL_DATA, BIT_DATA, BYTE_DATA, INT_DATA, DINT_DATA, REAL_DATA, OCTETS = 0, 3, 4, 5, 6, 7, 9
DATA_TYPES = (NULL_DATA, BIT_DATA, BYTE_DATA, INT_DATA, DINT_DATA, REAL_DATA, OCTETS, 0x11, 0x12)
SUCCESS, NOT_THERE = 0xFF, 0x0A
RETURN_CODES = {
    0x00: "reserved",
    0x01: "hardware_error",
    0x03: "access_denied",
    0x05: "address_out_of_range",
    0x06: "type_not_supported",
    0x07: "type_inconsistent",
    NOT_THERE: "object_does_not_exist",
}
ERRORS = {
    0x0110: "invalid_block_number",
    0x0111: "invalid_request_length",
    0x0112: "invalid_parameter",
    0x0113: "invalid_block_type",
    0x0114: "block_not_found",
    0x0115: "block_exists",
    0x0116: "block_write_protected",
    0x0119: "incorrect_password",
    0x8001: "service_not_possible_in_block_state",
    0x8003: "error_while_transferring_block",
    0x8100: "service_unknown",
    0x8104: "service_not_implemented",
    0x8204: "type_inconsistent",
    0x8205: "block_exists_unlinked",
    0x8301: "insufficient_memory",
    0x8302: "insufficient_resources",
    0x8304: "no_further_upload_possible",
    0x8305: "function_not_available",
    0x8401: "invalid_service_sequence",
    0x8402: "not_possible_in_object_state",
    0x8404: "function_cannot_be_performed",
    0x8500: "wrong_frames",
    0x8503: "cancelled_by_module",
    0x8701: "object_address_error",
    0x8702: "service_not_supported",
    0x8703: "access_refused",
    0x8704: "object_damaged",
    0xD041: "illegal_status_list_id",
    0xD081: "not_permitted_in_mode",
    0xD0A1: "not_permitted_at_protection_level",
    0xD0A2: "not_possible_now",
    0xD0A5: "job_not_found",
    0xD0C2: "change_to_stop",
    0xD201: "syntax_error_in_block_name",
    0xD202: "syntax_error_in_parameters",
    0xD209: "block_not_found",
    0xD20C: "ob_cannot_be_copied",
    0xD20E: "no_further_block",
    0xD210: "invalid_block_number",
    0xD240: "coordination_rules_violated",
    0xD241: "not_permitted_at_protection_level",
    0xD242: "protection_violation",
    0xD2A1: "block_function_active",
    0xD2A3: "block_not_linked",
    0xD401: "information_not_available",
    0xD402: "information_not_available",
    0xD403: "already_logged_on_or_off",
    0xD404: "too_many_logged_on",
    0xD405: "syntax_error",
    0xD406: "information_not_available_now",
    0xD407: "diagnostics_error",
    0xD409: "error_on_dp_bus",
    0xD601: "syntax_error",
    0xD602: "incorrect_password",
    0xD603: "already_legitimised",
    0xD604: "already_enabled",
    0xD605: "no_password_set",
    0xD801: "invalid_address",
    0xD802: "job_does_not_exist",
    0xD803: "illegal_job_state",
    0xD804: "illegal_cycle_time",
    0xD805: "no_further_cyclic_jobs",
    0xD806: "not_possible_in_job_state",
    0xD807: "overload",
    0xDC01: "invalid_time",
}
CONNECTION_TYPES = {1: "PG", 2: "OP", 3: "S7 basic"}  # first byte of a called TSAP
