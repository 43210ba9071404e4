"""Mutants of the specification: what is read from its text, and a sample of the hunt."""

from collections import Counter
from typing import Final

from correctness.configurations import SPEC
from correctness.spec_mutants.__main__ import PAGE
from correctness.spec_mutants.finding import every, guard_names, mutants, storage
from correctness.spec_mutants.hunting import in_model, without_reaching
from correctness.spec_mutants.mutant import Mutant
from correctness.spec_mutants.reading import without_comments
from correctness.spec_mutants.reporting import NOBODY, SURVIVORS, read_outcomes, written
from correctness.spec_mutants.scopes import HERE
from correctness.spec_mutants.weaving import woven
from tests.correctness.test_guards import guards

CAUGHT_IN_HOLES: Final = {
    "AppendG.drawn": "NumbersOnce",
    "CloseG.open": "ClosuresDisjoint",
    "Claim: next stays": "EntryClaimedOnce",
    "EnvDraw: last stays": "TypeInv",
}
"""One of each kind, with the property that notices."""

SMALL: Final = r"""
(* All(g) /\ this' = is a comment *)
AppendG(new) ==
    [one |-> \A m, n \in new : [m |-> 1] # [n |-> 2],   \* excludes, this
     two |-> /\ first
             /\ second]
Act(new) ==
    /\ All(AppendG(new))
    /\ last # 1
    /\ last' = last + 1 /\ fly' = IF new THEN fly \cup {1} ELSE {2}
    /\ UNCHANGED born
Other(new) == All(AppendG(new)) /\ Closing(new, "lost", 0) /\ ring' = new
Has(f) == f
"""


def named(*names: str) -> list[Mutant]:
    """Return these mutants of Storage."""
    found = {mutant.name: mutant for mutant in every()}
    return [found[name] for name in names]


def test_guards_effects_and_their_parts_are_found() -> None:
    """Guards the reading: a comma or a conjunction inside of something separates nothing."""
    found = [(one.name, SMALL[one.begin : one.end], one.new) for one in mutants(SMALL)]
    assert found == [
        ("AppendG.one", r"\A m, n \in new : [m |-> 1] # [n |-> 2]", "TRUE"),
        ("AppendG.two", "/\\ first\n             /\\ second", "TRUE"),
        ("AppendG.two.1", "first", "TRUE"),
        ("AppendG.two.2", "second", "TRUE"),
        ("Act without AppendG", "All(AppendG(new))", "TRUE"),
        ("Act.2", "last # 1", "TRUE"),
        ("Act: last stays", "last + 1", "last"),
        ("Act: fly stays", r"IF new THEN fly \cup {1} ELSE {2}", "fly"),
        ("Act: fly as if so", r"IF new THEN fly \cup {1} ELSE {2}", r"fly \cup {1}"),
        ("Act: fly as if not", r"IF new THEN fly \cup {1} ELSE {2}", "{2}"),
        ("Other without AppendG", "All(AppendG(new))", "TRUE"),
        ("Other: Closing left out", 'Closing(new, "lost", 0)', "UNCHANGED closures"),
        ("Other: ring stays", "new", "ring"),
    ]


def test_every_guard_of_storage_has_a_mutant() -> None:
    """Guards the list: none is missed because of how it is written."""
    read = guard_names(without_comments(storage()))
    theirs = {name: set(of) for name, of in guards().items()}
    assert {name: set(of) for name, of in read.items() if of} == {
        name: of for name, of in theirs.items() if read.get(name)
    }
    assert {"Claim", "Prune", "Evacuate", "Retire", "EnvArrive"} <= {
        one.operator for one in every()
    }
    assert max(Counter(one.name for one in every()).values()) == 1


def test_woven_mutants_stand_in_the_columns_of_the_text() -> None:
    """Guards the weaving: TLA+ reads a list of conjuncts by its margin."""
    text = "All(g) == g\nLoose(g) == g \\in Off\nA ==\n    /\\ B\n    /\\ /\\ C\n       /\\ D\n"
    begin = text.index("/\\ C")
    whole = Mutant(
        name="whole", kind="guard", operator="A", begin=begin, end=len(text) - 1, new="TRUE"
    )
    inside = Mutant(
        name="D", kind="guard", operator="A", begin=len(text) - 2, end=len(text) - 1, new="TRUE"
    )
    assert woven(text, [inside, whole]).partition("A ==\n")[2].splitlines() == [
        "    /\\ B",
        "    /\\ (IF mutant = 2 THEN TRUE ELSE ",
        "       /\\ C",
        "       /\\ (IF mutant = 1 THEN TRUE ELSE ",
        "          D))",
    ]


def test_the_page_says_who_caught_each_mutant() -> None:
    """Guards hunts of some mutants: what the page said of the others is read from it again."""
    outcomes = {one.name: NOBODY for one in every()} | CAUGHT_IN_HOLES
    page = written(every(), storage(), outcomes)
    assert outcomes == read_outcomes(page, every())
    assert "\n* AppendG.distinct: no reason is known.\n" in page


def test_every_mutant_is_judged_and_who_lives_is_explained() -> None:
    """Guards spec_mutants.md: `make spec-mutants`, or a hunt of what changed, writes it anew."""
    outcomes = read_outcomes(PAGE.read_text(), every())
    assert set() == {one.name for one in every()} - set(outcomes)
    assert written(every(), storage(), outcomes) == PAGE.read_text()
    free = {name for name, by in outcomes.items() if by == NOBODY}
    assert free == set(SURVIVORS)


def test_a_sample_of_the_mutants_is_caught() -> None:
    """Guards the hunt: each is caught by the property that speaks of what it spoils."""
    caught = in_model(named(*CAUGHT_IN_HOLES), SPEC / "twin" / "Holes.cfg")
    assert {mutant.name: by for mutant, by in caught.items()} == CAUGHT_IN_HOLES


def test_what_only_forbids_is_noticed_by_what_is_not_reached() -> None:
    """Guards the probes: they say nothing of a mutant that breaks a property, or of none at all."""
    asked = named("EnvDraw: fly without part 1", "EnvDraw.1")
    missed = without_reaching(asked, SPEC / "twin" / "Holes.cfg")
    assert {mutant.name: by for mutant, by in missed.items()} == {
        "EnvDraw: fly without part 1": "EarlierFliesProbe"
    }


def test_jobs_that_come_from_another_lane_are_hunted_with() -> None:
    """Guards the models of Beside.tla, which begin and go on as no other: the specification too."""
    caught = in_model(named("EnvArrive: removed stays", "EnvArriveG.unknown"), HERE / "Away.cfg")
    assert {mutant.name: by for mutant, by in caught.items()} == {
        "EnvArrive: removed stays": "OneLivePlacePerJob"
    }
