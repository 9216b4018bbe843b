"""Text of the network made harmless: it may change nothing but the cell that shows it."""

import unicodedata

MAX_MARKS = 2  # marks over one letter; more climb into the lines above
LRM = "\u200e"  # left-to-right mark: ends the reordering that a right-to-left letter begins
RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})  # bidirectional classes, Unicode annex 9
FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # a spreadsheet computes such a cell


def harmless(text: str) -> str:
    r"""Text for a terminal: what does not print is shown as its escape.

    Controls, escape sequences, bidi overrides, line ends and odd spaces become ``\x1b``,
    ``\u202e`` ...; right-to-left letters stay, kept from reordering the cells beside them.
    """
    if text.isascii() and text.isprintable():
        return text
    shown, marks = [], 0
    turned = False
    for number, letter in enumerate(text):
        marks = marks + 1 if unicodedata.category(letter) in {"Mn", "Me"} else 0
        if letter.isprintable() and (not marks or (number and marks <= MAX_MARKS)):
            turned = turned or unicodedata.bidirectional(letter) in RIGHT_TO_LEFT
            shown.append(letter)
        else:
            shown.append(_escape(letter))
    clean = "".join(shown)
    return f"{LRM}{clean}{LRM}" if turned else clean


def cell(text: str) -> str:
    """Text for a spreadsheet: harmless, and no formula."""
    clean = harmless(text)
    return f"'{clean}" if text[:1] in FORMULA or clean[:1] in FORMULA else clean


def width(text: str) -> int:
    """How many columns of a terminal the text takes; text is harmless already."""
    if text.isascii():
        return len(text)
    return sum(_width(letter) for letter in text)


def cut(text: str, columns: int, mark: str) -> str:
    """The text in at most that many columns, with a mark where something was left out."""
    if width(text) <= columns:
        return text
    kept, used = [], len(mark)
    for letter in text:
        used += _width(letter)
        if used > columns:
            break
        kept.append(letter)
    end = LRM if text.endswith(LRM) else ""
    return "".join(kept) + mark + end


def _width(letter: str) -> int:
    if letter == LRM or unicodedata.category(letter) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def _escape(letter: str) -> str:
    code = ord(letter)
    if code < 0x100:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(letter) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
