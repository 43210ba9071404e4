"""Gates: places inside the SQL functions where a test can let a session stand.

For tests only: a throw-away database gets the installation's functions with a call more at each
gate. A session stops there when it asked for it (`set gates.stop = 'picked,test'`, in the order
they are passed) and goes on when the lock is free that its test holds; so the test sees in pg_locks
that the session stands, does other things, and opens. Every other session passes. No function of a
real installation knows of gates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from correctness.edits import AnchorMissing, Edit, edited


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A name and the text behind which it stands; where a mutant has another text, also that."""

    name: str
    file: str
    after: tuple[str, ...]

    def edit(self, files: Mapping[str, str]) -> Edit:
        """The call, put where the first of the texts stands. Raise AnchorMissing."""
        for text in self.after:
            if text in files[self.file]:
                call = f"    perform awa_gates.pass('{self.name}');\n"
                return Edit(file=self.file, old=text, new=text + call)
        raise AnchorMissing(f"gate {self.name!r}: {self.file} does not hold {self.after[0]!r}")


GATES: Final = (
    # claim: the lanes and the live slots are locked, nothing of the lanes was read
    Gate(
        name="listed",
        file="functions/claim.sql",
        after=("claim.token, claim.queues, v_slots) r;\n        return;\n    end if;\n",),
    ),
    # claim: a look is done, and it is not known yet whether a slot filled meanwhile
    Gate(
        name="picked",
        file="internal/taking.sql",
        after=("9223372036854775807, s.holes + s.young, v_slots, p_limit, p_limit);\n",),
    ),
    # claim: something was seen; next comes the question whether anybody is in flight
    Gate(
        name="test",
        file="internal/taking.sql",
        after=("    if v_top is null then\n        return null;\n    end if;\n",),
    ),
    # claim: all looks are done, nothing is written
    Gate(
        name="taken",
        file="functions/claim.sql",
        after=("    if v_entries is not null then\n",),
    ),
    # enqueue, enqueue_many: the keys are known, and locked; whether their jobs hold them is not
    Gate(
        name="keyed",
        file="internal/unique.sql",
        after=("(w.uniq).states, (w.uniq).until));\n    end loop;\n",),
    ),
    # prune: between its look at the lanes' states and its look at the claims
    Gate(
        name="strays",
        file="internal/pruning.sql",
        after=(
            "lane_states(p_lanes, lock_live_slots()) s);\nbegin\n",
            "begin    -- the claims were read first\n",
        ),
    ),
    # prune: the slot is proven finished, and not locked against claims and settles
    Gate(
        name="proven",
        file="internal/pruning.sql",
        after=(
            "    v_floors := move_floors(p_slot);    -- before the lock\n",
            "results_%1$s, leases_%1$s', p_slot);\n    v_floors jsonb;\nbegin\n",
        ),
    ),
    # evacuate: it has seen what lives, and has locked nothing
    Gate(
        name="seen",
        file="internal/evacuating.sql",
        after=("        return row ('large', '{}', '{}')::evacuation;\n    end if;\n",),
    ),
)

# `write` stands in every INSERT of an entry: its number is drawn, and the row is not there yet.
INSTALL: Final = """\
create schema awa_gates;
create function awa_gates.pass(p_gate text) returns void
language plpgsql set lock_timeout = 0 as $$
declare
    v_stops text[] := string_to_array(coalesce(current_setting('gates.stop', true), ''), ',');
    v_left int := cardinality(v_stops);
begin
    if v_stops[1] is distinct from p_gate then
        return;
    end if;
    perform set_config('gates.stop', array_to_string(v_stops[2:], ','), false);
    -- to the end of the statement only: a lock of the session is in nobody's way later
    perform pg_advisory_lock_shared((pg_backend_pid()::bigint << 8) + v_left);
    perform pg_advisory_unlock_shared((pg_backend_pid()::bigint << 8) + v_left);
end $$;
create function awa_gates.write() returns trigger language plpgsql as $$
begin
    perform awa_gates.pass('write');
    return new;
end $$;
create trigger gate before insert on awa.ready for each row execute function awa_gates.write();
"""

NAMES: Final = frozenset({gate.name for gate in GATES} | {"write"})


def gated(files: Mapping[str, str]) -> dict[str, str]:
    """The files of an installation with every gate in its place. Raise AnchorMissing."""
    return edited(files, [gate.edit(files) for gate in GATES])
