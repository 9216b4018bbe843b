"""Interfaces of DCE/RPC that are known by name, and what their operations do.

Sources: MS-SCMR, MS-TSCH, MS-SAMR, MS-LSAD, MS-LSAT, MS-DRSR, MS-RRP, MS-RPRN, MS-SRVS, MS-WKST,
MS-NRPC, MS-EVEN, MS-RSP, MS-DCOM, MS-WMI, each 3.1.4 or there about; C706 appendix O (endpoint
mapper); OPC Data Access 3.0, 4.
"""

from otsec.model import OperationClass

Named = tuple[str, OperationClass]
Table = dict[int, Named]

_OF = "-1234-abcd-ef00-0123456789a"
INTERFACES: dict[str, tuple[str, Table]] = {
    "e1af8308-5d1f-11c9-91a4-08002b14a0fa": ("epmapper", {
        2: ("lookup", "browse"), 3: ("map", "browse"), 4: ("lookup_handle_free", "session"),
    }),
    "367abb81-9844-35f1-ad32-98f038001003": ("svcctl", {
        0: ("close_service_handle", "session"), 1: ("control_service", "mode"),
        2: ("delete_service", "config"), 6: ("query_service_status", "browse"),
        11: ("change_service_config", "config"), 12: ("create_service", "config"),
        14: ("enum_services_status", "browse"), 15: ("open_sc_manager", "session"),
        16: ("open_service", "session"), 17: ("query_service_config", "browse"),
        19: ("start_service", "mode"), 23: ("change_service_config", "config"),
        24: ("create_service", "config"), 26: ("enum_services_status", "browse"),
        27: ("open_sc_manager", "session"), 28: ("open_service", "session"),
        29: ("query_service_config", "browse"), 31: ("start_service", "mode"),
        42: ("enum_services_status", "browse"), 45: ("create_service", "config"),
    }),
    "1ff70682-0a51-30e8-076d-740be8cee98b": ("atsvc", {
        0: ("job_add", "config"), 1: ("job_delete", "config"), 2: ("job_enum", "browse"),
        3: ("job_get_info", "browse"),
    }),
    "86d35949-83c9-4044-b424-db363231fd0c": ("taskscheduler", {
        0: ("highest_version", "browse"), 1: ("register_task", "config"),
        2: ("retrieve_task", "browse"), 3: ("create_folder", "config"),
        6: ("enum_folders", "browse"), 7: ("enum_tasks", "browse"), 11: ("stop", "mode"),
        12: ("run", "mode"), 13: ("delete", "config"),
    }),
    f"12345778{_OF}c": ("samr", {
        0: ("connect", "session"), 1: ("close_handle", "session"),
        5: ("lookup_domain", "browse"), 6: ("enumerate_domains", "browse"),
        7: ("open_domain", "session"), 11: ("enumerate_groups", "browse"),
        13: ("enumerate_users", "browse"), 15: ("enumerate_aliases", "browse"),
        17: ("lookup_names", "browse"), 22: ("add_member_to_group", "config"),
        31: ("add_member_to_alias", "config"), 34: ("open_user", "session"),
        35: ("delete_user", "config"), 36: ("query_information_user", "browse"),
        37: ("set_information_user", "config"), 40: ("query_display_information", "browse"),
        50: ("create_user", "config"), 55: ("change_password", "config"),
        57: ("connect", "session"), 58: ("set_information_user", "config"),
        62: ("connect", "session"), 64: ("connect", "session"),
    }),
    f"12345778{_OF}b": ("lsarpc", {
        0: ("close", "session"), 6: ("open_policy", "session"),
        7: ("query_information_policy", "browse"), 14: ("lookup_names", "browse"),
        15: ("lookup_sids", "browse"), 44: ("open_policy", "session"),
        46: ("query_information_policy", "browse"), 57: ("lookup_sids", "browse"),
        58: ("lookup_names", "browse"), 68: ("lookup_names", "browse"),
    }),
    "e3514235-4b06-11d1-ab04-00c04fc2dcd6": ("drsuapi", {
        0: ("bind", "session"), 1: ("unbind", "session"), 3: ("get_nc_changes", "read"),
        5: ("replica_add", "config"), 12: ("crack_names", "browse"),
        16: ("domain_controller_info", "browse"), 17: ("add_entry", "config"),
    }),
    "338cd001-2244-31f1-aaaa-900038001003": ("winreg", {
        **dict.fromkeys((0, 1, 2, 3, 4, 15), ("open_key", "session")),
        5: ("close_key", "session"), 6: ("create_key", "config"), 7: ("delete_key", "config"),
        8: ("delete_value", "config"), 9: ("enum_key", "browse"), 10: ("enum_value", "browse"),
        16: ("query_info_key", "browse"), 17: ("query_value", "read"), 20: ("save_key", "file"),
        22: ("set_value", "config"), 24: ("initiate_system_shutdown", "mode"),
        26: ("get_version", "browse"), 30: ("initiate_system_shutdown", "mode"),
    }),
    f"12345678{_OF}b": ("spoolss", {
        0: ("enum_printers", "browse"), 1: ("open_printer", "session"),
        9: ("add_printer_driver", "config"), 29: ("close_printer", "session"),
        65: ("find_first_change_notification", "config"), 69: ("open_printer", "session"),
        89: ("add_printer_driver", "config"),
    }),
    "4b324fc8-1670-01d3-1278-5a47bf6ee188": ("srvsvc", {
        12: ("session_enum", "browse"), 14: ("share_add", "config"),
        15: ("share_enum", "browse"), 16: ("share_get_info", "browse"),
        18: ("share_delete", "config"), 21: ("server_get_info", "browse"),
        28: ("remote_time_of_day", "time"), 30: ("path_type", "browse"),
        31: ("path_canonicalize", "browse"), 32: ("path_compare", "browse"),
    }),
    "6bffd098-a112-3610-9833-46c3f87e345a": ("wkssvc", {
        0: ("get_info", "browse"), 2: ("user_enum", "browse"),
    }),
    "12345678-1234-abcd-ef00-01234567cffb": ("netlogon", {
        4: ("request_challenge", "session"), 15: ("authenticate", "session"),
        26: ("authenticate", "session"), 30: ("password_set", "config"),
        39: ("sam_logon", "session"), 45: ("sam_logon", "session"),
    }),
    "82273fdc-e32a-18c3-3f78-827929dc23ea": ("eventlog", {
        0: ("clear_event_log", "config"), 7: ("open_event_log", "session"),
        10: ("read_event_log", "read"),
    }),
    "894de0c0-0d55-11d3-a322-00c04fa321a1": ("initshutdown", {
        0: ("initiate_shutdown", "mode"), 1: ("abort_shutdown", "mode"),
        2: ("initiate_shutdown", "mode"),
    }),
    "99fcfec4-5260-101b-bbcb-00aa0021347a": ("oxid_resolver", {
        0: ("resolve_oxid", "browse"), 1: ("simple_ping", "session"),
        2: ("complex_ping", "session"), 3: ("server_alive", "browse"),
        4: ("resolve_oxid", "browse"), 5: ("server_alive", "browse"),
    }),
    "000001a0-0000-0000-c000-000000000046": ("system_activator", {
        3: ("get_class_object", "session"), 4: ("create_instance", "session"),
    }),
    "00000131-0000-0000-c000-000000000046": ("rem_unknown", {
        3: ("query_interface", "session"), 4: ("add_reference", "session"),
        5: ("release", "session"),
    }),
    "f309ad18-d86a-11d0-a075-00c04fb68820": ("wbem_login", {6: ("ntlm_login", "session")}),
    "9556dc99-828c-11cf-a37e-00aa003240c7": ("wbem_services", {
        6: ("get_object", "browse"), 20: ("exec_query", "browse"), 24: ("exec_method", "config"),
    }),
    "39c13a4d-011e-11d0-9675-0020afd8adb3": ("opc_server", {
        3: ("add_group", "config"), 6: ("get_status", "browse"), 7: ("remove_group", "config"),
    }),
    "39c13a52-011e-11d0-9675-0020afd8adb3": ("opc_sync_io", {
        3: ("read", "read"), 4: ("write", "write"),
    }),
    "39c13a54-011e-11d0-9675-0020afd8adb3": ("opc_item_management", {
        3: ("add_items", "config"), 5: ("remove_items", "config"),
    }),
    "39c13a71-011e-11d0-9675-0020afd8adb3": ("opc_async_io", {
        3: ("read", "read"), 4: ("write", "write"), 5: ("refresh", "read"),
    }),
    "39c13a70-011e-11d0-9675-0020afd8adb3": ("opc_data_callback", {
        3: ("on_data_change", "report"), 4: ("on_read_complete", "report"),
        5: ("on_write_complete", "report"),
    }),
    "39c13a4f-011e-11d0-9675-0020afd8adb3": ("opc_browse", {
        5: ("browse_item_ids", "browse"),
    }),
}  # fmt: skip
# interfaces whose responses end in a status
RETURNS = frozenset({
    "epmapper", "svcctl", "atsvc", "taskscheduler", "samr", "lsarpc", "drsuapi", "winreg",
    "spoolss", "srvsvc", "wkssvc", "netlogon", "eventlog", "initshutdown",
})  # fmt: skip
RETURNED = {  # [MS-ERREF] 2.2, 2.3: the failures that are told
    2: "file_not_found", 5: "access_denied", 53: "bad_network_path", 1056: "already_running",
    1060: "service_does_not_exist", 1072: "marked_for_delete", 1073: "service_exists",
    0x8007_0005: "access_denied", 0xC000_0022: "access_denied", 0xC000_006D: "logon_failure",
    0xC000_006A: "wrong_password", 0xC000_0064: "no_such_user", 0xC000_0234: "account_locked_out",
    0xC000_0072: "account_disabled", 0x16C9_A0D6: "not_registered",
}  # fmt: skip
FAULTS = {  # C706 appendix N, [MS-ERREF] 2.2
    5: "access_denied", 0x6F7: "bad_stub_data", 0x721: "security_package_error",
    0x1C00_001A: "context_mismatch", 0x1C01_0002: "operation_out_of_range",
    0x1C01_0003: "unknown_interface", 0x1C01_0014: "server_too_busy",
}  # fmt: skip
NAKS = {  # C706 12.6.3.1, [MS-RPCE] 2.2.2.5
    0: "not_specified", 1: "temporary_congestion", 2: "local_limit_exceeded",
    4: "protocol_version_not_supported", 8: "authentication_type_not_recognized",
    9: "invalid_checksum",
}  # fmt: skip
REJECTIONS = {  # C706 12.6.3.1
    0: "not_specified", 1: "abstract_syntax_not_supported", 2: "transfer_syntaxes_not_supported",
    3: "local_limit_exceeded",
}  # fmt: skip
AUTHENTICATION = {9: "negotiate", 10: "ntlm", 14: "schannel", 16: "kerberos", 68: "netlogon"}
LEVELS = {1: "none", 2: "connect", 3: "call", 4: "packet", 5: "integrity", 6: "privacy"}
