"""Rule files: what is wrong with them is told with file, line, what was expected and what was meant."""

from pathlib import Path

import pytest
from detect_rules import HEAD, correlation, loaded, rule

SOUND = rule("operation", "{a: {protocol: modbus, operation: write_single_coil}, condition: a}")

WRONG: dict[str, tuple[str, int, str]] = {  # text, line, what is told
    "no YAML": ("a: [", 2, "is no YAML"),
    "a list": ("- a", 1, "expected keys such as title, detection and level"),
    "a key twice": ("title: a\nid: b\ntitle: c\n", 3, "'title' stands twice"),
    "no level": (SOUND.replace("level: high\n", ""), 1, "level is missing: expected one of"),
    "no id": (SOUND.replace("id: 0", "#"), 1, "id is missing"),
    "a level that is none": (SOUND.replace("level: high", "level: hihg"), 3, "hihg"),
    "an id that is none": (SOUND.replace("id: 0", "id: x"), 2, "UUID"),
    "another product": (SOUND.replace("product: otsec", "product: windows"), 7, "expected otsec"),
    "a category": (SOUND.replace("category: operation", "category: operatoin"), 7, "did you mean operation?"),
    "a field": (SOUND.replace("protocol:", "protcol:"), 8, "no field 'protcol' in category operation; did you mean protocol?"),
    "a protocol": (SOUND.replace("modbus", "modbsu"), 8, "no protocol 'modbsu'; did you mean modbus?"),
    "an operation": (SOUND.replace("single_coil", "singel_coil"), 8, "of modbus; did you mean write_single_coil?"),
    "a class": (SOUND.replace("operation: write_single_coil", "class: wirte"), 8, "no class 'wirte'; did you mean write?"),
    "a selection": (SOUND.replace("condition: a", "condition: b"), 8, "'b'"),
    "a word YAML reads otherwise": (SOUND.replace("condition: a", "condition: off"), 8, "expected a condition as text, found False"),
    "a number of a text": (SOUND.replace("operation: write_single_coil", "'object|gte': 3"), 8, "cannot be more or less"),
    "a regular expression": (SOUND.replace("operation: write_single_coil", "'object|re': '['"), 8, "Regular expression '[' is invalid"),
    "a technique": (SOUND + "tags: [attack.t0859, attack.t9858]\n", 9, "no technique 'attack.t9858' in ATT&CK for ICS"),
    "a hole": (SOUND.replace("{client}", "{clinet}"), 5, "nothing stands for {clinet}; did you mean client?"),
    "a key of ours": (SOUND.replace("  next:", "  nxt:"), 6, "no key 'nxt'; did you mean next?"),
    "a rule in no file": (
        correlation("{a: {protocol: ssh}, condition: a}", "{type: event_count, rules: [bsae], timespan: 5m, condition: {gte: 3}}"),
        12, "no rule 'bsae' in this file; did you mean base?",
    ),
    "a field to group by": (
        correlation("{a: {protocol: ssh}, condition: a}", "{type: event_count, rules: [base], group-by: [clinet], timespan: 5m, condition: {gte: 3}}"),
        12, "no field 'clinet'; did you mean client?",
    ),
    "an absence": (
        correlation("{a: {protocol: ssh}, condition: a}", "{type: event_count, rules: [base], timespan: 5m, condition: {lt: 3}}"),
        12, "lt is not judged",
    ),
    "two rules": (SOUND + "---\n" + SOUND.replace("0001", "0002"), 1, "one rule a file"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, line: int, told: str) -> None:
    """A mistake gives its file, its line and what was meant; the rule is left out, others go on."""
    other = SOUND.replace("0001", "0009")
    found = loaded(tmp_path / "rules", text, other)

    assert [one.name for one in found.rules] == ["rule-1"]
    assert told in " | ".join(one.text for one in found.problems)
    assert line in {one.line for one in found.problems}
    assert {one.path.name for one in found.problems} == {"rule-0.yml"}


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """All mistakes of a file are told, not only the first."""
    text = SOUND.replace("{client}", "{clinet}").replace("protocol:", "protcol:")
    found = loaded(tmp_path / "rules", text + "tags: [attack.t9858]\n")

    assert [one.line for one in found.problems] == [5, 8, 9]


def test_what_sigma_refuses_hides_no_other_mistake(tmp_path: Path) -> None:
    """A level that is none, and a protocol that is none, are both told."""
    text = SOUND.replace("level: high", "level: hihg").replace("modbus", "modbsu")
    found = " | ".join(one.text for one in loaded(tmp_path / "rules", text).problems)

    assert "hihg" in found
    assert "no protocol 'modbsu'; did you mean modbus?" in found


def test_an_undefined_selection_hides_no_other_mistake(tmp_path: Path) -> None:
    """Each mistake in each selection is told in its line, whatever the condition makes of them."""
    block = """
  first: {protocol: modbus, operation: write_single_coil}
  second:
    operation: write_singel_coil
    object|gte: 3
    protcol: modbus
  unused:
    - class: wirte
    - client|re: '['
  condition: first and thrid and (1 of sec* or forth)
"""
    text = SOUND.replace(
        " {a: {protocol: modbus, operation: write_single_coil}, condition: a}", block.rstrip()
    )
    found = loaded(tmp_path / "rules", text).problems
    told = {(one.line, one.text.partition(";")[0].partition(":")[0]) for one in found}

    assert {line for line, _ in told} == {11, 12, 13, 15, 16, 17}
    assert {text for line, text in told if line == 17} == {
        "no selection 'thrid'", "no selection 'forth'",
    }  # fmt: skip
    assert "no selection 'thrid'; did you mean first?" not in {one.text for one in found}


def test_a_bad_selection_hides_no_mistake_of_its_correlation(tmp_path: Path) -> None:
    """What is counted and how it is counted are checked apart."""
    text = correlation(
        "{a: {protocol: ssh}, condition: b}",
        "{type: event_count, rules: [bsae], group-by: [clinet], timespan: 5m, condition: {gte: 3}}",
    )
    found = " | ".join(one.text for one in loaded(tmp_path / "rules", text).problems)

    assert "no selection 'b'" in found
    assert "no rule 'bsae' in this file; did you mean base?" in found
    assert "no field 'clinet'; did you mean client?" in found


def test_ids_and_names_are_each_ones_own(tmp_path: Path) -> None:
    """A second rule of the same id is left out."""
    found = loaded(tmp_path / "rules", SOUND, SOUND)

    assert [one.name for one in found.rules] == ["rule-0"]
    assert "is that of" in found.problems[0].text


def test_what_is_not_decoded_cannot_fire(tmp_path: Path) -> None:
    """A rule bound to a protocol that is not decoded, or to a learned normal, says why it cannot fire."""
    bound = rule("operation", "{a: {protocol: unheard_of, operation: halt}, condition: a}")
    learned = rule(
        "operation",
        "{a: {class: write}, condition: a}",
        HEAD.replace("0001", "0002") + "  needs: baseline\n",
    )
    free = SOUND.replace("0001", "0003")
    found = loaded(tmp_path / "rules", bound, learned, free)

    assert [str(one) for one in found.problems] == []
    assert [one.cannot for one in found.rules] == [
        "unheard_of is not decoded",
        "needs a baseline: told by otsec baseline, once learning has ended",
        "",
    ]


def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    """A rule whose file is as it was is kept, with its problems; one that was edited is new."""
    wrong = SOUND.replace("modbus", "modbsu").replace("id: 0", "id: 1")
    (first,), problems = (before := loaded(tmp_path, SOUND, wrong)).rules, before.problems
    (again,) = loaded(tmp_path, SOUND, wrong).rules
    edited = loaded(tmp_path, SOUND.replace("title: A test", "title: Another"), wrong)

    assert again is first
    assert [one.title for one in edited.rules] == ["Another"]
    assert edited.problems == problems != []


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, and files larger than any rule, are refused in one line."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yml").write_bytes(b"title: \xff")
    (folder / "b.yml").write_text("#" * (1 << 19), "utf-8")

    assert [one.text for one in loaded(folder).problems] == [
        "is not UTF-8 text (byte 7)",
        "is larger than 256 KiB, so it is no rule",
    ]
