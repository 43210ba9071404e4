------------------------------ MODULE Storage ------------------------------
(* One lane of the job queue. One operator of Next is one SQL function, one *)
(* storage method and one event; Env operators are the world. Every action  *)
(* is one atomic step here; StorageTx cuts them open.                       *)
(*                                                                          *)
(* An action is All(ActionG(args)) /\ effect. ActionG is a record of named  *)
(* guards, each with what it excludes. The arguments carry the answer too,  *)
(* so a recorded event is checked by calling the action with what was       *)
(* logged. Guards that hold an answer to the truth, or rule out a call that *)
(* nobody makes, break no property when they are off: instead of a witness  *)
(* each has a trace that it refuses (traces/rejected).                      *)
(*                                                                          *)
(* There is no clock: a worker may be slow, an attempt may be lost or be    *)
(* past its deadline, a row past its retention, at any time.                *)
EXTENDS Naturals, FiniteSets

CONSTANTS Jobs,     \* jobs that may ever exist
          Workers,  \* worker incarnations
          Tokens,   \* tokens of claim calls; in the bounded models also the number of the call
          Ids,      \* settle ids
          Slots,    \* slots of the ring
          SeqMax,   \* bound: highest number the lane's sequence may draw
          LossMax,  \* a job lost more often than this ends
          Off       \* names of guards switched off; {} in the protocol, one name in a witness

\* What a bounded model tries beside enqueue, claim and complete; configurations choose their own.
With == {"batch", "rollback", "stop", "release", "beat"}
AttemptMax == 2                                         \* attempts a job has
Keys       == {}                                        \* unique keys that jobs ask for
Finished   == {"scheduled", "available", "running", "retryable"}
Started    == {"started"}                               \* until the first claim of its life: of an insert, or a return
Masks      == {Finished, Started}                       \* states in which a job may hold its key

All(g) == \A k \in DOMAIN g \ Off : g[k]
Loose(g) == g \in Off                    \* bounded models try wrong arguments only where no guard refuses them

Seqs == 1..SeqMax
Max(S) == CHOOSE m \in S : \A k \in S : k <= m
Min(S) == CHOOSE m \in S : \A k \in S : m <= k

(* -------------------------------- variables ------------------------------ *)

\* Does the lane exist? (lanes)
VARIABLE born
BornTypeInv == born \in BOOLEAN

\* Last number drawn from the lane's sequence. Numbers are drawn outside any snapshot.
VARIABLE last
LastTypeInv == last \in 0..(IF born THEN SeqMax ELSE 0)     \* a sequence comes with its lane

\* Numbers whose transaction has neither committed nor rolled back.
VARIABLE fly
FlyTypeInv == fly \subseteq 1..last

\* The ready log: committed entries, never updated. (ready)
VARIABLE entries
Entry == [seq : Seqs, slot : Slots, job : Jobs, lease : 1..SeqMax, attempt : 1..SeqMax,
          losses : 0..SeqMax]
EntriesTypeInv == entries \subseteq Entry

\* State of the lane after its last claim: ordinal of the claim, cursor, holes below the cursor.
VARIABLES no, next, holes
StateTypeInv == no \in Nat /\ next \in 1..SeqMax + 1 /\ holes \subseteq 1..next - 1

\* Entries that committed since the lane's last claim. The next claim's snapshot may be older than
\* their commit, so it may miss them; whatever is older than the last claim it must see, because it
\* took the lane's lock after that claim had committed.
VARIABLE late
LateTypeInv == late \subseteq {e.seq : e \in entries}

\* Claims rows. A row that evacuate wrote in another slot has no state of the lane: its no is 0. (claims)
VARIABLE claims
Row == [token : Tokens, part : Nat, slot : Slots, worker : Workers, call : Nat, no : Nat,
        seqs : SUBSET Seqs]
ClaimsTypeInv == claims \subseteq Row

\* Closures rows. `copy` tells two equal rows apart: a table may hold both, a set may not. (closures)
VARIABLE closures
Closure == [token : Tokens, part : Nat, seqs : SUBSET Seqs, settle : Ids \cup {0},
            outcome : {"completed", "released", "lost", "retried", "snoozed", "failed", "cancelled",
                       "expired"}, copy : Nat]
ClosuresTypeInv == closures \subseteq Closure

\* Workers that have started and not stopped. (workers)
VARIABLE workers
WorkersTypeInv == workers \subseteq Workers

\* Workers that have stopped or were given up. A claim that was running then may still commit: its
\* entries are open and belong to nobody.
VARIABLE stopped
StoppedTypeInv == stopped \subseteq Workers \ workers

\* Jobs that wait for their time. lease: that of the job's last entry, or 0; attempt: that of its
\* next one. (deferred)
VARIABLE deferred
Wait == [job : Jobs, state : {"scheduled", "retryable"}, lease : 0..SeqMax, attempt : 1..SeqMax,
         losses : 0..SeqMax]
DeferredTypeInv == deferred \subseteq Wait

\* Jobs that ended otherwise than completed, and dead letters. (finals, dlq)
VARIABLES finals, dead
Letter == [job : Jobs, lease : 0..SeqMax, attempt : 1..SeqMax, losses : 0..SeqMax + 1]
End    == [job : Jobs, state : {"failed", "cancelled"}, lease : 0..SeqMax, attempt : 1..SeqMax,
           losses : 0..SeqMax + 1]
FinalsTypeInv == finals \cup dead \subseteq End

\* Jobs whose last row was deleted on purpose: retired, purged, or retried into another queue.
VARIABLE removed
RemovedTypeInv == removed \subseteq Letter

\* Pending numbers that an operator or a replacement took out. (closures without a token)
VARIABLE withdrawn
WithdrawnTypeInv == withdrawn \subseteq {e.seq : e \in entries}

\* The slot that new entries go to: only a hint, so they may land in any. (ring_seq)
VARIABLE ring
RingTypeInv == ring \in Slots

\* The lane's state as prune saved it before the claims row that held it went. (lanes.floor_*)
VARIABLE floor
FloorTypeInv == floor \in [no : Nat, next : 1..SeqMax + 1, holes : SUBSET Seqs]

\* What truncated slots held of this lane. Nobody can read it; the properties do.
VARIABLE gone
Ghost == [seq : Seqs, job : Jobs, lease : 1..SeqMax, attempt : 1..SeqMax, losses : 0..SeqMax,
          fate : {"completed", "closed", "withdrawn", "dropped"}]
GoneTypeInv == gone \subseteq Ghost

\* Who holds a unique key, as rows [key, job]; and what each job's body asks: [job, key, mask, lease], the
\* states in which it holds the key, and the run_lease of the first attempt of its life. A row outlives
\* its claim: it counts while its job's state is in the mask. (unique_keys; unique in the body)
VARIABLES keys, wants
KeysTypeInv == /\ keys \subseteq [key : Keys, job : Jobs]
               /\ \A q, r \in keys : q.key = r.key => q = r
               /\ \A r \in keys : \A x \in removed \cup {g \in gone : g.fate = "completed"} : x.job # r.job
               /\ wants \subseteq [job : Jobs, key : Keys, mask : Masks, lease : 1..SeqMax + 1]

\* What attempts said last of their progress: of each job one note, with the run_lease of the attempt that
\* said it (0: in another lane). It stays with the job. (leases; then progress in the body of its next row)
VARIABLE notes
NotesTypeInv == /\ notes \subseteq [job : Jobs, lease : 0..SeqMax, note : Nat, said : Nat]
                /\ \A m, n \in notes : m.job = n.job => m = n

laneVars  == <<no, next, holes, late>>
drawVars  == <<last, fly>>
placeVars == <<deferred, finals, dead>>
ringVars  == <<ring, floor, gone>>
keyVars   == <<keys, wants>>
awayVars  == <<placeVars, removed, withdrawn, ringVars, keyVars, notes>>
lifeVars  == <<entries, claims, closures, placeVars, removed, withdrawn, gone>>   \* where a job is
vars      == <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, awayVars>>
AwayInit  == /\ deferred = {} /\ finals = {} /\ dead = {} /\ removed = {} /\ withdrawn = {}
             /\ ring = Min(Slots) /\ floor = [no |-> 0, next |-> 1, holes |-> {}] /\ gone = {}
             /\ keys = {} /\ wants = {} /\ notes = {}

(* ------------------------------ derived state ---------------------------- *)

Written      == {e.seq : e \in entries}
GoneSeqs     == {g.seq : g \in gone}
EntryOf(s)   == CHOOSE e \in entries : e.seq = s
Ahead        == {s \in Written : s >= next \/ s \in holes}
Takeable     == Ahead \ withdrawn                                 \* what a claim looks for
RowsOf(t, p) == {r \in claims : r.token = t /\ r.part = p}
Claimed      == UNION {r.seqs : r \in claims}
Pending      == Written \ (Claimed \cup withdrawn)
ClosedBy(t, p)  == UNION {c.seqs : c \in {d \in closures : d.token = t /\ d.part = p}}
ClosedAs(t, p, id, outcome) ==
    UNION {c.seqs : c \in {d \in closures : /\ d.token = t /\ d.part = p
                                             /\ d.settle = id /\ d.outcome = outcome}}
OpenOf(r)    == r.seqs \ ClosedBy(r.token, r.part)
Open(t, p)   == UNION {OpenOf(r) : r \in RowsOf(t, p)}
OpenNow      == UNION {OpenOf(r) : r \in claims}
ClosedWith(outcome) == UNION {c.seqs : c \in {d \in closures : d.outcome = outcome}}
Spent(s)     == EntryOf(s).losses >= LossMax                    \* one more loss ends the job
Exhausted(s) == EntryOf(s).attempt >= AttemptMax                \* one more failure ends the job
MayGoOn(s)   == ~Exhausted(s)                                   \* a replay does not know the bound

WaitsOf(j)   == {d \in deferred : d.job = j}
EndsOf(j)    == {f \in finals : f.job = j}
LettersOf(j) == {d \in dead : d.job = j}
RemovedOf(j) == {r \in removed : r.job = j}
AllEntries   == entries \cup gone
EntriesOf(j) == {e \in AllEntries : e.job = j}
RowsOfJob(j) == WaitsOf(j) \cup EndsOf(j) \cup LettersOf(j) \cup RemovedOf(j)
Known(j)     == EntriesOf(j) # {} \/ RowsOfJob(j) # {}

Lease(j)       == Max({x.lease : x \in EntriesOf(j) \cup RowsOfJob(j)})
PendingSeqs(j) == {e.seq : e \in entries} \cap Pending \cap {e.seq : e \in {f \in entries : f.job = j}}
OpenSeqs(j)    == {e.seq : e \in {f \in entries : f.job = j}} \cap OpenNow
DoneSeqs(j)    == {e.seq : e \in {f \in entries : f.job = j /\ f.seq \in ClosedWith("completed")}}
                  \cup {g.seq : g \in {h \in gone : h.job = j /\ h.fate = "completed"}}
Places(j)      == Cardinality(PendingSeqs(j)) + Cardinality(OpenSeqs(j)) + Cardinality(DoneSeqs(j))
                  + Cardinality(WaitsOf(j)) + Cardinality(EndsOf(j)) + Cardinality(LettersOf(j))
                  + Cardinality(RemovedOf(j))

StateOf(j) == CASE ~Known(j)            -> "none"
                [] PendingSeqs(j) # {}  -> "available"
                [] OpenSeqs(j) # {}     -> "running"
                [] WaitsOf(j) # {}      -> (CHOOSE d \in WaitsOf(j) : TRUE).state
                [] EndsOf(j) # {}       -> (CHOOSE f \in EndsOf(j) : TRUE).state
                [] LettersOf(j) # {}    -> "dead"
                [] RemovedOf(j) # {}    -> "removed"
                [] DoneSeqs(j) # {}     -> "completed"
                [] OTHER                -> "lost"

\* Does the job hold its unique key? A dead letter counts as what it ended as.
Holds(j) == \E w \in wants : w.job = j /\
    IF w.mask = Started
    THEN <<StateOf(j), Lease(j)>> \in {<<"available", w.lease>>, <<"scheduled", w.lease - 1>>}
    ELSE (IF LettersOf(j) = {} THEN StateOf(j) ELSE (CHOOSE d \in LettersOf(j) : TRUE).state) \in w.mask
HoldsAgainst(j) == Holds(j) /\ ~(Loose("letter_end") /\ LettersOf(j) # {})     \* what an action looks at

(* ------------------------------ shared effects --------------------------- *)

\* What an action makes of the jobs whose attempts it ends: entries that follow, rows that wait, final
\* rows, dead letters. Each names in `from` the number it follows, or 0 when there was no attempt.
NoRows == [new |-> {}, deferred |-> {}, finals |-> {}, dead |-> {}]
OnlyNew(new) == [NoRows EXCEPT !.new = new]
Parts(out) == {out.new, out.deferred, out.finals, out.dead}
Froms(out) == UNION {{n.from : n \in part} : part \in Parts(out)}
JobsIn(out) == UNION {{n.job : n \in part} : part \in Parts(out)}
HowMany(out) == Cardinality(out.new) + Cardinality(out.deferred) + Cardinality(out.finals)
              + Cardinality(out.dead)

\* Guards of every action that appends entries.
AppendG(new) ==
    [lane_exists |-> new # {} => born,                            \* an entry of no lane
     drawn    |-> \A n \in new : n.seq \in fly,                    \* a number used twice, or made up
     distinct |-> \A m, n \in new : m.seq = n.seq => m = n]        \* two entries under one number

\* Guards of every action that ends the attempts S and says what becomes of their jobs.
FollowG(out, S) ==
    [followed  |-> Froms(out) = S /\ HowMany(out) = Cardinality(S),  \* a job lost at its settle, or doubled
     same_job  |-> \A part \in Parts(out) : \A n \in part : n.job = EntryOf(n.from).job,  \* another's body
     lease_up  |-> \A n \in out.new : n.lease = EntryOf(n.from).lease + 1,  \* a fence that stands still
     lease_kept |-> \A part \in {out.deferred, out.finals, out.dead} : \A n \in part :
                      n.lease = EntryOf(n.from).lease]             \* a fence that goes back with the next entry
\* What they carry on: `spent` is 1 when the attempt counts, `loss` when it was lost.
CarryG(out, spent, loss) ==
    [attempt_back |-> \A n \in out.new : n.attempt = EntryOf(n.from).attempt,   \* an attempt charged
     charged  |-> /\ \A d \in out.deferred : d.attempt = EntryOf(d.from).attempt + spent   \* a free attempt
                  /\ \A f \in out.finals \cup out.dead : f.attempt = EntryOf(f.from).attempt,
     counted  |-> \A n \in out.deferred \cup out.finals \cup out.dead :
                    n.losses = EntryOf(n.from).losses + loss]      \* a loss forgotten
\* Where the jobs may go.
PlaceG(out, again, waits, ends) ==
    [again_at |-> {n.from : n \in out.new} \subseteq again,        \* run once more than allowed
     waits_as |-> \A d \in out.deferred : d.from \in again /\ d.state \in waits,   \* waits too often
     ends_as  |-> \A f \in out.finals : f.from \in ends.of /\ f.state = ends.as,   \* ends too early
     dies_as  |-> \A d \in out.dead : d.from \in ends.of /\ ends.as = "failed"]    \* a cancelled dead letter

LossesBefore(n) == IF n.from # 0 THEN EntryOf(n.from).losses
                   ELSE IF WaitsOf(n.job) # {} THEN (CHOOSE d \in WaitsOf(n.job) : TRUE).losses ELSE 0
Appending(new, loss) ==
    /\ entries' = entries \cup
         {[seq |-> n.seq, slot |-> n.slot, job |-> n.job, lease |-> n.lease, attempt |-> n.attempt,
           losses |-> LossesBefore(n) + loss] : n \in new}
    /\ fly' = fly \ {n.seq : n \in new}
    /\ late' = late \cup {n.seq : n \in new}

Waits(rows)   == {[job |-> n.job, state |-> n.state, lease |-> n.lease, attempt |-> n.attempt,
                   losses |-> n.losses] : n \in rows}
Letters(rows) == {[job |-> n.job, lease |-> n.lease, attempt |-> n.attempt, losses |-> n.losses] :
                   n \in rows}
Placing(out, loss) ==
    /\ Appending(out.new, loss)
    /\ deferred' = deferred \cup Waits(out.deferred)
    /\ finals' = finals \cup Waits(out.finals)
    /\ dead' = dead \cup {[job |-> n.job, state |-> "failed", lease |-> n.lease, attempt |-> n.attempt,
                             losses |-> n.losses] : n \in out.dead}

\* Guards of every action that closes numbers of claims. An item is [token, part, settled, ...].
CloseG(items) ==
    [claimed |-> \A it \in items :                       \* a receipt of another claim, or a made-up one
                   it.settled \subseteq UNION {r.seqs : r \in RowsOf(it.token, it.part)},
     open    |-> \A it \in items :                       \* an attempt that has ended already
                   it.settled \cap ClosedBy(it.token, it.part) = {},
     once    |-> \A a, b \in items :                     \* one number closed twice in one call
                   (a # b /\ a.token = b.token /\ a.part = b.part) => a.settled \cap b.settled = {}]

\* A claim may have a row in each of several slots, after an evacuation; a closure stands beside one.
InOneSlot(items) ==
    {x \in UNION {{[token |-> it.token, part |-> it.part,
                     seqs |-> {s \in it.settled : EntryOf(s).slot = k}] : k \in Slots} : it \in items} :
       x.seqs # {}}
Closing(items, outcome, id) ==
    closures' = closures \cup
      {[token |-> x.token, part |-> x.part, seqs |-> x.seqs, settle |-> id, outcome |-> outcome,
        copy |-> Cardinality({c \in closures : /\ c.token = x.token /\ c.part = x.part
                                               /\ c.seqs = x.seqs /\ c.settle = id
                                               /\ c.outcome = outcome})] : x \in InOneSlot(items)}
Settled(items) == UNION {it.settled : it \in items}

\* Guards of every action that takes pending jobs out: withdrawals [job, from], where from = 0 is a
\* deferred one; their final rows say cancelled.
WithdrawG(taken, ends) ==
    [pending   |-> \A w \in taken : IF w.from = 0 THEN WaitsOf(w.job) # {}      \* a job that runs, or ran
                                    ELSE w.from \in Pending /\ EntryOf(w.from).job = w.job,
     one_place |-> \A v, w \in taken : v.job = w.job => v = w,                  \* a job taken out twice
     cancelled |-> {[job |-> f.job, from |-> f.from] : f \in ends} = taken,     \* a job that leaves no trace
     as_it_was |-> \A f \in ends :                                              \* another state, lease or count
                     /\ f.state = "cancelled"
                     /\ \E x \in IF f.from = 0 THEN WaitsOf(f.job) ELSE {EntryOf(f.from)} :
                          f.lease = x.lease /\ f.attempt = x.attempt /\ f.losses = x.losses]
TakenSeqs(taken) == {w.from : w \in taken} \ {0}
Undeferred(jobs) == {d \in deferred : d.job \notin jobs}
TakenWaits(taken) == {w.job : w \in {v \in taken : v.from = 0}}

\* A key's row goes with its job's last row, and no other job's row does.
KeysWithout(jobs) ==
    {r \in keys : IF Loose("key_own") THEN \A w \in wants : w.job \in jobs => w.key # r.key
                  ELSE r.job \notin jobs}
\* These jobs come back, and the first attempt of their life is still before them.
LivesAnew(jobs) ==
    {IF w.job \in jobs /\ ~Loose("new_life") THEN [w EXCEPT !.lease = Lease(w.job) + 1] ELSE w : w \in wants}

(* ---------------------------------- actions ------------------------------ *)

\* ensure_lane.sql
EnsureLaneG == [new |-> ~born]                           \* a lane created twice: two sequences
EnsureLane  == /\ All(EnsureLaneG)
               /\ born' = TRUE
               /\ UNCHANGED <<drawVars, entries, laneVars, claims, closures, workers, stopped, awayVars>>

\* enqueue_many.sql. An entry may land in any slot: the current slot is only a hint. What else the call
\* writes: `deferred` rows, for run_at; `taken`, the jobs it replaces, with their `finals`; `wants`, the
\* unique keys of the new jobs.
Plain == [deferred |-> {}, taken |-> {}, finals |-> {}, wants |-> {}]
EnqueueManyG(new, more) ==
    LET born_now == new \cup more.deferred IN
    [waits_in_lane |-> more.deferred # {} => born,                \* a job of no lane
     fresh |-> /\ \A n \in born_now : ~Known(n.job)               \* a job that has an entry already
               /\ \A m, n \in born_now : m.job = n.job => m = n,  \* one job twice in a batch
     first |-> /\ \A n \in new : n.from = 0 /\ n.lease = 1 /\ n.attempt = 1   \* a history made up
               /\ \A d \in more.deferred : /\ d.from = 0 /\ d.lease = 0 /\ d.attempt = 1
                                           /\ d.losses = 0 /\ d.state = "scheduled",
     unheld |-> \A w \in more.wants : \A r \in keys :             \* a key that is held
                  (r.key = w.key /\ HoldsAgainst(r.job)) => \E x \in more.taken : x.job = r.job,
     one_key |-> \A v, w \in more.wants : v.key = w.key => v = w] \* one key twice in a batch
EnqueueMany(new, more) ==
    /\ All(AppendG(new))
    /\ All(EnqueueManyG(new, more))
    /\ All(WithdrawG(more.taken, more.finals))
    /\ Appending(new, 0)
    /\ deferred' = Undeferred(TakenWaits(more.taken)) \cup Waits(more.deferred)
    /\ withdrawn' = withdrawn \cup TakenSeqs(more.taken)
    /\ finals' = finals \cup Waits(more.finals)
    /\ wants' = wants \cup {[job |-> w.job, key |-> w.key, mask |-> w.mask, lease |-> 1] : w \in more.wants}
    /\ keys' = {r \in keys : \A w \in more.wants : w.key # r.key}
               \cup {[key |-> w.key, job |-> w.job] : w \in more.wants}
    /\ UNCHANGED <<born, last, no, next, holes, claims, closures, workers, stopped, dead, removed,
                   ringVars, notes>>

\* enqueue.sql
EnqueueG(new, more) ==
    [single |-> Cardinality(new) + Cardinality(more.deferred) <= 1]   \* a second entry for one insert
Enqueue(new, more) == All(EnqueueG(new, more)) /\ EnqueueMany(new, more)

\* worker_start.sql
WorkerStartG(w, answer) ==
    [told |-> answer = IF w \in workers THEN "already" ELSE "started"]     \* a wrong answer
WorkerStart(w, answer) ==
    /\ All(WorkerStartG(w, answer))
    /\ workers' = workers \cup {w}
    /\ stopped' = stopped \ {w}
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, awayVars>>

\* worker_stop.sql
WorkerStopG(w, answer) ==
    [told |-> answer = IF w \in workers THEN "stopped" ELSE "gone"]        \* a wrong answer
WorkerStop(w, answer) ==
    /\ All(WorkerStopG(w, answer))
    /\ workers' = workers \ {w}
    /\ stopped' = stopped \cup (workers \cap {w})
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, awayVars>>

\* claim.sql, first time this token is seen. rows: the claims rows of this lane, [part, slot, seqs];
\* after: the lane's state as written with them, [no, next, holes]. A row without numbers moves the
\* cursor over what was withdrawn.
Got(rows) == UNION {r.seqs : r \in rows}
Passed(after) == (next..after.next - 1) \cup holes        \* numbers the claim must account for
ClaimG(w, t, rows, after) ==
    LET got == Got(rows)
        top == IF got = {} THEN after.next ELSE Max(got)          \* what it answers for, in order
    IN [some      |-> got # {} \/ (rows # {} /\ Passed(after) \cap withdrawn # {}),   \* an event for nothing
        started   |-> w \in workers \cup stopped,                   \* a worker nobody ever heard of
        new_token |-> \A r \in claims : r.token # t,              \* one call executed twice
        visible   |-> got \subseteq Ahead,                        \* work another claim has
        not_withdrawn |-> got \cap withdrawn = {},                \* a cancelled job run
        in_order  |-> \A s \in Takeable \ got : s < top => s \in late,     \* an earlier entry passed over
        parted    |-> \A q, r \in rows : q # r => q.part # r.part /\ q.seqs \cap r.seqs = {},  \* two receipts
        in_slot   |-> \A r \in rows : \A s \in r.seqs \cap Written : EntryOf(s).slot = r.slot, \* a wrong receipt
        serial    |-> after.no = no + 1,                          \* a claim that read a stale state
        cursor    |-> /\ after.next >= Max({next} \cup {s + 1 : s \in got})                   \* going back
                      /\ after.next <= Max({next} \cup {s + 1 : s \in Written}),       \* running ahead
        noted     |-> after.holes \subseteq Passed(after) \ got,   \* a hole made up: work twice
        forgotten |-> (Passed(after) \ (got \cup after.holes))    \* a number forgotten that may appear
                        \cap (Takeable \cup fly) = {}]

\* The same token again: the answer is what is still open of it, and nothing is taken.
ClaimAgainG(t, rows) ==
    [known_token |-> \E r \in claims : r.token = t,               \* a reply to a call that never ran
     still_open  |-> rows = {[part |-> r.part, slot |-> r.slot, seqs |-> OpenOf(r)] :
                              r \in {q \in claims : q.token = t /\ OpenOf(q) # {}}}]  \* ended work run again

LateAfterClaim == {}    \* a replay loosens this for two claims of one transaction

Claim(w, call, t, rows, after, again) ==
    IF again
    THEN All(ClaimAgainG(t, rows)) /\ UNCHANGED vars
    ELSE /\ All(ClaimG(w, t, rows, after))
         /\ claims' = claims \cup {[token |-> t, part |-> r.part, slot |-> r.slot, worker |-> w,
                                    call |-> call, no |-> after.no, seqs |-> r.seqs] : r \in rows}
         /\ no' = after.no /\ next' = after.next /\ holes' = after.holes
         /\ late' = LateAfterClaim
         /\ UNCHANGED <<born, drawVars, entries, closures, workers, stopped, awayVars>>

\* What a settle answers for one item [token, part, asked, settled, already, stale].
SettleG(id, items, outcome) ==
    [asked   |-> \A it \in items : it.settled \subseteq it.asked,           \* more ended than asked
     whole   |-> \A it \in items :                                          \* an open attempt refused
                   it.asked \cap Open(it.token, it.part) \subseteq UNION
                     {i.settled : i \in {j \in items : j.token = it.token /\ j.part = it.part}},
     told    |-> \A it \in items :                                          \* a wrong answer
                   /\ it.already = it.asked \cap ClosedAs(it.token, it.part, id, outcome)
                   /\ it.stale = it.asked \ (it.settled \cup it.already)]
Settling(id, items, outcome, out, spent) ==
    /\ All(CloseG(items))
    /\ All(SettleG(id, items, outcome))
    /\ All(AppendG(out.new))
    /\ All(FollowG(out, Settled(items)))
    /\ All(CarryG(out, spent, 0))
    /\ Closing(items, outcome, id)
    /\ Placing(out, 0)
    /\ UNCHANGED <<born, last, no, next, holes, claims, workers, stopped, removed, withdrawn, ringVars,
                   keyVars, notes>>
LaterG(out) == [later |-> out.new = {}]                                     \* the delay forgotten
Nowhere(state) == [of |-> {}, as |-> state]

\* complete.sql
Complete(id, items) ==
    /\ All(CloseG(items))
    /\ All(SettleG(id, items, "completed"))
    /\ Closing(items, "completed", id)
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, workers, stopped, awayVars>>

\* release.sql. The entries are available again at once, under new numbers.
Release(id, items, new) == Settling(id, items, "released", OnlyNew(new), 0)

\* retry.sql. The attempt counts; the job waits for its next one, or its attempts are exhausted.
RetryG(items, out) ==
    PlaceG(out, {s \in Settled(items) : MayGoOn(s)}, {"retryable"},
           [of |-> {s \in Settled(items) : Exhausted(s)}, as |-> "failed"])
Retry(id, items, out) ==
    /\ All(LaterG(out))
    /\ All(RetryG(items, out))
    /\ Settling(id, items, "retried", out, 1)

\* snooze.sql. The attempt is given back; the job waits until a time.
SnoozeG(items, out) == PlaceG(out, Settled(items), {"scheduled"}, Nowhere("failed"))
Snooze(id, items, out) ==
    /\ All(LaterG(out))
    /\ All(SnoozeG(items, out))
    /\ Settling(id, items, "snoozed", out, 0)

\* fail.sql. The job ends, as a final row or a dead letter, by the queue's policy.
FailG(items, out) == PlaceG(out, {}, {}, [of |-> Settled(items), as |-> "failed"])
Fail(id, items, out) ==
    /\ All(FailG(items, out))
    /\ Settling(id, items, "failed", out, 0)

\* cancel_running.sql, by the worker or by an operator with the receipt of what was looked at.
CancelRunningG(items, out) == PlaceG(out, {}, {}, [of |-> Settled(items), as |-> "cancelled"])
CancelRunning(id, items, out) ==
    /\ All(CancelRunningG(items, out))
    /\ Settling(id, items, "cancelled", out, 0)

\* What becomes of lost attempts: again, at once or after a delay; past the bound the job ends.
LostG(items, out) ==
    LET on == {s \in Settled(items) : ~Spent(s)}
    IN PlaceG(out, on, {"retryable"}, [of |-> Settled(items) \ on, as |-> "failed"])
Losing(items, out) ==
    /\ All(CloseG(items))
    /\ All(AppendG(out.new))
    /\ All(FollowG(out, Settled(items)))
    /\ All(CarryG(out, 0, 1))
    /\ All(LostG(items, out))
    /\ Closing(items, "lost", 0)
    /\ Placing(out, 1)
    /\ UNCHANGED <<born, last, no, next, holes, claims, removed, withdrawn, ringVars, keyVars, notes>>
Entire(items) == \A it \in items : \A r \in RowsOf(it.token, it.part) :
    OpenOf(r) \cap it.settled # {} => OpenOf(r) \subseteq it.settled

\* heartbeat.sql. The worker names, of its calls up to `upto`, those open or unanswered; claims of
\* calls it does not name are released as a loss. It may leave some for the next beat (their lock
\* was busy), but a claims row it closes it closes whole.
HeartbeatG(w, upto, named, answer, items) ==
    [told    |-> answer = IF w \in workers THEN "alive" ELSE "gone",       \* a wrong answer
     alive   |-> items # {} => w \in workers,                              \* a beat of the past
     own     |-> \A it \in items : \A r \in RowsOf(it.token, it.part) : r.worker = w,   \* another's work
     upto    |-> \A it \in items : \A r \in RowsOf(it.token, it.part) : r.call <= upto, \* a call on its way
     unnamed |-> \A it \in items : \A r \in RowsOf(it.token, it.part) : r.call \notin named,  \* work that runs
     entire  |-> Entire(items)]                                            \* half a claim
Heartbeat(w, upto, named, answer, items, out) ==
    /\ All(HeartbeatG(w, upto, named, answer, items))
    /\ Losing(items, out)
    /\ UNCHANGED <<workers, stopped>>

\* rescue_worker.sql. The leader gives a worker up: by its own observation, so at any time. Its row
\* goes, so that it is told; its claims follow, in as many calls as it takes. A call that finds the worker
\* alive does nothing.
RescueWorkerG(w, answer, items) ==
    [told   |-> answer = "gone",                                           \* a living worker robbed
     own    |-> \A it \in items : \A r \in RowsOf(it.token, it.part) : r.worker = w,    \* another's work
     entire |-> Entire(items)]                                             \* half a claim
RescueWorker(w, answer, items, out) ==
    /\ All(RescueWorkerG(w, answer, items))
    /\ Losing(items, out)
    /\ workers' = workers \ {w}
    /\ stopped' = stopped \cup (workers \cap {w})

\* rescue_deadline.sql. The attempt counts, as in a retry.
RescueDeadlineG(items) == [entire |-> Entire(items)]                        \* half a claim
RescueDeadline(items, out) ==
    /\ All(RescueDeadlineG(items))
    /\ All(CloseG(items))
    /\ All(RetryG(items, out))
    /\ All(AppendG(out.new))
    /\ All(FollowG(out, Settled(items)))
    /\ All(CarryG(out, 1, 0))
    /\ Closing(items, "expired", 0)
    /\ Placing(out, 0)
    /\ UNCHANGED <<born, last, no, next, holes, claims, workers, stopped, removed, withdrawn, ringVars,
                   keyVars, notes>>

\* note_progress.sql. Items [token, part, seq, note, said, answer]: what attempts say of their progress.
\* Notes of an attempt grow, and calls may come late or twice: an older one is heard and changes nothing.
Hears(it) == it.seq \in Open(it.token, it.part)
NoteOf(it) == [job |-> EntryOf(it.seq).job, lease |-> EntryOf(it.seq).lease, note |-> it.note, said |-> it.said]
Newer(n) == \A m \in notes : (m.job = n.job /\ m.lease = n.lease) => (n.note > m.note \/ Loose("newer"))
NoteProgressG(items) ==
    [speaks |-> \A it \in items : it.answer = "noted" => Hears(it),         \* the past speaks for the job
     heard  |-> \A it \in items : it.answer = "stale" => ~Hears(it),        \* an open attempt refused
     once   |-> \A a, b \in items :                                         \* two things said at once
                  (a # b /\ a.token = b.token /\ a.part = b.part) => a.seq # b.seq]
NoteProgress(items) ==
    LET fresh == {n \in {NoteOf(it) : it \in {i \in items : i.answer = "noted"}} : Newer(n)}
    IN /\ All(NoteProgressG(items))
       /\ notes' = {m \in notes : \A n \in fresh : n.job # m.job} \cup fresh
       /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, placeVars,
                      removed, withdrawn, ringVars, keyVars>>

\* promote.sql. What waits goes back to its lane, as an entry with the next run_lease.
PromoteG(new) ==
    [waited   |-> /\ \A n \in new : n.from = 0 /\ WaitsOf(n.job) # {}       \* a job that does not wait
                  /\ \A m, n \in new : m.job = n.job => m = n,             \* one job twice
     lease_up |-> \A n \in new : \A d \in WaitsOf(n.job) : n.lease = d.lease + 1,   \* a fence that stands still
     carried  |-> \A n \in new : \A d \in WaitsOf(n.job) : n.attempt = d.attempt]   \* another attempt
Promote(new) ==
    /\ All(AppendG(new))
    /\ All(PromoteG(new))
    /\ Appending(new, 0)
    /\ deferred' = IF Loose("leaves") THEN deferred ELSE Undeferred({n.job : n \in new})
    /\ UNCHANGED <<born, last, no, next, holes, claims, closures, workers, stopped, finals, dead,
                   removed, withdrawn, ringVars, keyVars, notes>>

\* cancel_pending.sql. taken: jobs as [job, from], from = 0 for one that waits.
CancelPendingG(taken, ends) == WithdrawG(taken, ends)
CancelPending(taken, ends) ==
    /\ All(CancelPendingG(taken, ends))
    /\ deferred' = Undeferred(TakenWaits(taken))
    /\ withdrawn' = withdrawn \cup TakenSeqs(taken)
    /\ finals' = finals \cup Waits(ends)
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, dead, removed,
                   ringVars, keyVars, notes>>

\* dlq_move.sql. Final rows become dead letters; each keeps what it ended as.
DlqMoveG(jobs, letters) ==
    [final |-> \A j \in jobs : EndsOf(j) # {},                              \* a job that has not ended
     moved |-> Letters(letters) = Letters({f \in finals : f.job \in jobs})]  \* another letter
DlqMove(jobs, letters) ==
    /\ All(DlqMoveG(jobs, letters))
    /\ finals' = {f \in finals : f.job \notin jobs}
    /\ dead' = dead \cup {f \in finals : f.job \in jobs}
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, deferred,
                   removed, withdrawn, ringVars, keyVars, notes>>

\* dlq_retry.sql. A dead letter becomes a job again, with its attempts and losses forgotten: an entry,
\* or a row that waits. `elsewhere`: those that go to another queue, so another lane; `said`: of these, the
\* progress that they take with them.
DlqRetryG(jobs, out, elsewhere, said) ==
    [letter   |-> \A j \in jobs : LettersOf(j) # {},                        \* a job that is not dead
     followed |-> /\ JobsIn(out) \cup elsewhere = jobs                      \* a letter lost, or doubled
                  /\ HowMany(out) + Cardinality(elsewhere) = Cardinality(jobs)
                  /\ out.finals = {} /\ out.dead = {},
     lease_up |-> \A d \in dead : /\ \A n \in out.new : n.job = d.job => n.lease = d.lease + 1
                                  /\ \A w \in out.deferred : w.job = d.job => w.lease = d.lease,
     anew     |-> /\ \A n \in out.new : n.attempt = 1                        \* no attempt left
                  /\ \A w \in out.deferred : w.attempt = 1 /\ w.losses = 0 /\ w.state = "scheduled",
     unheld   |-> \A w \in wants : \A r \in keys :                          \* a key that another has now
                    (w.job \in jobs /\ r.key = w.key /\ r.job # w.job) => ~HoldsAgainst(r.job),
     says     |-> said = {[job |-> n.job, said |-> n.said] :                 \* progress lost on the way
                            n \in {m \in notes : m.job \in elsewhere}}]
DlqRetry(jobs, out, elsewhere, said) ==
    LET back == {w \in wants : w.job \in jobs}
    IN /\ All(AppendG(out.new))
       /\ All(DlqRetryG(jobs, out, elsewhere, said))
       /\ Appending(out.new, 0)
       /\ deferred' = deferred \cup Waits(out.deferred)
       /\ dead' = {d \in dead : d.job \notin jobs}
       /\ removed' = removed \cup Letters({d \in dead : d.job \in elsewhere})
       /\ keys' = {r \in keys : \A w \in back : w.key # r.key}
                  \cup {[key |-> w.key, job |-> w.job] : w \in back}
       /\ wants' = LivesAnew(jobs)
       /\ UNCHANGED <<born, last, no, next, holes, claims, closures, workers, stopped, finals, withdrawn,
                      ringVars, notes>>

\* dlq_purge.sql
DlqPurgeG(jobs) == [letter |-> \A j \in jobs : LettersOf(j) # {}]           \* a job that is not dead
DlqPurge(jobs) ==
    /\ All(DlqPurgeG(jobs))
    /\ dead' = {d \in dead : d.job \notin jobs}
    /\ removed' = removed \cup Letters({d \in dead : d.job \in jobs})
    /\ keys' = KeysWithout(jobs)
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, deferred,
                   finals, withdrawn, ringVars, wants, notes>>

\* retire.sql. Final rows and dead letters past their retention are deleted.
RetireG(ends, letters) ==
    [final  |-> \A j \in ends : EndsOf(j) # {},                             \* a job that has not ended
     letter |-> \A j \in letters : LettersOf(j) # {}]                       \* a job that is not dead
Retire(ends, letters) ==
    /\ All(RetireG(ends, letters))
    /\ finals' = {f \in finals : f.job \notin ends}
    /\ dead' = {d \in dead : d.job \notin letters}
    /\ removed' = removed \cup Letters({f \in finals : f.job \in ends}
                                      \cup {d \in dead : d.job \in letters})
    /\ keys' = KeysWithout(ends \cup letters)
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, deferred,
                   withdrawn, ringVars, wants, notes>>

(* ------------------------------- the ring -------------------------------- *)

InSlot(k)  == {e \in entries : e.slot = k}
SeqsIn(k)  == {e.seq : e \in InSlot(k)}
ClaimsIn(k) == {r \in claims : r.slot = k}
Live(k)    == SeqsIn(k) \cap (OpenNow \cup Pending)
\* Below the cursor, and no claim, withdrawal or hole knows it: there is none, unless by a mistake.
Orphans(k) == {s \in SeqsIn(k) \cap Pending : s < next /\ s \notin holes}
Done       == (Claimed \ OpenNow) \cup withdrawn

Fate(s, again) == IF s \in withdrawn \cup again THEN "withdrawn"
           ELSE IF s \in ClosedWith("completed") THEN "completed"
           ELSE IF s \in Claimed \ OpenNow THEN "closed" ELSE "dropped"
Ghosts(S, again) == {[seq |-> e.seq, job |-> e.job, lease |-> e.lease, attempt |-> e.attempt,
               losses |-> e.losses, fate |-> Fate(e.seq, again)] : e \in {f \in entries : f.seq \in S}}
Completed(S) == {e.job : e \in {f \in entries : f.seq \in S /\ f.seq \in ClosedWith("completed")}}
StateNow == [no |-> no, next |-> next, holes |-> holes]
\* rotate.sql. Another slot is the hint from now on.
RotateG(from, to) ==
    [here  |-> from = ring,                                                 \* a turn from elsewhere
     empty |-> to # ring /\ InSlot(to) = {} /\ ClaimsIn(to) = {}]           \* history that never ends
Rotate(from, to) ==
    /\ All(RotateG(from, to))
    /\ ring' = to
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, placeVars,
                   removed, withdrawn, floor, gone, keyVars, notes>>

\* prune.sql. A slot with nothing pending and nothing open is truncated; the state of its newest claim
\* is saved. Entries that a mistake left behind are withdrawn and appended again; that may be all that
\* happens.
Newest(k) == Max({r.no : r \in ClaimsIn(k)} \cup {0})
PruneG(k, new, truncated) ==
    [not_current |-> k # ring,                                              \* the slot that fills (safe, but in vain)
     none_open |-> truncated => \A r \in ClaimsIn(k) : OpenOf(r) = {},       \* an attempt without its body
     none_pending |-> truncated => SeqsIn(k) \cap Pending \subseteq {n.from : n \in new},   \* a job nobody ran
     orphaned |-> {n.from : n \in new} \subseteq Orphans(k),                 \* a job that will be claimed
     again    |-> \A m, n \in new : m.from = n.from => m = n,               \* a job doubled
     same_job |-> \A n \in new : n.job = EntryOf(n.from).job,               \* another's body
     lease_up |-> \A n \in new : n.lease = EntryOf(n.from).lease + 1,       \* a fence that stands still
     attempt_back |-> \A n \in new : n.attempt = EntryOf(n.from).attempt]   \* an attempt charged
FloorG(k, state, truncated) ==
    [floor |-> IF truncated /\ Newest(k) > floor.no                         \* claims that begin anew
               THEN state.no = Newest(k) /\ (Newest(k) = no => state = StateNow)
               ELSE state = floor]
Prune(k, state, new, truncated) ==
    LET vanish == IF truncated THEN SeqsIn(k) ELSE {}
        fresh  == {w.job : w \in {v \in wants : \E n \in new : n.job = v.job /\ n.lease = v.lease + 1}}
    IN /\ All(AppendG(new))
       /\ All(PruneG(k, new, truncated))
       /\ All(FloorG(k, state, truncated))
       /\ entries' = {e \in entries : e.seq \notin vanish} \cup
            {[seq |-> n.seq, slot |-> n.slot, job |-> n.job, lease |-> n.lease, attempt |-> n.attempt,
              losses |-> LossesBefore(n)] : n \in new}
       /\ fly' = fly \ {n.seq : n \in new}
       /\ late' = (late \ vanish) \cup {n.seq : n \in new}
       /\ gone' = gone \cup Ghosts(vanish, {n.from : n \in new})
       /\ claims' = IF truncated THEN claims \ ClaimsIn(k) ELSE claims
       /\ closures' = {c \in closures : c.seqs \cap vanish = {}}
       /\ withdrawn' = (withdrawn \cup {n.from : n \in new}) \ vanish
       /\ floor' = state
       /\ keys' = KeysWithout(Completed(vanish))
       /\ wants' = LivesAnew(fresh)
       /\ UNCHANGED <<born, last, no, next, holes, workers, stopped, placeVars, removed, ring, notes>>

\* evacuate.sql. Live entries of a slot go to another one, under their numbers. An open part of a claim
\* gets a row there, with its token and part; the old row keeps what is closed, and the lane's state.
\* rows: [token, part, seqs]. What others are at just now stays for the next call.
EvacuateG(k, to, moved, rows) ==
    [not_current |-> k # ring /\ to # k,                                    \* the slot that fills
     live    |-> moved \subseteq Live(k),                                    \* ended work run again
     carried |-> /\ \A x \in rows : \E r \in ClaimsIn(k) :                  \* an attempt nobody owns
                      x.token = r.token /\ x.part = r.part /\ x.seqs = OpenOf(r) /\ x.seqs # {}
                 /\ UNION {x.seqs : x \in rows} = moved \cap OpenNow,
     once    |-> \A x \in rows : RowsOf(x.token, x.part) \cap ClaimsIn(to) = {}]   \* two rows for one receipt
Evacuate(k, to, moved, rows) ==
    LET Of(r) == UNION {x.seqs : x \in {y \in rows : y.token = r.token /\ y.part = r.part}}
    IN /\ All(EvacuateG(k, to, moved, rows))
       /\ entries' = {e \in entries : e.seq \notin moved} \cup
            {[e EXCEPT !.slot = to] : e \in {f \in entries : f.seq \in moved}}
       /\ claims' = (claims \ ClaimsIn(k))
            \cup {[r EXCEPT !.seqs = @ \ Of(r)] : r \in ClaimsIn(k)}
            \cup {[r EXCEPT !.slot = to, !.no = 0, !.seqs = Of(r)] : r \in {q \in ClaimsIn(k) : Of(q) # {}}}
       /\ UNCHANGED <<born, drawVars, laneVars, closures, workers, stopped, placeVars, removed, withdrawn,
                      ringVars, keyVars, notes>>

(* ------------------------------- the world ------------------------------- *)

\* A producer draws a number; its transaction is open from now on.
EnvDraw == /\ born /\ last < SeqMax
           /\ last' = last + 1
           /\ fly' = fly \cup {last + 1}
           /\ UNCHANGED <<born, entries, laneVars, claims, closures, workers, stopped, awayVars>>

\* A transaction rolls back: its numbers will never appear.
EnvRollback(N) == /\ fly' = fly \ N
                  /\ UNCHANGED <<born, last, entries, laneVars, claims, closures, workers, stopped, awayVars>>

\* A dead letter of another lane is retried into this one. said: of some of the jobs, their progress.
EnvArriveG(out) == [unknown |-> \A j \in JobsIn(out) : Places(j) = Cardinality(RemovedOf(j))]
EnvArrive(out, said) ==
    /\ All(EnvArriveG(out))
    /\ All(AppendG(out.new))
    /\ Appending(out.new, 0)
    /\ deferred' = deferred \cup Waits(out.deferred)
    /\ removed' = {r \in removed : r.job \notin JobsIn(out)}
    /\ notes' = {n \in notes : n.job \notin JobsIn(out)}
                 \cup {[job |-> x.job, lease |-> 0, note |-> 0, said |-> x.said] : x \in said}
    /\ UNCHANGED <<born, last, no, next, holes, claims, closures, workers, stopped, finals, dead,
                   withdrawn, ringVars, keyVars>>

(* ----------------- arguments the bounded models try ---------------------- *)

Has(f)     == f \in With
Rank(S, s) == Cardinality({k \in S : k <= s})
Nth(S, n)  == CHOOSE s \in S : Rank(S, s) = n
Unknown    == {j \in Jobs : ~Known(j)}

NewJobs(N) ==      \* entries for the numbers N: the next unknown jobs, or with `fresh` off any job
    IF Loose("fresh")
    THEN {{[seq |-> n, slot |-> k, job |-> j, lease |-> 1, attempt |-> 1, from |-> 0] : n \in N} :
            k \in Slots, j \in Jobs}
    ELSE IF Cardinality(Unknown) < Cardinality(N) THEN {}
    ELSE {{[seq |-> n, slot |-> k, job |-> Nth(Unknown, Rank(N, n)), lease |-> 1, attempt |-> 1,
            from |-> 0] : n \in N} : k \in Slots}
NewWaits == IF Unknown = {} THEN {}
            ELSE {{[job |-> Min(Unknown), state |-> "scheduled", lease |-> 0, attempt |-> 1,
                    losses |-> 0, from |-> 0]}}

Draws == IF Loose("drawn") THEN 1..last ELSE fly
LeaseSteps == IF Loose("lease_up") THEN {0, 1} ELSE {1}
Follow(S, R, k, d) ==          \* entries that follow the numbers S under the numbers R
    {[seq |-> Nth(R, Rank(S, s)), slot |-> k, job |-> EntryOf(s).job, lease |-> EntryOf(s).lease + d,
      attempt |-> EntryOf(s).attempt, from |-> s] : s \in S}
Follows(S) ==
    {Follow(T, R, k, d) : T \in (IF Loose("followed") THEN SUBSET S ELSE {S}),
                          R \in {Q \in SUBSET Draws : Cardinality(Q) = Cardinality(S)},
                          k \in Slots, d \in LeaseSteps}

RowsFor(G) ==                  \* one claims row per slot; one without numbers when nothing is taken
    LET used == {EntryOf(s).slot : s \in G}
    IN IF G = {} \/ Loose("in_slot") THEN {[part |-> 1, slot |-> Min(Slots), seqs |-> G]}
       ELSE {[part |-> Cardinality({j \in used : j <= k}), slot |-> k,
              seqs |-> {s \in G : EntryOf(s).slot = k}] : k \in used}
States(G) ==                   \* states of the lane a claim of G may write
    LET least == Max({next} \cup {s + 1 : s \in G})
    IN UNION {{[no |-> no + 1, next |-> c, holes |-> H] :
                 H \in SUBSET (((next..c - 1) \cup holes \cup (IF Loose("noted") THEN Claimed ELSE {})) \ G)} :
              c \in (IF Loose("cursor") THEN {Max(G) + 1}
                     ELSE least..Max({least} \cup {s + 1 : s \in Written}))}
Takes == ((SUBSET (IF Loose("visible") THEN Written ELSE IF Loose("not_withdrawn") THEN Ahead ELSE Takeable))
          \ {{}}) \cup (IF Ahead \cap withdrawn # {} THEN {{}} ELSE {})

Receipts == {<<r.token, r.part>> : r \in claims} \cup (IF Loose("claimed") THEN Tokens \X {1} ELSE {})
Item(r, id, asked, settled, outcome) ==
    LET already == asked \cap ClosedAs(r[1], r[2], id, outcome)
    IN [token |-> r[1], part |-> r[2], asked |-> asked, settled |-> settled, already |-> already,
        stale |-> asked \ (settled \cup already)]
Settles(r, id, asked, outcome) ==     \* answers a settle may try to give
    IF Loose("open") \/ Loose("claimed") THEN {Item(r, id, asked, asked, outcome)}
    ELSE IF Loose("whole") THEN {Item(r, id, asked, S, outcome) : S \in SUBSET (asked \cap Open(r[1], r[2]))}
    ELSE {Item(r, id, asked, asked \cap Open(r[1], r[2]), outcome)}
Asked(r) == IF Loose("claimed") THEN (SUBSET Claimed) \ {{}}
            ELSE (SUBSET UNION {q.seqs : q \in RowsOf(r[1], r[2])}) \ {{}}

\* Rows for jobs whose attempts S end: `spent` attempts and `loss` more.
RowsAfter(S, state, spent, loss) ==
    {{[job |-> EntryOf(s).job, state |-> state, lease |-> EntryOf(s).lease - x,
       attempt |-> EntryOf(s).attempt + y, losses |-> EntryOf(s).losses + z, from |-> s] : s \in S} :
      x \in (IF Loose("lease_kept") THEN {0, 1} ELSE {0}), y \in (IF Loose("charged") THEN {0, spent} ELSE {spent}),
      z \in (IF Loose("counted") THEN {0, loss} ELSE {loss})}
\* The attempts A go on at once, W wait, E end.
Outs(A, W, waits, E, ends, spent, loss) ==
    {[new |-> n, deferred |-> w, finals |-> IF to = "finals" THEN f ELSE {},
      dead |-> IF to = "dead" THEN f ELSE {}] :
      n \in Follows(A), w \in RowsAfter(W, waits, spent, loss), f \in RowsAfter(E, ends, 0, loss),
      to \in (IF E # {} /\ ends = "failed" /\ Has("dlq") THEN {"finals", "dead"} ELSE {"finals"})}
LostOuts(S) ==
    LET E == CASE Loose("again_at") -> {} [] Loose("ends_as") -> S [] OTHER -> {s \in S : Spent(s)}
    IN Outs(S \ E, {}, "retryable", E, "failed", 0, 1)
       \cup (IF Has("retry") THEN Outs({}, S \ E, "retryable", E, "failed", 0, 1) ELSE {})
RetryOuts(S) ==
    LET E == IF Loose("waits_as") THEN {} ELSE {s \in S : Exhausted(s)}
    IN Outs({}, S \ E, "retryable", E, "failed", 1, 0)

Takens(j) == {[job |-> j, from |-> IF x \in deferred THEN 0 ELSE x.seq] :
                x \in WaitsOf(j) \cup {e \in entries : e.job = j /\ (Loose("pending") \/ e.seq \in Pending)}}
EndsFor(taken) ==
    IF Loose("cancelled") THEN {}
    ELSE {LET x == CHOOSE y \in IF w.from = 0 THEN WaitsOf(w.job) ELSE {EntryOf(w.from)} : TRUE
          IN [job |-> w.job, state |-> "cancelled", lease |-> x.lease, attempt |-> x.attempt,
              losses |-> x.losses, from |-> w.from] : w \in taken}

\* New jobs of one number that ask for a key, in place of its holder or where nobody holds it.
Asking(new, job) ==
    UNION {UNION {{[Plain EXCEPT !.wants = {[job |-> job, key |-> k, mask |-> m]}, !.taken = taken,
                                 !.finals = EndsFor(taken)] :
                     taken \in {{}} \cup {{w} : w \in UNION {Takens(r.job) : r \in {q \in keys : q.key = k}}}} :
                    m \in Masks} : k \in Keys}

NoteItems ==                   \* one item of a note, and its answer
    UNION {{[token |-> r.token, part |-> r.part, seq |-> s, note |-> n, said |-> n, answer |-> a] :
              s \in r.seqs, n \in 1..2, a \in {"noted", "stale"}} : r \in claims}
ReceiptItems == {[token |-> r[1], part |-> r[2], settled |-> Open(r[1], r[2])] : r \in Receipts}
OpenItems == {it \in ReceiptItems : it.settled # {}}
PromoteNew(j, n, k, d) ==
    LET w == CHOOSE x \in WaitsOf(j) : TRUE
    IN {[seq |-> n, slot |-> k, job |-> j, lease |-> w.lease + d, attempt |-> w.attempt, from |-> 0]}
Retryable(j) == LettersOf(j) \cup (IF Loose("letter") THEN EndsOf(j) ELSE {})
RetryNew(j, n, k, d) ==
    {[seq |-> n, slot |-> k, job |-> j, lease |-> (CHOOSE x \in Retryable(j) : TRUE).lease + d,
      attempt |-> 1, from |-> 0]}
RetryWait(j) ==
    {[job |-> j, state |-> "scheduled", lease |-> (CHOOSE x \in Retryable(j) : TRUE).lease, attempt |-> 1,
      losses |-> 0, from |-> 0]}
FloorOf(k) == IF Loose("floor") \/ Newest(k) <= floor.no THEN floor
              ELSE IF Newest(k) = no THEN StateNow
              ELSE [no |-> Newest(k), next |-> 1, holes |-> {}]      \* older than another: never read

(* ------------------------------ specification ---------------------------- *)

Init == /\ born = FALSE /\ last = 0 /\ fly = {}
        /\ entries = {} /\ no = 0 /\ next = 1 /\ holes = {} /\ late = {}
        /\ claims = {} /\ closures = {} /\ workers = {} /\ stopped = {}
        /\ AwayInit

\* One operator for each action, so that TLC labels its steps by their names.
TryEnvRollback == Has("rollback") /\ \E N \in (SUBSET fly) \ {{}} : EnvRollback(N)

TryEnqueue ==
    \/ \E n \in Draws : \E new \in NewJobs({n}) : Enqueue(new, Plain)
    \/ Has("delay") /\ \E rows \in NewWaits : Enqueue({}, [Plain EXCEPT !.deferred = rows])
    \/ \E n \in Draws : \E new \in NewJobs({n}) : \E more \in Asking(new, Min(Unknown)) : Enqueue(new, more)
TryEnqueueMany ==
    Has("batch") /\ \E N \in {M \in SUBSET Draws : Cardinality(M) = 2} : \E new \in NewJobs(N) :
        EnqueueMany(new, Plain)

TryWorkerStart == \E w \in Workers, a \in {"started", "already"} : WorkerStart(w, a)
TryWorkerStop  == Has("stop") /\ \E w \in Workers, a \in {"stopped", "gone"} : WorkerStop(w, a)
TryClaim ==
    \E w \in Workers, t \in Tokens : \E G \in Takes : \E after \in States(G) :
        Claim(w, t, t, RowsFor(G), after, FALSE)

\* Calls of a settle: its id, and one item with the answer it tries to give. One that settles nothing
\* changes nothing, so it is not tried.
Calls(outcome) ==
    UNION {UNION {{[id |-> id, item |-> it] : it \in {i \in Settles(r, id, asked, outcome) : i.settled # {}}} :
                    id \in Ids, asked \in Asked(r)} : r \in Receipts}
Ending(S, state) == Outs({}, {}, "retryable", S, state, 0, 0)
TryComplete == \E c \in Calls("completed") : Complete(c.id, {c.item})
TryRelease  == Has("release") /\ \E c \in Calls("released") : \E new \in Follows(c.item.settled) :
                   Release(c.id, {c.item}, new)
TryRetry    == Has("retry") /\ \E c \in Calls("retried") : \E out \in RetryOuts(c.item.settled) :
                   Retry(c.id, {c.item}, out)
TrySnooze   == Has("snooze") /\ \E c \in Calls("snoozed") :
                   \E out \in Outs({}, c.item.settled, "scheduled", {}, "failed", 0, 0) :
                       Snooze(c.id, {c.item}, out)
TryFail     == Has("fail") /\ \E c \in Calls("failed") : \E out \in Ending(c.item.settled, "failed") :
                   Fail(c.id, {c.item}, out)
TryCancelRunning ==
    Has("cancel") /\ \E c \in Calls("cancelled") : \E out \in Ending(c.item.settled, "cancelled") :
        CancelRunning(c.id, {c.item}, out)

TryHeartbeat ==
    Has("beat") /\ \E it \in OpenItems, w \in Workers, upto \in Tokens \cup {0} :
        \E out \in LostOuts(it.settled) : Heartbeat(w, upto, {}, "alive", {it}, out)
TryRescueWorker ==
    Has("rescue") /\ \E it \in OpenItems, w \in Workers : \E out \in LostOuts(it.settled) :
        RescueWorker(w, "gone", {it}, out)
TryRescueDeadline ==
    Has("deadline") /\ \E it \in OpenItems : \E out \in RetryOuts(it.settled) : RescueDeadline({it}, out)

TryNoteProgress == Has("note") /\ \E it \in NoteItems : NoteProgress({it})

TryPromote ==
    \E d \in deferred, n \in Draws, k \in Slots, step \in LeaseSteps :
        Promote(PromoteNew(d.job, n, k, step))
TryCancelPending == Has("cancel") /\ \E j \in Jobs : \E w \in Takens(j) : CancelPending({w}, EndsFor({w}))
TryDlqMove  == Has("dlq") /\ \E f \in finals : DlqMove({f.job}, {f})
TryDlqPurge == Has("dlq") /\ \E j \in {k \in Jobs : Retryable(k) # {}} : DlqPurge({j})
TryDlqRetry ==
    Has("dlq") /\ \E j \in {k \in Jobs : Retryable(k) # {}} :
        \/ \E n \in Draws, k \in Slots, step \in LeaseSteps :
             DlqRetry({j}, OnlyNew(RetryNew(j, n, k, step)), {}, {})
        \/ Has("delay") /\ DlqRetry({j}, [NoRows EXCEPT !.deferred = RetryWait(j)], {}, {})
        \/ Loose("followed") /\ DlqRetry({j}, NoRows, {}, {})
TryRetire ==
    Has("retire") /\ \/ \E f \in finals : Retire({f.job}, {})
                     \/ \E d \in dead : Retire({}, {d.job})

TryRotate == Has("ring") /\ \E to \in Slots : Rotate(ring, to)
TryPrune  ==
    Has("ring") /\ \E k \in Slots : \E new \in Follows(IF Loose("orphaned") THEN Live(k) ELSE Orphans(k)) :
        /\ InSlot(k) # {} \/ ClaimsIn(k) # {}
        /\ IF Loose("orphaned") THEN Prune(k, floor, new, FALSE) ELSE Prune(k, FloorOf(k), new, TRUE)
TryEvacuate ==
    Has("ring") /\ Has("evacuate") /\ \E k \in Slots \ {ring} :
        \E moved \in (IF Loose("live") THEN (SUBSET SeqsIn(k)) ELSE {Live(k)}) \ {{}} :
            Evacuate(k, ring, moved, IF Loose("carried") THEN {} ELSE
                     {[token |-> r.token, part |-> r.part, seqs |-> OpenOf(r)] :
                        r \in {q \in ClaimsIn(k) : OpenOf(q) # {}}})

Next ==
    \/ EnsureLane \/ EnvDraw \/ TryEnvRollback
    \/ TryEnqueue \/ TryEnqueueMany \/ TryWorkerStart \/ TryWorkerStop \/ TryClaim
    \/ TryComplete \/ TryRelease \/ TryRetry \/ TrySnooze \/ TryFail \/ TryCancelRunning
    \/ TryHeartbeat \/ TryRescueWorker \/ TryRescueDeadline \/ TryNoteProgress
    \/ TryPromote \/ TryCancelPending \/ TryDlqMove \/ TryDlqPurge \/ TryDlqRetry \/ TryRetire
    \/ TryRotate \/ TryPrune \/ TryEvacuate
Spec == Init /\ [][Next]_vars

(* ------------------------------- properties ------------------------------ *)

TypeInv == /\ BornTypeInv /\ LastTypeInv /\ FlyTypeInv /\ EntriesTypeInv /\ StateTypeInv
           /\ LateTypeInv /\ ClaimsTypeInv /\ ClosuresTypeInv /\ WorkersTypeInv
           /\ StoppedTypeInv /\ DeferredTypeInv /\ FinalsTypeInv /\ RemovedTypeInv
           /\ WithdrawnTypeInv /\ RingTypeInv /\ FloorTypeInv /\ GoneTypeInv /\ KeysTypeInv
           /\ NotesTypeInv

\* No number is in two claims rows: nothing is handed out twice. What was truncated does not return.
EntryClaimedOnce == /\ \A q, r \in claims : q # r => q.seqs \cap r.seqs = {}
                    /\ Takeable \cap (Claimed \cup GoneSeqs) = {}
\* One claim call takes work once, however often it is sent.
TokenTakesOnce == \A q, r \in claims : (q.token = r.token /\ q.no # 0 /\ r.no # 0) => q.no = r.no
\* Each attempt ends once.
ClosuresDisjoint == \A c, d \in closures :
    (c # d /\ c.token = d.token /\ c.part = d.part) => c.seqs \cap d.seqs = {}
\* Only claimed numbers are closed, and what is claimed was not withdrawn.
ClosureWithinClaim == \A c \in closures : \E r \in RowsOf(c.token, c.part) : c.seqs \subseteq r.seqs
WithdrawnUnclaimed == withdrawn \cap Claimed = {}
\* A job is pending, or open, or it waits, or is at its end: in exactly one place.
OneLivePlacePerJob == \A j \in Jobs : Known(j) => Places(j) = 1
\* The row of an open entry exists, under its number and in its slot.
BodyKept == \A r \in claims : \A s \in OpenOf(r) :
    Cardinality({e \in entries : e.seq = s}) = 1 /\ EntryOf(s).slot = r.slot
\* A number that may still appear, or has appeared and is unclaimed, is one a claim will look for.
HoleSafety == \A s \in fly \cup Pending : s >= next \/ s \in holes
\* Every hole is below the cursor, and no hole is claimed.
HolesBelow == \A h \in holes : h < next /\ h \notin Claimed
\* The lane's state can be read back: from the newest claims row, or from what prune saved.
FloorKept == LET kept == {r.no : r \in claims} \cup {floor.no}
             IN Max(kept) = no /\ (floor.no = no => floor = StateNow)
\* The open entry is the newest of its job: an older one cannot end the job.
OpenIsNewest == \A j \in Jobs : \A s \in OpenSeqs(j) : EntryOf(s).lease = Lease(j)
NumbersOnce == /\ \A d, e \in entries : d.seq = e.seq => d = e
               /\ \A g, h \in gone : g.seq = h.seq => g = h
               /\ Written \cap GoneSeqs = {}
\* Nothing that may run again was lost more often, or tried more often, than a job may be.
LossBound == \A x \in entries \cup deferred : x.losses <= LossMax
AttemptBound == \A x \in entries \cup deferred : x.attempt <= AttemptMax
\* No two jobs hold one unique key.
UniqueHeldOnce == \A v, w \in wants : (v.key = w.key /\ v.job # w.job) => ~(Holds(v.job) /\ Holds(w.job))

CursorGrows   == [][next' >= next /\ no' >= no /\ last' >= last]_vars
RunLeaseGrows == [][\A e \in entries' : e.seq \notin Written =>
                      e.lease = IF Known(e.job) THEN Lease(e.job) + 1 ELSE 1]_vars
\* Only what is open, under its own token and part, is closed.
OnlyOpenSettles == [][\A c \in closures' \ closures :
                        \E r \in RowsOf(c.token, c.part) : c.seqs \subseteq OpenOf(r)]_vars
\* Nothing but a closure ends an attempt: what is claimed stays claimed, under its token and part and
\* by its worker, until a slot of ended work is truncated.
OnlyKnownEnd == [][UNCHANGED claims \/ \A r \in claims : \A s \in r.seqs :
                     \/ \E q \in claims' : q.token = r.token /\ q.part = r.part /\ q.worker = r.worker
                                           /\ s \in q.seqs
                     \/ s \notin OpenOf(r) /\ s \in GoneSeqs']_vars
\* A slot loses only rows whose attempts have ended, or that were withdrawn.
PruneEmpty == [][\A s \in Written \ Written' : s \in Done \cup {g.seq : g \in {h \in gone' : h.fate = "withdrawn"}}]_vars
\* A job that has ended stays at its end; only an operator's hand or retention moves it on.
FinalForGood == [][UNCHANGED lifeVars \/ \A j \in Jobs :
    /\ DoneSeqs(j) # {} => DoneSeqs(j)' = DoneSeqs(j)
    /\ EndsOf(j) # {} => \/ EndsOf(j)' = EndsOf(j)
                         \/ EndsOf(j) \subseteq dead' \/ Letters(EndsOf(j)) \subseteq removed'
    /\ RemovedOf(j) # {} => RemovedOf(j)' = RemovedOf(j)]_vars
\* A dead letter comes back as the same job with the next run_lease, all attempts and its unique key, or
\* it is removed.
DlqRoundTrip == [][\A d \in dead \ dead' :
    \/ Letters({d}) \subseteq removed'
    \/ /\ \/ \E e \in entries' : e.job = d.job /\ e.seq \notin Written /\ e.lease = d.lease + 1
                                /\ e.attempt = 1 /\ e.losses = 0
          \/ \E w \in deferred' : w.job = d.job /\ w.lease = d.lease /\ w.attempt = 1 /\ w.losses = 0
       /\ \A w \in wants : w.job = d.job => [key |-> w.key, job |-> w.job] \in keys' /\ Holds(w.job)']_vars
\* A job that has its key has it as long as it waits to run.
KeyKept == [][\A w \in wants : (Holds(w.job) /\ StateOf(w.job)' \in {"available", "scheduled"}) => Holds(w.job)']_vars
\* Only the open attempt speaks of its job's progress.
OnlyOpenNotes == [][\A n \in notes' \ notes : \E s \in OpenSeqs(n.job) : EntryOf(s).lease = n.lease]_vars
\* What is known of it stays with the job, and gives way to what was said later only.
ProgressGrows == [][\A m \in notes : \E n \in notes' : n.job = m.job /\
                      (n = m \/ n.lease > m.lease \/ (n.lease = m.lease /\ n.note > m.note))]_vars
\* No step leaves a job nowhere.
NoJobLost == [][\/ UNCHANGED lifeVars
                \/ \A j \in Jobs : Known(j) => StateOf(j)' \notin {"none", "lost"}]_vars
\* An entry that the claim before had to see is not passed over.
PassedOver == [][UNCHANGED no \/ \A s \in Takeable \ late :
                   \/ s \in Claimed'
                   \/ s > IF Claimed' = Claimed THEN next' - 1 ELSE Max(Claimed' \ Claimed)]_vars

\* Every job ends, if work is claimed and completed and what waits is promoted. A bounded model may run
\* out of numbers.
OutOfNumbers == last = SeqMax /\ fly = {}
Completes == \E r \in Receipts : \E id \in Ids : \E it \in Settles(r, id, Open(r[1], r[2]), "completed") :
               it.settled # {} /\ Complete(id, {it})
Starts    == \E w \in Workers : WorkerStart(w, "started")
Prunes    == \E k \in Slots : (InSlot(k) # {} \/ ClaimsIn(k) # {}) /\ Prune(k, FloorOf(k), {}, TRUE)
Fair      == WF_vars(EnvDraw) /\ WF_vars(Starts) /\ WF_vars(TryClaim) /\ SF_vars(Completes)
FairSpec  == Spec /\ Fair /\ WF_vars(TryPromote) /\ WF_vars(Prunes)
TurningSpec    == FairSpec /\ WF_vars(TryRotate)
NobodyPromotes == Spec /\ Fair /\ WF_vars(Prunes)                       \* for witnesses
NobodyPrunes   == Spec /\ Fair /\ WF_vars(TryPromote)
Ended(j)  == StateOf(j) \in {"completed", "failed", "cancelled", "dead", "removed"}
CallsLeft == \E t \in Tokens : \A r \in claims : r.token # t
Drains    == \A j \in Jobs : Known(j) ~> (Ended(j) \/ OutOfNumbers \/ ~CallsLeft)
\* Every slot comes back, once nothing in it is pending or open and it is not the current one.
Reclaims  == \A k \in Slots : (Live(k) = {}) ~> (SeqsIn(k) = {} \/ k = ring \/ Live(k) # {})
\* What has ended goes, the current slot's history as well, once nothing is pending or open.
AllEnded    == OpenNow = {} /\ Pending = {}
HistoryEnds == \A s \in Seqs : (s \in Done /\ AllEnded) ~> (s \notin Written \/ ~AllEnded)

(* ------------------- probes: each must be violated ----------------------- *)

HoleProbe      == holes = {}                                          \* a number passed while in flight
LateHoleProbe  == \A h \in holes : h \notin Written                    \* and then committed
ForgottenProbe == \A s \in 1..next - 1 : s \in Written \cup fly \/ s \in holes   \* a rolled-back number forgotten
PartlyClosedProbe == \A r \in claims : OpenOf(r) \in {{}, r.seqs}      \* a repeat would answer a part
TwoRowsProbe   == \A q, r \in claims : q.token = r.token => q = r      \* one call, two claims rows
ReleasedProbe  == \A e \in entries : e.lease = 1                       \* a job's second entry
CrashLoopProbe == \A f \in finals : f.losses <= LossMax                \* a job lost for good
PromotedProbe  == \A e \in entries : e.attempt = 1                     \* a job that waited runs again
ExhaustedProbe == \A f \in finals : f.attempt < AttemptMax             \* a job without an attempt left
EmptyClaimProbe == \A r \in claims : r.seqs # {}                       \* a claim of withdrawn numbers only
DeadLossProbe  == \A d \in dead : d.losses <= LossMax                  \* a crash loop dead-lettered
ReturnedProbe  == [][dead \ dead' # {} => removed' # removed]_vars       \* a dead letter that came back
RemovedProbe   == removed = {}                                         \* a job nobody remembers
PrunedProbe    == \A g \in gone : g.fate # "completed"                 \* completed history truncated
FloorProbe     == floor.holes = {}                                     \* holes that outlive their claims row
CarriedProbe   == \A r \in claims : r.no # 0                           \* an open claim in another slot
ReappendedProbe == \A e \in entries : e.lease = 1                     \* what a mistake passed over (without release)
SpokenAgainProbe == [][\A m \in notes, n \in notes' : m.job = n.job => m.lease = n.lease]_vars   \* a second attempt speaks
TakenOverProbe == \A v, w \in wants : v.key = w.key => v = w           \* a key that changed hands

(* ------------------------------ refinement ------------------------------- *)

\* Attempts and losses of the job as it stands: of its row, or of its newest entry.
Standing(j) == IF RowsOfJob(j) # {} THEN CHOOSE x \in RowsOfJob(j) : TRUE
               ELSE CHOOSE e \in EntriesOf(j) : e.lease = Lease(j)
Life == INSTANCE JobLife WITH state <- [j \in Jobs |-> StateOf(j)],
                              run <- [j \in Jobs |-> IF Known(j) THEN Lease(j) ELSE 0],
                              attempt <- [j \in Jobs |-> IF Known(j) THEN Standing(j).attempt ELSE 0],
                              losses <- [j \in Jobs |-> IF Known(j) THEN Standing(j).losses ELSE 0],
                              RunMax <- SeqMax
\* Life!LifeOfEachJob, written so that TLC looks at each job once, and not at all where nothing
\* that its life is made of has changed.
LifeNow(j) == IF ~Known(j) THEN [s |-> "none", r |-> 0, a |-> 0, l |-> 0]
              ELSE [s |-> StateOf(j), r |-> Lease(j), a |-> Standing(j).attempt, l |-> Standing(j).losses]
RefinesJobLife == /\ Life!LifeInit
                  /\ [][\/ UNCHANGED lifeVars
                        \/ \A j \in Jobs : \A old \in {LifeNow(j)}, new \in {LifeNow(j)'} :
                             Life!Legal(old, new)]_vars
=============================================================================
