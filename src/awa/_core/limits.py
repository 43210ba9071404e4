"""Every limit and default of Awa, and how they depend on each other.

The asserts at the end hold at import: whoever changes one number meets its neighbours.
"""

from __future__ import annotations

from typing import Final

# What a job may be.
KIND_LENGTH_MAX: Final = 200
QUEUE_LENGTH_MAX: Final = 200
QUEUE_DEFAULT: Final = "default"
PRIORITY_FIRST: Final = 1
PRIORITY_LAST: Final = 4
PRIORITY_DEFAULT: Final = 2
ATTEMPTS_MAX: Final = 1000
ATTEMPTS_DEFAULT: Final = 25
TAGS_MAX: Final = 20
ARGS_BYTES_MAX: Final = 1024 * 1024

# One call.
CLAIM_ENTRIES_MAX: Final = 1000
SETTLE_ITEMS_MAX: Final = 500
ENQUEUE_JOBS_MAX: Final = 5000
"""Jobs in one `enqueue_many`: the server parses the document whole."""
ENQUEUE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of one such document, so that big arguments make smaller batches."""

# Liveness.
HEARTBEAT_INTERVAL_S: Final = 5.0
HEARTBEAT_TIMEOUT_S: Final = 15.0
"""A worker whose counter stood still for so long is presumed dead."""
IDLE_SESSION_TIMEOUT_S: Final = 15.0
"""The server ends sessions that are silent for longer: a dead worker's locks go with them."""

# Sleeping and waking.
SLEEP_LOCK_WAIT_MS: Final = 50
"""A producer's momentary test would make a plain try for the sleeping lock fail."""
POLL_BACKOFF_MAX_S: Final = 0.2
"""While a producer is in flight its commit wakes nobody, so looks back off to this."""
POLL_LISTENING_S: Final = 5.0
"""A sleeper that can be woken looks anyway this often."""
POLL_DEAF_S: Final = 0.2
"""A worker that cannot be woken looks this often."""

# Connections.
CONNECT_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_MIN_S: Final = 2.0
"""The same floor as libpq's, so that one URL means one thing everywhere."""
CANCEL_GRACE_S: Final = 5.0
"""How long a cancelled statement may take to end on the server before its connection is closed."""
COMMIT_GRACE_S: Final = 5.0
"""How long a cancelled task still waits for the answer to a COMMIT it has sent."""
POOL_SIZE_DEFAULT: Final = 4
POOL_IDLE_TRUST_S: Final = 10.0
"""A connection idle for longer is asked for a sign of life before it is lent."""

assert PRIORITY_FIRST <= PRIORITY_DEFAULT <= PRIORITY_LAST
assert 1 <= ATTEMPTS_DEFAULT <= ATTEMPTS_MAX
assert len(QUEUE_DEFAULT) <= QUEUE_LENGTH_MAX
# One document of the largest jobs must stay below the gigabyte that a jsonb value may hold.
assert ENQUEUE_BYTES_MAX + ARGS_BYTES_MAX < 256 * 1024 * 1024
assert ARGS_BYTES_MAX <= ENQUEUE_BYTES_MAX
# Two beats in a row may be lost before a living worker can be presumed dead.
assert 3 * HEARTBEAT_INTERVAL_S <= HEARTBEAT_TIMEOUT_S
# Every session pings with the beat, so a living worker's is never idle for so long.
assert HEARTBEAT_INTERVAL_S < IDLE_SESSION_TIMEOUT_S
# Waiting for the sleeping lock must not use up the delay that polling promises.
assert SLEEP_LOCK_WAIT_MS / 1000 < POLL_DEAF_S
assert POLL_BACKOFF_MAX_S <= POLL_DEAF_S < POLL_LISTENING_S
# A COMMIT is never given less time than a statement that may be thrown away.
assert COMMIT_GRACE_S >= CANCEL_GRACE_S
assert CONNECT_TIMEOUT_S >= CONNECT_TIMEOUT_MIN_S
assert POOL_SIZE_DEFAULT >= 1
