"""Words of ADS: errors, states, groups of indices.

Source: [ADS] Beckhoff Information System, TwinCAT 3 ADS: return codes, ADS states, index groups;
the services of port 10000 as in Beckhoff's AdsDef.h.
"""

from otsec.model import OperationClass

OK = "ok"
ERRORS: dict[int, str] = {
    0: OK, 1: "internal_error", 2: "no_real_time", 6: "port_not_found", 7: "machine_not_found",
    8: "unknown_command", 0x0B: "invalid_ads_length", 0x0C: "invalid_ams_net_id",
    0x0D: "low_installation_level", 0x12: "port_disabled", 0x13: "port_already_connected",
    0x18: "invalid_ams_port", 0x1B: "host_unreachable", 0x1D: "no_secure_connection",
    0x700: "error", 0x701: "service_not_supported", 0x702: "invalid_index_group",
    0x703: "invalid_index_offset", 0x704: "refused", 0x705: "invalid_size",
    0x706: "invalid_data", 0x707: "not_ready", 0x708: "busy", 0x709: "invalid_context",
    0x70A: "no_memory", 0x70B: "invalid_parameter", 0x70C: "not_found", 0x70D: "syntax_error",
    0x70E: "incompatible", 0x70F: "exists", 0x710: "symbol_not_found",
    0x711: "symbol_version_invalid", 0x712: "invalid_state", 0x713: "mode_not_supported",
    0x714: "invalid_notification_handle", 0x715: "client_unknown", 0x716: "no_more_handles",
    0x719: "timeout", 0x71E: "pending", 0x71F: "aborted", 0x723: "access_denied",
    0x72D: "license_missing",
}  # fmt: skip
STATES: dict[int, str] = {
    0: "invalid", 1: "idle", 2: "reset", 3: "init", 4: "start", 5: "run", 6: "stop",
    7: "save_config", 8: "load_config", 9: "power_failure", 10: "power_good", 11: "error",
    12: "shutdown", 13: "suspend", 14: "resume", 15: "config", 16: "reconfig", 17: "stopping",
    18: "incompatible", 19: "exception",
}  # fmt: skip
# groups of a port: what an offset in them is
AREAS: dict[int, str] = {
    0x4020: "memory", 0x4021: "memory_bit", 0x4030: "retain", 0x4040: "data",
    0xF020: "input", 0xF021: "input_bit", 0xF030: "output", 0xF031: "output_bit",
}  # fmt: skip
SYSTEM_SERVICE = 10000  # port
# groups with a meaning of their own: operation, class; those of the system service apart
SYMBOL_BY_NAME, SYMBOL_BY_HANDLE, RELEASE = 0xF003, 0xF005, 0xF006
SUM_READ, SUM_WRITE, SUM_READ_WRITE = 0xF080, 0xF081, 0xF082
GROUPS: dict[int, tuple[str, OperationClass]] = {
    SYMBOL_BY_NAME: ("symbol_handle", "browse"), 0xF004: ("read_by_name", "read"),
    RELEASE: ("release_handle", "session"),
    0xF007: ("symbol_info", "browse"), 0xF009: ("symbol_info", "browse"),
    0xF008: ("symbol_version", "browse"), 0xF00A: ("symbol_download", "program"),
    0xF00B: ("symbol_upload", "browse"), 0xF00C: ("symbol_upload_info", "browse"),
    0xF00D: ("symbol_download", "program"), 0xF00E: ("type_upload", "browse"),
    0xF00F: ("symbol_upload_info", "browse"), 0xF040: ("clear_inputs", "control"),
    0xF050: ("clear_outputs", "control"), SUM_READ: ("sum_read", "read"),
    SUM_WRITE: ("sum_write", "write"), SUM_READ_WRITE: ("sum_read_write", "write"),
}  # fmt: skip
OF_SYSTEM: dict[int, tuple[str, OperationClass]] = {
    100: ("file_create", "file"), 101: ("file_open_read", "file"),
    102: ("file_open_write", "file"), 110: ("file_create", "file"), 111: ("file_close", "file"),
    120: ("file_open", "file"), 121: ("file_close", "file"), 122: ("file_read", "file"),
    123: ("file_write", "file"), 124: ("file_seek", "file"), 125: ("file_tell", "file"),
    126: ("file_get_line", "file"), 127: ("file_put_line", "file"), 130: ("file_end", "file"),
    131: ("file_delete", "file"), 132: ("file_rename", "file"), 133: ("file_find", "file"),
    138: ("folder_create", "file"), 139: ("folder_delete", "file"),
    300: ("send_mail", "control"),
    500: ("start_process", "control"), 600: ("change_net_id", "config"),
    601: ("query_net_id", "browse"), 700: ("target_info", "browse"),
    702: ("host_name", "browse"), 703: ("ip_address_info", "browse"),
    801: ("add_route", "config"), 802: ("delete_route", "config"), 803: ("list_routes", "browse"),
}  # fmt: skip
REGISTRY = range(200, 206)
TIME_SERVICES = 400
DATE_AND_TIME = 1  # offset in it: the local time
START_PROCESS, DELETE_ROUTE = 500, 802
# groups of the system service whose data is names
FILE_NAMES = frozenset(
    {100, 101, 102, 110, 120, 131, 132, 133, 138, 139, START_PROCESS, DELETE_ROUTE}
)
SYMBOL_NAMES = frozenset({SYMBOL_BY_NAME, 0xF004, 0xF007, 0xF009})

PORTS: dict[int, str] = {
    100: "logger", 110: "event logger", 200: "real time", 300: "io", 500: "nc", 801: "plc 1",
    811: "plc 2", 821: "plc 3", 831: "plc 4", 851: "plc 1", 852: "plc 2", 853: "plc 3",
    854: "plc 4", 900: "cam", 10000: "system service", 14000: "scope",
}  # fmt: skip
PLATFORMS = {1: "Windows 9x", 2: "Windows NT", 3: "Windows CE"}  # of OSVERSIONINFO
DEFAULT_LOGINS = frozenset({("administrator", "1"), ("guest", "1"), ("webguest", "1")})
