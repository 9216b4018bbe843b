"""Services by number, for what otsec sees but cannot read.

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


CERTAIN = frozenset({"ARP", "RARP", "ICMP", "IGMP", "ICMPv6"})  # a number that nothing else has

USUAL = {  # what else is met on plant networks
    "0x0806": "ARP", "0x8035": "RARP", "icmp": "ICMP", "igmp": "IGMP", "icmp6": "ICMPv6",
    "0x4242": "STP", "0x88cc": "LLDP", "0x8809": "LACP", "0x9000": "loop test", "0x888e": "802.1X",
    "0x88e5": "MACsec", "0x88f7": "PTP", "0x88fb": "PRP/HSR supervision", "0x8863": "PPPoE",
    "0xaaaa": "SNAP", "0xe0e0": "IPX", "0xf0f0": "NetBEUI",
    "tcp/21": "FTP", "tcp/22": "SSH", "tcp/23": "Telnet", "tcp/25": "SMTP", "tcp/53": "DNS",
    "tcp/80": "HTTP", "tcp/88": "Kerberos", "tcp/135": "RPC", "tcp/139": "NetBIOS",
    "tcp/389": "LDAP", "tcp/443": "HTTPS", "tcp/445": "SMB", "tcp/1433": "SQL Server",
    "tcp/1521": "Oracle", "tcp/1883": "MQTT", "tcp/3306": "MySQL", "tcp/3389": "RDP",
    "tcp/5432": "PostgreSQL", "tcp/5900": "VNC", "tcp/8080": "HTTP", "tcp/8443": "HTTPS",
    "tcp/8883": "MQTT over TLS", "udp/53": "DNS", "udp/67": "DHCP", "udp/68": "DHCP",
    "udp/69": "TFTP", "udp/123": "NTP", "udp/137": "NetBIOS", "udp/138": "NetBIOS",
    "udp/161": "SNMP", "udp/162": "SNMP", "udp/319": "PTP", "udp/320": "PTP", "udp/443": "QUIC",
    "udp/500": "IPsec", "udp/514": "syslog", "udp/546": "DHCPv6", "udp/547": "DHCPv6",
    "udp/1900": "SSDP", "udp/3702": "WS-Discovery", "udp/4500": "IPsec", "udp/5353": "mDNS",
    "udp/5355": "LLMNR",
}  # fmt: skip


def usual(service: str) -> str:
    """What usually has this number, industrial or not; "" if nothing has."""
    return INDUSTRIAL.get(service) or USUAL.get(service, "")
