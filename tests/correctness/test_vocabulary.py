"""One vocabulary: specification, SQL, storage methods, events, replay and twin."""

import re
from importlib.resources import files

from awa._core.actions import ACTIONS, CRON_ACTIONS
from awa._storage.functions import Storage
from correctness import model
from correctness.configurations import SPEC
from correctness.cron_traces import NAMES as TOLD
from correctness.cron_traces import WORLD
from correctness.model.bounded import TRIES
from correctness.verdicts import LOSSES_MAX
from tests.fix_database import Session

NAMES = set(ACTIONS)


def text_of(module: str) -> str:
    """Return a module's text."""
    return (SPEC / f"{module}.tla").read_text()


def operators_of_next() -> set[str]:
    """Return the actions that Next of Storage is made of, the world's aside."""
    text = text_of("Storage")
    body = text[text.index("\nTryEnqueue ==") : text.index("\nSpec ==")]
    defined = set(re.findall(r"^(\w+)(?:\([^)]*\))?\s*==", text, re.MULTILINE))
    guarded = {name for name in defined if f"{name}G" in defined} | {"Complete", "Release"}
    return {name for name in re.findall(r"\b([A-Z]\w+)\b", body) if name in guarded}


def test_the_specification_has_an_operator_for_each_action() -> None:
    """Guards the first place of the word: Next of Storage."""
    assert {action.operator for action in ACTIONS.values()} == operators_of_next()


def test_what_is_done_with_schedules_is_specified_and_replayed_under_its_name() -> None:
    """Guards the same for Cron: an operator that Next tries, and a case in the replay."""
    text = text_of("Cron")
    tried = set(re.findall(r"\b[A-Z]\w+", text[text.index("\nDeclareSchedules ==") :]))
    assert set() == {action.operator for action in CRON_ACTIONS.values()} - tried
    with_events = {name for name, action in CRON_ACTIONS.items() if action.fields}
    cases = set(re.findall(r'e\.a = "(\w+)"\s*->', text_of("CronTrace")))
    assert with_events | WORLD == cases - {"time", "look", "job_ends"}
    assert with_events | WORLD == TOLD


def test_each_action_is_one_sql_file() -> None:
    """Guards the second place: sql/functions/<action>.sql."""
    folder = files("awa").joinpath("sql", "functions")
    names = {f"{name}.sql" for name in NAMES | set(CRON_ACTIONS)}
    assert names == {file.name for file in folder.iterdir()}


def test_each_action_is_one_created_function(one: Session) -> None:
    """Guards the third place: what the schema really holds, once each."""
    found = one.execute(
        "select proname from pg_proc where pronamespace = 'awa'::regnamespace"
        " and proname = any (%s)",
        [[*NAMES, *CRON_ACTIONS]],
    ).fetchall()
    assert sorted([*NAMES, *CRON_ACTIONS]) == sorted(name for (name,) in found)


def test_each_action_is_a_storage_method() -> None:
    """Guards the fourth place: the methods that return calls."""
    names = NAMES | set(CRON_ACTIONS)
    assert [] == [name for name in names if not callable(getattr(Storage, name, None))]


def test_the_replay_has_a_case_for_each_action() -> None:
    """Guards the fifth place: an event without a case could not be judged."""
    cases = set(re.findall(r'e\.a = "(\w+)"\s*->', text_of("StorageTrace")))
    assert NAMES | {"census", "arrive", "told"} == cases


def test_the_twin_has_a_function_for_each_action() -> None:
    """Guards the sixth place: the Python twin, and what its bounded models try."""
    assert NAMES == set(model.ACTIONS)
    assert [] == [name for name in NAMES if getattr(model, name) is not model.ACTIONS[name]]
    assert NAMES | {"env_draw", "env_rollback"} == set(TRIES)


def test_each_operator_of_next_tries_its_own_action() -> None:
    """Guards the labels of TLC's graph: a step is named by the operator that tries it."""
    text = text_of("Storage")
    body = text[text.index("\nTryEnvRollback ==") : text.index("\nSpec ==")]
    tries = dict(re.findall(r"^Try(\w+) *==(.*?)(?=^\S|\Z)", body, re.MULTILINE | re.DOTALL))
    operators = operators_of_next() | {"EnvRollback"}
    assert operators - {"EnsureLane"} == set(tries)
    for name, tried in tries.items():
        assert {name} == set(re.findall(r"\b[A-Z]\w+", tried)) & operators


def test_the_replay_has_the_bound_of_the_sql(one: Session) -> None:
    """Guards LossBound: a replay with another bound would accept a job that ends too late."""
    assert (LOSSES_MAX,) == one.execute("select awa.losses_max()").fetchone()
