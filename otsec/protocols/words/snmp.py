"""Words of SNMP: names of objects, errors, enterprises, and communities that everybody knows."""

COLUMNS: dict[str, str] = {  # names by the object's number without its instance; RFC 3418, 2863
    "1.3.6.1.2.1.1.1": "sysDescr",
    "1.3.6.1.2.1.1.2": "sysObjectID",
    "1.3.6.1.2.1.1.3": "sysUpTime",
    "1.3.6.1.2.1.1.4": "sysContact",
    "1.3.6.1.2.1.1.5": "sysName",
    "1.3.6.1.2.1.1.6": "sysLocation",
    "1.3.6.1.2.1.1.7": "sysServices",
    "1.3.6.1.2.1.2.1": "ifNumber",
    "1.3.6.1.2.1.2.2.1.1": "ifIndex",
    "1.3.6.1.2.1.2.2.1.2": "ifDescr",
    "1.3.6.1.2.1.2.2.1.3": "ifType",
    "1.3.6.1.2.1.2.2.1.4": "ifMtu",
    "1.3.6.1.2.1.2.2.1.5": "ifSpeed",
    "1.3.6.1.2.1.2.2.1.6": "ifPhysAddress",
    "1.3.6.1.2.1.2.2.1.7": "ifAdminStatus",
    "1.3.6.1.2.1.2.2.1.8": "ifOperStatus",
    "1.3.6.1.2.1.2.2.1.10": "ifInOctets",
    "1.3.6.1.2.1.2.2.1.14": "ifInErrors",
    "1.3.6.1.2.1.2.2.1.16": "ifOutOctets",
    "1.3.6.1.2.1.2.2.1.20": "ifOutErrors",
    "1.3.6.1.2.1.47.1.1.1.1.2": "entPhysicalDescr",
    "1.3.6.1.2.1.47.1.1.1.1.7": "entPhysicalName",
    "1.3.6.1.2.1.47.1.1.1.1.8": "entPhysicalHardwareRev",
    "1.3.6.1.2.1.47.1.1.1.1.9": "entPhysicalFirmwareRev",
    "1.3.6.1.2.1.47.1.1.1.1.10": "entPhysicalSoftwareRev",
    "1.3.6.1.2.1.47.1.1.1.1.11": "entPhysicalSerialNum",
    "1.3.6.1.2.1.47.1.1.1.1.12": "entPhysicalMfgName",
    "1.3.6.1.2.1.47.1.1.1.1.13": "entPhysicalModelName",
    "1.3.6.1.6.3.1.1.4.1": "snmpTrapOID",
    "1.3.6.1.6.3.1.1.4.3": "snmpTrapEnterprise",
    "1.3.6.1.6.3.15.1.1.1": "usmStatsUnsupportedSecLevels",
    "1.3.6.1.6.3.15.1.1.2": "usmStatsNotInTimeWindows",
    "1.3.6.1.6.3.15.1.1.3": "usmStatsUnknownUserNames",
    "1.3.6.1.6.3.15.1.1.4": "usmStatsUnknownEngineIDs",
    "1.3.6.1.6.3.15.1.1.5": "usmStatsWrongDigests",
    "1.3.6.1.6.3.15.1.1.6": "usmStatsDecryptionErrors",
}
TELLS = {  # names of objects whose texts say who it is
    "sysDescr": "description",
    "sysObjectID": "object_id",
    "sysContact": "contact",
    "sysName": "name",
    "sysLocation": "location",
}
TELLS_OF_PART = {  # the same of parts, by the number of the part; RFC 6933
    "entPhysicalDescr": "description",
    "entPhysicalHardwareRev": "hardware_revision",
    "entPhysicalFirmwareRev": "firmware_revision",
    "entPhysicalSoftwareRev": "revision",
    "entPhysicalSerialNum": "serial",
    "entPhysicalMfgName": "vendor",
    "entPhysicalModelName": "model_name",
}
ERRORS = (  # error-status, RFC 3416 3
    "ok", "too_big", "no_such_name", "bad_value", "read_only", "gen_err", "no_access", "wrong_type",
    "wrong_length", "wrong_encoding", "wrong_value", "no_creation", "inconsistent_value",
    "resource_unavailable", "commit_failed", "undo_failed", "authorization_error", "not_writable",
    "inconsistent_name",
)  # fmt: skip
TRAPS = (  # generic-trap, RFC 1157 4.1.6
    "cold_start", "warm_start", "link_down", "link_up", "authentication_failure",
    "egp_neighbor_loss", "enterprise_specific",
)  # fmt: skip
STANDARD_TRAPS = {  # RFC 3418, RFC 2863
    f"1.3.6.1.6.3.1.1.5.{number}": name for number, name in enumerate(TRAPS[:6], 1)
}
EXCEPTIONS = {0x80: "no_such_object", 0x81: "no_such_instance", 0x82: "end_of_mib_view"}
ENTERPRISES = {  # iana.org/assignments/enterprise-numbers
    9: "Cisco",
    11: "Hewlett-Packard",
    95: "Allen-Bradley",
    171: "D-Link",
    248: "Hirschmann",
    311: "Microsoft",
    318: "APC",
    674: "Dell",
    2011: "Huawei",
    2636: "Juniper",
    3833: "Schneider Electric",
    4196: "Siemens AG",
    4329: "Siemens AG",
    4346: "Phoenix Contact",
    8072: "Net-SNMP",
    8691: "Moxa",
    14988: "MikroTik",
    16177: "Westermo",
    25461: "Palo Alto Networks",
}
SOFTWARE = frozenset({8072})  # makers of agents, not of devices
# communities that devices are delivered with, by public lists of such; nothing else is named
DEFAULTS = (
    b"public", b"private", b"community", b"snmp", b"admin", b"manager", b"cisco", b"monitor",
    b"default", b"read", b"write", b"password", b"security", b"ILMI", b"Siemens", b"hirschmann",
)  # fmt: skip
SHORT = 8  # bytes; a community that is shorter is weak
