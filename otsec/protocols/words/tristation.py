"""Words of TriStation: commands, their answers, reasons why they are rejected.

Source: the names of commands as in the public dissectors of Nozomi Networks (tricotools) and of
FireEye, which agree.
"""

from otsec.model import OperationClass

COMMANDS: dict[int, tuple[str, OperationClass]] = {
    0: ("start_download_all", "program"), 1: ("start_download_change", "program"),
    2: ("update_configuration", "config"), 3: ("upload_configuration", "program"),
    4: ("set_io_addresses", "config"), 5: ("allocate_network", "program"),
    6: ("load_vector_table", "program"), 7: ("set_calendar", "time"),
    8: ("get_calendar", "read"), 9: ("set_scan_time", "config"),
    10: ("end_download_all", "program"), 11: ("end_download_change", "program"),
    12: ("cancel_download_change", "program"), 13: ("attach", "session"),
    14: ("set_io_address_limits", "config"), 15: ("configure_module", "config"),
    16: ("set_multiple_point_values", "write"), 17: ("enable_all_points", "control"),
    18: ("upload_vector_table", "program"), 19: ("get_cp_status", "diagnose"),
    20: ("run_program", "mode"), 21: ("halt_program", "mode"), 22: ("pause_program", "mode"),
    23: ("do_single_scan", "mode"), 24: ("get_chassis_status", "diagnose"),
    25: ("get_minimum_scan_time", "read"), 26: ("set_node_number", "config"),
    27: ("set_io_point_values", "write"), 28: ("get_io_point_values", "read"),
    29: ("get_mp_status", "diagnose"), 30: ("set_retentive_values", "write"),
    31: ("adjust_clock_calendar", "time"), 32: ("clear_module_alarms", "control"),
    33: ("get_event_log", "diagnose"), 34: ("set_soe_block", "config"),
    35: ("record_event_log", "diagnose"), 36: ("get_soe_data", "read"),
    37: ("enable_ovd", "config"), 38: ("disable_ovd", "config"),
    39: ("enable_all_ovds", "config"), 40: ("disable_all_ovds", "config"),
    41: ("process_modbus", "write"), 42: ("upload_network", "program"),
    43: ("set_label", "config"), 44: ("configure_system_variables", "config"),
    45: ("deconfigure_module", "config"), 46: ("get_system_variables", "read"),
    47: ("get_module_types", "browse"), 48: ("begin_conversion_table_download", "program"),
    49: ("continue_conversion_table_download", "program"),
    50: ("end_conversion_table_download", "program"), 51: ("get_conversion_table", "read"),
    52: ("set_icm_status", "config"), 53: ("broadcast_soe_data_available", "report"),
    54: ("get_module_versions", "browse"), 55: ("allocate_program", "program"),
    56: ("allocate_function", "program"), 57: ("clear_retentives", "control"),
    58: ("set_initial_values", "write"), 59: ("start_ts2_program_download", "program"),
    60: ("set_ts2_data_area", "config"), 61: ("get_ts2_data", "read"),
    62: ("set_ts2_data", "write"), 63: ("set_program_information", "config"),
    64: ("get_program_information", "browse"), 65: ("upload_program", "program"),
    66: ("upload_function", "program"), 67: ("get_point_groups", "read"),
    68: ("allocate_symbol_table", "program"), 69: ("get_io_address", "read"),
    70: ("resend_io_address", "read"), 71: ("get_program_timing", "read"),
    72: ("allocate_multiple_functions", "program"), 73: ("get_node_number", "browse"),
    74: ("get_symbol_table", "program"), 80: ("go_to_download_mode", "mode"),
}  # fmt: skip
REJECTED, FIRST_REJECT = 100, 200
# answers, by the command that they answer
ANSWERS: dict[int, int] = {
    101: 0, 102: 1, 103: 11, 104: 12, 105: 10, 106: 13, 107: 4, 108: 19, 109: 20, 110: 21,
    111: 22, 112: 23, 113: 3, 114: 9, 117: 15, 119: 24, 120: 18, 121: 28, 122: 7, 123: 2,
    124: 25, 126: 26, 127: 29, 128: 30, 129: 34, 130: 32, 131: 33, 132: 68, 133: 37, 134: 38,
    135: 35, 136: 42, 137: 36, 138: 5, 139: 6, 140: 8, 141: 43, 142: 47, 143: 44, 144: 45,
    147: 51, 149: 52, 150: 46, 151: 54, 152: 41, 153: 55, 154: 56, 155: 57, 156: 58, 157: 60,
    158: 61, 159: 62, 160: 63, 161: 64, 162: 65, 163: 66, 164: 67, 165: 68, 166: 71, 168: 72,
    169: 73, 170: 74,
}  # fmt: skip
REASONS: dict[int, str] = {
    200: "wrong_command", 201: "load_in_progress", 202: "bad_clock_calendar_data",
    203: "program_not_halted", 204: "program_checksum_error", 205: "no_memory",
    206: "program_not_valid", 207: "not_loading_a_program", 208: "network_out_of_range",
    209: "not_enough_arguments", 210: "network_missing", 211: "download_time_mismatch",
    212: "key_setting_prohibits", 213: "bad_program_version", 214: "not_in_sequence",
    216: "bad_module_index", 217: "invalid_module_address", 220: "bad_point_offset",
    221: "invalid_point_type", 222: "invalid_point_location", 223: "invalid_program_name",
    227: "invalid_module_type", 229: "invalid_table_type", 231: "invalid_network_continuation",
    232: "invalid_scan_time", 233: "load_busy", 234: "mp_reeducated",
    235: "invalid_chassis_or_slot", 236: "invalid_soe_number", 237: "invalid_soe_type",
    238: "invalid_soe_state", 239: "write_protected", 240: "node_number_mismatch",
    241: "command_not_allowed", 242: "invalid_sequence_number",
    243: "time_change_on_non_master", 244: "no_free_ports", 245: "invalid_tristation_1_command",
    246: "invalid_tristation_1131_command", 247: "only_one_chassis", 248: "bad_variable_address",
    249: "response_overflow", 250: "invalid_bus", 251: "disable_not_allowed",
    252: "invalid_length", 253: "point_cannot_be_disabled", 254: "too_many_retentives",
    255: "loader_connect",
}  # fmt: skip
KEYS = {0: "stop", 1: "program", 2: "run", 3: "remote"}
STATES = {0: "running", 1: "halted", 2: "paused"}
