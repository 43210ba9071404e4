"""An import that goes on where it was: its first attempt fails in the middle.

What the handler notes on its way is seen from outside while it runs, and by its next attempt; a job
that has completed needs it no more.
"""

from dataclasses import dataclass

import trio

import awa


@dataclass
class Import:
    """How many rows there are."""

    rows: int


async def main() -> None:
    """Import some rows in two attempts, each of them once."""
    imported: list[int] = []
    found: list[object] = []
    async with awa.AsyncClient("embedded://demo") as client:
        await client.migrate()

        @client.task(Import, queue="imports", backoff=[0])
        async def import_rows(job: awa.Job[Import]) -> None:
            found.append(job.progress)
            last = (job.progress or {}).get("metadata", {}).get("last", 0)
            for row in range(last + 1, job.args.rows + 1):
                imported.append(row)
                job.set_progress(100 * row / job.args.rows, f"row {row}")
                job.update_metadata({"last": row})
                if row == job.args.rows // 2 and job.attempt == 1:
                    raise ConnectionError("the source went away")

        stored = await client.insert(Import(rows=10))
        await client.start([("imports", 1)])
        with trio.fail_after(60):
            while True:
                job = await client.get_job(stored.id)
                if job is not None and job.state == "completed":
                    break
                await trio.sleep(0.05)
        await client.shutdown()
    print(f"{job.attempt} attempts imported {imported}; the last one found {found[-1]}")


if __name__ == "__main__":
    trio.run(main)
