"""The worker's side. Run by `awa worker examples.stdlib_census.app:client`.

Without a URL the client takes the database that DATABASE_URL names.
"""

import time
from typing import Final

import awa
from examples.stdlib_census.census import CountFile, FileCount, count_file
from examples.stdlib_census.plan import QUEUE

BACKOFF_S: Final = (0.5, 1.0, 2.0)

client = awa.AsyncClient()


@client.task(CountFile, queue=QUEUE, backoff=BACKOFF_S)
def count(job: awa.Job[CountFile]) -> FileCount:
    """Count one file. Not async, so it runs in a thread; what it returns is stored."""
    wish = job.args
    if wish.fails_first and job.attempt == 1:
        raise InterruptedError(f"{wish.path} could not be read just now")
    time.sleep(wish.slow_s)
    try:
        return count_file(wish.path)
    except FileNotFoundError as error:
        # No later attempt could do better.
        raise awa.TerminalError(f"there is no {wish.path}") from error
