"""One module that holds many mutants: a frozen variable says which of them a behaviour follows.

A run of TLC costs more than the search of a small model, and there are hundreds of mutants. So each
edit becomes `IF mutant = N THEN the new text ELSE the old one`, and every behaviour keeps the N it
began with; 0 is the specification as it stands.
"""

from collections.abc import Sequence
from typing import Final

from correctness.spec_mutants.mutant import Mutant

_ALL: Final = "All(g) =="
_LOOSE: Final = "Loose(g) == g \\in Off"
_TRACE_VARS: Final = "traceVars == <<vars, trace, at"
_TRACE_INIT: Final = "/\\ trace \\in 0..Count /\\ at = 1"
_TRACE_NEXT: Final = "TraceNext == Step \\/ Audit"


def woven(text: str, mutants: Sequence[Mutant]) -> str:
    """The module of Storage with these mutants in it, numbered from 1."""
    numbered = [(number, mutant) for number, mutant in enumerate(mutants, 1)]
    numbered.sort(key=lambda one: (one[1].begin, -one[1].end))
    after = _stretch(text, 0, len(text), numbered)
    loose = ", ".join(_names(mutant.loose) for mutant in mutants)
    after = _replaced(after, _ALL, f"VARIABLE mutant\n{_ALL}")
    return _replaced(
        after, _LOOSE, f"Loose(g) == IF mutant = 0 THEN FALSE ELSE g \\in <<{loose}>>[mutant]"
    )


def woven_traces(text: str) -> str:
    """The module of StorageTrace, in which every trace says which mutant is to judge it."""
    text = _replaced(text, _TRACE_VARS, "traceVars == <<vars, mutant, trace, at")
    text = _replaced(text, _TRACE_NEXT, "TraceNext == (Step \\/ Audit) /\\ UNCHANGED mutant")
    return _replaced(
        text,
        _TRACE_INIT,
        f"{_TRACE_INIT}\n    /\\ (mutant = IF trace = 0 THEN 0 ELSE Traces[trace].mutant)",
    )


def _stretch(text: str, begin: int, end: int, inside: list[tuple[int, Mutant]]) -> str:
    """A stretch of the text with the mutants inside it; what is changed as a whole comes first."""
    parts, at = [], begin
    while inside:
        outer = inside[0][1]
        held = [one for one in inside if one[1].end <= outer.end]
        inside = inside[len(held) :]
        same = [one for one in held if (one[1].begin, one[1].end) == (outer.begin, outer.end)]
        old = _stretch(text, outer.begin, outer.end, held[len(same) :])
        parts += [text[at : outer.begin], _choice(text, outer.begin, same, old)]
        at = outer.end
    return "".join([*parts, text[at:end]])


def _choice(text: str, begin: int, same: list[tuple[int, Mutant]], old: str) -> str:
    """The old text stands in its own column: a list of conjuncts is read by its margin."""
    column = begin - text.rindex("\n", 0, begin) - 1
    chosen = "".join(
        f"IF mutant = {number} THEN {' '.join(mutant.new.split())} ELSE " for number, mutant in same
    )
    return f"({chosen}\n{' ' * column}{old})"


def _names(loose: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{name}"' for name in loose) + "}"


def _replaced(text: str, old: str, new: str) -> str:
    """Raise ValueError when the text does not stand there once: then this must be written anew."""
    if text.count(old) != 1:
        raise ValueError(f"the specification holds {text.count(old)} times, not once: {old!r}")
    return text.replace(old, new)
