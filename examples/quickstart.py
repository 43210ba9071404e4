"""The example of the readme: one program that enqueues a job and runs it."""

from dataclasses import dataclass

import trio

import awa


@dataclass
class SendEmail:
    """The arguments of a job; its kind is `send_email`."""

    to: str
    subject: str


async def main() -> None:
    """Enqueue an e-mail, and send it."""
    async with awa.AsyncClient("embedded://demo") as client:
        await client.migrate()

        @client.task(SendEmail, queue="email")
        async def handle_email(job: awa.Job[SendEmail]) -> None:
            print(f"sending to {job.args.to}")

        await client.start([("email", 2)])
        await client.insert(SendEmail(to="a@example.com", subject="Welcome"), queue="email")
        await trio.sleep(1)
        await client.shutdown()


trio.run(main)
