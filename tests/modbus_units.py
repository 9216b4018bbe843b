"""Modbus units and what they say: the table that the Modbus tests share.

In the hex, ``(..)`` are bytes that neither key nor message may depend on (transaction ids, values,
counters, opaque bodies), ``[..]`` bytes that belong to the key although the message does not tell
them. All other bytes matter. Each line names where its bytes come from: a clause of [APP] Modbus
Application Protocol V1.1b3 (its examples, with an MBAP header of our own), a real capture, or
``pymodbus``.
"""

import re
from dataclasses import dataclass

from otsec.protocols.api import Elements, Fact, Message, Side

OPAQUE = "opaque: the code is not public"
UMAS = "opaque: UMAS is not public"
CARRIED = "opaque: of the protocol that it carries"


@dataclass(frozen=True)
class Unit:
    """One unit and its whole message."""

    name: str
    origin: str
    side: Side
    marked: str
    message: Message
    request: str = ""  # the name of the unit that it answers
    values: str = ""  # the bytes where its values lie, "" where it has none
    value_count: int = 0

    @property
    def data(self) -> bytes:
        """The bytes."""
        return bytes.fromhex(re.sub(r"[()\[\]]", "", self.marked))

    def _offsets(self, brackets: str) -> set[int]:
        inside, found, digits = False, set(), 0
        for mark in self.marked.replace(" ", ""):
            if mark in brackets:
                inside = not inside
            elif mark not in "()[]":
                found |= {digits // 2} if inside else set()
                digits += 1
        return found

    @property
    def free(self) -> set[int]:
        """Offsets of bytes that nothing depends on."""
        return self._offsets("()")

    @property
    def unsaid(self) -> set[int]:
        """Offsets of bytes that only the key depends on."""
        return self._offsets("[]")


def ask(
    name: str, origin: str, marked: str, message: Message, values: str = "", count: int = 0
) -> Unit:
    """A request."""
    return Unit(name, origin, Side.REQUEST, marked, message, "", values, count)


def answer(
    name: str,
    origin: str,
    marked: str,
    message: Message,
    request: str = "",
    values: str = "",
    count: int = 0,
) -> Unit:
    """A response."""
    return Unit(name, origin, Side.RESPONSE, marked, message, request, values, count)


U17 = "unit 17"
M = Message
TABLE = (
    # 6.1 to 6.4: reads
    ask("coils", "[APP] 6.1", "(0001)0000 0006 11 01 0013 0013",
        M("read_coils", "read", "coil 19-37", U17)),
    answer("coils told", "[APP] 6.1", "(0001)0000 0006 11 01 03 (cd6b05)",
           M("read_coils", "read", "coil 19-37", U17, "ok", Elements("coil", 19, 19)),
           "coils", "cd6b05", 24),
    answer("coils unasked", "[APP] 6.1", "(0001)0000 0006 11 01 03 (cd6b05)",
           M("read_coils", "read", "unknown", U17, "ok"), "", "cd6b05", 24),
    answer("coils too few", "[APP] 6.1", "(0001)0000 0005 11 01 02 (cd6b)",
           M("read_coils", "read", "coil 19-37", U17, "mismatch", note="2 bytes for 19 elements"),
           "coils", "cd6b", 16),
    answer("coils of another function", "[APP] 6.3", "(0001)0000 0005 11 03 02 (cd6b)",
           M("read_holding_registers", "read", "unknown", U17, "mismatch"), "coils", "cd6b", 1),
    ask("discrete", "[APP] 6.2", "(0002)0000 0006 11 02 00c4 0016",
        M("read_discrete_inputs", "read", "discrete 196-217", U17)),
    answer("discrete told", "[APP] 6.2", "(0002)0000 0006 11 02 03 (acdb35)",
           M("read_discrete_inputs", "read", "discrete 196-217", U17, "ok",
             Elements("discrete", 196, 22)), "discrete", "acdb35", 24),
    ask("holding", "[APP] 6.3", "(0003)0000 0006 11 03 006b 0003",
        M("read_holding_registers", "read", "holding 107-109", U17)),
    answer("holding told", "[APP] 6.3", "(0003)0000 0009 11 03 06 (022b 0000 0064)",
           M("read_holding_registers", "read", "holding 107-109", U17, "ok",
             Elements("holding", 107, 3)), "holding", "022b00000064", 3),
    ask("input", "[APP] 6.4", "(0004)0000 0006 11 04 0008 0001",
        M("read_input_registers", "read", "input 8", U17)),
    answer("input told", "[APP] 6.4", "(0004)0000 0005 11 04 02 (000a)",
           M("read_input_registers", "read", "input 8", U17, "ok", Elements("input", 8, 1)),
           "input", "000a", 1),
    ask("the last register", "[APP] 6.3", "(0003)0000 0006 11 03 ffff 0001",
        M("read_holding_registers", "read", "holding 65535", U17)),
    ask("the address itself", "nDPI__modbus.pcap", "(3000)0000 0006 ff 03 0000 0001",
        M("read_holding_registers", "read", "holding 0")),
    # 6.5, 6.6: single writes
    ask("coil on", "[APP] 6.5", "(0005)0000 0006 11 05 00ac (ff)00",
        M("write_single_coil", "write", "coil 172", U17, "", Elements("coil", 172, 1)), "ff00", 1),
    answer("coil on told", "[APP] 6.5", "(0005)0000 0006 11 05 00ac (ff)00",
           M("write_single_coil", "write", "coil 172", U17, "ok"), "coil on"),
    answer("another coil told", "[APP] 6.5", "(0005)0000 0006 11 05 00ad (ff)00",
           M("write_single_coil", "write", "coil 173", U17, "mismatch"), "coil on"),
    ask("register", "[APP] 6.6", "(0006)0000 0006 11 06 0001 (0003)",
        M("write_single_register", "write", "holding 1", U17, "", Elements("holding", 1, 1)),
        "0003", 1),
    answer("register told", "[APP] 6.6", "(0006)0000 0006 11 06 0001 (0003)",
           M("write_single_register", "write", "holding 1", U17, "ok"), "register"),
    # 6.7 to 6.10: serial line
    ask("exception status", "[APP] 6.7", "(0007)0000 0002 11 07",
        M("read_exception_status", "diagnose", "", U17)),
    answer("exception status told", "[APP] 6.7", "(0007)0000 0003 11 07 (6d)",
           M("read_exception_status", "diagnose", "", U17, "ok",
             Elements("exception_status", 0, 8)), "exception status", "6d", 8),
    ask("query data", "[APP] 6.8", "(0008)0000 0006 11 08 0000 (a537)",
        M("return_query_data", "diagnose", "", U17)),
    answer("query data told", "[APP] 6.8", "(0008)0000 0006 11 08 0000 (a537)",
           M("return_query_data", "diagnose", "", U17, "ok"), "query data"),
    answer("query data answered with a counter", "[APP] 6.8", "(0008)0000 0006 11 08 000b (0002)",
           M("return_bus_message_count", "diagnose", "", U17, "mismatch",
             Elements("return_bus_message_count", 0, 1)), "query data", "0002", 1),
    *(ask(name, "[APP] 6.8.1", f"(0008)0000 0006 11 08 {code:04x} (0000)",
          M(name, "mode" if code in (1, 4) else "diagnose", "", U17))
      for code, name in (
          (1, "restart_communications_option"), (2, "return_diagnostic_register"),
          (3, "change_ascii_input_delimiter"), (4, "force_listen_only_mode"),
          (10, "clear_counters_and_diagnostic_register"), (11, "return_bus_message_count"),
          (12, "return_bus_communication_error_count"),
          (13, "return_bus_exception_error_count"), (14, "return_server_message_count"),
          (15, "return_server_no_response_count"), (16, "return_server_nak_count"),
          (17, "return_server_busy_count"), (18, "return_bus_character_overrun_count"),
          (20, "clear_overrun_counter_and_flag"))),
    *(ask(name, "pymodbus", f"(0008)0000 0006 11 08 {code:04x} (0000)",
          M(name, "diagnose", "", U17))
      for code, name in ((19, "return_iop_overrun_count"),
                         (21, "get_clear_modbus_plus_statistics"))),
    answer("bus messages told", "[APP] 6.8.1", "(0008)0000 0006 11 08 000b (1234)",
           M("return_bus_message_count", "diagnose", "", U17, "ok",
             Elements("return_bus_message_count", 0, 1)), "return_bus_message_count", "1234", 1),
    ask("unknown diagnosis", "made up", "(0008)0000 0006 11 08 0063 (0000)",
        M("unknown_0x08", "diagnose", "sub-function 99", U17)),
    ask("event counter", "[APP] 6.9", "(0009)0000 0002 11 0b",
        M("get_comm_event_counter", "diagnose", "", U17)),
    answer("event counter told", "[APP] 6.9", "(0009)0000 0006 11 0b (ffff 0108)",
           M("get_comm_event_counter", "diagnose", "", U17, "ok"), "event counter"),
    ask("event log", "[APP] 6.10", "(000a)0000 0002 11 0c",
        M("get_comm_event_log", "diagnose", "", U17)),
    answer("event log told", "[APP] 6.10", "(000a)0000 000b 11 0c 08 (0000 0108 0121 2000)",
           M("get_comm_event_log", "diagnose", "", U17, "ok"), "event log"),
    # 6.11, 6.12: multiple writes
    ask("coils written", "[APP] 6.11", "(000b)0000 0009 11 0f 0013 000a 02 (cd01)",
        M("write_multiple_coils", "write", "coil 19-28", U17, "", Elements("coil", 19, 10)),
        "cd01", 10),
    answer("coils written told", "[APP] 6.11", "(000b)0000 0006 11 0f 0013 000a",
           M("write_multiple_coils", "write", "coil 19-28", U17, "ok"), "coils written"),
    ask("registers written", "[APP] 6.12", "(000c)0000 000b 11 10 0001 0002 04 (000a 0102)",
        M("write_multiple_registers", "write", "holding 1-2", U17, "", Elements("holding", 1, 2)),
        "000a0102", 2),
    answer("registers written told", "[APP] 6.12", "(000c)0000 0006 11 10 0001 0002",
           M("write_multiple_registers", "write", "holding 1-2", U17, "ok"), "registers written"),
    answer("registers refused", "[APP] 7", "(000c)0000 0003 11 90 02",
           M("write_multiple_registers", "write", "holding 1-2", U17,
             "exception illegal_data_address"), "registers written"),
    # 6.13: identity
    ask("server id", "[APP] 6.13", "(000d)0000 0002 11 11",
        M("report_server_id", "browse", "", U17)),
    answer("server id told", "Quickdraw-Snort__modbus_test_data_part1.pcap",
           "(0000)0000 0015 0a 11 12 00 ff 57696e6770617468204c696d69746564",
           M("report_server_id", "browse", "", "unit 10", "ok", facts=(
               Fact("server_id", "00"), Fact("run_status", "on"),
               Fact("server_data", "Wingpath Limited")))),
    answer("server id of a program", "pymodbus",
           "(0017)0000 0010 11 11 0d 4f747465722d58312d312e32 00",
           M("report_server_id", "browse", "", U17, "ok", facts=(
               Fact("server_id", "Otter-X1-1.2"), Fact("run_status", "off"))), "server id"),
    # 6.14, 6.15: files
    ask("records", "[APP] 6.14",
        "(000e)0000 0011 11 14 0e 06 0004 0001 0002 06 0003 0009 0002",
        M("read_file_record", "file", "file 4 record 1-2, file 3 record 9-10", U17)),
    answer("records told", "[APP] 6.14",
           "(000e)0000 000f 11 14 0c 05 06 (0dfe 0020) 05 06 (33cd 0040)",
           M("read_file_record", "file", "file 4 record 1-2, file 3 record 9-10", U17, "ok"),
           "records"),
    ask("one record", "[APP] 6.14", "(000e)0000 000a 11 14 07 06 0003 0009 0002",
        M("read_file_record", "file", "file 3 record 9-10", U17)),
    answer("one record told", "[APP] 6.14", "(000e)0000 0009 11 14 06 05 06 (33cd 0040)",
           M("read_file_record", "file", "file 3 record 9-10", U17, "ok",
             Elements("file 3 record", 9, 2)), "one record", "33cd0040", 2),
    ask("record written", "[APP] 6.15",
        "(000f)0000 0010 11 15 0d 06 0004 0007 0003 (06af 04be 100d)",
        M("write_file_record", "file", "file 4 record 7-9", U17, "",
          Elements("file 4 record", 7, 3)), "06af04be100d", 3),
    answer("record written told", "[APP] 6.15",
           "(000f)0000 0010 11 15 0d 06 0004 0007 0003 (06af 04be 100d)",
           M("write_file_record", "file", "file 4 record 7-9", U17, "ok"), "record written"),
    ask("records written", "[APP] 6.15",
        "(000f)0000 0015 11 15 12 06 0004 0007 0001 [06af] 06 0005 0000 0001 [100d]",
        M("write_file_record", "file", "file 4 record 7, file 5 record 0", U17)),
    # 6.16 to 6.18
    ask("mask", "[APP] 6.16", "(0010)0000 0008 11 16 0004 (00f2 0025)",
        M("mask_write_register", "write", "holding 4", U17, "",
          Elements("holding 4 and/or mask", 0, 2)), "00f20025", 2),
    answer("mask told", "[APP] 6.16", "(0010)0000 0008 11 16 0004 (00f2 0025)",
           M("mask_write_register", "write", "holding 4", U17, "ok"), "mask"),
    ask("read and written", "[APP] 6.17",
        "(0011)0000 0011 11 17 0003 0006 000e 0003 06 (00ff 00ff 00ff)",
        M("read_write_multiple_registers", "write", "holding 14-16, read 3-8", U17, "",
          Elements("holding", 14, 3)), "00ff00ff00ff", 3),
    answer("read and written told", "[APP] 6.17",
           "(0011)0000 000f 11 17 0c (00fe 0acd 0001 0003 000d 00ff)",
           M("read_write_multiple_registers", "write", "holding 14-16, read 3-8", U17, "ok"),
           "read and written", "00fe0acd00010003000d00ff", 6),
    ask("queue", "[APP] 6.18", "(0012)0000 0004 11 18 04de",
        M("read_fifo_queue", "read", "fifo 1246", U17)),
    answer("queue told", "[APP] 6.18", "(0012)0000 000a 11 18 0006 0002 (01b8 1284)",
           M("read_fifo_queue", "read", "fifo 1246", U17, "ok"), "queue"),
    # 6.19 to 6.21: encapsulated interfaces
    ask("canopen", "[APP] 6.20", "(0013)0000 0005 11 2b 0d (0102)",
        M("canopen_general_reference", "write", "", U17, note=CARRIED, left=2)),
    answer("canopen told", "[APP] 6.20", "(0013)0000 0005 11 2b 0d (0102)",
           M("canopen_general_reference", "write", "", U17, "ok", note=CARRIED, left=2),
           "canopen"),
    ask("another interface", "made up", "(0013)0000 0005 11 2b 07 (0102)",
        M("unknown_0x2b", "browse", "mei 7", U17, note=OPAQUE, left=2)),
    ask("identification", "[APP] 6.21", "(0014)0000 0005 11 2b 0e 01 00",
        M("read_device_identification", "browse", "basic", U17)),
    ask("identification goes on", "[APP] 6.21", "(0014)0000 0005 11 2b 0e 02 05",
        M("read_device_identification", "browse", "regular from 0x05", U17)),
    ask("one object", "[APP] 6.21", "(0014)0000 0005 11 2b 0e 04 80",
        M("read_device_identification", "browse", "object 0x80", U17)),
    answer("identification told", "icsnpp-modbus__modbus_example.pcap",
           "(0017)0000 003d 01 2b 0e [01 83] 00 [00] 03 00 10 5a65656b204d6f646275732054657374"
           "01 18 50726f746f636f6c2050617273696e672069732066756e21 02 07 312e322e332e36",
           M("read_device_identification", "browse", "unknown", "unit 1", "ok", facts=(
               Fact("vendor", "Zeek Modbus Test"),
               Fact("product_code", "Protocol Parsing is fun!"),
               Fact("revision", "1.2.3.6")))),
    answer("more follows", "[APP] 6.21",
           "(0014)0000 000f 11 2b 0e [01 01] ff [02] 01 05 05 41636d650a",
           M("read_device_identification", "browse", "basic", U17, "ok",
             facts=(Fact("model_name", "Acme\n"),), note="more follows"), "identification"),
    answer("a private object in Latin-1", "[APP] 6.21",
           "(0014)0000 000c 11 2b 0e [04 83] 00 [00] 01 80 02 fc62",
           M("read_device_identification", "browse", "object 0x80", U17, "ok",
             facts=(Fact("object_0x80", "\xfcb"),)), "one object"),
    # 7: exceptions
    *(answer(f"exception {name}", "[APP] 7", f"(0003)0000 0003 11 83 {code:02x}",
             M("read_holding_registers", "read", "holding 107-109", U17, f"exception {name}"),
             "holding")
      for code, name in (
          (1, "illegal_function"), (2, "illegal_data_address"), (3, "illegal_data_value"),
          (4, "server_device_failure"), (5, "acknowledge"), (6, "server_device_busy"),
          (8, "memory_parity_error"), (10, "gateway_path_unavailable"),
          (11, "gateway_target_device_failed_to_respond"))),
    answer("exception of old", "PI-MBUS-300", "(0003)0000 0003 11 83 07",
           M("read_holding_registers", "read", "unknown", U17,
             "exception negative_acknowledge")),
    answer("exception unknown", "made up", "(0003)0000 0003 11 83 63",
           M("read_holding_registers", "read", "unknown", U17, "exception 0x63")),
    # codes that are not public
    ask("unknown", "made up", "(0015)0000 0004 11 47 (0102)",
        M("unknown_0x47", "config", "", U17, note=OPAQUE, left=2)),
    answer("unknown told", "made up", "(0015)0000 0004 11 47 (0102)",
           M("unknown_0x47", "config", "", U17, "ok", note=OPAQUE, left=2), "unknown"),
    ask("unknown 43", "made up", "(0013)0000 0003 11 2b 00",
        M("unknown_0x2b", "browse", "mei 0", U17, note=OPAQUE)),
    *(ask(name, "Zeek's analyser", f"(0016)0000 0003 11 {code:02x} (01)",
          M(name, cls, "", U17, note=OPAQUE, left=1))  # type: ignore[arg-type]
      for code, name, cls in (
          (9, "program_484", "program"), (10, "poll_484", "program"),
          (13, "program_584_984", "program"), (14, "poll_584_984", "program"),
          (18, "program_884_u84", "program"), (19, "reset_comm_link_884_u84", "mode"),
          (40, "program_concept", "program"), (125, "firmware_replacement", "firmware"),
          (126, "program_584_984_2", "program"), (127, "report_local_address", "browse"))),
    # UMAS
    *(ask(f"umas_{name}", origin, f"(0017)0000 0005 00 5a (00) {code:02x} (00)",
          M(f"umas_{name}", cls, note=UMAS, left=1))  # type: ignore[arg-type]
      for origin, code, name, cls in (
          *(("Quickdraw-Snort__modicon_test.pcap", *rest) for rest in (
              (0x01, "init_comm", "session"), (0x02, "read_id", "browse"),
              (0x03, "read_project_info", "browse"), (0x04, "read_plc_info", "browse"),
              (0x0A, "repeat", "diagnose"), (0x10, "take_plc_reservation", "session"),
              (0x12, "keep_alive", "session"), (0x20, "read_memory_block", "read"),
              (0x33, "initialize_download", "program"), (0x34, "download_block", "program"),
              (0x35, "end_strategy_download", "program"), (0x50, "monitor_plc", "read"),
              (0x58, "check_plc", "diagnose"))),
          *(("public research", *rest) for rest in (
              (0x06, "read_card_info", "browse"),
              (0x11, "release_plc_reservation", "session"), (0x22, "read_variables", "read"),
              (0x23, "write_variables", "write"), (0x24, "read_coils_registers", "read"),
              (0x25, "write_coils_registers", "write"), (0x26, "read_variable_names", "browse"),
              (0x30, "initialize_upload", "program"), (0x31, "upload_block", "program"),
              (0x32, "end_strategy_upload", "program"),
              (0x39, "read_eth_master_data", "diagnose"), (0x40, "start_plc", "mode"),
              (0x41, "stop_plc", "mode"), (0x70, "read_io_object", "read"),
              (0x71, "write_io_object", "write"), (0x73, "get_status_module", "diagnose"))))),
    ask("umas unknown", "made up", "(0017)0000 0004 00 5a (2f) f0",
        M("umas_0xf0", "config", note=UMAS)),
    answer("umas told", "Quickdraw-Snort__modicon_test.pcap", "(0017)0000 0006 00 5a (2f) fe (0102)",
           M("umas_stop_plc", "mode", outcome="ok", note=UMAS, left=2), "umas_stop_plc"),
    answer("umas refused", "public research", "(0017)0000 0006 00 5a (2f) fd (8280)",
           M("umas_stop_plc", "mode", outcome="umas_error", note=UMAS, left=2), "umas_stop_plc"),
    answer("umas unasked", "public research", "(0017)0000 0004 00 5a (2f) fe",
           M("unknown_0x5a", "session", "unknown", "", "ok", note=UMAS)),
)  # fmt: skip
BY_NAME = {unit.name: unit for unit in TABLE}
