"""What transactions of SMB 1 are for. Sources: [CIFS] MS-CIFS 2.2.2.2, 2.2.5, 2.2.6, 2.2.7."""

TRANSACTION, TRANSACTION_2, NT_TRANSACT = 0x25, 0x32, 0xA0  # commands, [CIFS] 2.2.2.1
SUBCOMMANDS: dict[int, dict[int, str]] = {
    TRANSACTION: {
        0x01: "set_pipe_state", 0x11: "raw_read_pipe", 0x21: "query_pipe_state",
        0x22: "query_pipe_info", 0x23: "peek_pipe", 0x26: "transact_pipe",
        0x31: "raw_write_pipe", 0x36: "read_pipe", 0x37: "write_pipe", 0x53: "wait_pipe",
        0x54: "call_pipe",
    },
    TRANSACTION_2: {
        0x00: "open", 0x01: "find_first", 0x02: "find_next", 0x03: "query_fs_information",
        0x04: "set_fs_information", 0x05: "query_path_information", 0x06: "set_path_information",
        0x07: "query_file_information", 0x08: "set_file_information", 0x09: "fsctl",
        0x0A: "ioctl", 0x0B: "find_notify_first", 0x0C: "find_notify_next",
        0x0D: "create_directory", 0x0E: "session_setup", 0x10: "get_dfs_referral",
        0x11: "report_dfs_inconsistency",
    },
    NT_TRANSACT: {
        0x01: "create", 0x02: "ioctl", 0x03: "set_security", 0x04: "notify_change",
        0x05: "rename", 0x06: "query_security",
    },
}  # fmt: skip
