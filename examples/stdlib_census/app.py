"""The worker's side. Run by `awa worker examples.stdlib_census.app:client`.

Without a URL the client takes the database that DATABASE_URL names.
"""

from typing import Final

import awa
from examples.stdlib_census.census import CountFile, FileCount, count_file

QUEUE: Final = "census"

client = awa.AsyncClient()


@client.task(CountFile, queue=QUEUE)
def count(job: awa.Job[CountFile]) -> FileCount:
    """Count one file. Not async, so it runs in a thread; what it returns is stored."""
    return count_file(job.args.path)
