"""The bounds and intervals only the worker has; `awa._core.limits` has those it shares."""

from typing import Final

from awa._core.limits import CLAIM_ENTRIES_MAX

CLAIM_BATCH_MAX: Final = 1000
"""Jobs asked for at once, per queue: one claims row costs the same for 1 and for 1,000. With 500
a drain of short jobs took a third more processor time per job, on both sides."""

PREFETCH_JOBS_MAX: Final = 3000
"""Jobs claimed beyond the permits of one queue, however short they are: a batch that runs, one that
is being settled and one that is being claimed."""

PREFETCH_HORIZON_S: Final = 0.05
"""Jobs are claimed ahead only as many as should start within this time."""

PREFETCH_WAIT_MAX_S: Final = 1.0
"""A job claimed ahead that did not start within this time is given back."""

PATROL_INTERVAL_S: Final = 0.25
"""How often jobs claimed ahead are looked at."""

FLUSH_JOBS: Final = 1000
"""Outcomes that are worth a call at once."""

FLUSH_AGE_S: Final = 0.01
"""An outcome waits at most this long for company."""

FLUSH_WAITING_AGE_S: Final = 0.05
"""... and one after which its job waits for a time, so long: such calls cost more."""

SETTLE_JOBS_MAX: Final = 2000
"""Jobs named in one settle call."""

RESULT_BYTES_MAX: Final = 1024 * 1024
"""A larger result counts as a failure of the handler."""

SETTLE_RESULT_BYTES_MAX: Final = 4 * RESULT_BYTES_MAX
"""Results sent in one settle call."""

YIELD_AFTER_S: Final = 0.001
"""A runner whose handlers never wait lets other tasks run this often."""

THROTTLE_LOOK_S: Final = 0.02
"""A queue with a rate is claimed from at most so often when it is out of tokens."""

OVERRIDES_LOOK_BEATS: Final = 12
"""A worker with a listener looks for operators' overrides once in so many beats."""

BEHIND_MAX: Final = 300.0
"""Permits times seconds that a queue makes up for at the most, where several share them: a handler
that runs as long as it may by default."""

HEARTBEAT_INTERVAL_S: Final = 5.0
"""Between two beats."""

CLOCK_LOOK_MAX_S: Final = 0.5
"""A beat that was answered so soon tells the server's time as well."""

FIRST_BEAT_MAX_S: Final = 1.0
"""A worker waits so long for its first beat to be answered before it claims without."""

HEARTBEAT_TIMEOUT_S: Final = 15.0
"""A worker that is silent for so long may be presumed dead."""

LIVENESS_GRACE_S: Final = 3.0
"""... or after so long without one session that holds its liveness lock."""

LOOK_INTERVAL_S: Final = 0.5
"""The leader looks at all workers this often while one is absent, and so does a follower that has
few companions,"""

CALM_LOOK_INTERVAL_S: Final = 1.0
"""... and this often while none is. A leader that is alone looks with its beat."""

LOOK_SHARE_S: Final = 0.2
"""All followers together look this often, however many they are."""

GLANCE_S: Final = 0.75
"""Two looks, however far apart, show no longer absence of a worker."""

IDLE_SESSION_TIMEOUT_S: Final = 15.0
"""The server ends a listener's or leader's session that says nothing, and its locks with it."""

PROMOTE_FALLBACK_S: Final = 5.0
"""The promoter looks at least this often: a producer may have been told not to notify."""

PROMOTE_POLL_S: Final = 0.2
"""... and this often while somebody is deferring, or nobody can notify it."""

PROMOTE_GAP_S: Final = 0.05
"""... but no more often than this, however often it is notified."""

FIRE_FALLBACK_S: Final = 30.0
"""Schedules are looked at this often at least: who changed one may have been told not to notify."""

FIRE_GAP_S: Final = 0.05
"""... and no more often than this."""

FIRE_BUSY_S: Final = 0.1
"""A schedule whose job was just being settled, or that was not due after all, is fired so soon."""

FIRE_RETRY_MIN_S: Final = 1.0
FIRE_RETRY_MAX_S: Final = 60.0
"""Pauses of a schedule that cannot be fired."""

PROMOTE_LATE_S: Final = 0.25
"""A job becomes available at most so long after its time, on an idle server."""

DEADLINE_LOOK_S: Final = 5.0
"""Attempts past their deadline are looked for at least this often,"""

DEADLINE_GAP_S: Final = 1.0
"""... and, unless some were found, no more often than this."""

STRAYS_LOOK_S: Final = 30.0
"""Workers that have claims and no row are looked for this often,"""

STRAY_MIN_S: Final = 0.1
STRAY_MAX_S: Final = 3600.0
"""... and what each of them holds at its own pace: soon after a rescue, later seldom, never not."""

STRAY_SHARE: Final = 0.01
"""... and the more seldom, the more it ever claimed: each costs no more than this share of time."""

TURN_INTERVAL_S: Final = 30.0
"""How often the ring is looked at."""

RING_BUSY_S: Final = 1.0
"""When somebody else was quicker, it is tried again so soon."""

PRUNE_RETRY_MIN_S: Final = 30.0
PRUNE_RETRY_MAX_S: Final = 900.0
"""Pauses between attempts to prune a slot that is needed or held."""

RETIRE_INTERVAL_S: Final = 60.0
"""How often ended jobs past their retention are looked for."""

UPKEEP_TIMEOUT_S: Final = 600.0
"""A call that keeps nobody waiting may take so long: a look at all that a large ring holds."""

SWEEP_RETRY_MIN_S: Final = 1.0
SWEEP_RETRY_MAX_S: Final = 60.0
"""Pauses of a sweep that failed, before it is tried again."""

WATCH_INTERVAL_S: Final = 1.0
"""How often the watchdog looks."""

STALL_S: Final = 60.0
"""A claim, a settle or a beat without an answer for so long is a stall."""

BUSY_STALL_S: Final = 300.0
"""So are handlers that hold all permits of a queue, none of which has ended for so long."""

LOOP_LAG_S: Final = 5.0
"""And so is an event loop that has not come round for so long."""

FAILURES_TOLD: Final = 10
"""Failures of one kind of job with one type of error that have a log record each,"""

FAILURES_ALIKE_S: Final = 10.0
"""... within so long; the others of that span have one record together."""

FAILURE_SORTS_MAX: Final = 100
"""Such sorts of failures that are told apart at the same time."""

ENDED_JOBS_NAMED: Final = 10
"""Jobs named in a record that says of many that they failed."""

STALLED_HANDLERS_MAX: Final = 5
"""Handlers whose place is shown, of those that hold up a queue."""

HEALTH_CONNECTIONS_MAX: Final = 50
HEALTH_REQUEST_BYTES_MAX: Final = 16 * 1024
HEALTH_TIMEOUT_S: Final = 5.0
"""Who asks the health port has so long, and so many are answered at once."""

REIGN_MIN_S: Final = 10.0
"""A leader that lost its session sooner pauses before it tries to lead again, longer each time."""

CALL_TIMEOUT_S: Final = 30.0
"""A call not answered by then is asked again on a new connection."""

POLL_LISTENING_S: Final = 5.0
"""A sleeping worker with a healthy listener looks anyway this often."""

POLL_DEAF_S: Final = 0.2
"""A worker without a listener asks this often (`poll_interval_ms`)."""

SLEEP_LOCK_WAIT_MS: Final = 50
"""A producer's momentary test makes a plain try for the sleeping flag fail, so wait this long."""

WAKE_GAP_LOOKS: Final = 1.0
"""A worker whose jobs come closer together than so many claims take is not woken for each: it gives
up its flags and claims by itself,"""

LINGER_LOOKS: Final = 0.2
"""... a part of that time after it was answered,"""

LINGER_GAPS: Final = 4.0
"""... and goes to sleep when no job came for so many of the usual times between two."""

INFLIGHT_POLL_MIN_S: Final = 0.005
"""While a producer's transaction is open its commit wakes nobody: look, backing off from here."""

INFLIGHT_POLL_MAX_S: Final = 0.2
"""... up to here: the longest a job waits that was in flight when its worker went to sleep."""

BODIES_WITH_CLAIM_MAX: Final = 8
"""So many jobs bring their bodies in the claim's own answer; more need a second statement."""

EMPTY_LOOK_S: Final = 0.005
DRAIN_LOOK_S: Final = 0.02
"""Who ends when nothing is left looks so often whether something is,"""

DUE_LOOK_S: Final = 0.25
"""... and so often while it waits for a job that is due soon."""

DRAIN_RETRY_S: Final = 1.0
"""When the database does not answer it, it looks again after so long."""

BUSY_RETRY_MIN_S: Final = 0.002
BUSY_RETRY_MAX_S: Final = 0.1
"""Another claimer holds the lane, or another transaction a claim: try again soon."""

RECONNECT_MIN_S: Final = 0.05
RECONNECT_MAX_S: Final = 5.0
"""Pauses between attempts to reach the server."""

UNKNOWN_KIND_SNOOZE_S: Final = 5.0
UNKNOWN_KIND_SNOOZE_MAX_S: Final = 300.0
"""A job of a kind without a handler here waits so long before it is offered again: twice as long
each time, up to this."""

UNKNOWN_KIND_TOLD_S: Final = 60.0
"""Such a kind has a log record this often, as long as it is met,"""

UNKNOWN_KIND_SHOWN_S: Final = 2 * UNKNOWN_KIND_SNOOZE_MAX_S
"""... and is shown for so long after it was met last."""

UNKNOWN_KINDS_LOOK_S: Final = 1.0
"""How often is looked whether the database is to be told of such kinds."""

UNKNOWN_KINDS_MAX: Final = 100
"""Kinds without a handler that are remembered, told and shown; any producer may make up more."""

DEADLINE_GRACE_S: Final = 5.0
"""How long an attempt that was cancelled may clean up; then its job goes on without it."""

LEFT_BEHIND_MAX: Final = 100
"""Handlers of one queue that did not end after their grace; with so many no more is claimed."""

TRANSACTION_CONNECTIONS: Final = 10
"""Handlers that may be in `job.transaction()` at once, unless told otherwise: a connection each."""

NOTE_INTERVAL_S: Final = 2.0
"""How often what handlers said of their progress is written, where nothing else has it written."""

NOTES_MAX: Final = 500
NOTE_BYTES_MAX: Final = 1024 * 1024
"""Notes in one call."""

SHUTDOWN_TIMEOUT_S: Final = 30.0
"""How long running handlers may finish, unless told otherwise."""

LAST_CLAIM_S: Final = 5.0
"""At shutdown, how long the reply of the claim under way is waited for."""

LAST_FLUSH_S: Final = 10.0
"""At shutdown, how long the last outcomes may take; then they are reported as not settled."""

LAST_WORDS_S: Final = 5.0
"""At shutdown, how long taking leave of the database may take."""

THREAD_GRACE_S: Final = 1.0
"""After a cancelled shutdown, how long threads may still notice `is_cancelled()`."""

OVERSTAY_MIN_S: Final = 2.0
"""Handlers that were cancelled for their worker's end have so long at least, whatever the grace is;
then it may end without them."""

OVERSTAY_LOOK_S: Final = 0.05
"""How often is looked whether they are gone, and the others are settled."""

BATCH_SIZE_DEFAULT: Final = 100
BATCH_SIZE_MAX: Final = CLAIM_ENTRIES_MAX
"""Jobs that a batch handler takes at once, unless it says otherwise, and at the most."""

BATCH_WAIT_MS_DEFAULT: Final = 10
BATCH_WAIT_MS_MAX: Final = 60_000
"""How long the first of them waits for company."""

HOOK_EVENTS_MAX: Final = 10_000
"""Events of one kind of job that wait for its hooks; more are dropped, counted and told,"""

HOOKS_TOLD_S: Final = 10.0
"""... at most this often."""

CHILD_START_S: Final = 30.0
"""A child process that no attempt could wait for has so long to start and to import its handler;
then it is killed."""

CHILD_LATE_S: Final = 1.0
"""What runs around a handler whose child was not there in time has so long to end."""

CHILD_IDLE_S: Final = 300.0
"""A child process without a job ends after so long."""

CHILD_MESSAGE_BYTES_MAX: Final = 64 * 1024
"""What a child says at once: a job's progress, and little beside it."""

CHILD_LOOK_S: Final = 1.0
"""A child that waits for an answer looks so often whether its worker is still there."""

CHILD_GRACE_S: Final = 3.0
"""At the worker's end, how long a child process without a job may take to end."""

# The patrol tells late handlers apart, and should not be what decides how long they get.
assert PATROL_INTERVAL_S < DEADLINE_GRACE_S
# Threads that are waited for hold nobody up.
assert THREAD_GRACE_S < OVERSTAY_MIN_S
# One queue alone may ask for a full batch.
assert CLAIM_BATCH_MAX <= CLAIM_ENTRIES_MAX
# What is claimed ahead should long have started when the patrol calls it late.
assert PREFETCH_HORIZON_S < PATROL_INTERVAL_S < PREFETCH_WAIT_MAX_S
# Two beats in a row may be lost before a living worker can be presumed dead.
assert 3 * HEARTBEAT_INTERVAL_S <= HEARTBEAT_TIMEOUT_S
# The grace takes several looks, and more than the gap between two of them.
# A killed worker is seen to be absent at the next calm look; its jobs run again within 5 s.
assert CALM_LOOK_INTERVAL_S + LIVENESS_GRACE_S + LOOK_INTERVAL_S < HEARTBEAT_INTERVAL_S
assert LOOK_INTERVAL_S < GLANCE_S < LIVENESS_GRACE_S < HEARTBEAT_TIMEOUT_S
# Looks keep the leader's session, and outlive a follower's turn.
assert CALM_LOOK_INTERVAL_S < HEARTBEAT_INTERVAL_S < IDLE_SESSION_TIMEOUT_S
assert PROMOTE_GAP_S < PROMOTE_POLL_S < PROMOTE_LATE_S < PROMOTE_FALLBACK_S
# Beats keep the session that the server would end for being idle.
assert 2 * HEARTBEAT_INTERVAL_S < IDLE_SESSION_TIMEOUT_S
assert LINGER_LOOKS < WAKE_GAP_LOOKS
assert INFLIGHT_POLL_MAX_S <= POLL_DEAF_S <= POLL_LISTENING_S
# Waiting for a flag must not use up the delay that polling promises.
assert SLEEP_LOCK_WAIT_MS / 1000 < POLL_DEAF_S
assert INFLIGHT_POLL_MIN_S < INFLIGHT_POLL_MAX_S
# A slow call is no reason to drop a connection while beats still come through it.
assert CALL_TIMEOUT_S > 2 * HEARTBEAT_INTERVAL_S
assert FLUSH_JOBS <= SETTLE_JOBS_MAX
# The promoter does not look more often.
assert FLUSH_AGE_S <= FLUSH_WAITING_AGE_S <= PROMOTE_GAP_S
assert 3 * CLAIM_BATCH_MAX <= PREFETCH_JOBS_MAX
# The last words are short beside the time that handlers get.
assert LAST_CLAIM_S + LAST_FLUSH_S + LAST_WORDS_S < SHUTDOWN_TIMEOUT_S
