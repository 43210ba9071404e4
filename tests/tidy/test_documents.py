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
INTO: Final = re.compile(r"\]\(([^):#\s]*)#([^)\s]+)\)")
NAMED: Final = re.compile(r"`((?:docs|examples|src|spec|tests|traces|correctness)/[^`\s]*)`")


def headings(path: Path) -> set[str]:
    """Return what a link into this document may name: its headings, as forges spell them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = (line.lower() for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {re.sub(r"[^\w -]", "", line).replace(" ", "-") for line in found}


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


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_into_documents_name_a_heading(path: Path) -> None:
    """Guards links to a section: who follows one is not left at the top of a long page."""
    into = {
        (path.parent / page if page else path, name)
        for page, name in INTO.findall(path.read_text())
    }
    assert [] == [
        (named(page.resolve()), name) for page, name in into if name not in headings(page)
    ]


def test_what_the_readme_names_is_there() -> None:
    """Guards the readme's tables: the files and folders that they point at exist."""
    told = NAMED.findall((ROOT / "README.md").read_text())
    assert [] == [path for path in told if not [*ROOT.glob(path)]]
    assert len(told) > 20


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
