"""What protocols, services, products and names stand for: the tables behind the roles.

Product families are those that their makers' public pages name so. A text is searched for the
patterns in order, and the first that is found counts.
"""

# By the protocol it answers, what a device probably is. Objects tell more than numbers do: IEC 104
# and DNP3 are spoken by outstations, Modbus by anything.
ANSWERS: dict[str, tuple[str, float]] = {
    "s7comm": ("plc", 0.8), "s7comm_plus": ("plc", 0.8), "enip": ("plc", 0.5),
    "modbus": ("plc", 0.5), "umas": ("plc", 0.85), "dnp3": ("rtu", 0.8), "iec104": ("rtu", 0.8),
    "mms": ("ied", 0.8), "bacnet": ("plc", 0.5), "opcua": ("opc_server", 0.7),
    "fins": ("plc", 0.8), "melsec": ("plc", 0.8), "ads": ("plc", 0.7), "ge_srtp": ("plc", 0.8),
    "hartip": ("gateway", 0.6), "pcom": ("plc", 0.85), "codesys": ("plc", 0.8),
    "tristation": ("safety_plc", 0.9),
}  # fmt: skip
PUBLISHES = {"goose": ("ied", 0.85), "sv": ("ied", 0.85)}
CONTROL = frozenset({*ANSWERS, *PUBLISHES, "profinet", "egd"})  # protocols of the process
NEUTRAL = frozenset({"opcua"})  # also spoken between computers: asking alone makes no HMI

DATABASES = frozenset(
    {"tds", "tcp/1433", "tcp/1521", "tcp/3306", "tcp/5432", "tcp/5450", "tcp/8086"}
)

# Services that are answered, by number: of weight only beside other signs.
SERVICES: dict[str, tuple[str, float]] = {
    "tcp/515": ("printer", 0.6), "tcp/631": ("printer", 0.5), "tcp/9100": ("printer", 0.6),
    "tcp/554": ("camera", 0.5), "tcp/88": ("domain_controller", 0.6),
    "tcp/389": ("domain_controller", 0.3), "udp/123": ("time_server", 0.3),
    "tcp/1433": ("server", 0.4), "tcp/1521": ("server", 0.4), "tcp/3306": ("server", 0.4),
    "tcp/5450": ("historian", 0.7), "udp/67": ("server", 0.3), "udp/53": ("server", 0.3),
    "tcp/53": ("server", 0.3), "tcp/445": ("server", 0.2), "tcp/3389": ("workstation", 0.2),
}  # fmt: skip

# What products, and words in which devices describe themselves, stand for.
PRODUCTS: tuple[tuple[str, str, float], ...] = (
    ((r"6ES7 ?(31\d|5\d\d)-\dF[A-Z]|6ES7 ?21\d-1[AH]F|CPU ?\d{3,4}T?F\b|GuardLogix|1756-L\d+S|safety (plc|controller)"
     r"|Tricon|Trident|HIMA|HIMax|Safety ?Manager|PSS ?4000|PNOZ"), "safety_plc", 0.95),
    ((r"6ES7 ?(31\d|41\d|21\d|51\d|15[14]-8)|\bCPU ?\d{3,4}|S7-(200|300|400|1200|1500)"),
     "plc", 0.9),
    ((r"1756-L|1769-L|5069-L|5380|ControlLogix|CompactLogix|MicroLogix|SLC ?5|PLC-5|1747-L|1761-L"
     r"|1763-|1766-|Micro8\d0|CL5000"), "plc", 0.95),
    (r"1756-EN|1756-CN|1756-DN|1756-EWEB|1768-ENBT|1769-AENTR|1788-", "plc", 0.7),
    ((r"1734-|1794-|1732|1738-|1791|5094-|POINT ?I/?O|FLEX ?I/?O|6ES7 ?(13|32|33|15[5-9])|\bET ?200"
     r"|WAGO 750-(3|49)|ioLogik|ADAM-\d"), "io", 0.85),
    ((r"\bM(340|580|221|241|251|258)\b|Modicon|Quantum|BMX ?P34|TSX ?P57|140 ?CPU|TM2[245]1"
     r"|AC ?800M|AC500|CJ[12]|NX1|NJ\d01|MELSEC|FX[35]U?\b|Q\d{2}U?D?[EHV]|CX\d{4}|PFC[12]00"
     r"|750-8\d\d|Saia|PCD\d|FP-X|Unitronics|DirectLOGIC|DL\d06"), "plc", 0.85),
    ((r"PowerFlex|SINAMICS|MICROMASTER|Altivar|\bATV ?\d|ACS ?[1-9]\d0|ACH ?5|VLT|VACON|Lenze|"
     r"Kinetix|servo ?drive|AC drive|MOVIDRIVE|Yaskawa [AVG]\d"), "drive", 0.9),
    ((r"PanelView|SIMATIC (HMI|Panel)|\b[TK]TP ?\d{3,4}|\bMP ?[23]77|Comfort Panel|6AV[26]|Magelis"
     r"|HMI(GTO|STU|S)\b|Proface|GOT[12]000|Weintek|cMT|E1\d{3} (panel|terminal)"), "hmi", 0.9),
    (r"SCALANCE ?S|mGuard|FortiGate|EAGLE ?(20|30|40)|Tofino|firewall", "firewall", 0.85),
    (r"SCALANCE ?W|access point|\bAIR-(AP|CAP)|BAT(54|867)", "access_point", 0.85),
    ((r"SCALANCE ?X|\bX20[0-9]|WeOS|Stratix|Hirschmann|MACH\d|RSP[ESL]?\d|EDS-|"
     r"RUGGEDCOM RS|Cisco IOS.*(IE|Catalyst|C\d{4})|FL SWITCH|\bswitch\b"), "switch", 0.9),
    # a brand, under which also switches and stations are sold that say more of themselves
    (r"SIMATIC ?S7", "plc", 0.9),
    (r"\bISR\d|Cisco IOS.*router|RUGGEDCOM RX|\brouter\b", "router", 0.8),
    (r"MGate|Anybus|NetBiter|\bEGX|PM8ECC|XPort|Lantronix|NPort|\bgateway\b|EtherNet/IP.*bridge",
     "gateway", 0.85),
    ((r"SIPROTEC|\b7S[AJDK]\d|\bSEL-\d|RE[FLTGM]6\d\d|RE[FLTGM]5\d\d|Relion|MiCOM|Multilin|\bP\d{3} relay"
     r"|\bC(60|90)\b"), "ied", 0.9),
    (r"\bRTU\b|SCADAPack|ROC ?8\d\d|FloBoss|RTU5\d\d|SICAM (A8000|AK|TM)|Remote Terminal", "rtu", 0.85),
    (r"PM(5|8)\d{3}|PowerLogic|SENTRON PAC|\bION ?\d{4}|Nexus 1\d|power meter|Energy Meter|Acuvim",
     "meter", 0.9),
    (r"KUKA|KR ?C\d|FANUC.*(robot|R-30)|IRC5|OmniCore|Motoman|robot controller", "robot_controller", 0.9),
    (r"SINUMERIK|FANUC (3[0-5]|0)i|Heidenhain|TNC ?\d|Mazatrol|\bCNC\b", "cnc", 0.9),
    (r"AXIS .*camera|Hikvision|Dahua|network camera|IP camera", "camera", 0.9),
    (r"LaserJet|OfficeJet|JetDirect|ZebraNet|\bprinter\b|imageRUNNER", "printer", 0.9),
    (r"WinCC|Wonderware|InTouch|System Platform|\biFIX|Ignition|Citect|Zenon|GENESIS64|SCADA",
     "scada_server", 0.7),
    (r"PI Server|Historian|Canary|InfluxDB", "historian", 0.8),
    (r"STEP ?7|TIA Portal|Studio 5000|RSLogix|RSLinx|Unity Pro|EcoStruxure Control|CODESYS Dev",
     "ews", 0.7),
    (r"KEPServer|OPC (UA )?server(?!.?client)|Matrikon", "opc_server", 0.8),
    (r"Windows Server|Linux.*server|ESXi", "server", 0.6),
    (r"Windows (7|8|10|11|XP|NT 5\.1|NT 6\.1|NT 10)", "workstation", 0.4),
    (r"Android|iPhone|iPad", "mobile", 0.8),
)  # fmt: skip
DESCRIBING = (
    *("order_number", "product_name", "model_name", "product_code", "module_name", "description"),
    *("product_uri", "server_id", "os", "vendor_class", "application", "platform", "vendor_value"),
)
LONGEST = 400  # letters of a description that are looked at: devices may say anything, at length

# Device types and roles that protocols name themselves (CIP Volume 1 6-1; PROFINET DCP role; S7
# connection types; OPC UA application types; LLDP and CDP capabilities).
HINTS: dict[str, tuple[tuple[str, str, float], ...]] = {
    "device_type": (
        (r"programmable logic controller", "plc", 0.95),
        (r"(ac|dc) drive|servo|motion|softstart", "drive", 0.95),
        (r"human.machine", "hmi", 0.95),
        (r"general purpose discrete|general purpose analog|i/?o\b", "io", 0.85),
        (r"communications? adapter", "gateway", 0.4),
        (r"managed.*switch", "switch", 0.95),
        (r"safety", "safety_plc", 0.7),
        (r"robot", "robot_controller", 0.9),
    ),
    "role_hint": (
        (r"^pg\b|programming device", "ews", 0.45),  # also the default of many libraries
        (r"^op\b|operator panel", "hmi", 0.6),
        (r"io.?controller", "plc", 0.85),
        (r"io.?device", "io", 0.6),
        (r"io.?supervisor", "ews", 0.7),
        (r"bridge|switch", "switch", 0.7),
        (r"router", "router", 0.4),
        (r"wlan|access.?point", "access_point", 0.7),
        (r"time.?server", "time_server", 0.6),
        (r"dhcp.?server|dns.?server", "server", 0.4),
        (r"^(opc.?ua )?(discovery )?server$|client.?and.?server", "opc_server", 0.3),
        (r"domain.?controller", "domain_controller", 0.9),
        (r"printer", "printer", 0.8),
    ),
}

# What people call their devices: a habit, no proof.
NAMES: tuple[tuple[str, str, float], ...] = (
    (r"plc|\bsps", "plc", 0.45), (r"hmi|panel", "hmi", 0.5), (r"scada", "scada_server", 0.5),
    (r"hist", "historian", 0.5), (r"\bews|eng(ineer|-?ws|-?station)|progpc", "ews", 0.5),
    (r"rtu", "rtu", 0.45), (r"\b(sw|switch)[-_0-9]|^x[1-4]\d\d\b", "switch", 0.4), (r"printer", "printer", 0.5),
    (r"\b(fw|firewall)", "firewall", 0.4), (r"cam(era)?[-_0-9]", "camera", 0.4),
    (r"\bdc[-_0-9]", "domain_controller", 0.4), (r"jump", "jump_host", 0.5),
    (r"drive|vfd|\bfu[-_0-9]", "drive", 0.4),
)  # fmt: skip
