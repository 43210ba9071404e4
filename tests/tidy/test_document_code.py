"""Python in documents is Python, and names what exists."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Final

import pytest

import awa
from tests.tidy.tree import ROOT, named

BLOCK: Final = re.compile(r"^ *```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
CLIENTS: Final = {"client": awa.AsyncClient}
DOCUMENTS: Final = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
BLOCKS: Final = [
    pytest.param(textwrap.dedent(block), id=f"{named(path)}-{number}")
    for path in sorted(DOCUMENTS)
    for number, block in enumerate(BLOCK.findall(path.read_text()), start=1)
]


def parsed(block: str) -> ast.Module:
    """Return the syntax of a block, in which await may stand outside of a function."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(block, "document", "exec", flags=flags)
    assert isinstance(tree, ast.Module)
    return tree


def calls(tree: ast.Module) -> Iterator[tuple[object, ast.Call]]:
    """Return every call of ours, with what it calls."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="awa"), attr=name)):
                yield getattr(awa, name), node
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)) if (
                owner in CLIENTS
            ):
                yield getattr(CLIENTS[owner], name), node


@pytest.mark.parametrize("block", BLOCKS)
def test_code_in_a_document_calls_what_exists(block: str) -> None:
    """Guards readers who copy: names of ours exist, and take these keywords."""
    tree = parsed(block)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="awa"), attr=name):
                assert hasattr(awa, name), name
    for called, node in calls(tree):
        assert callable(called)
        if not node.keywords:
            continue
        parameters = inspect.signature(called).parameters
        if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
            continue
        for keyword in node.keywords:
            assert keyword.arg is None or keyword.arg in parameters, ast.unparse(node)


def test_there_is_code_in_documents() -> None:
    """Guards the test above: a pattern that finds nothing would pass it."""
    assert 5 < len(BLOCKS)
