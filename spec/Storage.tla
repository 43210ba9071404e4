------------------------------ MODULE Storage ------------------------------
(* One lane of the job queue. One operator of Next is one SQL function, one *)
(* storage method and one event; Env operators are the world. Every action  *)
(* is one atomic step here; StorageTx cuts them open.                       *)
(*                                                                          *)
(* An action is All(ActionG(args)) /\ effect. ActionG is a record of named  *)
(* guards, each with what it excludes. The arguments carry the answer too,  *)
(* so a recorded event is checked by calling the action with what was       *)
(* logged.                                                                  *)
(*                                                                          *)
(* There is no clock: a worker may be slow, an attempt may be lost, at any  *)
(* time. Rows of the ring are never removed here (rotate, prune, evacuate   *)
(* and deferred jobs are not part of this module yet).                      *)
EXTENDS Naturals, FiniteSets

CONSTANTS Jobs,     \* jobs that may ever exist
          Workers,  \* worker incarnations
          Tokens,   \* tokens of claim calls; in the bounded models also the number of the call
          Ids,      \* settle ids
          Slots,    \* slots of the ring
          SeqMax,   \* bound: highest number the lane's sequence may draw
          LossMax,  \* a job lost more often than this ends
          Off       \* names of guards switched off; {} in the protocol, one name in a witness

All(g) == \A k \in DOMAIN g \ Off : g[k]

Seqs == 1..SeqMax
Max(S) == CHOOSE m \in S : \A k \in S : k <= m
Min(S) == CHOOSE m \in S : \A k \in S : m <= k

(* -------------------------------- variables ------------------------------ *)

\* Does the lane exist? (lanes)
VARIABLE born
BornTypeInv == born \in BOOLEAN

\* Last number drawn from the lane's sequence. Numbers are drawn outside any snapshot.
VARIABLE last
LastTypeInv == last \in 0..SeqMax

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

\* Claims rows. (claims)
VARIABLE claims
Row == [token : Tokens, part : Nat, slot : Slots, worker : Workers, call : Nat, no : Nat,
        seqs : SUBSET Seqs]
ClaimsTypeInv == claims \subseteq Row

\* Closures rows. `copy` tells two equal rows apart: a table may hold both, a set may not. (closures)
VARIABLE closures
Closure == [token : Tokens, part : Nat, seqs : SUBSET Seqs, settle : Ids \cup {0},
            outcome : {"completed", "released", "lost"}, copy : Nat]
ClosuresTypeInv == closures \subseteq Closure

\* Workers that have started and not stopped. (workers)
VARIABLE workers
WorkersTypeInv == workers \subseteq Workers

\* Workers that have stopped. A claim that was running then may still commit: its entries are open
\* and belong to nobody.
VARIABLE stopped
StoppedTypeInv == stopped \subseteq Workers

\* Jobs that wait for their time; lease: that of the job's last entry, attempt: that of its next one.
\* (deferred)
VARIABLE deferred
\* Jobs that ended as failed or cancelled, and dead letters. (finals, dlq)
VARIABLES finals, dead
Final == [job : Jobs, state : {"failed", "cancelled"}, lease : 0..SeqMax, attempt : 1..SeqMax, losses : Nat]
\* Jobs whose last row was deleted on purpose: retired, purged, or sent to another lane.
VARIABLE removed
\* Pending numbers that an operator or a replacement took out. (closures without a token)
VARIABLE withdrawn
\* The slot new entries go to, as a hint. (ring_seq)
VARIABLE ring
\* The lane's state as prune saved it: [no, next, holes]. (lanes.floor_*)
VARIABLE floor
\* What truncated slots held: [seq, job, lease, fate]. Nobody can read it; the properties do.
VARIABLE gone
\* Rows [key, job], and what each job's body says of its key: [job, key, mask]. (unique_keys)
VARIABLES keys, wants
AwayInit == /\ deferred = {} /\ finals = {} /\ dead = {} /\ removed = {} /\ withdrawn = {}
            /\ ring = Min(Slots) /\ floor = [no |-> 0, next |-> 1, holes |-> {}] /\ gone = {}
            /\ keys = {} /\ wants = {}

laneVars  == <<no, next, holes, late>>
drawVars  == <<last, fly>>
awayVars  == <<deferred, finals, dead, removed, withdrawn, ring, floor, gone, keys, wants>>
vars      == <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, awayVars>>

(* ------------------------------ derived state ---------------------------- *)

Written      == {e.seq : e \in entries}
EntryOf(s)   == CHOOSE e \in entries : e.seq = s
Known(j)     == \E e \in entries : e.job = j
Takeable     == {s \in Written : s >= next \/ s \in holes}     \* what a claim looks for
RowsOf(t, p) == {r \in claims : r.token = t /\ r.part = p}
Claimed      == UNION {r.seqs : r \in claims}
ClosedBy(t, p)  == UNION {c.seqs : c \in {d \in closures : d.token = t /\ d.part = p}}
ClosedAs(t, p, id, outcome) ==
    UNION {c.seqs : c \in {d \in closures : /\ d.token = t /\ d.part = p
                                             /\ d.settle = id /\ d.outcome = outcome}}
OpenOf(r)    == r.seqs \ ClosedBy(r.token, r.part)
Open(t, p)   == UNION {OpenOf(r) : r \in RowsOf(t, p)}
ClosedWith(outcome) == UNION {c.seqs : c \in {d \in closures : d.outcome = outcome}}
Spent(s)     == EntryOf(s).losses >= LossMax                    \* one more loss ends the job

Lease(j)     == Max({e.lease : e \in {f \in entries : f.job = j}})
PendingSeqs(j) == {e.seq : e \in {f \in entries : f.job = j /\ f.seq \notin Claimed}}
OpenSeqs(j)    == {e.seq : e \in {f \in entries : f.job = j}} \cap UNION {OpenOf(r) : r \in claims}
EndedSeqs(j)   == {e.seq : e \in {f \in entries :
                    /\ f.job = j
                    /\ \/ f.seq \in ClosedWith("completed")
                       \/ f.seq \in ClosedWith("lost") /\ f.losses >= LossMax}}

(* ------------------------------ shared effects --------------------------- *)

\* Guards of every action that appends entries. New entries carry `from`: the entry they follow, or 0.
AppendG(new) ==
    [lane_exists |-> new # {} => born,                            \* an entry of no lane
     drawn    |-> \A n \in new : n.seq \in fly,                    \* a number used twice, or made up
     distinct |-> \A m, n \in new : m.seq = n.seq => m = n]        \* two entries under one number

\* Guards of an action that appends the next entry of jobs it closes. again: the numbers to follow.
FollowG(new, again) ==
    [followed  |-> /\ {n.from : n \in new} = again                 \* a job lost at its release
                   /\ Cardinality(new) = Cardinality(again),       \* a job doubled at its release
     same_job  |-> \A n \in new : n.job = EntryOf(n.from).job,     \* another job's body
     lease_up  |-> \A n \in new : n.lease = EntryOf(n.from).lease + 1,   \* a fence that stands still
     attempt_back |-> \A n \in new : n.attempt = EntryOf(n.from).attempt]   \* an attempt charged

Appending(new, loss) ==
    /\ entries' = entries \cup
         {[seq |-> n.seq, slot |-> n.slot, job |-> n.job, lease |-> n.lease, attempt |-> n.attempt,
           losses |-> IF n.from = 0 THEN 0 ELSE EntryOf(n.from).losses + loss] : n \in new}
    /\ fly' = fly \ {n.seq : n \in new}
    /\ late' = late \cup {n.seq : n \in new}

\* Guards of every action that closes numbers of claims. An item is [token, part, settled, ...].
CloseG(items) ==
    [claimed |-> \A it \in items :                       \* a receipt of another claim, or a made-up one
                   it.settled \subseteq UNION {r.seqs : r \in RowsOf(it.token, it.part)},
     open    |-> \A it \in items :                       \* an attempt that has ended already
                   it.settled \cap ClosedBy(it.token, it.part) = {},
     once    |-> \A a, b \in items :                     \* one number closed twice in one call
                   (a # b /\ a.token = b.token /\ a.part = b.part) => a.settled \cap b.settled = {}]

Closing(items, outcome, id) ==
    closures' = closures \cup
      {[token |-> it.token, part |-> it.part, seqs |-> it.settled, settle |-> id, outcome |-> outcome,
        copy |-> Cardinality({c \in closures : /\ c.token = it.token /\ c.part = it.part
                                               /\ c.seqs = it.settled /\ c.settle = id
                                               /\ c.outcome = outcome})]
       : it \in {i \in items : i.settled # {}}}

(* ---------------------------------- actions ------------------------------ *)

\* ensure_lane.sql
EnsureLaneG == [new |-> ~born]                           \* a lane created twice: two sequences
EnsureLane  == /\ All(EnsureLaneG)
               /\ born' = TRUE
               /\ UNCHANGED <<drawVars, entries, laneVars, claims, closures, workers, stopped, awayVars>>

\* enqueue.sql. An entry may land in any slot: the current slot is only a hint.
EnqueueManyG(new) ==
    [fresh |-> /\ \A n \in new : ~Known(n.job)                    \* a job that has an entry already
               /\ \A m, n \in new : m.job = n.job => m = n,       \* one job twice in a batch
     first |-> \A n \in new : n.from = 0 /\ n.lease = 1 /\ n.attempt = 1]   \* a history made up
EnqueueMany(new) ==
    /\ All(AppendG(new))
    /\ All(EnqueueManyG(new))
    /\ Appending(new, 0)
    /\ UNCHANGED <<born, last, no, next, holes, claims, closures, workers, stopped, awayVars>>

EnqueueG(new) == [single |-> Cardinality(new) = 1]       \* a second entry for one insert
Enqueue(new)  == All(EnqueueG(new)) /\ EnqueueMany(new)

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
\* after: the lane's state as written with them, [no, next, holes].
Got(rows) == UNION {r.seqs : r \in rows}
Passed(after) == (next..after.next - 1) \cup holes        \* numbers the claim must account for
ClaimG(w, t, rows, after) ==
    LET got == Got(rows)
    IN [some      |-> got # {},                                   \* an event for nothing
        started   |-> w \in workers \cup stopped,                   \* a worker nobody ever heard of
        new_token |-> \A r \in claims : r.token # t,              \* one call executed twice
        visible   |-> got \subseteq Takeable,                     \* work another claim has
        in_order  |-> \A s \in Takeable \ got :                   \* an earlier entry passed over
                        got # {} /\ s < Max(got) => s \in late,
        parted    |-> \A q, r \in rows : q # r => q.part # r.part /\ q.seqs \cap r.seqs = {},  \* two receipts
        in_slot   |-> \A r \in rows : \A s \in r.seqs \cap Written : EntryOf(s).slot = r.slot, \* a wrong receipt
        serial    |-> after.no = no + 1,                          \* a claim that read a stale state
        cursor    |-> got # {} => /\ after.next >= Max({next, Max(got) + 1})           \* going back
                                  /\ after.next <= Max({next, Max(Written) + 1}),     \* running ahead
        noted     |-> after.holes \subseteq Passed(after) \ got,   \* a hole made up: work twice
        forgotten |-> (Passed(after) \ (got \cup after.holes))    \* a number forgotten that may appear
                        \cap (Written \cup fly) = {}]

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

\* complete.sql
Complete(id, items) ==
    /\ All(CloseG(items))
    /\ All(SettleG(id, items, "completed"))
    /\ Closing(items, "completed", id)
    /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, workers, stopped, awayVars>>

\* release.sql. The entries are available again at once, under new numbers.
Release(id, items, new) ==
    /\ All(CloseG(items))
    /\ All(SettleG(id, items, "released"))
    /\ All(AppendG(new))
    /\ All(FollowG(new, UNION {it.settled : it \in items}))
    /\ Closing(items, "released", id)
    /\ Appending(new, 0)
    /\ UNCHANGED <<born, last, no, next, holes, claims, workers, stopped, awayVars>>

\* heartbeat.sql. The worker names, of its calls up to `upto`, those open or unanswered; claims of
\* calls it does not name are released as a loss. It may leave some for the next beat (their lock
\* was busy), but a claims row it closes it closes whole.
HeartbeatG(w, upto, named, answer, items) ==
    [told    |-> answer = IF w \in workers THEN "alive" ELSE "gone",       \* a wrong answer
     alive   |-> items # {} => w \in workers,                              \* a beat of the past
     own     |-> \A it \in items : \A r \in RowsOf(it.token, it.part) : r.worker = w,   \* another's work
     upto    |-> \A it \in items : \A r \in RowsOf(it.token, it.part) : r.call <= upto, \* a call on its way
     unnamed |-> \A it \in items : \A r \in RowsOf(it.token, it.part) : r.call \notin named,  \* work that runs
     entire  |-> \A it \in items : Open(it.token, it.part) \subseteq it.settled]        \* half a claim
Heartbeat(w, upto, named, answer, items, new) ==
    LET lost == UNION {it.settled : it \in items}
    IN /\ All(CloseG(items))
       /\ All(HeartbeatG(w, upto, named, answer, items))
       /\ All(AppendG(new))
       /\ All(FollowG(new, {s \in lost : ~Spent(s)}))              \* past the bound the job ends
       /\ Closing(items, "lost", 0)
       /\ Appending(new, 1)
       /\ UNCHANGED <<born, last, no, next, holes, claims, workers, stopped, awayVars>>

(* ------------------------------- the world ------------------------------- *)

\* A producer draws a number; its transaction is open from now on.
EnvDraw == /\ born /\ last < SeqMax
           /\ last' = last + 1
           /\ fly' = fly \cup {last + 1}
           /\ UNCHANGED <<born, entries, laneVars, claims, closures, workers, stopped, awayVars>>

\* A transaction rolls back: its numbers will never appear.
EnvRollback(N) == /\ N # {} /\ N \subseteq fly
                  /\ fly' = fly \ N
                  /\ UNCHANGED <<born, last, entries, laneVars, claims, closures, workers, stopped, awayVars>>

(* ----------------- arguments the bounded models try ---------------------- *)

Rank(S, s) == Cardinality({k \in S : k <= s})
Nth(S, n)  == CHOOSE s \in S : Rank(S, s) = n
Unknown    == {j \in Jobs : ~Known(j)}
Loose(g)   == g \in Off                                 \* try wrong arguments only where no guard refuses them

NewJobs(N) ==      \* entries for the numbers N: the next unknown jobs, or with `fresh` off any job
    IF Loose("fresh")
    THEN {{[seq |-> n, slot |-> k, job |-> j, lease |-> 1, attempt |-> 1, from |-> 0] : n \in N} :
            k \in Slots, j \in Jobs}
    ELSE IF Cardinality(Unknown) < Cardinality(N) THEN {}
    ELSE {{[seq |-> n, slot |-> k, job |-> Nth(Unknown, Rank(N, n)), lease |-> 1, attempt |-> 1,
            from |-> 0] : n \in N} : k \in Slots}

Draws == IF Loose("drawn") THEN 1..last ELSE fly
LeaseSteps == IF Loose("lease_up") THEN {0, 1} ELSE {1}
Follow(S, R, k, d) ==          \* entries that follow the numbers S under the numbers R
    {[seq |-> Nth(R, Rank(S, s)), slot |-> k, job |-> EntryOf(s).job, lease |-> EntryOf(s).lease + d,
      attempt |-> EntryOf(s).attempt, from |-> s] : s \in S}
Follows(S) ==
    {Follow(T, R, k, d) : T \in (IF Loose("followed") THEN SUBSET S ELSE {S}),
                          R \in {Q \in SUBSET Draws : Cardinality(Q) = Cardinality(S)},
                          k \in Slots, d \in LeaseSteps}

RowsFor(G) ==                  \* one claims row per slot
    LET used == {EntryOf(s).slot : s \in G}
    IN IF Loose("in_slot") THEN {[part |-> 1, slot |-> Min(Slots), seqs |-> G]} ELSE {[part |-> Cardinality({j \in used : j <= k}), slot |-> k,
         seqs |-> {s \in G : EntryOf(s).slot = k}] : k \in used}
States(G) ==                   \* states of the lane a claim of G may write
    UNION {{[no |-> no + 1, next |-> c, holes |-> H] :
              H \in SUBSET (((next..c - 1) \cup holes \cup (IF Loose("noted") THEN Claimed ELSE {})) \ G)} :
           c \in (IF Loose("cursor") THEN {Max(G) + 1}
                  ELSE Max({next, Max(G) + 1})..Max({next, Max(Written) + 1}))}
Takes == (SUBSET (IF Loose("visible") THEN Written ELSE Takeable)) \ {{}}

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

(* ------------------------------ specification ---------------------------- *)

Init == /\ born = FALSE /\ last = 0 /\ fly = {}
        /\ entries = {} /\ no = 0 /\ next = 1 /\ holes = {} /\ late = {}
        /\ claims = {} /\ closures = {} /\ workers = {} /\ stopped = {}
        /\ AwayInit

Next ==
    \/ EnsureLane
    \/ EnvDraw
    \/ \E N \in SUBSET fly : EnvRollback(N)
    \/ \E n \in Draws : \E new \in NewJobs({n}) : Enqueue(new)
    \/ \E N \in {M \in SUBSET Draws : Cardinality(M) = 2} : \E new \in NewJobs(N) : EnqueueMany(new)
    \/ \E w \in Workers : \/ \E a \in {"started", "already"} : WorkerStart(w, a)
                          \/ \E a \in {"stopped", "gone"} : WorkerStop(w, a)
    \/ \E w \in Workers, t \in Tokens : \E G \in Takes : \E after \in States(G) :
         Claim(w, t, t, RowsFor(G), after, FALSE)
    \/ \E r \in Receipts : \E id \in Ids, asked \in Asked(r) :
         \/ \E it \in Settles(r, id, asked, "completed") : Complete(id, {it})
         \/ \E it \in Settles(r, id, asked, "released") :
              \E new \in Follows(it.settled) : Release(id, {it}, new)
    \/ \E w \in Workers, upto \in Tokens \cup {0}, r \in Receipts :
         LET S == Open(r[1], r[2])
         IN /\ S # {}
            /\ \E new \in Follows({s \in S : ~Spent(s)}) :
                 Heartbeat(w, upto, {}, "alive", {[token |-> r[1], part |-> r[2], settled |-> S]}, new)
Spec == Init /\ [][Next]_vars

(* ------------------------------- properties ------------------------------ *)

TypeInv == /\ BornTypeInv /\ LastTypeInv /\ FlyTypeInv /\ EntriesTypeInv /\ StateTypeInv
           /\ LateTypeInv /\ ClaimsTypeInv /\ ClosuresTypeInv /\ WorkersTypeInv
           /\ StoppedTypeInv

\* No number is in two claims rows: nothing is handed out twice.
EntryClaimedOnce == /\ \A q, r \in claims : q # r => q.seqs \cap r.seqs = {}
                    /\ Takeable \cap Claimed = {}
\* One claim call takes work once, however often it is sent.
TokenTakesOnce == \A q, r \in claims : q.token = r.token => q.no = r.no
\* Each attempt ends once.
ClosuresDisjoint == \A c, d \in closures :
    (c # d /\ c.token = d.token /\ c.part = d.part) => c.seqs \cap d.seqs = {}
\* Only claimed numbers are closed.
ClosureWithinClaim == \A c \in closures : \E r \in RowsOf(c.token, c.part) : c.seqs \subseteq r.seqs
\* A job is pending, or open, or at its end: in exactly one place.
OneLivePlacePerJob == \A j \in Jobs : Known(j) =>
    Cardinality(PendingSeqs(j)) + Cardinality(OpenSeqs(j)) + Cardinality(EndedSeqs(j)) = 1
\* The row of an open entry exists, under its number and in its slot.
BodyKept == \A r \in claims : \A s \in OpenOf(r) :
    Cardinality({e \in entries : e.seq = s}) = 1 /\ EntryOf(s).slot = r.slot
\* A number that may still appear, or has appeared and is unclaimed, is one a claim will look for.
HoleSafety == \A s \in fly \cup (Written \ Claimed) : s >= next \/ s \in holes
\* Every hole is below the cursor, and no hole is claimed.
HolesBelow == \A h \in holes : h < next /\ h \notin Claimed
\* The open entry is the newest of its job: an older one cannot end the job.
OpenIsNewest == \A j \in Jobs : \A s \in OpenSeqs(j) : EntryOf(s).lease = Lease(j)
NumbersOnce == \A d, e \in entries : d.seq = e.seq => d = e
LossBound == \A e \in entries : e.losses <= LossMax

CursorGrows   == [][next' >= next /\ no' >= no /\ last' >= last]_vars
RunLeaseGrows == [][\A e \in entries' \ entries :
                      e.lease = IF Known(e.job) THEN Lease(e.job) + 1 ELSE 1]_vars
\* Only what is open, under its own token and part, is closed.
OnlyOpenSettles == [][\A c \in closures' \ closures :
                        \E r \in RowsOf(c.token, c.part) : c.seqs \subseteq OpenOf(r)]_vars
\* Nothing but a closure ends an attempt, and closures stay.
OnlyKnownEnd == [][closures \subseteq closures' /\ claims \subseteq claims'
                   /\ entries \subseteq entries']_vars
\* A job that has ended stays at its end.
FinalForGood == [][\A j \in Jobs : EndedSeqs(j) # {} => EndedSeqs(j)' = EndedSeqs(j)]_vars
\* An entry that the claim before had to see is not passed over.
PassedOver == [][\A s \in (Takeable \ late) : no' # no => (s \in Claimed' \/ s > Max(Claimed' \ Claimed))]_vars

(* ------------------- probes: each must be violated ----------------------- *)

HoleProbe      == holes = {}                                          \* a number passed while in flight
LateHoleProbe  == \A h \in holes : h \notin Written                    \* and then committed
ForgottenProbe == \A s \in 1..next - 1 : s \in Written \cup fly \/ s \in holes   \* a rolled-back number forgotten
PartlyClosedProbe == \A r \in claims : OpenOf(r) \in {{}, r.seqs}      \* a repeat would answer a part
TwoRowsProbe   == \A q, r \in claims : q.token = r.token => q = r      \* one call, two claims rows
ReleasedProbe  == \A e \in entries : e.lease = 1                       \* a job's second entry
CrashLoopProbe == \A j \in Jobs : \A e \in entries :                   \* a job lost for good
                    ~(e.job = j /\ e.seq \in ClosedWith("lost") /\ e.losses >= LossMax)

(* ------------------------------ refinement ------------------------------- *)

StateOf(j) == IF ~Known(j) THEN "none"
              ELSE IF PendingSeqs(j) # {} THEN "available"
              ELSE IF OpenSeqs(j) # {} THEN "running"
              ELSE IF \E s \in EndedSeqs(j) : s \in ClosedWith("completed") THEN "completed"
              ELSE "failed"
LossesOf(j) == IF ~Known(j) THEN 0
               ELSE Max({e.losses : e \in {f \in entries : f.job = j}})
                    + IF StateOf(j) = "failed" THEN 1 ELSE 0
Life == INSTANCE JobLife WITH state <- [j \in Jobs |-> StateOf(j)],
                              run <- [j \in Jobs |-> IF Known(j) THEN Lease(j) ELSE 0],
                              losses <- [j \in Jobs |-> LossesOf(j)],
                              RunMax <- SeqMax
RefinesJobLife == Life!LifeOfEachJob
=============================================================================
