"""Services that are known by the name of their servers: ways in from afar, and names hidden in HTTPS.

A name is all that is known of them. Sources: what their makers tell to open in firewalls
(teamviewer.com, support.anydesk.com, hms-networks.com, ixon.cloud, secomea.com, tosibox.com,
splashtop.com, logmein.com, connectwise.com, rustdesk.com, tailscale.com, zerotier.com, ngrok.com,
developer.cloudflare.com), and the list of public resolvers of the DNSCrypt project.
"""

BY_NAME = " (by name)"
BY_CERTIFICATE = " (by certificate)"
DNS_OVER_HTTPS = "DNS over HTTPS"
RESOLVERS = (
    "cloudflare-dns.com", "one.one.one.one", "dns.google", "dns.quad9.net", "doh.opendns.com",
    "dns.adguard-dns.com", "dns.adguard.com", "doh.cleanbrowsing.org", "dns.nextdns.io",
    "dns.controld.com", "freedns.controld.com", "doh.dns.sb", "dns.mullvad.net", "doh.libredns.gr",
    "dns.alidns.com", "doh.pub", "doh.xfinity.com", "dns0.eu", "dns.switch.ch",
)  # fmt: skip
SERVICES: dict[str, str] = {  # domain, and all below it
    "teamviewer.com": "TeamViewer", "anydesk.com": "AnyDesk", "splashtop.com": "Splashtop",
    "logmein.com": "LogMeIn", "logmeinrescue.com": "LogMeIn Rescue", "gotomypc.com": "GoToMyPC",
    "screenconnect.com": "ScreenConnect", "rustdesk.com": "RustDesk",
    "remotedesktop.google.com": "Chrome Remote Desktop", "getscreen.me": "Getscreen",
    "talk2m.com": "Ewon Talk2M", "ixon.net": "IXON", "ixon.cloud": "IXON",
    "secomea.com": "Secomea", "tosibox.com": "Tosibox", "tailscale.com": "Tailscale",
    "zerotier.com": "ZeroTier", "ngrok.com": "ngrok", "ngrok.io": "ngrok", "ngrok.app": "ngrok",
    "argotunnel.com": "Cloudflare Tunnel",
    **dict.fromkeys(RESOLVERS, DNS_OVER_HTTPS),
}  # fmt: skip
CERTIFICATES = {  # words in the subject of a certificate that its maker has given itself
    "AnyNet Relay": "AnyDesk", "AnyNet Root CA": "AnyDesk", "AnyDesk Client": "AnyDesk",
}  # fmt: skip
MOST_LABELS = 5


def service_of(host: str) -> str:
    """The service that a name is known for, or ``""``."""
    labels = host.lower().rstrip(".").split(".")
    for at in range(max(len(labels) - MOST_LABELS, 0), len(labels)):
        if found := SERVICES.get(".".join(labels[at:])):
            return found + BY_NAME
    return ""


def service_of_certificate(subject: str) -> str:
    """The service that a certificate's subject is known for, or ``""``."""
    for words, found in CERTIFICATES.items():
        if f"CN={words}" in subject:
            return found + BY_CERTIFICATE
    return ""
