"""The limits and defaults that all of Awa shares, and how they depend on each other.

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
ENQUEUE_SHARDS_MAX: Final = 64
TAGS_MAX: Final = 20
TAG_LENGTH_MAX: Final = 200
ORDERING_KEY_LENGTH_MAX: Final = 200
SPAN_MIN_S: Final = 0.001
"""Of a deadline, and of a queue's aging, where it is not 0 for none. A deadline is counted from the
claim, whose answer takes longer than this to reach a handler: less fails every attempt before it
begins."""
DEADLINE_MAX_S: Final = 3153600000.0
"""A hundred years, for every duration that a job names; 0 is no deadline."""
ARGS_BYTES_MAX: Final = 1024 * 1024
METADATA_BYTES_MAX: Final = 1024 * 1024
ERROR_LENGTH_MAX: Final = 2000
"""Characters of an error, or of a reason, that are kept."""

# Schedules.
NAME_LENGTH_MAX: Final = 200
"""Of a schedule, and of its namespace."""
CRON_LENGTH_MAX: Final = 200
EVERY_MIN_S: Final = 0.1
EVERY_MAX_S: Final = 3153600000.0
JITTER_MAX_S: Final = 86_400.0
CATCH_UP_DEFAULT: Final = 100
CATCH_UP_MAX: Final = 1000
"""Instants that are caught up on at once: the jobs come in one transaction."""
SKIP_LATE_S: Final = 60.0
"""A schedule that skips what was missed still fires when it is so late, by default."""
SCHEDULES_MAX: Final = 1000
"""In one declaration, and looked at by one call."""
NEXT_FIRES_MAX: Final = 1000
NAMESPACE_DEFAULT: Final = "default"

# One call.
CLAIM_ENTRIES_MAX: Final = 1000
SETTLE_ITEMS_MAX: Final = 500
ACT_JOBS_MAX: Final = 500
"""Jobs in one call of an operator: it holds the lock of each lane it touches until it ends."""
PROMOTE_JOBS_MAX: Final = 1000
RESCUE_CLAIMS_MAX: Final = 500
ENQUEUE_JOBS_MAX: Final = 5000
"""Jobs in one `enqueue_many`: the server parses the document whole."""
ENQUEUE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of one such document, so that big arguments make smaller batches."""

# What is kept, and for how long.
RING_SLOTS: Final = 16
ROTATE_AGE_S: Final = 5400.0
ROTATE_ENTRIES: Final = 1_000_000
COMPLETED_KEEP_S: Final = 86_400.0
"""At the most: a slot that is needed again goes earlier."""
EVACUATE_ENTRIES_MAX: Final = 10_000
FINALS_KEEP_S: Final = 259_200.0
DLQ_KEEP_S: Final = 2_592_000.0
RETIRE_JOBS_MAX: Final = 1000

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
assert ATTEMPTS_MAX >= 1
assert len(QUEUE_DEFAULT) <= QUEUE_LENGTH_MAX
# One document of the largest jobs must stay below the gigabyte that a jsonb value may hold.
assert ENQUEUE_BYTES_MAX + ARGS_BYTES_MAX + METADATA_BYTES_MAX < 256 * 1024 * 1024
assert ARGS_BYTES_MAX + METADATA_BYTES_MAX <= ENQUEUE_BYTES_MAX
# A COMMIT is never given less time than a statement that may be thrown away.
assert COMMIT_GRACE_S >= CANCEL_GRACE_S
assert CONNECT_TIMEOUT_S >= CONNECT_TIMEOUT_MIN_S
assert POOL_SIZE_DEFAULT >= 1
assert CATCH_UP_DEFAULT <= CATCH_UP_MAX <= ENQUEUE_JOBS_MAX
assert RING_SLOTS * ROTATE_AGE_S >= COMPLETED_KEEP_S
