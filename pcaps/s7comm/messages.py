"""Messages of S7comm that no peer at hand says, put together by hand.

Their layout is that of tshark's dissector, which reads them alike (`tests/test_s7comm.py`); what it
does not read of them, it shows as bytes.
"""

from dataclasses import dataclass

REQUEST, RESPONSE, PUSH = 4, 8, 0  # types of user data
NC_REQUEST, NC_RESPONSE = 7, 11
PROGRAMMER, CYCLIC, CPU, SECURITY, PBC, TIME, NC = 1, 2, 4, 5, 6, 7, 15
SUCCESS, NOT_THERE, OCTETS = 0xFF, 0x0A, 9


@dataclass(frozen=True)
class Exchange:
    """A message, and what answers it; where nothing does it is told by the controller."""

    name: str
    asked: bytes
    answered: bytes = b""
    told: bool = False  # by the controller, unasked


def job(reference: int, parameters: str, data: str = "") -> bytes:
    """A job."""
    return _message(1, reference, bytes.fromhex(parameters), bytes.fromhex(data))


def answer(reference: int, parameters: str, data: str = "", error: int = 0) -> bytes:
    """What answers a job."""
    return _message(3, reference, bytes.fromhex(parameters), bytes.fromhex(data), error)


def _message(
    kind: int, reference: int, parameters: bytes, data: bytes, error: int | None = None
) -> bytes:
    sizes = len(parameters).to_bytes(2, "big") + len(data).to_bytes(2, "big")
    head = bytes([0x32, kind, 0, 0]) + reference.to_bytes(2, "little") + sizes
    return head + (b"" if error is None else error.to_bytes(2, "big")) + parameters + data


def user_data(
    reference: int, what: tuple[int, int, int], data: str = "", *, long: bool, error: int = 0
) -> bytes:
    """User data of a type, group and function; ``long``: with the parameters of responses."""
    type_, group, function = what
    form = [0x00, 0x01, 0x12, 8 if long else 4, 0x12 if long else 0x11]
    parameters = bytes([*form, type_ << 4 | group, function, 0])
    if long:
        parameters += bytes([0, 0]) + error.to_bytes(2, "big")
    raw = bytes.fromhex(data)
    head = bytes([SUCCESS, OCTETS]) + len(raw).to_bytes(2, "big")
    return _message(7, reference, parameters, (head if raw else bytes([NOT_THERE, 0, 0, 0])) + raw)


def service(
    reference: int, name: str, group: int, function: int, asked: str, told: str, *, long: bool
) -> Exchange:
    """A service of user data, and its answer."""
    return Exchange(
        name,
        user_data(reference, (REQUEST, group, function), asked, long=long),
        user_data(reference, (RESPONSE, group, function), told, long=True),
    )


def push(name: str, group: int, function: int, data: str) -> Exchange:
    """What the controller tells unasked."""
    return Exchange(name, user_data(0, (PUSH, group, function), data, long=False), told=True)


WHEN = "0000 0001 0001 0008 0001 0001 0001 0001 0001 0200"  # now, once, at the end of the cycle
STAMP = "94010600 27203975"  # 1994-01-06 00:27:20.397, a Thursday
ACCEPTED = "0004 0000 0100 0001"  # sizes, and two numbers of the job
MARKER = "12 0a 10 02 0004 0000 83 000050"  # M 10-13
INPUT = "12 0a 10 01 0001 0000 81 000003"  # I 0.3

# programmer commands: sizes of both parts, when, and what
BLOCK_STATUS = f"001c 0004 {WHEN} 0008 0001 0000 0010 0000 0000"
VARIABLES = "0002 03 01 0000 0000 10 01 0000 0008"  # two of them: MD 0 and I 8.1
FORCED = f"{VARIABLES} 00 09 0004 4133851f 00 09 0001 01 00"


def _programmer() -> list[Exchange]:
    plain = f"0014 0002 {WHEN} 0000"
    named = f"0014 0002 {WHEN} 02 05"
    rows = (
        (1, "block_status", BLOCK_STATUS, "0004 0006 0100 0001 0000 0001 0000"),
        (3, "output_istack", plain, ACCEPTED),
        (4, "output_bstack", plain, "0004 0004 0100 0001 0001 0008"),
        (5, "output_lstack", plain, ACCEPTED),
        (6, "time_measurement", plain, ACCEPTED),
        (7, "force_selection", plain, ACCEPTED),
        (9, "force", f"0014 001c {WHEN} {FORCED}", ACCEPTED),
        (10, "breakpoint", f"001c 0000 {WHEN} 0008 0001 0000 0010", ACCEPTED),
        (11, "exit_hold", plain, ACCEPTED),
        (12, "memory_reset", plain, ACCEPTED),
        (17, "read_job", named, ACCEPTED),
        (18, "replace_job", f"0014 002a {WHEN} 0000 02 05 0014 000e {WHEN} {VARIABLES}", ACCEPTED),
    )
    return [
        service(0x100 + function, name, PROGRAMMER, function, asked, told, long=True)
        for function, name, asked, told in rows
    ]


def _alarms() -> list[Exchange]:
    """Acknowledged, locked and unlocked by the operator; told by the controller."""
    named = "00 01 12 08 {} 00 000000af 00 00"
    told = "12 0a 16 02 000000af 01 01 00 00 ff 04 0010 002a ff 04 0010 0007"
    shorter = "12 0a 16 00 000000af 01 01 00 00"
    listed = "00 01 ff"
    return [
        service(0x207, "alarm_8_lock", CPU, 7, named.format("15"), listed, long=False),
        service(0x208, "alarm_8_unlock", CPU, 8, named.format("15"), listed, long=False),
        service(
            0x20B, "alarm_ack", CPU, 11, "09 01 12 08 19 00 000000af 00 01", listed, long=False
        ),
        push("scan_indication", CPU, 9, f"{STAMP} 40 01 {told}"),
        push("alarm_ack_indication", CPU, 12, f"{STAMP} 40 01 12 08 19 00 000000af 00 01"),
        push("alarm_lock_indication", CPU, 13, f"{STAMP} 40 01 12 08 15 00 000000af 00 00"),
        push("alarm_unlock_indication", CPU, 14, f"{STAMP} 40 01 12 08 15 00 000000af 00 00"),
        push("alarm_sq_indication", CPU, 17, f"{STAMP} 40 01 {shorter}"),
        push("alarm_s_indication", CPU, 18, f"{STAMP} 40 01 {shorter}"),
        push("notify_8_indication", CPU, 22, f"{STAMP} 40 01 {told}"),
    ]


def _cyclic() -> list[Exchange]:
    return [
        service(
            0x301, "cyclic_transfer", CYCLIC, 1, f"0002 01 05 {MARKER} {INPUT}",
            "0002 ff 04 0020 00000001 ff 03 0001 01", long=False,
        ),
        push("cyclic_data", CYCLIC, 1, "0002 ff 04 0020 00000002 ff 03 0001 00"),
        service(
            0x308, "rdrec", CYCLIC, 8, "0001 12 0a 10 02 0010 0000 01 000058",
            "0001 ff 09 0004 00010002", long=False,
        ),
    ]  # fmt: skip


def _time() -> list[Exchange]:
    now = "00 20 26010508 00000002"
    return [
        service(0x401, "read_clock", TIME, 1, "", now, long=False),
        service(0x403, "read_clock_following", TIME, 3, "", now, long=False),
        service(0x404, "set_clock_following", TIME, 4, now, "", long=False),
    ]


def _others() -> list[Exchange]:
    sent = "12 06 13 00 00000007 0004 01020304"
    numeric = "5f4e5f4d 50463031"  # _N_MPF01
    functions = (
        (1, "nc_request_download"), (2, "nc_download_block"), (3, "nc_continue_download"),
        (4, "nc_download_ended"), (6, "nc_start_upload"), (7, "nc_upload"),
        (8, "nc_continue_upload"),
    )  # fmt: skip
    return [
        service(0x501, "bsend", PBC, 0, sent, "12 06 13 00 00000007", long=False),
        *(
            Exchange(
                name,
                user_data(0x510 + function, (NC_REQUEST, NC, function), numeric, long=False),
                user_data(0x510 + function, (NC_RESPONSE, NC, function), long=True),
            )
            for function, name in functions
        ),
    ]


def _jobs() -> list[Exchange]:
    blocks = "01 00 3041 3030303031 50"  # DB1, passive
    several = (
        "04 05 12 0a 10 01 0001 000a 84 00001b 12 0a 10 05 0002 000a 84 000020"
        " 12 0a 10 07 0001 000a 84 000040 12 0a 10 08 0001 000b 85 000080 12 0a 10 1d 0001 0000 1d 000005"
    )
    values = "ff 03 0001 01 00 ff 05 0020 0001 ffff ff 06 0004 fffffffe ff 07 0004 42280000 ff 09 0002 0123"
    symbol = "04 02 12 0e b2 ff 8a0e 000a 12345678 00000005 12 08 82 41 0001 0003 7f 01"
    return [
        Exchange("read of five types", job(1, several), answer(1, "04 05", values)),
        Exchange(
            "read by symbol and of a numeric control",
            job(2, symbol), answer(2, "04 02", "ff 04 0010 002a ff 09 0008 4045000000000000"),
        ),
        Exchange(
            "write of two, one refused",
            job(
                3, "05 02 12 0a 10 01 0001 0000 83 000050 12 0a 10 04 0001 000a 84 000010",
                "00 03 0001 01 00 00 04 0010 04d2",
            ),
            answer(3, "05 02", "ff 03"),
        ),
        Exchange("read refused", job(4, "04 01" + MARKER), answer(4, "04 00", error=0x8500)),
        Exchange(
            "pi_dele", job(7, f"28 000000000000 fd 000a {blocks} 05 5f44454c45"), answer(7, "28")
        ),
        Exchange(
            "pi_ins2", job(5, f"28 000000000000 fd 000a {blocks} 05 5f494e5332"), answer(5, "28")
        ),
        Exchange(
            "pi_service of another kind",
            job(6, "28 000000000000 fd 0006 05 3031323334 09 5f4e5f4c4f47494e5f"), answer(6, "28"),
        ),
    ]  # fmt: skip


def _component(index: int, text: str) -> str:
    """A record of list 0x001c: index, and text of 32 bytes."""
    return f"{index:04x}" + text.encode().ljust(32, b"\0").hex()


def _identity() -> list[Exchange]:
    """Who the controller is: two lists, the second in two pieces of which a record has a share."""
    module, firmware = "6ES7 315-2EH14-0AB0 ", " " * 20
    numbers = "0011 0000 001c 0002"
    order = (
        f"0001 {module.encode().hex()} 00c0 0004 0001 0007 {firmware.encode().hex()} 00c0 5603 0206"
    )
    names = (
        (1, "PRESS LINE 3"), (2, "PLC_1"), (3, "HALL 2"), (5, "S C-X0U000000031"),
        (7, "CPU 315-2 PN/DP"),
    )  # fmt: skip
    raw = bytes.fromhex("001c 0000 0022 0005") + bytes.fromhex(
        "".join(_component(*name) for name in names)
    )
    cut = 100
    first, rest = raw[:cut].hex(), raw[cut:].hex()
    protection = "0232 0004 0028 0001 0004 0002 0000 0002 0001" + "00" * 30
    return [
        service(0x601, "read_szl 0x0011", CPU, 1, "0011 0000", f"{numbers} {order}", long=False),
        Exchange(
            "read_szl 0x001c",
            user_data(0x602, (REQUEST, CPU, 1), "001c 0000", long=False),
            _piece(user_data(0x602, (RESPONSE, CPU, 1), first, long=True), more=True),
        ),
        Exchange(
            "read_szl 0x001c, the rest",
            _piece(user_data(0x603, (REQUEST, CPU, 1), long=True), of_server=False),
            _piece(user_data(0x603, (RESPONSE, CPU, 1), rest, long=True)),
        ),
        service(0x604, "read_szl 0x0232", CPU, 1, "0232 0004", protection, long=False),
    ]


def _piece(message: bytes, *, more: bool = False, of_server: bool = True) -> bytes:
    """A piece of a list: with its sequence number, its own number, and whether more follows."""
    marked = bytearray(message)
    marked[17], marked[18], marked[19] = 2, 0xD5 if of_server else 0, more
    return bytes(marked)


EXCHANGES = (*_identity(), *_jobs(), *_programmer(), *_alarms(), *_cyclic(), *_time(), *_others())
DISCONNECT = bytes.fromhex("06 80 0003 0007 80")
TRANSPORT_ERROR = bytes.fromhex("04 70 0007 02")
