"""Random programs over real worker processes and a real server, with everything that goes wrong.

`hunt(minutes)` plays other programs each time; correctness/README.md tells the rest.
"""

from correctness.processes.hunting import hunt

__all__ = ["hunt"]
