"""Bytes of messages as the text that they are meant to be."""

from otsec.model import ip_text


def sent(raw: bytes) -> str:
    """Text as sent: UTF-8 if it is, else each byte the character of its number."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def text(raw: bytes) -> str:
    """The same without the zeros that end it."""
    return sent(raw.rstrip(b"\0"))


def address(raw: bytes) -> str:
    """An IPv4, IPv6 or MAC address as text, by its length; hex for others."""
    if len(raw) == 4:
        return ".".join(map(str, raw))
    if len(raw) == 16:
        from ipaddress import IPv6Address  # noqa: PLC0415 - rare

        return ip_text(IPv6Address(raw))
    return raw.hex(":")
