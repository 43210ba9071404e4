"""What the answer of a batch handler says of each job."""

from collections.abc import Mapping, Sequence
from typing import Any

from awa.errors import InvalidInput
from awa.handler import Job


def by_job(jobs: Sequence[Job[Any]], answer: object) -> Sequence[object]:
    """The outcome of each job, in their order. Raises InvalidInput for another form of answer."""
    if isinstance(answer, Mapping):
        by_id = {key.id if isinstance(key, Job) else key: value for key, value in answer.items()}
        values = [by_id.pop(job.id, None) for job in jobs]
        if by_id:
            raise InvalidInput(
                "result", f"names {next(iter(by_id))!r}, which is no job of the batch"
            )
        return values
    if isinstance(answer, Sequence) and not isinstance(answer, str | bytes):
        if len(answer) != len(jobs):
            problem = f"has {len(answer)} outcomes for {len(jobs)} jobs"
            raise InvalidInput("result", problem)
        return answer
    raise InvalidInput(
        "result",
        "of a batch must be None, a list of an outcome for each job, or a mapping from job ids"
        f" to outcomes, not {answer!r:.100}",
    )
