"""The Python of the guides, run as it stands there, page by page.

What a block needs and its page leaves out is in an HTML comment before it, which readers do not
see::

    <!-- run
    what comes before
    ...
    what comes after: what the block has done
    -->

The dots are the block. Blocks of one page share their names and a client, which is open; `url` is
its database. `<!-- not run: why -->` leaves a block out. Those of the readme are whole programs,
which `test_quickstart.py` runs.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
import trio

import awa
from tests.tidy.tree import ROOT

BLOCK: Final = re.compile(
    r"^(?:<!-- (?P<how>run|not run:)(?P<around>.*?)-->\n)?```python\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
PAGES: Final = [
    path for path in sorted((ROOT / "docs").glob("*.md")) if "```python\n" in path.read_text()
]
HERE: Final = "...\n"
TOP_LEVEL: Final = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def programs(page: Path) -> Iterator[str]:
    """Find what is to be run of a page, each block with what belongs around it."""
    text = page.read_text()
    found = list(BLOCK.finditer(text))
    assert text.count("```python") == len(found), "a block that does not begin at the margin"
    for block in found:
        if block["how"] == "not run:":
            assert block["around"].strip(), "leaving a block out needs a reason"
        else:
            before, dots, after = (block["around"] or "").partition(f"\n{HERE}")
            assert dots or not before.strip(), "the dots are missing, where the block belongs"
            yield f"{before}\n{block['code']}\n{after}"


async def run(program: str, place: str, module: ModuleType) -> None:
    """Run a program in which await may stand outside of a function."""
    code = compile(program, place, "exec", flags=TOP_LEVEL)
    going = eval(code, module.__dict__)  # noqa: S307  # our own documents
    if inspect.isawaitable(going):
        await going


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_the_code_of_a_guide_runs(
    page: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards readers who copy: what a page shows does what the page says."""
    module = ModuleType(f"guide_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("AWA_TEST_URL", "POOL_URL", "SERVER_URL"):
        monkeypatch.setenv(name, database)
    async with awa.AsyncClient(database) as client:
        module.__dict__.update(awa=awa, trio=trio, client=client, url=database)
        for number, program in enumerate(programs(page), start=1):
            await run(textwrap.dedent(program), f"{page.name}, block {number}", module)
