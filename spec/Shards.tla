-------------------------------- MODULE Shards -------------------------------
(* Several lanes share one ring. A queue has a number of shards, each with   *)
(* its lane; jobs of one ordering key go to one of them. The number may be   *)
(* raised and lowered while jobs wait.                                       *)
(*                                                                           *)
(* Seen on its own, each lane must do steps of Storage: so what is shown     *)
(* there for one lane holds for many. A claim takes from several lanes under *)
(* one token; a truncation takes the rows of all lanes.                      *)
(*                                                                           *)
(* Bare names the protections that a witness takes away.                     *)
EXTENDS Naturals, FiniteSets

CONSTANTS Jobs, Workers, Tokens, Ids, Slots, SeqMax, LossMax, Off,    \* as in Storage
          ShardsMax,   \* shards a queue may have; shard n has lane n
          Limit,       \* entries a claim asks for, of each lane
          Changes,     \* bound: changes of the number of shards
          Aborts,      \* may an enqueue roll back?
          Bare

Kept(protection) == protection \notin Bare

Lanes == 1..ShardsMax
\* The first job has one ordering key, the others share another: routed apart where there is room.
KeyOf(j) == IF j = 1 THEN 1 ELSE 2
Route(j, n) == IF KeyOf(j) <= n THEN KeyOf(j) ELSE 1
Max(S) == CHOOSE m \in S : \A k \in S : k <= m
FirstN(S) == {s \in S : Cardinality({k \in S : k <= s}) <= Limit}
First == [no |-> 0, next |-> 1, holes |-> {}]

\* How many shards new jobs are spread over, and how often that was changed.
VARIABLES shards, epoch
\* Of each lane: the last number drawn, its state after its last claim, and what committed since.
VARIABLES last, state, late
\* Enqueues under way: [lane, seq, job].
VARIABLE draws
\* The rows of all lanes, each with its lane; the claims have the lane's state with them.
VARIABLES entries, claims, closures
\* The current slot; the floors; what truncated slots held, by lane.
VARIABLES ring, floor, gone
\* before[j]: jobs of j's key that had been enqueued when j's enqueue began, under the same number of
\* shards; when: which number that was.
VARIABLES before, when

vars == <<shards, epoch, last, state, late, draws, entries, claims, closures, ring, floor, gone, before, when>>

(* ------------------------- one lane, seen on its own --------------------- *)

Of(l, rows)  == {r \in rows : r.lane = l}
EntriesOf(l) == {[seq |-> e.seq, slot |-> e.slot, job |-> e.job, lease |-> 1, attempt |-> 1, losses |-> 0] :
                   e \in Of(l, entries)}
ClaimsOf(l)  == {[token |-> r.token, part |-> r.part, slot |-> r.slot, worker |-> 1, call |-> r.token,
                  no |-> r.after.no, seqs |-> r.seqs] : r \in Of(l, claims)}
ClosuresOf(l) == {[token |-> c.token, part |-> c.part, seqs |-> c.seqs, settle |-> 1, outcome |-> "completed",
                   copy |-> 0] : c \in Of(l, closures)}
FlyOf(l)     == {d.seq : d \in Of(l, draws)}

Lane(l) == INSTANCE Storage WITH
    born <- TRUE, last <- last[l], fly <- FlyOf(l), entries <- EntriesOf(l), no <- state[l].no,
    next <- state[l].next, holes <- state[l].holes, late <- late[l], claims <- ClaimsOf(l),
    closures <- ClosuresOf(l), workers <- {1}, stopped <- {}, deferred <- {}, finals <- {}, dead <- {},
    removed <- {}, withdrawn <- {}, ring <- ring, floor <- floor[l], gone <- gone[l], keys <- {}, wants <- {},
    notes <- {}

(* ---------------------------------- enqueue ------------------------------ *)

Gone     == UNION {{g.job : g \in gone[l]} : l \in Lanes}
Visible  == {e.job : e \in entries} \cup Gone
Enqueued == Visible \cup {d.job : d \in draws}

\* Which lane: by the key, as the setting says when the enqueue begins.
Draw(j) ==
    /\ j \notin Enqueued
    /\ \E l \in (IF Kept("route_by_key") THEN {Route(j, shards)} ELSE 1..shards) :
         /\ last[l] < SeqMax
         /\ last' = [last EXCEPT ![l] = @ + 1]
         /\ draws' = draws \cup {[lane |-> l, seq |-> last[l] + 1, job |-> j]}
    /\ before' = [before EXCEPT ![j] = {k \in Visible : KeyOf(k) = KeyOf(j)
                                          /\ (Kept("one_setting") => when[k] = epoch)}]
    /\ when' = [when EXCEPT ![j] = epoch]
    /\ UNCHANGED <<shards, epoch, state, late, entries, claims, closures, ring, floor, gone>>

\* Into any slot, as in Storage.
Enqueue(d, k) ==
    /\ draws' = draws \ {d}
    /\ entries' = entries \cup {[lane |-> d.lane, seq |-> d.seq, slot |-> k, job |-> d.job]}
    /\ late' = [late EXCEPT ![d.lane] = @ \cup {d.seq}]
    /\ UNCHANGED <<shards, epoch, last, state, claims, closures, ring, floor, gone, before, when>>

EnvRollback(d) ==
    /\ Aborts /\ draws' = draws \ {d}
    /\ UNCHANGED <<shards, epoch, last, state, late, entries, claims, closures, ring, floor, gone, before, when>>

\* An operator sets another number of shards. Lanes are never removed: what is in them is claimed.
SetShards(n) ==
    /\ n # shards /\ epoch < Changes
    /\ shards' = n /\ epoch' = epoch + 1
    /\ UNCHANGED <<last, state, late, draws, entries, claims, closures, ring, floor, gone, before, when>>

(* ----------------------------- claim and complete ------------------------ *)

Ahead(l)  == {e.seq : e \in {d \in Of(l, entries) : d.seq >= state[l].next \/ d.seq \in state[l].holes}}
Takes(l)  == FirstN(Ahead(l))
\* The lane after it: what is passed and may still appear is a hole, the rest is forgotten.
After(l)  == LET S == state[l]
                 passed == (S.next..Max(Takes(l))) \cup S.holes
             IN [no |-> S.no + 1, next |-> Max({S.next, Max(Takes(l)) + 1}),
                 holes |-> passed \cap (FlyOf(l) \cup (Ahead(l) \ Takes(l)))]
RowsOf(t, l) ==
    {[lane |-> l, token |-> t, part |-> 2 * l + k, slot |-> k, after |-> After(l),
      seqs |-> {e.seq : e \in {d \in Of(l, entries) : d.slot = k /\ d.seq \in Takes(l)}}] :
       k \in {d.slot : d \in {e \in Of(l, entries) : e.seq \in Takes(l)}}}

\* Of the queue's lanes those whose locks it got; all that there are, not only those of the setting.
Claim(t, lanes) ==
    LET mine == {l \in lanes : Takes(l) # {} /\ (Kept("all_lanes") \/ l <= shards)}
    IN /\ \A r \in claims : r.token # t
       /\ \A u \in Tokens : u < t => (\E r \in claims : r.token = u) \/ \A r \in claims : r.token <= u
       /\ mine # {}
       /\ claims' = claims \cup UNION {RowsOf(t, l) : l \in mine}
       /\ state' = [l \in Lanes |-> IF l \in mine THEN After(l) ELSE state[l]]
       /\ late' = [l \in Lanes |-> IF l \in mine THEN {} ELSE late[l]]
       /\ UNCHANGED <<shards, epoch, last, draws, entries, closures, ring, floor, gone, before, when>>

ClosedIn(l) == UNION {c.seqs : c \in Of(l, closures)}
OpenOf(r)   == r.seqs \ ClosedIn(r.lane)
Complete(r) ==
    /\ OpenOf(r) # {}
    /\ closures' = closures \cup {[lane |-> r.lane, token |-> r.token, part |-> r.part, slot |-> r.slot,
                                   seqs |-> OpenOf(r)]}
    /\ UNCHANGED <<shards, epoch, last, state, late, draws, entries, claims, ring, floor, gone, before, when>>

(* ------------------------------- the ring -------------------------------- *)

InSlot(k, rows) == {r \in rows : r.slot = k}
Rotate(k) ==
    /\ k # ring /\ InSlot(k, entries) = {} /\ InSlot(k, claims) = {}
    /\ ring' = k
    /\ UNCHANGED <<shards, epoch, last, state, late, draws, entries, claims, closures, floor, gone, before, when>>

\* Every row of the slot has ended, of every lane; each lane's state goes to its floor.
Finished(k, l) == {e.seq : e \in InSlot(k, Of(l, entries))} \subseteq ClosedIn(l)
FloorFrom(k, l) ==
    LET states == {r.after : r \in InSlot(k, Of(l, claims))}
        newest == CHOOSE s \in states : \A t \in states : t.no <= s.no
    IN IF states = {} \/ newest.no < floor[l].no THEN floor[l] ELSE newest
Prune(k) ==
    LET seqs(l) == {e.seq : e \in InSlot(k, Of(l, entries))}
    IN /\ k # ring /\ InSlot(k, entries) # {}
       /\ IF Kept("proof_of_all") THEN \A l \in Lanes : Finished(k, l) ELSE \E l \in Lanes : seqs(l) # {} /\ Finished(k, l)
       /\ floor' = [l \in Lanes |-> IF Kept("floor_of_all") \/ l = 1 THEN FloorFrom(k, l) ELSE floor[l]]
       /\ gone' = [l \in Lanes |-> gone[l] \cup Lane(l)!Ghosts(seqs(l), {})]
       /\ late' = [l \in Lanes |-> late[l] \ seqs(l)]
       /\ entries' = entries \ InSlot(k, entries)
       /\ claims' = claims \ InSlot(k, claims)
       /\ closures' = closures \ InSlot(k, closures)
       /\ UNCHANGED <<shards, epoch, last, state, draws, ring, before, when>>

(* ------------------------------ specification ---------------------------- *)

Init ==
    /\ shards = 1 /\ epoch = 0 /\ ring = 0
    /\ last = [l \in Lanes |-> 0] /\ state = [l \in Lanes |-> First] /\ late = [l \in Lanes |-> {}]
    /\ draws = {} /\ entries = {} /\ claims = {} /\ closures = {}
    /\ floor = [l \in Lanes |-> First] /\ gone = [l \in Lanes |-> {}]
    /\ before = [j \in Jobs |-> {}] /\ when = [j \in Jobs |-> 0]

Claims == \E t \in Tokens, lanes \in SUBSET Lanes : Claim(t, lanes)
Next == \/ \E j \in Jobs : Draw(j)
        \/ \E d \in draws : EnvRollback(d) \/ \E k \in Slots : Enqueue(d, k)
        \/ \E n \in 1..ShardsMax : SetShards(n)
        \/ Claims
        \/ \E r \in claims : Complete(r)
        \/ \E k \in Slots : Rotate(k) \/ Prune(k)
Spec == Init /\ [][Next]_vars

(* ------------------------------- properties ------------------------------ *)

\* Which step of Storage a step is, as one lane sees it.
LaneStep(l) ==
    LET rows == ClaimsOf(l)' \ ClaimsOf(l)
        new  == EntriesOf(l)' \ EntriesOf(l)
        shut == ClosuresOf(l)' \ ClosuresOf(l)
    IN \/ Lane(l)!EnvDraw
       \/ Lane(l)!EnvRollback(FlyOf(l) \ FlyOf(l)')
       \/ Lane(l)!EnqueueMany({[seq |-> e.seq, slot |-> e.slot, job |-> e.job, lease |-> 1, attempt |-> 1, from |-> 0] :
                                 e \in new}, Lane(l)!Plain)
       \/ \E t \in {r.token : r \in rows} :
            Lane(l)!Claim(1, t, t, {[part |-> r.part, slot |-> r.slot, seqs |-> r.seqs] : r \in rows}, state'[l], FALSE)
       \/ \E c \in shut : Lane(l)!Complete(1, {[token |-> c.token, part |-> c.part, asked |-> c.seqs, settled |-> c.seqs,
                                               already |-> {}, stale |-> {}]})
       \/ Lane(l)!Rotate(ring, ring')
       \/ \E k \in Slots : Lane(l)!Prune(k, floor'[l], {}, TRUE)
LaneVars(l) == <<last[l], FlyOf(l), EntriesOf(l), state[l], late[l], ClaimsOf(l), ClosuresOf(l), ring, floor[l], gone[l]>>
RefinesStorageInEachLane == [][\A l \in Lanes : LaneStep(l) \/ UNCHANGED LaneVars(l)]_vars

\* A lane begins where its newest claim, or its floor, says.
StateKept == \A l \in Lanes :
    LET states == {r.after : r \in Of(l, claims)} \cup {floor[l]}
    IN state[l] \in states /\ \A s \in states : s.no <= state[l].no

\* A slot is truncated when nothing in it lives, of whatever lane.
Live == {<<e.lane, e.seq>> : e \in {d \in entries : d.seq \notin ClosedIn(d.lane)}}
PruneEmpty == [][Live \subseteq Live' \cup UNION {{<<c.lane, s>> : s \in c.seqs} : c \in closures'}]_vars

\* Of jobs with one key, enqueued one after the other under one number of shards, the later one is
\* never claimed before.
Claimed == {e.job : e \in {d \in entries : \E r \in claims : r.lane = d.lane /\ d.seq \in r.seqs}} \cup Gone
OrderPerKey == [][\A y \in Claimed' \ Claimed : before[y] \subseteq Claimed']_vars

\* Whatever lane a job is in, it is claimed, while somebody claims.
LiveSpec == Spec /\ WF_vars(Claims)
Served == \A j \in Jobs : (j \in Visible) ~> (j \in Claimed)
=============================================================================
