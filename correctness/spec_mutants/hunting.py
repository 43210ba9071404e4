"""Hunt mutants of the specification: in bounded models, and then on the corpus of traces."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from correctness import replay_by_tlc
from correctness.configurations import SPEC
from correctness.replay import trace_text
from correctness.replay_by_tlc import WITHOUT_INVARIANTS, Law
from correctness.spec_mutants.finding import MODULE, storage
from correctness.spec_mutants.mutant import Mutant
from correctness.spec_mutants.reading import definitions, step, without_comments
from correctness.spec_mutants.scopes import HERE, behaviour, checked, constants
from correctness.spec_mutants.weaving import woven, woven_traces
from correctness.spoiling import LIES
from correctness.tla_text import from_tla, to_tla
from correctness.tlc import QUICK, Run, run_tlc
from correctness.traces import Trace, cut, read_ndjson
from correctness.verdicts import Refusal

TRACES: Final = SPEC.parent / "traces"
TIMEOUT_S: Final = 3000.0
EVALUATION: Final = "evaluation"
_REFUSING: Final = {"guard", "guards"}
_CAUGHT: Final = re.compile(r'^<<"CAUGHT", (\d+), "(\w+)">>', re.MULTILINE)
_REACHED: Final = re.compile(r'^<<"REACHED", (\d+), "(\w+)">>', re.MULTILINE)
_STANDS: Final = re.compile(r"^/\\ mutant = (\d+)$", re.MULTILINE)
BESIDE: Final = HERE / "Beside.tla"
PROBES: Final = (
    *("HoleProbe", "LateHoleProbe", "ForgottenProbe"),
    *("EarlierFliesProbe", "MendedPassedProbe", "StillLateProbe"),
)
"""What numbers in flight, and entries that a claim may not have seen, can come to."""
_UNREADABLE: Final = "Parsing or semantic analysis failed"

Catchers = dict[Mutant, str]


class NotHunted(RuntimeError):
    """No mutant is to blame: TLC could not read what was woven, or the specification was caught."""


def in_model(mutants: Sequence[Mutant], model: Path) -> Catchers:
    """Answer which mutants break a property in a bounded model, and which property.

    Where the specification itself cannot be evaluated the whole run stops: whose state it was is
    caught, and the others begin anew. TLC does not always say whose; then they are halved.
    """
    run = _explored(mutants, model)
    if '<<"CAUGHT", 0' in run.output:
        raise NotHunted(run.output)
    found = {mutants[int(place) - 1]: name for place, name in _CAUGHT.findall(run.output)}
    if not run.failed:
        return found
    if _UNREADABLE in run.output or run.output.startswith("stopped after"):
        raise NotHunted(run.output)
    left = [mutant for mutant in mutants if mutant not in found]
    stood = [mutants[int(place) - 1] for place in _STANDS.findall(run.output)[-1:] if place != "0"]
    blamed = [mutant for mutant in left if mutant in stood or (len(left) == 1 and not stood)]
    found |= dict.fromkeys(blamed, EVALUATION)
    parts = [left] if stood else [left[: len(left) // 2], left[len(left) // 2 :]]
    for part in parts:
        again = [mutant for mutant in part if mutant not in found]
        found |= in_model(again, model) if again else {}
    return found


def without_reaching(mutants: Sequence[Mutant], model: Path) -> Catchers:
    """Answer which mutants never reach what the specification does in a bounded model.

    They only forbid something, so they break no property. Nothing may break or fail here.
    """
    run = _explored(mutants, model, PROBES)
    if run.failed:
        raise NotHunted(run.output)
    reached = {(int(place), name) for place, name in _REACHED.findall(run.output)}
    caught = {int(place) for place, _ in _CAUGHT.findall(run.output)}
    return {
        mutant: name
        for place, mutant in enumerate(mutants, 1)
        for name in reversed(PROBES)
        if (0, name) in reached and (place, name) not in reached and place not in caught
    }


def on_traces(mutants: Sequence[Mutant]) -> Catchers:
    """Answer which mutants judge a story otherwise than the specification, and which story.

    Of a dropped guard the lies are asked that it refuses; of an effect what is true, then all lies.
    """
    found = _judged(mutants, _stories)
    left = [mutant for mutant in mutants if mutant not in found and mutant.kind not in _REFUSING]
    return found | _judged(left, lambda _: _files("rejected"))


def _judged(mutants: Sequence[Mutant], stories: Callable[[Mutant], Sequence[Path]]) -> Catchers:
    pairs = [(mutant, story) for mutant in mutants for story in stories(mutant)]
    if not pairs:
        return {}
    cuts = {story: cut(read_ndjson(story)) for _, story in pairs}
    asked = [
        (number, story, trace)
        for number, story in [
            *((0, story) for story in cuts),
            *((mutants.index(mutant) + 1, story) for mutant, story in pairs),
        ]
        for trace in cuts[story]
    ]
    with _folder(mutants) as folder:
        judged = replay_by_tlc.judge_all(
            [_told(trace, number) for number, _, trace in asked],
            Law(folder=folder, config=WITHOUT_INVARIANTS),
        )
    verdicts: dict[tuple[int, Path], list[object]] = {}
    for (number, story, _), refusal in zip(asked, judged, strict=True):
        verdicts.setdefault((number, story), []).append(_verdict(refusal))
    found: Catchers = {}
    for mutant, story in pairs:
        if verdicts[mutants.index(mutant) + 1, story] != verdicts[0, story]:
            found.setdefault(mutant, f"{story.parent.name}/{story.stem}")
    return found


def _explored(mutants: Sequence[Mutant], model: Path, probes: Sequence[str] = ()) -> Run:
    with _folder(mutants) as folder:
        (folder / "Hunt.tla").write_text(hunt_module(model, probes))
        config = folder / "Hunt.cfg"
        config.write_text(
            f"{constants(model)}  Mutants = {to_tla(frozenset(range(len(mutants) + 1)))}\n"
            "SPECIFICATION HuntSpec\nCONSTRAINT StatesHold\nACTION_CONSTRAINT StepsHold\n"
        )
        return run_tlc(folder / "Hunt.tla", config, means=QUICK, timeout_s=TIMEOUT_S)


def hunt_module(model: Path, probes: Sequence[str]) -> str:
    """The module that follows all mutants: one that breaks a property is noted and left.

    Mutant 0 is the specification as it stands. It is followed to its end, and nothing may catch it.
    What reaches a probe goes on.
    """
    bare = without_comments(f"{storage()}\n{BESIDE.read_text()}")
    bodies = {one.name: one for one in definitions(bare)}
    names = (*checked(model), *probes)
    steps = {name: text for name in names if (text := step(bare, bodies[name]))}
    looks = {name: _look(name, f"Step{name}" if name in steps else name, probes) for name in names}
    begin, going = behaviour(model)
    return "\n".join(
        [
            "---- MODULE Hunt ----",
            "EXTENDS Beside, TLC",
            "CONSTANT Mutants",
            "Place(probe) == probe * Cardinality(Mutants) + mutant",
            f'ASSUME \\A m \\in 0..Cardinality(Mutants) * {len(probes) + 1} : TLCSet(m, "")',
            'Free == TLCGet(mutant) = ""',
            'Catch(name) == TLCSet(mutant, name) /\\ PrintT(<<"CAUGHT", mutant, name>>) /\\ FALSE',
            'Reach(probe, name) == IF TLCGet(Place(probe)) # "" THEN TRUE',
            '  ELSE TLCSet(Place(probe), name) /\\ PrintT(<<"REACHED", mutant, name>>)',
            f"HuntInit == {begin} /\\ mutant \\in Mutants",
            f"HuntNext == Free /\\ {going} /\\ UNCHANGED mutant",
            "HuntSpec == HuntInit /\\ [][HuntNext]_<<vars, mutant>>",
            *(f"Step{name} ==\n{text}" for name, text in steps.items()),
            *("StatesHold == Free", *(looks[name] for name in names if name not in steps)),
            *("StepsHold == Free", *(looks[name] for name in steps)),
            "====",
            "",
        ]
    )


def _look(name: str, formula: str, probes: Sequence[str]) -> str:
    notes = f'Reach({probes.index(name) + 1}, "{name}")' if name in probes else f'Catch("{name}")'
    return f"  /\\ ({formula} \\/ {notes})"


@contextmanager
def _folder(mutants: Sequence[Mutant]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="awa-mutants-") as made:
        folder = Path(made)
        for name in replay_by_tlc.MODULES:
            shutil.copy(SPEC / name, folder)
        shutil.copy(BESIDE, folder)
        (folder / MODULE.name).write_text(woven(storage(), mutants))
        traces = folder / "StorageTrace.tla"
        traces.write_text(woven_traces(traces.read_text()))
        yield folder


def _told(trace: Trace, number: int) -> str:
    return f"[mutant |-> {number}, {trace_text(trace).removeprefix('[')}"


def _stories(mutant: Mutant) -> Sequence[Path]:
    if mutant.kind not in _REFUSING:
        return _files("accepted")
    names = {lie.name for lie in LIES if lie.refused_by in mutant.loose}
    return [story for story in _files("rejected") if story.stem in names]


def _files(folder: str) -> Sequence[Path]:
    return sorted((TRACES / folder).glob("*.ndjson"))


def _verdict(refusal: Refusal | None) -> object:
    """As a value, because a set may be written in any order."""
    if refusal is None:
        return None
    try:
        return refusal.event, from_tla(refusal.why)
    except ValueError:
        return refusal.event, refusal.why.partition("\n")[0]
