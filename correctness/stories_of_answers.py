"""Stories in which every answer is given: what was done already, or cannot be done any more."""

from collections.abc import Callable, Sequence
from typing import Final, LiteralString

from correctness.story_stage import WORKER, Stage

_KEY: Final = '"unique": {"key": "%s"}'
_ONE, _OTHER = (_KEY % (byte * 16) for byte in ("0c", "0d"))
_SETTLES: Final[Sequence[LiteralString]] = (
    *("complete", "release", "retry", "snooze", "fail", "cancel_running"),
)


def answers_of_settles(on: Stage) -> None:
    """Each settle is sent again, then tried under another id; a worker starts and stops twice."""
    on.enqueue(len(_SETTLES))
    on.claim(1)
    for number, action in enumerate(_SETTLES, 1):
        seqs = f"{{[{number},{number + 1})}}"
        for settle_id in (number, number, 100 + number):
            if action == "snooze":
                on.snooze(settle_id, 100, seqs)
            else:
                on.settle(action, settle_id, 100, seqs)
    on.run("update awa.queue_settings set dead_letters = true returning 1")
    on.job('{"max_attempts": 1}')
    on.claim(2, 2)
    on.settle("retry", 200, 200, "{[7,9)}")
    on.run("select awa.worker_start(%s, '{}')", WORKER)
    on.run("select awa.worker_stop(%s)", WORKER)
    on.run("select awa.worker_stop(%s)", WORKER)


def answers_of_enqueues(on: Stage) -> None:
    """Jobs of two keys meet each other: one at a time, in documents, and from another queue."""
    on.job("{" + _ONE + "}")
    on.job("{" + _ONE + ', "on_conflict": "return", "queue": "other"}')
    on.claim(1)
    on.job("{" + _ONE + ', "on_conflict": "skip"}')
    choices = ("return", "skip", "return", "replace")
    keys = (_ONE, _ONE, _OTHER, _OTHER)
    jobs = (
        f'{{"kind": "s", "args": 1, "opts": {{{key}, "on_conflict": "{choice}"}}}}'
        for key, choice in zip(keys, choices, strict=True)
    )
    on.run("select * from awa.enqueue_many(%s::jsonb)", f"[{', '.join(jobs)}]")
    last = f'[{{"kind": "s", "args": 1, "opts": {{{_OTHER}, "on_conflict": "replace"}}}}]'
    on.run("select * from awa.enqueue_many(%s::jsonb)", last)
    on.settle("complete", 1, 100, "{[1,2)}")
    on.job("{" + _ONE + "}")


def answers_of_acts(on: Stage) -> None:
    """Each act is sent again, and then tried under another id; a dead letter's key is taken."""
    on.run("update awa.queue_settings set dead_letters = true returning 1")
    on.enqueue(3)
    for settle_id in (1, 1, 2):
        on.run("select * from awa.cancel_pending(%s, '{1,2}')", settle_id)
    for settle_id in (3, 3, 4):
        on.run("select * from awa.dlq_move(%s, '{1,3}')", settle_id)
    for settle_id in (5, 5, 6):
        on.run("select * from awa.dlq_retry(%s, '{1,3}')", settle_id)
    on.claim(1)
    on.run("select * from awa.cancel_pending(7, '{1}')")
    on.job("{" + _ONE + "}")
    on.claim(2)
    on.settle("fail", 1, 200, "{[5,6)}")
    on.job("{" + _ONE + "}")
    on.run("select * from awa.dlq_retry(8, '{4}')")
    on.run("select * from awa.dlq_purge(9, '{4,5}')")


OF_ANSWERS: Final[Sequence[Callable[[Stage], None]]] = (
    answers_of_settles,
    answers_of_enqueues,
    answers_of_acts,
)
