"""Where handlers run: child processes and asyncio, beside trio and threads."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import sniffio
import trio
import trio_asyncio

import awa
from awa._core.entries import Body
from awa._runtime import executors, starts
from awa._runtime.children import DetachedPlace
from awa._runtime.executors import Run
from awa._runtime.hearing import Hearing
from awa._runtime.processes import open_processes
from tests import child_slow
from tests.child_work import Deed, do, do_all
from tests.workers import Number, until, until_state

GRACE_S = 60.0
"""However slow the machine is, a process starts sooner."""


def is_there(pid: int) -> bool:
    """Whether a process of this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_handler_in_a_process_sees_its_job_and_fails_alone(
    database: str, tmp_path: Path
) -> None:
    """Guards the worker against its children: one that dies, hangs or fails ends its own attempt.

    Also that the errors of a child reach the job with their type, text and place.
    """
    async with awa.AsyncClient(database) as client:
        client.task(Deed, queue="q", executor="process", max_attempts=1, deadline=0)(do)
        await client.start([("q", 2)])
        good = await client.insert(Deed("work"), tags=["x"], priority=1)
        died = await client.insert(Deed("die"))
        done = await until_state(client, good.id, "completed")
        assert [good.id, "deed", "q", 1, 1, "x"] == done.result["job"]
        assert (False, False) == (done.result["deadline"], done.result["cancelled"])
        assert os.getpid() != done.result["pid"]

        lost = await until_state(client, died.id, "failed")
        assert "ProcessDied" == lost.errors[-1]["type"]
        assert "the child process was ended by SIGKILL" == lost.errors[-1]["error"]

        pid_file = tmp_path / "pid"
        hangs = await client.insert(Deed("hang", str(pid_file)))
        await until(pid_file.exists, "the child's word")
        assert (await client.cancel(hangs.id)).done
        await until(lambda: not is_there(int(pid_file.read_text())), "the child's end")

        fails = await client.insert(Deed("fail"))
        refuses = await client.insert(Deed("refuse"))
        error = (await until_state(client, fails.id, "failed")).errors[-1]
        assert ("KeyError", "'of the child'") == (error["type"], error["error"])
        assert error["trace"].startswith("child_work.py:")
        error = (await until_state(client, refuses.id, "failed")).errors[-1]
        assert "Refusal: the child: does not want to" == error["error"]
        await client.shutdown()
    assert not is_there(done.result["pid"])


async def test_a_deadline_kills_the_process_of_a_handler(database: str, tmp_path: Path) -> None:
    """Guards the deadline of work that looks at nothing: the process is gone with the attempt.

    What the process needs to start is not of it, and what its job said last is known.
    """
    async with awa.AsyncClient(database) as client:
        client.task(Number, queue="q", executor="process", max_attempts=1)(child_slow.answer)
        client.task(Deed, queue="q", executor="process", backoff=[0.01])(do)
        await client.start([("q", 1)], grace_s=GRACE_S)
        short = await client.insert(Number(1), deadline=0.66 * child_slow.IMPORT_S)
        pid = (await until_state(client, short.id, "completed")).result
        pid_file = tmp_path / "pid"
        hangs = await client.insert(Deed("hang", str(pid_file)), deadline=2, max_attempts=1)
        failed = await until_state(client, hangs.id, "failed")
        assert ("deadline", {"percent": 70}) == (failed.errors[-1]["type"], failed.progress)
        await until(lambda: not is_there(pid), "the child's end")
        assert pid == int(pid_file.read_text())


def names_in(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {one.name for one in folder.iterdir()}


def slow_job(*, within_s: float) -> awa.Job[Number]:
    """Return an attempt that may take so long, in a scope that the caller enters."""
    body = Body(0, 1, 1, 1, 1, 1, 1, 25, 0, "number", b'{"n": 1}', b"{}", 0.0)
    place = DetachedPlace(queue="q", priority=2, deadline=None)
    scope = trio.CancelScope(deadline=trio.current_time() + within_s)
    return awa.Job(body, Number(1), place, scope)


async def run_slow(run: Run, *, within_s: float = float("inf")) -> object:
    """Run an attempt as a runner does."""
    job = slow_job(within_s=within_s)
    assert job._scope is not None
    with job._scope:
        return await run(child_slow.answer, job)
    raise AssertionError("its deadline has cancelled it")


async def test_a_child_that_is_slow_to_start_costs_no_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards jobs on slow machines: put off while the child starts, which starts once.

    Also that the handler is not run for an attempt that was put off.
    """
    gate = tmp_path / "gate"  # recorded tests have a file of theirs beside it
    gate.mkdir()
    monkeypatch.setenv(child_slow.GATE, str(gate))
    async with open_processes(grace_s=0.05) as run:
        put_off = [await run_slow(run, within_s=0.02) for _ in range(2)]
        assert [awa.Snooze(0), awa.Snooze(0)] == put_off
        (gate / "open").touch()
        pid = await run_slow(run)
    assert {"open", "runs", str(pid)} == names_in(gate)
    assert "one\n" == (gate / "runs").read_text()


async def test_a_child_that_never_starts_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the bound of a start: the attempt that waits for it says what took too long."""
    gate = tmp_path / "gate"
    gate.mkdir()
    monkeypatch.setenv(child_slow.GATE, str(gate))
    monkeypatch.setattr(starts, "CHILD_START_S", 0.5)
    async with open_processes(grace_s=0.3) as run:

        async def put_off_for_ever() -> None:
            while True:  # no attempt may wait at the moment when the child is killed
                assert awa.Snooze(0) == await run_slow(run, within_s=0.1)

        with pytest.raises(awa.ProcessDied, match="did not start within"):
            await put_off_for_ever()
    assert not any(is_there(int(name)) for name in names_in(gate))


async def test_a_job_in_a_process_says_how_far_it_is(database: str, tmp_path: Path) -> None:
    """Guards ProgressKept over the line to a child: while it runs, and for the next attempt.

    Alone and in a batch. What the database refuses is told to the child.
    """
    place = tmp_path / "place"
    async with awa.AsyncClient(database) as client:
        client.task(Deed, queue="q", executor="process", backoff=[0.01])(do)
        client.batch_task(Deed, kind="deeds", queue="q", executor="process", max_size=2)(do_all)
        await client.start([("q", 2)])
        note = await client.insert(Deed("note", str(place)))
        await until(lambda: place.exists() and place.read_text() == "flushed", "the child's word")
        seen = await client.get_job(note.id)
        assert seen is not None
        assert {"percent": 49.75, "metadata": {"huge": None}} == seen.progress
        place.write_text("seen")
        done = await until_state(client, note.id, "completed")
        assert 2 == done.attempt
        many = await client.insert_many([Deed("first"), Deed("second")], kind="deeds", queue="q")
        said = [(await until_state(client, job.id, "cancelled")).progress for job in many]
        assert [{"percent": n, "message": job} for n, job in ((0, "first"), (1, "second"))] == said


def test_a_folder_in_which_no_socket_can_be_says_so(tmp_path: Path) -> None:
    """Guards the start on machines with a long TMPDIR: it is named, and what to do."""
    with pytest.raises(awa.ConfigurationError, match="set TMPDIR"):
        Hearing(tmp_path / ("far_away" * 20))


async def test_a_handler_under_asyncio_is_cancelled_by_its_deadline_and_by_hand(
    database: str,
) -> None:
    """Guards asyncio handlers: a cancelled attempt cancels the asyncio task, which may clean up.

    Also that their own loop is there, and that results and errors come back.
    """
    seen: list[str] = []
    begun: list[int] = []
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", executor="asyncio", max_attempts=1)
        async def handle(job: awa.Job[Number]) -> str:
            assert asyncio.get_running_loop().is_running()
            if job.args.n < 0:
                raise LookupError("below zero")
            try:
                begun.append(job.id)
                await asyncio.sleep(job.args.n)
            except asyncio.CancelledError:
                seen.append(f"cancelled {job.is_cancelled()}")
                raise
            return sniffio.current_async_library()

        await client.start([("q", 3)])
        good = await client.insert(Number(0))
        bad = await client.insert(Number(-1))
        late = await client.insert(Number(10_000), deadline=0.2)
        assert "asyncio" == (await until_state(client, good.id, "completed")).result
        error = (await until_state(client, bad.id, "failed")).errors[-1]
        assert ("LookupError", "below zero") == (error["type"], error["error"])
        assert "deadline" == (await until_state(client, late.id, "failed")).errors[-1]["type"]
        # On a slow machine its time is over before it begins.
        assert ["cancelled True"] * (late.id in begun) == seen

        seen.clear()
        long = await client.insert(Number(10_000))
        await until(lambda: long.id in begun)
        await client.cancel(long.id)
        await until(lambda: len(seen) == 1)
        given_back = await client.insert(Number(10_000))
        await until(lambda: given_back.id in begun)
        await client.shutdown(timeout_ms=0)
        await until_state(client, given_back.id, "available")
        assert ["cancelled True"] * 2 == seen


async def test_what_needs_trio_says_so_to_a_handler_under_asyncio(database: str) -> None:
    """Guards a wrong turn of handlers under asyncio: the error names the way, and it works."""
    async with awa.AsyncClient(database) as client:

        @client.task(Number, queue="q", executor="asyncio", max_attempts=1)
        async def handle(job: awa.Job[Number]) -> int:
            job.set_progress(50)
            with pytest.raises(awa.ConfigurationError, match="trio_as_aio"):
                await job.flush_progress()
            await trio_asyncio.trio_as_aio(job.flush_progress)()
            seen = await trio_asyncio.trio_as_aio(client.get_job)(job.id)
            assert {"percent": 50} == seen.progress
            with pytest.raises(awa.ConfigurationError, match="trio_as_aio"):
                await client.insert(Number(1), kind="other")
            with pytest.raises(awa.ConfigurationError, match="complete_in"):
                async with job.transaction():
                    raise AssertionError("there is no transaction under asyncio")
            other: awa.JobHandle
            other = await trio_asyncio.trio_as_aio(client.insert)(Number(1), kind="other")
            return other.id

        await client.start([("q", 1)])
        stored = await client.insert(Number(0))
        done = await until_state(client, stored.id, "completed")
        assert await client.get_job(done.result)


def plain(_job: awa.Job[Number]) -> None:
    """Do nothing."""


async def awaited(_job: awa.Job[Number]) -> None:
    """Do nothing, later."""
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("executor", "function", "problem"),
    [
        ("fork", plain, "is 'fork'; there are 'trio', 'thread', 'process', 'asyncio'"),
        ("trio", plain, "'trio' needs an async function"),
        ("asyncio", plain, "'asyncio' needs an async function"),
        ("thread", awaited, "'thread' needs a plain function"),
        ("process", awaited, "'process' needs a plain function"),
        ("process", lambda _job: None, "the child imports it by its name"),
    ],
)
def test_a_function_that_does_not_fit_its_executor_is_refused(
    executor: Any, function: Any, problem: str
) -> None:
    """Guards the time of the mistake: at registration, not when the first job runs."""
    client = awa.AsyncClient("postgresql://nowhere")
    with pytest.raises(awa.InvalidInput, match="executor") as caught:
        client.task(Number, executor=executor)(function)
    assert problem in str(caught.value)


def test_an_executor_that_is_not_installed_names_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards the first minute with an executor: the error says what to install."""
    client = awa.AsyncClient("postgresql://nowhere")
    monkeypatch.setattr(executors, "find_spec", lambda _name: None)
    with pytest.raises(awa.ConfigurationError, match=r"pip install 'awa-trio\[process\]'"):
        client.task(Number, executor="process")(plain)


async def test_an_executor_that_the_running_worker_did_not_open_is_refused(database: str) -> None:
    """Guards jobs against a handler whose executor the worker would have to open in the middle."""
    async with awa.AsyncClient(database) as client:
        await client.start([("q", 1)])
        with pytest.raises(awa.ConfigurationError, match="register the handler of 'number' before"):
            client.task(Number, executor="asyncio")(awaited)
        client.task(Number, kind="other")(awaited)
