"""Industrial services by number, for what otsec sees but cannot read.

A number proves nothing, so these are only ever told as "by its port" or "by its ethertype".
Sources: IANA service names and port numbers; IEEE ethertypes; PI, ODVA, OPC, DNP and IEC.
"""

INDUSTRIAL = {
    "tcp/102": "S7comm or MMS",
    "tcp/502": "Modbus",
    "udp/502": "Modbus",
    "tcp/1089": "FF HSE",
    "udp/1089": "FF HSE",
    "udp/1090": "FF HSE",
    "udp/1091": "FF HSE",
    "tcp/1911": "Niagara Fox",
    "tcp/1962": "PCWorx",
    "udp/2222": "EtherNet/IP I/O",
    "tcp/2222": "EtherNet/IP I/O",
    "tcp/2404": "IEC 60870-5-104",
    "tcp/4000": "ROC",
    "tcp/4840": "OPC UA",
    "udp/4840": "OPC UA",
    "tcp/4911": "Niagara Fox",
    "tcp/5007": "MELSEC",
    "udp/5006": "MELSEC",
    "udp/5050": "S-Bus",
    "tcp/5094": "HART-IP",
    "udp/5094": "HART-IP",
    "tcp/9600": "OMRON FINS",
    "udp/9600": "OMRON FINS",
    "udp/18246": "EGD",
    "tcp/18245": "GE SRTP",
    "tcp/20000": "DNP3",
    "udp/20000": "DNP3",
    "tcp/20547": "ProConOS",
    "udp/34962": "PROFINET",
    "udp/34963": "PROFINET",
    "udp/34964": "PROFINET",
    "tcp/34962": "PROFINET",
    "tcp/34963": "PROFINET",
    "tcp/34964": "PROFINET",
    "udp/34980": "EtherCAT",
    "tcp/34980": "EtherCAT",
    "tcp/44818": "EtherNet/IP",
    "udp/44818": "EtherNet/IP",
    "udp/47808": "BACnet",
    "tcp/48898": "ADS",
    "udp/48899": "ADS",
    "tcp/4712": "C37.118",
    "udp/4713": "C37.118",
    "0x8892": "PROFINET",
    "0x88a4": "EtherCAT",
    "0x88ab": "POWERLINK",
    "0x88b8": "GOOSE",
    "0x88b9": "GSE management",
    "0x88ba": "Sampled Values",
    "0x88cd": "SERCOS III",
    "0x88e3": "MRP",
    "0x890f": "CC-Link IE",
}


def by_number(service: str) -> str:
    """The industrial protocol that usually has this number, "" if none has."""
    return INDUSTRIAL.get(service, "")
