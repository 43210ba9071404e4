"""Handlers under asyncio, for libraries that need it: its streams serve as one here."""

import asyncio
from dataclasses import dataclass

import trio

import awa


@dataclass
class Ask:
    """Ask the server a question."""

    question: str


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one question: this is the library's side."""
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()


async def ended(client: awa.AsyncClient, job_id: int) -> awa.JobRecord:
    """Wait for the end of a job."""
    while True:
        job = await client.get_job(job_id)
        if job is not None and job.finished_at is not None:
            return job
        await trio.sleep(0.05)


async def main() -> None:
    """Ask twice: one answer is stored, one attempt is cut off by its deadline."""
    async with awa.AsyncClient("embedded://demo", schema="example_asyncio") as client:
        await client.migrate()

        @client.task(Ask, queue="aio", executor="asyncio", max_attempts=1)
        async def ask(job: awa.Job[Ask]) -> str:
            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            async with server:
                host, port = server.sockets[0].getsockname()
                reader, writer = await asyncio.open_connection(host, port)
                writer.write(job.args.question.encode())
                if job.args.question != "nothing":
                    writer.write(b"\n")
                said = await reader.readline()
                writer.close()
            return said.decode().strip()

        quick = await client.insert(Ask("what time is it"))
        endless = await client.insert(Ask("nothing"), deadline=0.5)
        await client.start([("aio", 2)])
        done, cut = await ended(client, quick.id), await ended(client, endless.id)
        await client.shutdown()
    assert (done.state, cut.state) == ("completed", "failed")
    print(f"answered: {done.result}; without an answer: {cut.errors[-1]['error']}")


if __name__ == "__main__":
    trio.run(main)
