"""Run the tests, as `pytest examples/tested_orders` does."""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "awa.testing.plugin", str(Path(__file__).parent)]))
