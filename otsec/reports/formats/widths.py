"""How wide the columns of a long table are in print.

Whoever sets a table measures every word of every cell to find that out, which for tables of hundreds
of rows takes longer than all else; here letters are counted. Screens still measure.
"""

from collections.abc import Sequence

LONG = 60  # rows; below it is measured, which is finer
UPRIGHT, ACROSS = 128.0, 188.0  # letters of the size of tables in a line of A4
GAP = 2.0  # letters between columns
SLACK = 1.2  # of what must not break: capitals are wider than most letters
LONGEST_WORD, LONGEST_TEXT = 18, 90  # letters of a cell that count: beyond them it breaks anyway


def widths(
    titles: Sequence[str], whole: Sequence[bool], rows: Sequence[Sequence[str]], room: float
) -> list[float]:
    """The share of each column, per cent; ``whole``: its cells must not break."""
    columns = [
        (title, *cells) for title, cells in zip(titles, zip(*rows, strict=True), strict=True)
    ]
    least, most = [], []
    for cells, one in zip(columns, whole, strict=True):
        words = {word for cell in set(cells[1:]) for word in ([cell] if one else cell.split())}
        words.update(cells[0].split())
        longest = max(map(len, words), default=0)
        least.append((longest * SLACK if one else min(longest, LONGEST_WORD)) + GAP)
        text = min(max(map(len, cells)), LONGEST_TEXT)
        most.append(max(text * (SLACK if one else 1) + GAP, least[-1]))
    spare, wish = room - sum(least), sum(most) - sum(least)
    if spare > 0 and wish > 0:
        part = min(spare / wish, 1.0)
        least = [low + part * (high - low) for low, high in zip(least, most, strict=True)]
    total = sum(least)
    return [round(100 * one / total, 1) for one in least]
