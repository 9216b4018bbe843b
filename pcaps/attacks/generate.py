"""Writes captures of attacks that nothing else here shows, and of what only looks like one.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

The scenes stand in the files beside this one; their messages are built by the generators of the
folders of each protocol, so their packages are needed: those of `dnp3`, `opcua`, `smb`, `tds`.
No malware was run: what it sends is put together from the public analyses of it.
"""

import sys
from pathlib import Path

import controllers
import counters
import floods
import searches
import ways_in
from scenes import Tape

HERE = Path(__file__).parent
SCENES = {
    scene.__name__: scene
    for module in (counters, searches, controllers, ways_in, floods)
    for scene in module.SCENES
}


def main(names: list[str]) -> None:
    """Write the captures named, or all."""
    for name in names or SCENES:
        tape = Tape()
        SCENES[name](tape)
        tape.write(HERE / f"{name}.pcap")
        print(f"{name}.pcap: {len(tape.records)} packets")


if __name__ == "__main__":
    main(sys.argv[1:])
