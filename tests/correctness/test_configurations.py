"""Every configuration is expected to give something, and witnesses fail for their own reason."""

from typing import Final

import pytest

from correctness.configurations import CONFIGURATIONS, SPEC, TWINS, Configuration, unlisted
from correctness.model_check import named_properties

BREAKING: Final = [entry for entry in CONFIGURATIONS if entry.breaks is not None]


def test_every_configuration_file_is_listed_and_every_listed_one_exists() -> None:
    """Guards against a file that nobody runs."""
    assert [] == unlisted()


def test_the_overview_names_every_configuration() -> None:
    """Guards spec/README.md: its table is where a reader learns what is checked."""
    overview = (SPEC / "README.md").read_text()
    listed = (*CONFIGURATIONS, *TWINS)
    assert [] == [entry.name for entry in listed if f"`{entry.name}`" not in overview]


@pytest.mark.parametrize("entry", BREAKING, ids=lambda entry: entry.name)
def test_a_witness_checks_only_the_property_it_breaks(entry: Configuration) -> None:
    """Guards the reason: with a second property in it, another failure could pass for this one."""
    assert [entry.breaks] == named_properties(entry)


# What no witness breaks, and why that is right.
UNBROKEN: Final = {
    "GensInv": "says how two variables of StorageTx belong together",
}


def test_every_property_that_must_hold_is_broken_by_a_witness() -> None:
    """Guards against properties that nothing could ever break."""
    held = {
        name
        for entry in CONFIGURATIONS
        if entry.breaks is None and entry.module != "JobLife"
        for name in named_properties(entry)
        if not name.endswith("TypeInv") and not name.startswith(("Refines", "TypeInv"))
    }
    assert set(UNBROKEN) == held - {entry.breaks for entry in BREAKING}
