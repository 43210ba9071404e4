"""Many witnesses of one module in one run of TLC: a frozen variable says which one each follows.

A run of TLC costs more than the search of a small model, and there are dozens. So what the
configurations of a run give to a constant in different ways becomes `<<..., ...>>[variant]`, and
every behaviour keeps the variant it began with. A variant whose property is broken is noted and
left. What is not found so is not judged here: it must be run alone.
"""

import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from correctness.configurations import SPEC, Configuration
from correctness.spec_mutants.reading import Part, definitions, step, without_comments
from correctness.tlc import QUICK, Run, run_tlc

TIMEOUT_S: Final = 3600.0

_LONG: Final = {"Waking"}
"""Modules of long searches, which a scope that varies makes longer than a run of its own is."""
_SWITCHES: Final = {"Bare", "Off", "With"}

_ASSIGNED: Final = re.compile(r"^\s+(\w+)\s*=\s*(.+?)\s*$", re.MULTILINE)
_SPECIFICATION: Final = re.compile(r"^SPECIFICATION\s+(\w+)", re.MULTILINE)
_SYMMETRY: Final = re.compile(r"^SYMMETRY\s+(\w+)", re.MULTILINE)
_CHECKED: Final = re.compile(r"^(?:INVARIANTS?|PROPERT(?:Y|IES))\s+(\w+)$", re.MULTILINE)
_EXTENDS: Final = re.compile(r"^EXTENDS\s+(.+)$", re.MULTILINE)
_CONSTANTS: Final = re.compile(r"^CONSTANTS?\b(.+?)\n[ ]*\n", re.MULTILINE | re.DOTALL)
_ASSUMED: Final = re.compile(r"^ASSUME .*$", re.MULTILINE)
_WORD: Final = re.compile(r'"[^"]*"|\b[a-z]\w*')
_FOUND: Final = re.compile(r'^<<"FOUND", (\d+), (\d+)>>', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a configuration file says."""

    constants: Mapping[str, str]
    specification: str
    symmetry: str
    checked: str

    @classmethod
    def of(cls, file: Path) -> "Asked":
        """Read one that checks a single property."""
        text = file.read_text()
        specification, checked = _SPECIFICATION.search(text), _CHECKED.search(text)
        assert specification is not None
        assert checked is not None, "a witness checks one property"
        symmetry = _SYMMETRY.search(text)
        return cls(
            constants=dict(_ASSIGNED.findall(text)),
            specification=specification[1],
            symmetry=symmetry[1] if symmetry else "",
            checked=checked[1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module with those of its own that it extends, by name; the root comes first."""

    texts: Mapping[str, str]

    @classmethod
    @cache
    def of(cls, name: str) -> "Module":
        """Read the files."""
        texts, left = {}, [name]
        while left:
            name = left.pop()
            texts[name] = (SPEC / f"{name}.tla").read_text()
            extended = _EXTENDS.search(texts[name])
            names = extended[1].replace(" ", "").split(",") if extended else []
            left += [one for one in names if (SPEC / f"{one}.tla").is_file()]
        return cls(texts=texts)

    def defined(self) -> Iterator[tuple[str, Part]]:
        """Each definition, with the text of its module, which has no comments any more."""
        for text in self.texts.values():
            bare = without_comments(text)
            yield from ((bare, one) for one in definitions(bare))

    def body(self, name: str) -> tuple[str, Part]:
        """One definition. Raise KeyError where there is none."""
        for bare, one in self.defined():
            if one.name == name:
                return bare, one
        raise KeyError(name)


def weavable(configuration: Configuration) -> bool:
    """Whether a run may hold this one beside others: it is to break a property without fairness."""
    if configuration.breaks is None or configuration.at_random or configuration.deep:
        return False
    text = configuration.file.read_text()
    found = _SPECIFICATION.search(text)
    assert found is not None
    return "CONSTRAINT" not in text and _behaviour(Module.of(configuration.module), found[1]) != ()


def together(configurations: Iterable[Configuration]) -> list[list[Configuration]]:
    """Those that can be in one run, each run's as a list."""
    runs: defaultdict[tuple[str, ...], list[Configuration]] = defaultdict(list)
    for one in configurations:
        asked = Asked.of(one.file)
        kept = [f"{name} = {of}" for name, of in asked.constants.items() if name not in _SWITCHES]
        scope = kept if one.module in _LONG else []
        runs[one.module, asked.specification, asked.symmetry, *scope].append(one)
    return [*runs.values()]


def sought(configurations: Sequence[Configuration]) -> tuple[Run, dict[Configuration, int]]:
    """Run them as one: which break their property, and after how many states of their own."""
    with tempfile.TemporaryDirectory(prefix="awa-woven-") as made:
        folder = Path(made)
        write(configurations, folder)
        run = run_tlc(folder / "Woven.tla", folder / "Woven.cfg", means=QUICK, timeout_s=TIMEOUT_S)
    found = _FOUND.findall(run.output)
    return run, {configurations[int(place) - 1]: int(states) for place, states in found}


def write(configurations: Sequence[Configuration], folder: Path) -> None:
    """Write the woven modules, and the configuration of their run."""
    asked = [Asked.of(one.file) for one in configurations]
    module = Module.of(configurations[0].module)
    values = _values(asked, module)
    varied = {name: of for name, of in values.items() if len(set(of)) > 1}
    for file in SPEC.glob("*.tla"):
        shutil.copy(file, folder)
        if file.stem not in module.texts:
            # What is instanced with a constant that varies must take it as a variable.
            text = _CONSTANTS.sub(
                lambda block: f"VARIABLES{block[1]}\n\n", file.read_text(), count=1
            )
            (folder / file.name).write_text(text)
    lowest = [name for name, text in module.texts.items() if _CONSTANTS.search(text)][-1]
    for name, text in module.texts.items():
        (folder / f"{name}.tla").write_text(_edited(text, varied, declares=name == lowest))
    (folder / "Woven.tla").write_text(_woven(asked, module, configurations[0].module))
    constants = [f"  {name} = {of[0]}\n" for name, of in values.items() if name not in varied]
    symmetry = f"SYMMETRY {asked[0].symmetry}\n" if asked[0].symmetry else ""
    (folder / "Woven.cfg").write_text(
        f"CONSTANTS\n{''.join(constants)}SPECIFICATION WovenSpec\n{symmetry}"
        "CONSTRAINT WovenStates\nACTION_CONSTRAINT WovenSteps\nINVARIANT WovenCounted\n"
    )


def _values(asked: Sequence[Asked], module: Module) -> dict[str, list[str]]:
    """What each configuration gives to each constant; to an operator, what the module says."""
    names = dict.fromkeys(name for one in asked for name in one.constants)
    return {
        name: [one.constants.get(name) or module.body(name)[1].text for one in asked]
        for name in names
    }


def _behaviour(module: Module, specification: str) -> tuple[str, ...]:
    r"""Of `Spec == Init /\ [][Next]_vars` the three names; nothing when it says more."""
    said = re.fullmatch(r"(\w+) /\\ \[\]\[(\w+)\]_(\w+)", module.body(specification)[1].text)
    return said.groups() if said else ()


def _edited(text: str, varied: Mapping[str, Sequence[str]], *, declares: bool) -> str:
    """A module in which what varies is what the variant says; its assumptions were of constants."""
    bare = without_comments(text)
    edits = [
        (bare.rindex(f"\n{one.name}", 0, one.begin) + 1, one.end, _chosen(one.name, varied))
        for one in definitions(bare)
        if one.name in varied
    ]
    edits += [(found.start(), found.end(), "") for found in _ASSUMED.finditer(bare)]
    block = _CONSTANTS.search(bare)
    if block is not None:
        names = [name.strip() for name in block[1].split(",")]
        kept = ", ".join(name for name in names if name not in varied)
        lines = [
            *(["VARIABLE variant"] if declares else []),
            *([f"CONSTANTS {kept}"] if kept else []),
            *(_chosen(name, varied) for name in names if name in varied),
        ]
        edits.append((block.start(), block.end(), "\n".join(lines) + "\n\n"))
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def _chosen(name: str, varied: Mapping[str, Sequence[str]]) -> str:
    """The definition of what varies; the list is a constant, so TLC evaluates it once.

    Model values are strings here: no symmetry speaks of a constant that varies.
    """
    named = (_WORD.sub(lambda word: '"' + word[0].strip('"') + '"', of) for of in varied[name])
    return f"Each{name} == <<{', '.join(named)}>>\n{name} == Each{name}[variant]"


def _woven(asked: Sequence[Asked], module: Module, root: str) -> str:
    """The module on top: each behaviour follows one variant, until its property is broken."""
    first, then, variables = _behaviour(module, asked[0].specification)
    steps, states = [], []
    for number, one in enumerate(asked, 1):
        bare, part = module.body(one.checked)
        said = step(bare, part)
        steps += [f"WovenStep{number} ==\n{said}"] if said else []
        states += [] if said else [number]
    count = len(asked)
    return "\n".join(
        [
            "---- MODULE Woven ----",
            f"EXTENDS {root}, TLC",
            f"ASSUME \\A v \\in 1..{count} : TLCSet(v, TRUE) /\\ TLCSet({count} + v, 0)",
            "WovenFree == TLCGet(variant)",
            f"WovenSeen == TLCGet({count} + variant)",
            f"WovenCounted == ~WovenFree \\/ TLCSet({count} + variant, WovenSeen + 1)",
            "WovenFound == /\\ TLCSet(variant, FALSE)",
            '              /\\ PrintT(<<"FOUND", variant, WovenSeen>>) /\\ FALSE',
            f"WovenInit == variant \\in 1..{count} /\\ {first}",
            f"WovenNext == WovenFree /\\ variant' = variant /\\ {then}",
            f"WovenSpec == WovenInit /\\ [][WovenNext]_<<{variables}, variant>>",
            *steps,
            "WovenStates ==",
            "  /\\ WovenFree",
            *(_look(number, asked[number - 1].checked) for number in states),
            "WovenSteps ==",
            "  /\\ WovenFree",
            *(_look(n, f"WovenStep{n}") for n in range(1, count + 1) if n not in states),
            "====",
            "",
        ]
    )


def _look(number: int, formula: str) -> str:
    return f"  /\\ variant = {number} => ({formula} \\/ WovenFound)"
