"""No guard of the specification is idle: each is missed somewhere, and that place is named."""

import re
from typing import Final

from correctness.configurations import CONFIGURATIONS, SPEC
from correctness.spoiling import LIES
from tests.correctness.test_worker_traces import STORE_LIES, TOLD_LIES

DEFINITION: Final = re.compile(r"^(\w+)(?:\([^)\n]*\))?\s*==", re.MULTILINE)
OPENING: Final = "[({"
CLOSING: Final = "])}"


def fields_of(record: str) -> set[str]:
    """Return the fields of a definition's outermost records, and not of records inside them."""
    fields, inside = set(), ""
    for token in re.finditer(r"[\[({]|[\])}]|(\w+)\s*\|->", record):
        if token[0] in OPENING:
            inside += token[0]
        elif token[0] in CLOSING:
            inside = inside[:-1]
        elif inside == "[":
            fields.add(token[1])
    return fields


def guards(module: str = "Storage") -> dict[str, set[str]]:
    """Return each guard operator of a module with the names of its guards."""
    text = re.sub(r"\\\*.*|\(\*.*?\*\)", "", (SPEC / f"{module}.tla").read_text())
    starts = [*DEFINITION.finditer(text)]
    ends = [*(found.start() for found in starts[1:]), len(text)]
    return {
        found[1]: fields_of(text[found.end() : end])
        for found, end in zip(starts, ends, strict=True)
        if found[1].endswith("G") and found[1] != "G"
    }


def switched_off(module: str = "") -> set[str]:
    """Return the guards that a witness goes without, of one module or of all."""
    return {
        name
        for entry in CONFIGURATIONS
        if entry.name.startswith("witness") and entry.module.startswith(module)
        for off in re.findall(r"Off = (.*)", entry.file.read_text())
        for name in words(off)
    }


def words(text: str) -> list[str]:
    """Return what stands in quotes."""
    return re.findall(r'"(\w+)"', text)


def test_the_guards_are_read_as_they_stand() -> None:
    """Guards the reading: a record inside a guard is none of its names."""
    read = guards()
    assert {"followed", "same_job", "lease_up", "lease_kept"} == read["FollowG"]
    assert {"known_token", "still_open"} == read["ClaimAgainG"]
    assert {"waited", "lease_up", "carried"} == read["PromoteG"]
    assert len(read) >= 30


def test_every_guard_is_missed_by_a_witness_or_refuses_a_trace() -> None:
    """Guards the claim that nothing in the specification is idle."""
    named = {name for names in guards().values() for name in names}
    assert set() == named - switched_off() - {lie.refused_by for lie in LIES}


def test_every_guard_of_runtime_is_missed_by_a_witness_or_refuses_what_a_worker_told() -> None:
    """Guards the same claim of the workers: none of their guards is idle either."""
    refused = {guard for guard, _ in (TOLD_LIES | STORE_LIES).values()}
    every = [name for names in guards("Runtime").values() for name in names]
    assert sorted(set(every)) == sorted(every), "two actions have guards of one name"
    assert set() == set(every) - switched_off("Runtime") - refused
