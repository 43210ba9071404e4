"""What broke earlier designs of the storage; each is a mutant, where the SQL can express it."""

from typing import Final

ATTACKS: Final[dict[str, str]] = {
    "A1": "a hole was forgotten by a bound that running producers may be above",
    "A2": "a number was drawn before its transaction was in flight, or had an xid",
    "A3": "a claim in an old snapshot took again what others had claimed",
    "A4": "a receipt named what another claim had, after a failover",
    "B1": "what a lost reply had claimed stayed open until its deadline",
    "B2": "a client that stopped reading held the lane for everybody",
    "B3": "a wake-up was lost between the look and the sleep",
    "B4": "statistics taken while a table was empty turned the plans",
    "B5": "autovacuum kept prune out for good",
    "B6": "prune, waiting for a reader, made every claim wait",
    "B7": "a slot was proven finished by the cursor, and while rows still came",
    "B8": "a late row in a free slot was overlooked",
    "B9": "a settle of a carried claim was rejected",
    "B10": "two orders of locks met in a deadlock",
    "B11": "a withdrawal in a business transaction stopped its lane",
    "B12": "makers of lanes stood in each other's way",
    "B13": "a lost connection was taken for a lost worker",
    "B14": "a leader whose connection hung led on",
    "B15": "a completion of unknown outcome was sent again",
    "B16": "a table of holes rotted as it filled",
    "B17": "holes were probed in rotation, or not at all",
    "B18": "a sequence behind its cursor hid jobs",
    "B19": "a notification kept a transaction from being prepared",
    "F1": "which claim's state is the newest was not said",
    "F2": "what is moved was read before it was locked",
    "F3": "what is forgotten was looked for by several snapshots, or in too few slots",
    "F4": "entries that run, or wait, were enqueued again",
    "F5": "a late list of calls released a claim that was on its way",
    "F6": "an uptime stood in for what was observed",
    "F7": "a claim had another lock in each slot",
    "F8": "a repeat raced with its first call, or answered what had ended",
    "S1": "prune never won against claims",
    "S2": "prune made producers wait",
    "S3": "a stranger's long transaction stopped a lane at its bound of holes",
    "S4": "the worker that everybody relied on slept",
    "S5": "attempts that nobody holds on purpose were given back",
    "S6": "settles waited for each other in a circle",
    "S7": "a claim that committed after the rescue of its worker stayed open",
    "S8": "a worker was rescued before it could beat again",
    "S9": "bodies were looked for where they had been",
    "S10": "a backlog was carried while everything waited",
    "S11": "an entry locked by a withdrawal was forgotten",
}

NOT_IN_THE_SQL: Final[dict[str, str]] = {
    "B14": "the server ends a session that is silent for long:"
    " `runtime/test_leader.py::test_another_worker_leads_when_the_leader_is_cut_off` looks whether"
    " those of leader and listener are bound so",
    "B15": "the worker asks for the outcome instead: `witness/OwnRepeated`,"
    " `runtime/test_own_transactions.py::"
    "test_a_commit_without_an_answer_is_asked_about_and_never_repeated`",
    "B16": "there is no such table, each claim's row has the whole state:"
    " `acceptance/test_bench.py::test_a_plain_job_updates_nothing`",
    "S5": "no attempt is parked in this version, and nothing stands for it; that a beat keeps what"
    " it names is `witness/UnansweredUnnamed`, `storage/test_heartbeat.py::"
    "test_named_calls_are_left_alone`",
    "S8": "the leader's patience sees to it: `runtime/test_rescue.py::"
    "test_a_listener_that_is_dropped_rescues_nobody`, `runtime/test_rescue.py::"
    "test_trouble_of_the_server_rescues_nobody`",
    "S11": "withdrawals lock the lane, and no entry: `races/test_cancels.py::"
    "test_a_cancellation_first`; without that lock, CancelsBesideClaims",
}
"""Those that no mutant of the SQL can express, and the witness or test that stands for each."""
