"""What is asked of everybody on a network is a question, and who answers it was asked."""

from collections import Counter
from pathlib import Path

import pytest
from engine_runs import Bench, Wire, analyse, difference

from otsec.exchanges.aloud import MOST, Aloud, Question
from otsec.store import open_store, queries

ASKER, PORT = "10.0.0.9", 44818
IDENTITY = bytes.fromhex(
    "01000c0027000100" "0002af120a000002" "0000000000000000" "01000e0036001404"
    "300001000000" "05" "56616c7665" "03"
)  # fmt: skip


def listing(context: bytes, body: bytes = b"") -> bytes:
    """ListIdentity, [CIP2] 2-4.2."""
    return b"\x63\0" + len(body).to_bytes(2, "little") + bytes(8) + context + bytes(4) + body


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path)


def wire_of(script: str) -> Wire:
    """What a script says.

    ``ask A``: of everybody, with that context; ``hosts A``: of this network's hosts; ``2 A``: host
    2 answers; ``wait 70``: seconds go by.
    """
    wire = Wire()
    for step in script.split(", "):
        who, what = step.split()
        if who == "wait":
            wire.time += int(what) * 10**9
            continue
        context = what.encode().ljust(8)
        if who in {"ask", "hosts"}:
            everybody = "255.255.255.255" if who == "ask" else "10.0.0.255"
            wire.udp((ASKER, 1136), (everybody, PORT), listing(context))
            when, frame = wire.frames[-1]
            wire.frames[-1] = when, b"\xff" * 6 + frame[6:]
        else:
            wire.udp((f"10.0.0.{who}", PORT), (ASKER, 1136), listing(context, IDENTITY))
    return wire


def outcomes(db: Path) -> Counter[tuple[str, str]]:
    """How often each server's exchanges ended in which way."""
    found: Counter[tuple[str, str]] = Counter()
    with open_store(db, readonly=True) as store:
        for row in queries.behaviours(store):
            found[row.server.rpartition(".")[2], row.outcome] += row.count
    return found


SCRIPTS = {
    "ask A, 2 A, 3 A": {("255", "ok"): 1, ("2", "ok"): 1, ("3", "ok"): 1},
    "hosts A, 2 A": {("255", "ok"): 1, ("2", "ok"): 1},
    "ask A, 2 A, ask A, 2 A": {("255", "ok"): 2, ("2", "ok"): 2},
    # twice for one question
    "ask A, 2 A, 2 A": {("255", "ok"): 1, ("2", "ok"): 1, ("2", "duplicate"): 1},
    # the context of another question, or none
    "ask A, 2 B": {("255", "ok"): 1, ("2", "unasked"): 1},
    "2 A, ask A": {("255", "ok"): 1, ("2", "unasked"): 1},
    "ask A, wait 61, 2 A": {("255", "ok"): 1, ("2", "unasked"): 1},
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_answers_to_everybody(bench: Bench, script: str) -> None:
    """Each host answers a broadcast once and was asked; a broadcast is never unanswered."""
    path = bench.folder / "aloud.pcap"
    path.write_bytes(wire_of(script).bytes())
    db = bench.store()
    analyse([path], db)
    assert outcomes(db) == SCRIPTS[script]


@pytest.mark.parametrize("way", [{"batch": 1}, {"cache_off": True}, {"all_plain": True}])
def test_any_way(bench: Bench, way: dict[str, object]) -> None:
    """Who was asked does not depend on where batches end or on the way of the bytes."""
    content = wire_of(", ".join(SCRIPTS)).bytes()
    assert difference(bench.dump(content), bench.dump(content, **way)) == ""


def test_asked_before_a_checkpoint(bench: Bench) -> None:
    """A question is remembered where a run ends between it and its answers."""
    content = wire_of(", ".join(SCRIPTS)).bytes()
    assert difference(bench.dump(content), bench.grown(content, 1)) == ""


def test_questions_are_capped() -> None:
    """Of more questions than there is room for, the oldest are forgotten."""
    aloud = Aloud()
    for number in range(MOST + 5):
        aloud._ask(str(number), Question(0, 0))
    assert len(aloud.questions) == MOST
    assert "4" not in aloud.questions
    assert "5" in aloud.questions
