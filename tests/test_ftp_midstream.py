"""Sessions of FTP of which the capture lacks the beginning."""

import struct
from itertools import groupby
from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import Bench, cells, records

from otsec.protocols.ftp import GREETS, OWN_COMMAND, OWN_REPLY

PEERS = ROOT / "pcaps" / "ftp" / "peers.pcap"
CONTROL = {21, 2121}
OTHERS = (  # mail, news and chat, as their standards and servers say it
    *(b"220 mail.example ESMTP ready", b"250 2.1.0 Ok: sender", b"250-PIPELINING", b"250 OK"),
    *(b"550 5.1.1 No such mailbox", b"550 5.7.1 file type not allowed", b"554 refused"),
    *(b"530 5.7.0 Authentication required, log in first", b"354 End data with a dot"),
    *(b"235 2.7.0 Authentication successful", b"221 Bye", b"214 help", b"STARTTLS", b"EHLO a"),
    *(b"RETR 1", b"DELE 2", b"STAT", b"LIST", b"LIST 3", b"USER a", b"PASS b", b"QUIT", b"NOOP"),
    *(b"200 news.example ready, posting ok", b"211 1234 3000 4321 misc.test", b"MODE READER"),
    *(
        b"215 list of newsgroups follows",
        b"MODE #chan +o bob",
        b"PORT 80",
        b"TYPE x",
        b"AUTH LOGIN",
    ),
    *(b"HTTP/1.1 200 OK", b"150 points", b"213", b"SIZE", b"AUTH PLAIN AGEAYg=="),
)


@pytest.mark.parametrize("line", OTHERS)
def test_other_protocols_of_lines_are_not_taken(line: bytes) -> None:
    """What mail, news and chat say, and what anybody could, is claimed by nobody as FTP."""
    data = line + b"\r\n"
    assert not any(one.match(data) for one in (GREETS, OWN_REPLY, OWN_COMMAND))


def ports(record: bytes) -> tuple[int, int] | None:
    """The TCP ports of a record with content; None of others."""
    frame = record[16:]
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    begin = 14 + 4 * (frame[14] & 15)
    end = 14 + struct.unpack_from(">H", frame, 16)[0]
    if end <= begin + 4 * (frame[begin + 12] >> 4):
        return None
    return struct.unpack_from(">HH", frame, begin)


def test_a_session_is_known_from_anywhere(tmp_path: Path) -> None:
    """Wherever the capture of a session begins, its commands and replies show what it is."""
    content = PEERS.read_bytes()
    parts = records(content)
    told = [found if (found := ports(part)) and CONTROL & set(found) else None for part in parts]
    sessions = [
        [at for at, _ in rows]
        for _, rows in groupby(
            sorted(
                ((at, frozenset(one)) for at, one in enumerate(told) if one),
                key=lambda pair: sorted(pair[1]),
            ),
            key=lambda pair: pair[1],
        )
    ]
    bench, known, all_ = Bench(tmp_path), 0, 0
    for rows in sessions:
        for at in range(2, len(rows) - 6, 3):
            dump = bench.dump(content[:24] + b"".join(parts[row] for row in rows[at:]))
            known += any(row["protocol"] == "ftp" for row in cells(dump, "conversation"))
            all_ += 1
    assert all_ >= 10
    assert known == all_
