"""Documents keep up with what they speak of."""

import re
from pathlib import Path
from typing import Final

import click
import pytest

from awa.cli import main
from tests.tidy.tree import ROOT, named

DOCUMENTS: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *(
            path
            for top in ("docs", "spec", "traces", "correctness", "tests")
            for path in (ROOT / top).rglob("*.md")
        ),
    ]
)
RECORDS: Final = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
LINK: Final = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_every_decision_is_in_the_index_once_and_in_order() -> None:
    """Guards finding a decision: the index lists the records, no more and no fewer."""
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    listed = re.findall(r"^\| \[\d{4}\]\((\d{4}-[\w.-]+)\)", index, re.MULTILINE)
    assert [path.name for path in RECORDS] == listed


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_decision_says_what_was_rejected(path: Path) -> None:
    """Guards the use of a record: the next one to have the idea finds why not."""
    text = path.read_text()
    assert "Status" in text
    assert "Rejected" in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    """Guards relative links: each names a file of this checkout."""
    targets = [t for t in LINK.findall(path.read_text()) if "://" not in t and ":" not in t]
    assert [] == [t for t in targets if not (path.parent / t).exists()]


def test_every_document_is_linked_from_another() -> None:
    """Guards finding a page: whoever begins at the readme comes to each of them."""
    found = {ROOT / "README.md"}
    while (
        more := {
            (path.parent / target).resolve()
            for path in found
            for target in LINK.findall(path.read_text())
            if target.endswith(".md") and ":" not in target
        }
        - found
    ):
        found |= more
    pages = {path for path in DOCUMENTS if path.parent in {ROOT, ROOT / "docs"}}
    assert [] == sorted(named(path) for path in pages - found)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_commands_in_documents_are_targets_of_the_makefile(path: Path) -> None:
    """Guards the first minute: `make x` in any document is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE))
    assert set() == told - targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_commands_of_awa_in_documents_exist(path: Path) -> None:
    """Guards the second minute: `awa noun verb` in any document is a command."""
    for told in re.findall(
        r"(?:^|`)awa ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", path.read_text(), re.MULTILINE
    ):
        command = main.commands.get(told[0])
        assert command is not None, f"awa {told[0]}"
        if told[1] and isinstance(command, click.Group):
            assert told[1] in command.commands, " ".join(told)
