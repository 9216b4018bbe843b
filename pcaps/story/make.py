"""Writes the story of this folder: two weeks of a dairy with what goes wrong and who attacks it.

    python make.py --seed 1 -o FOLDER              # about 1.2 million packets, 100 MB
    python make.py --seed 1 --thin 10 -o FOLDER    # polls ten times rarer

Beside `story.pcap` it writes `labels.tsv`, what happens and how it should be told, and
`changes.csv`, the work that was announced. The same seed gives the same bytes.

Who is there stands in `dairy.py`, what is normal in `days.py`, what fails in `outages.py`, work on
the plant in `upkeep.py`, attacks in `attacks.py`; `mirror.py` and `talks.py` put it on the wire.
It is a story of our own making: it shows what is found of what we thought of.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "attacks"), str(HERE.parent / "modbus")]

import attacks  # noqa: E402 - it needs the line above
import days  # noqa: E402
import outages  # noqa: E402
import upkeep  # noqa: E402
from dairy import LEARNED, Story, text, vlans  # noqa: E402
from mirror import Mirror, Troubles  # noqa: E402

LABELS = ("episode", "from", "to", "kind", "name", "technique", "hosts")
CHANGES = ("id", "assets", "hosts", "by", "from", "to", "allow", "reason")


def told(seed: int, thin: float = 1.0, *, harm: bool = True) -> Story:
    """The story of a seed; ``harm``: with attacks."""
    story = Story(Mirror(vlans(), Troubles(), seed), thin)
    outages.troubles(story)
    days.connect(story)
    upkeep.upkeep(story)
    days.normal(story)
    if harm:
        attacks.attacks(story)
    story.play()
    return story


def write(story: Story, folder: Path) -> None:
    """The capture, and what is to be known of it."""
    folder.mkdir(parents=True, exist_ok=True)
    story.mirror.write(folder / "story.pcap")
    labels = [
        (one.episode, text(one.begin), text(one.end), one.kind, one.name, one.technique,
         ",".join(one.hosts))
        for one in sorted(story.labels, key=lambda one: (one.begin, one.episode))
    ]  # fmt: skip
    changes = [
        (one.id, ";".join(one.assets), ";".join(one.hosts), one.by, text(one.begin),
         text(one.end), ";".join(one.classes), one.reason)
        for one in sorted(story.changes, key=lambda one: one.begin)
    ]  # fmt: skip
    for name, between, rows in (
        ("labels.tsv", "\t", [LABELS, *labels]),
        ("changes.csv", ",", [CHANGES, *changes]),
    ):
        lines = (between.join(row) + "\n" for row in rows)
        (folder / name).write_text("".join(lines), "utf-8")


def main() -> None:
    """Write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--thin", type=float, default=1.0, help="polls are so many times rarer")
    parser.add_argument("--peace", action="store_true", help="without the attacks")
    parser.add_argument("-o", "--output", type=Path, default=Path("story"), metavar="FOLDER")
    arguments = parser.parse_args()
    story = told(arguments.seed, arguments.thin, harm=not arguments.peace)
    write(story, arguments.output)
    packets, size = len(story.mirror.times), len(story.mirror.buffer)
    print(f"{arguments.output}: {packets} packets, {size} bytes, {len(story.labels)} labels")
    folder = arguments.output
    print(f"otsec evaluate --labels {folder}/labels.tsv --changes {folder}/changes.csv "
          f"--learn-until {text(LEARNED)} {folder}/story.pcap")  # fmt: skip


if __name__ == "__main__":
    main()
