"""The words of IEC 60870-5-104: types with their information elements, causes, qualifiers.

Sources: [101] IEC 60870-5-101:2003, [104] IEC 60870-5-104:2006, [7] IEC TS 60870-5-7:2013.
"""

from dataclasses import dataclass, replace
from typing import Literal

from otsec.model import OperationClass
from otsec.protocols.api import BITS, F32_LE, I8, I16_LE, I32_LE, U16_LE, U32_LE

OPEN = -1  # an element whose size its type does not tell
Group = Literal["monitor", "command", "file", "security"]


@dataclass(frozen=True, slots=True)
class Element:
    """What stands behind an object's address, time stamp included."""

    size: int  # bytes, or OPEN
    key: bytes = b""  # mask of its first bytes: what belongs to a key; five at most
    values: int = 0  # how many it has
    type: int = BITS  # of the values
    at: int = 0  # offset of the first
    about: str = ""  # which bits those are, where one object has several
    quality: int = -1  # offset of the octet with the quality; -1 without
    span: int = 0  # bytes of a key that is longer than five bytes, in place of the mask

    def timed(self, size: int) -> "Element":
        """The same with a time stamp behind it."""
        return replace(self, size=self.size + size)


@dataclass(frozen=True, slots=True)
class Type:
    """One type identification."""

    name: str
    cls: OperationClass
    group: Group
    element: Element


CP16, CP24, CP56 = 2, 3, 7  # bytes of times, [101] 7.2.6.18 to 7.2.6.20
FLAGS = 0xF1  # OV, BL, SB, NT and IV of a quality octet, [101] 7.2.6.3
SIQ = Element(1, b"\xf0", 1, quality=0)  # 7.2.6.1
DIQ = Element(1, b"\xf0", 2, about="off/on", quality=0)  # 7.2.6.2
VTI = Element(2, b"\xc0\xf1", 1, I8, quality=1)  # 7.2.6.5
BSI = Element(5, b"\0\0\0\0\xf1", 1, U32_LE, quality=4)  # 7.2.6.13
NVA = Element(3, b"\0\0\xf1", 1, I16_LE, quality=2)  # 7.2.6.6, SVA 7.2.6.7
R32 = Element(5, b"\0\0\0\0\xf1", 1, F32_LE, quality=4)  # 7.2.6.8
BCR = Element(5, b"\0\0\0\0\xe0", 1, I32_LE)  # 7.2.6.9
SCD = Element(5, b"\0\0\0\0\xf1", 32, about="status/changed", quality=4)  # 7.2.6.40
SEP = Element(1 + CP16, b"\xf8", 2, about="off/on", quality=0)  # 7.2.6.10
SPE = Element(2 + CP16, b"\0\xf8", 6, about="started", quality=1)  # 7.2.6.11
OCI = Element(2 + CP16, b"\0\xf8", 4, about="tripped", quality=1)  # 7.2.6.12
SCO = Element(1, b"\xfc", 1)  # 7.2.6.15
DCO = Element(1, b"\xfc", 2, about="off/on")  # 7.2.6.16
RCO = Element(1, b"\xfc", 2, about="lower/higher")  # 7.2.6.17
NVA_SET = Element(3, b"\0\0\xff", 1, I16_LE)
R32_SET = Element(5, b"\0\0\0\0\xff", 1, F32_LE)
BSI_SET = Element(4, b"", 1, U32_LE)
CODE = Element(1, b"\xff")
FILE = Element(4, b"\xff\xff\xff\xff")  # NOF, NOS and a qualifier
OPAQUE = Element(OPEN)

COUNTER_AT, COUNTER_FLAGS = 2, 6  # offsets in the security statistics of [7]
COUNTER_MARKS = 0xE0  # IV, CA and CY


def _types(
    group: Group, cls: OperationClass, named: dict[int, tuple[str, Element]]
) -> dict[int, Type]:
    return {code: Type(name, cls, group, element) for code, (name, element) in named.items()}


# A station says so when it has started: it tells of a mode, and nobody has asked for it.
END_OF_START = "m_ei_na_1"

TYPES: dict[int, Type] = {  # [101] 7.2.1.1, [104] 6.1
    **_types("monitor", "report", {
        1: ("m_sp_na_1", SIQ), 2: ("m_sp_ta_1", SIQ.timed(CP24)),
        3: ("m_dp_na_1", DIQ), 4: ("m_dp_ta_1", DIQ.timed(CP24)),
        5: ("m_st_na_1", VTI), 6: ("m_st_ta_1", VTI.timed(CP24)),
        7: ("m_bo_na_1", BSI), 8: ("m_bo_ta_1", BSI.timed(CP24)),
        9: ("m_me_na_1", NVA), 10: ("m_me_ta_1", NVA.timed(CP24)),
        11: ("m_me_nb_1", NVA), 12: ("m_me_tb_1", NVA.timed(CP24)),
        13: ("m_me_nc_1", R32), 14: ("m_me_tc_1", R32.timed(CP24)),
        15: ("m_it_na_1", BCR), 16: ("m_it_ta_1", BCR.timed(CP24)),
        17: ("m_ep_ta_1", SEP.timed(CP24)), 18: ("m_ep_tb_1", SPE.timed(CP24)),
        19: ("m_ep_tc_1", OCI.timed(CP24)), 20: ("m_ps_na_1", SCD),
        21: ("m_me_nd_1", replace(NVA, size=2, key=b"", quality=-1)),
        30: ("m_sp_tb_1", SIQ.timed(CP56)), 31: ("m_dp_tb_1", DIQ.timed(CP56)),
        32: ("m_st_tb_1", VTI.timed(CP56)), 33: ("m_bo_tb_1", BSI.timed(CP56)),
        34: ("m_me_td_1", NVA.timed(CP56)), 35: ("m_me_te_1", NVA.timed(CP56)),
        36: ("m_me_tf_1", R32.timed(CP56)), 37: ("m_it_tb_1", BCR.timed(CP56)),
        38: ("m_ep_td_1", SEP.timed(CP56)), 39: ("m_ep_te_1", SPE.timed(CP56)),
        40: ("m_ep_tf_1", OCI.timed(CP56)),
        41: ("s_it_tc_1", Element(7 + CP56, b"\xff\xff", 1, I32_LE, at=COUNTER_AT)),
    }),
    **_types("command", "control", {
        45: ("c_sc_na_1", SCO), 46: ("c_dc_na_1", DCO), 47: ("c_rc_na_1", RCO),
        48: ("c_se_na_1", NVA_SET), 49: ("c_se_nb_1", NVA_SET), 50: ("c_se_nc_1", R32_SET),
        51: ("c_bo_na_1", BSI_SET),
        58: ("c_sc_ta_1", SCO.timed(CP56)), 59: ("c_dc_ta_1", DCO.timed(CP56)),
        60: ("c_rc_ta_1", RCO.timed(CP56)), 61: ("c_se_ta_1", NVA_SET.timed(CP56)),
        62: ("c_se_tb_1", NVA_SET.timed(CP56)), 63: ("c_se_tc_1", R32_SET.timed(CP56)),
        64: ("c_bo_ta_1", BSI_SET.timed(CP56)),
    }),
    70: Type(END_OF_START, "report", "monitor", CODE),
    **_types("security", "session", {
        81: ("s_ch_na_1", OPAQUE), 82: ("s_rp_na_1", OPAQUE), 83: ("s_ar_na_1", OPAQUE),
        84: ("s_kr_na_1", OPAQUE), 85: ("s_ks_na_1", OPAQUE), 86: ("s_kc_na_1", OPAQUE),
        87: ("s_er_na_1", OPAQUE),
    }),
    **_types("security", "config", {  # users and their update keys
        90: ("s_us_na_1", OPAQUE), 91: ("s_uq_na_1", OPAQUE), 92: ("s_ur_na_1", OPAQUE),
        93: ("s_uk_na_1", OPAQUE), 94: ("s_ua_na_1", OPAQUE), 95: ("s_uc_na_1", OPAQUE),
    }),
    100: Type("c_ic_na_1", "read", "command", CODE),
    101: Type("c_ci_na_1", "read", "command", CODE),
    102: Type("c_rd_na_1", "read", "command", Element(0)),
    103: Type("c_cs_na_1", "time", "command", Element(CP56)),
    104: Type("c_ts_na_1", "diagnose", "command", Element(2, b"\xff\xff")),
    105: Type("c_rp_na_1", "mode", "command", CODE),
    106: Type("c_cd_na_1", "time", "command", Element(CP16, b"", 1, U16_LE)),
    107: Type("c_ts_ta_1", "diagnose", "command", Element(2 + CP56)),
    **_types("command", "config", {
        110: ("p_me_na_1", NVA_SET), 111: ("p_me_nb_1", NVA_SET), 112: ("p_me_nc_1", R32_SET),
        113: ("p_ac_na_1", CODE),
    }),
    **_types("file", "file", {
        120: ("f_fr_na_1", Element(6, span=6)), 121: ("f_sr_na_1", Element(7, span=7)),
        122: ("f_sc_na_1", FILE), 123: ("f_ls_na_1", Element(5, b"\xff\xff\xff\xff\xff")),
        124: ("f_af_na_1", FILE), 125: ("f_sg_na_1", Element(OPEN, b"\xff\xff\xff")),
        126: ("f_dr_ta_1", Element(6 + CP56, span=6)),
        127: ("f_sc_nb_1", Element(2 + 2 * CP56, b"\xff\xff")),
    }),
}  # fmt: skip

END_OF_INITIALISATION, INTERROGATION, COUNTER_INTERROGATION, READ, CLOCK = 70, 100, 101, 102, 103
TEST, RESET_PROCESS, DELAY, TIMED_TEST, PARAMETER_ACTIVATION = 104, 105, 106, 107, 113
STEPS, COUNTERS, SECURITY_STATISTICS = (5, 6, 32), (15, 16, 37), 41
PROTECTION = (17, 18, 19, 38, 39, 40)
PULSED, SET_POINTS = (45, 46, 47, 58, 59, 60), (48, 49, 50, 61, 62, 63)
SELECTABLE = (*PULSED, *SET_POINTS)
PARAMETERS = (110, 111, 112)
FILE_READY, SECTION_READY, CALL, LAST, ACKNOWLEDGED, SEGMENT, DIRECTORY, LOG = range(120, 128)

# ------------------------------------------------------------------------------- causes

ACTIVATION, CONFIRMED, DEACTIVATION, DEACTIVATED, TERMINATED = 6, 7, 8, 9, 10
SPONTANEOUS, REQUESTED, FILE_TRANSFER = 3, 5, 13
SECURED = (14, 15, 16)
CAUSES = {  # [101] 7.2.3, [7] for 14 to 16
    1: "periodic", 2: "background", 3: "spontaneous", 4: "initialised", 5: "requested",
    6: "activation", 7: "activation_confirmation", 8: "deactivation",
    9: "deactivation_confirmation", 10: "activation_termination", 11: "return_remote",
    12: "return_local", 13: "file_transfer", 14: "authentication", 15: "session_key",
    16: "user_role_and_update_key", 20: "interrogated_by_station",
    **{20 + group: f"interrogated_by_group_{group}" for group in range(1, 17)},
    37: "counters_requested",
    **{37 + group: f"counter_group_{group}_requested" for group in range(1, 5)},
    44: "unknown_type", 45: "unknown_cause", 46: "unknown_common_address",
    47: "unknown_object_address",
}  # fmt: skip
REFUSALS = (44, 45, 46, 47)
REPORTED = (1, 2, 3, 4, 5, 11, 12, *range(20, 42))  # causes of data, [101] 7.2.3
CAUSE_BITS, NEGATIVE, UNDER_TEST = 0x3F, 0x40, 0x80

# --------------------------------------------------------------------------- qualifiers

QUALITIES = (  # the worst first, [101] 7.2.6.1 to 7.2.6.4
    (0x80, "invalid"), (0x40, "not_topical"), (0x01, "overflow"), (0x10, "blocked"),
    (0x20, "substituted"),
)  # fmt: skip
ELAPSED_INVALID = 0x08  # EI, [101] 7.2.6.4
PULSES = {0: "", 1: "short pulse", 2: "long pulse", 3: "persistent"}  # QU, 7.2.6.26
SELECT = 0x80  # S/E
FREEZES = ("", "_freeze", "_freeze_and_reset", "_reset")  # FRZ, 7.2.6.23
CALLS = {  # SCQ, 7.2.6.30
    1: "_select_file", 2: "_request_file", 3: "_deactivate_file", 4: "_delete_file",
    5: "_select_section", 6: "_request_section", 7: "_deactivate_section",
}  # fmt: skip
FILE_ERRORS = {  # high half of SCQ and AFQ, 7.2.6.30 and 7.2.6.32
    1: "no_memory", 2: "checksum_failed", 3: "unexpected_service", 4: "unexpected_file",
    5: "unexpected_section",
}  # fmt: skip
ACKNOWLEDGEMENTS = {  # AFQ, 7.2.6.32: of what, and whether it is refused
    1: ("file", False), 2: ("file", True), 3: ("section", False), 4: ("section", True),
}  # fmt: skip
ENDS = {  # LSQ, 7.2.6.31
    1: "file", 2: "file, deactivated", 3: "section", 4: "section, deactivated",
}  # fmt: skip
KINDS = {1: "threshold", 2: "smoothing", 3: "low limit", 4: "high limit"}  # QPM, 7.2.6.24
ACTIVATIONS = {1: "loaded parameters", 2: "parameters", 3: "cyclic transmission"}  # QPA, 7.2.6.25
RESETS = {1: "process", 2: "pending events"}  # QRP, 7.2.6.27
RESTARTS = {0: "local power on", 1: "local manual reset", 2: "remote reset"}  # COI, 7.2.6.21
TEST_PATTERN = 0x55AA  # FBP, 7.2.6.14

# ---------------------------------------------------------------------------- security

FIRST_SEGMENT, LAST_SEGMENT = 0x40, 0x80  # FIR and FIN of the segmentation octet, [7]
KEY_STATUS_REQUEST = 84  # the only one without that octet
USERS = {  # where in a body the user's number stands
    81: 5, 82: 5, KEY_STATUS_REQUEST: 0, 85: 5, 86: 5, 92: 5, 93: 5, 94: 5,
}  # fmt: skip

# -------------------------------------------------------------------- units without data

STARTDT, STOPDT, TESTFR = 0x07, 0x13, 0x43  # act; [104] 5.1, figure 8
STARTED, STOPPED, TESTED = 0x0B, 0x23, 0x83  # con
UNNUMBERED = {
    STARTDT: "startdt", STARTED: "startdt", STOPDT: "stopdt", STOPPED: "stopdt",
    TESTFR: "testfr", TESTED: "testfr",
}  # fmt: skip
CONFIRMATIONS = (STARTED, STOPPED, TESTED)
