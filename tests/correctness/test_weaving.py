"""Witnesses that share a run of TLC: each is found by itself, and only what is broken is found."""

from pathlib import Path
from typing import Final

from correctness.configurations import CONFIGURATIONS, Configuration
from correctness.model_check import runs
from correctness.weaving import sought, weavable, write

RECONCILE: Final = [one for one in CONFIGURATIONS if one.module == "Reconcile"]


def holding(folder: Path) -> Configuration:
    """Return a configuration that says of itself that it breaks what it keeps."""
    file = folder / "Kept.cfg"
    file.write_text(
        'CONSTANTS\n  CallMax = 1\n  BeatMax = 1\n  Rule = "upto"\n'
        "SPECIFICATION Spec\nINVARIANT LiveStays\n"
    )
    return Configuration(path=str(file), module="Reconcile", breaks="LiveStays")


def test_what_is_broken_is_found_and_what_holds_is_not(tmp_path: Path) -> None:
    """Guards the verdict: a variant is blamed for its own behaviours and property only."""
    kept = holding(tmp_path)
    broken = [one for one in RECONCILE if weavable(one)]
    run, found = sought([kept, *broken])
    assert not run.failed, run.output
    assert set(broken) == set(found)


def test_what_differs_is_said_by_the_variant(tmp_path: Path) -> None:
    """Guards the weaving: constants of all stay constants, and the others follow the variant."""
    first, second = (one for one in RECONCILE if one.breaks == "LiveStays")
    write([first, second], tmp_path)
    module, config = ((tmp_path / name).read_text() for name in ("Reconcile.tla", "Woven.cfg"))
    assert (
        "VARIABLE variant\nCONSTANTS CallMax, BeatMax\n"
        'EachRule == <<"open", "no_upto">>\nRule == EachRule[variant]' in module
    )
    assert "CallMax = 2" in config
    assert "Rule" not in config


def test_every_configuration_has_its_place_in_one_run() -> None:
    """Guards against one that vanishes: whoever shares a run with whom, all are there once."""
    shared = runs(CONFIGURATIONS)
    assert sorted(one.path for run in shared for one in run) == sorted(
        one.path for one in CONFIGURATIONS
    )
    assert all(len(run) == 1 or all(map(weavable, run)) for run in shared)
