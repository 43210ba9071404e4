"""The vectors of docs/derivations.md: facts, the same for Python, SQL and any other language."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "unit"


def vectors(name: str, part: str) -> list[dict[str, Any]]:
    """Return one list of `vectors_{name}.json`."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"vectors_{name}.json").read_text())[part]
    assert found
    return found


def claim_of(vector: dict[str, Any]) -> str:
    """Return a test's id: what the vector is there for."""
    return str(vector.get("claim") or vector.get("key") or vector.get("input_len")) or "empty"


def blake3_input(length: int) -> bytes:
    """Return the input that BLAKE3's own vectors use."""
    return bytes(n % 251 for n in range(length))
