"""Which shard of a queue, and which queue of a fan-out, the jobs with one key go to.

The arithmetic is part of the public contract: docs/derivations.md holds test vectors, and
`ordering_shard` in SQL is the twin.
"""

from __future__ import annotations

from typing import Final

SHARDS_MAX: Final = 64
PARTITIONS_MAX: Final = 32_767

_BITS: Final = 2**64 - 1
_OFFSET: Final = 14695981039346656037
_PRIME: Final = 1099511628211
_SALT: Final = 0x9D4D1B2F53A70C91
"""Partition and shard of a key would go together without it, and leave shards empty."""


def ordering_shard(key: str, shards: int) -> int:
    """The shard, from 0, of the jobs with this ordering key."""
    assert 1 <= shards <= SHARDS_MAX
    return _hash(key) % shards


def partition_of(key: str, partitions: int) -> int:
    """The physical queue, from 0, of the jobs with this key in a fan-out of so many."""
    assert 1 <= partitions <= PARTITIONS_MAX
    return _mixed(_hash(key) ^ _SALT) % partitions


def _hash(key: str) -> int:
    """Multiply and add, in 64 bits; it resembles FNV and is neither FNV-1 nor FNV-1a."""
    number = _OFFSET
    for byte in key.encode():
        number = (number * _PRIME + byte) & _BITS
    return number


def _mixed(number: int) -> int:
    """The finalizer of SplitMix64: each bit of the outcome depends on all bits."""
    number ^= number >> 30
    number = (number * 0xBF58476D1CE4E5B9) & _BITS
    number ^= number >> 27
    number = (number * 0x94D049BB133111EB) & _BITS
    return number ^ (number >> 31)
