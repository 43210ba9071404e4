---------------------------- MODULE StorageTrace ----------------------------
(* Recorded traces, replayed through the actions of Storage: many in one run *)
(* of TLC. The module Traces is written by correctness/replay.py.            *)
(*                                                                           *)
(* Each trace is one initial state and one behaviour, because every event    *)
(* says what was answered. Trace 0 is the auditor: TLC searches breadth      *)
(* first with one worker, so when the auditor has taken more steps than the  *)
(* longest trace has events, every trace has gone as far as it can, and it   *)
(* gives the verdict.                                                        *)
(*                                                                           *)
(* Numbers are drawn outside any event. A trace therefore says beforehand    *)
(* which numbers will ever appear in it; they all count as in flight from    *)
(* the start. Forgetting one is then refused at the claim that forgets it.   *)
EXTENDS Storage, Sequences, TLC, Traces

\* Which trace this behaviour follows, and the place of its next event.
\* been: the states in which jobs were that somebody is told of in this trace.
VARIABLES trace, at, been
traceVars == <<vars, trace, at, been>>

Count == Len(Traces)
e     == Traces[trace].events[at]

(* ---------------------------- saying why not ----------------------------- *)
\* Registers of a trace: its furthest event; where and why a step was refused; the state there.
Furthest(k) == k
Reason(k)   == Count + k
Place(k)    == 2 * Count + k

Refuse(why) == TLCSet(Reason(trace), <<at, why>>) /\ FALSE

\* Takes the place of All (see the configuration): also says which guards are false.
TraceAll(g) == LET wrong == {k \in DOMAIN g : ~g[k]}
               IN IF wrong = {} THEN TRUE ELSE Refuse(<<"guard", wrong>>)

Same(field, logged, spec) ==
    IF logged = spec THEN TRUE ELSE Refuse(<<"field", field, "logged", logged, "spec", spec>>)

\* The lane is claimed again in this very transaction, whose picks may both be older than an entry.
TraceLateAfterClaim == IF e.mid THEN late ELSE {}

\* How many attempts a job has is no part of any event; the census says it, of the jobs it finds.
Most(s)           == LET known == {b[2] : b \in {c \in Traces[trace].bounds : c[1] = EntryOf(s).job}}
                     IN IF known = {} THEN 0 ELSE Max(known)
TraceExhausted(s) == Most(s) = 0 \/ EntryOf(s).attempt >= Most(s)
TraceMayGoOn(s)   == Most(s) = 0 \/ EntryOf(s).attempt < Most(s)

(* ------------------------------- the events ------------------------------ *)
\* Entries, rows and items are logged as lists, so that one that stands twice is seen.
Set(list) == {list[k] : k \in 1..Len(list)}
Once(field) == Same(field, Len(e[field]), Cardinality(Set(e[field])))
New   == Set(e.new)
Items == Set(e.items)
Rows  == Set(e.rows)
\* What became of closed attempts, or of jobs that came.
Out   == [new |-> New, deferred |-> Set(e.deferred), finals |-> Set(e.finals), dead |-> Set(e.dead)]
OnceOut == Once("new") /\ Once("deferred") /\ Once("finals") /\ Once("dead")
Came  == {n.job : n \in New} \cup {d.job : d \in Set(e.deferred)}
Wanted == {w \in Traces[trace].wants : w[1] \in Came}
More  == [deferred |-> Set(e.deferred), taken |-> Set(e.taken), finals |-> Set(e.finals),
          wants |-> {[job |-> w[1], key |-> w[2], mask |-> w[3]] : w \in Wanted}]
OnceMore == Once("new") /\ Once("deferred") /\ Once("taken") /\ Once("finals")
Floor == IF e.floor = <<>> THEN floor ELSE e.floor[1]

CensusEntries  == {<<x.slot, x.seq, x.job, x.lease, x.attempt, x.losses>> : x \in entries}
CensusClaims   == {<<r.slot, r.token, r.part, r.seqs>> : r \in claims}
CensusClosures == {<<EntryOf(Min(c.seqs)).slot, c.token, c.part, c.seqs, c.outcome>> : c \in closures}
CensusWithdrawn == {<<EntryOf(s).slot, s>> : s \in withdrawn}
CensusWaits    == {<<d.job, d.state, d.lease, d.attempt, d.losses>> : d \in deferred}
CensusEnds     == {<<f.job, f.state, f.lease, f.attempt, f.losses>> : f \in finals}
\* Of what has completed, or left this lane, nothing is told any more.
CensusProgress == {<<n.job, n.said>> : n \in {m \in notes : StateOf(m.job) \notin {"completed", "removed"}}}
CensusDead     == {<<d.job, d.state, d.lease, d.attempt, d.losses>> : d \in dead}
Census == /\ Same("no", e.no, no)
          /\ Same("next", e.next, next)
          /\ Same("holes", e.holes, holes)
          /\ Same("entries", e.entries, CensusEntries)
          /\ Same("claims", e.claims, CensusClaims)
          /\ Same("closures", e.closures, CensusClosures)
          /\ Same("closures in all", e.closed, Cardinality(closures))
          /\ Same("withdrawn", e.withdrawn, CensusWithdrawn)
          /\ Same("deferred", e.deferred, CensusWaits)
          /\ Same("finals", e.finals, CensusEnds)
          /\ Same("dead", e.dead, CensusDead)
          /\ Same("progress", e.progress, CensusProgress)
          /\ UNCHANGED vars

\* What was only answered: `seen`, the job was once in the state that was told; `acted`, this very act had
\* been done to it. Nothing keeps a job where it was when the answer was made.
ActedOn(f) == CASE f.a = "cancel_pending" -> {t.job : t \in Set(f.taken)}
                [] f.a = "arrive"         -> {n.job : n \in Set(f.new)} \cup {d.job : d \in Set(f.deferred)}
                [] OTHER                  -> f.jobs
Acted == UNION {ActedOn(Traces[trace].events[k]) :
                k \in {i \in 1..(at - 1) : LET f == Traces[trace].events[i]
                                           IN f.a \in {e.by, "arrive"} /\ f.act = e.act}}
ToldG == [acted |-> \A t \in Set(e.told) : t.answer = "already" => t.job \in Acted,
          seen  |-> \A t \in Set(e.told) : t.answer # "already" => <<t.job, t.state>> \in been,
          lost  |-> \A t \in Set(e.told) : t.answer = "duplicate" => t.state = "dead"]    \* its key, and nothing else
Told == Once("told") /\ All(ToldG) /\ UNCHANGED vars

Act == CASE e.a = "ensure_lane"  -> EnsureLane
         [] e.a = "enqueue"      -> OnceMore /\ Enqueue(New, More)
         [] e.a = "enqueue_many" -> OnceMore /\ EnqueueMany(New, More)
         [] e.a = "worker_start" -> WorkerStart(e.worker, e.answer)
         [] e.a = "worker_stop"  -> WorkerStop(e.worker, e.answer)
         [] e.a = "heartbeat"    -> /\ Once("items") /\ OnceOut
                                    /\ Heartbeat(e.worker, e.upto, e.named, e.answer, Items, Out)
         [] e.a = "claim"        -> Once("rows") /\ Claim(e.worker, e.call, e.token, Rows, e.after, e.again)
         [] e.a = "complete"     -> Once("items") /\ Complete(e.settle, Items)
         [] e.a = "release"      -> Once("items") /\ OnceOut /\ Release(e.settle, Items, New)
         [] e.a = "retry"        -> Once("items") /\ OnceOut /\ Retry(e.settle, Items, Out)
         [] e.a = "snooze"       -> Once("items") /\ OnceOut /\ Snooze(e.settle, Items, Out)
         [] e.a = "fail"         -> Once("items") /\ OnceOut /\ Fail(e.settle, Items, Out)
         [] e.a = "cancel_running" -> Once("items") /\ OnceOut /\ CancelRunning(e.settle, Items, Out)
         [] e.a = "rescue_worker" -> /\ Once("items") /\ OnceOut
                                     /\ RescueWorker(e.worker, e.answer, Items, Out)
         [] e.a = "rescue_deadline" -> Once("items") /\ OnceOut /\ RescueDeadline(Items, Out)
         [] e.a = "note_progress" -> Once("notes") /\ NoteProgress(Set(e.notes))
         [] e.a = "promote"      -> Once("new") /\ Promote(New)
         [] e.a = "cancel_pending" -> /\ Once("taken") /\ Once("finals")
                                      /\ CancelPending(Set(e.taken), Set(e.finals))
         [] e.a = "dlq_move"     -> Once("dead") /\ DlqMove(e.jobs, Set(e.dead))
         [] e.a = "dlq_retry"    -> OnceOut /\ Once("said") /\ DlqRetry(e.jobs, Out, e.elsewhere, Set(e.said))
         [] e.a = "arrive"       -> OnceOut /\ Once("said") /\ EnvArrive(Out, Set(e.said))
         [] e.a = "dlq_purge"    -> DlqPurge(e.jobs)
         [] e.a = "retire"       -> Retire(e.ends, e.letters)
         [] e.a = "rotate"       -> Rotate(e.from, e.slot)
         [] e.a = "prune"        -> Once("new") /\ Prune(e.slot, Floor, New, e.answer = "pruned")
         [] e.a = "evacuate"     -> Once("rows") /\ Evacuate(e.from, e.slot, e.moved, Rows)
         [] e.a = "told"         -> Told
         [] e.a = "census"       -> Census
         [] OTHER                -> Refuse(<<"unknown action", e.a>>)

Step == /\ trace > 0 /\ at <= Len(Traces[trace].events)
        /\ Act
        /\ at' = at + 1 /\ trace' = trace
        /\ been' = been \cup {<<j, StateOf(j)'>> : j \in Traces[trace].asked}

(* ------------------------------- the auditor ----------------------------- *)

Longest == Max({Len(Traces[k].events) : k \in 1..Count} \cup {0})
Bound   == Longest + 3
Audit   == trace = 0 /\ at < Bound /\ at' = at + 1 /\ UNCHANGED <<vars, trace, been>>

TraceInit ==
    /\ trace \in 0..Count /\ at = 1
    /\ been = {}
    /\ born = IF trace = 0 THEN FALSE ELSE Traces[trace].born
    /\ fly = IF trace = 0 THEN {} ELSE Traces[trace].appear
    /\ last = Max(fly \cup {0})
    /\ entries = {} /\ no = 0 /\ next = 1 /\ holes = {} /\ late = {}
    /\ claims = {} /\ closures = {} /\ workers = {} /\ stopped = {}
    /\ deferred = {} /\ finals = {} /\ dead = {} /\ removed = {} /\ withdrawn = {} /\ gone = {}
    /\ ring = IF trace = 0 THEN Min(Slots) ELSE Traces[trace].ring
    /\ floor = [no |-> 0, next |-> 1, holes |-> {}] /\ keys = {} /\ wants = {} /\ notes = {}
TraceNext == Step \/ Audit
TraceSpec == TraceInit /\ [][TraceNext]_traceVars

ASSUME \A k \in 1..Count : /\ TLCSet(Furthest(k), 0)
                           /\ TLCSet(Reason(k), <<0, "none">>)
                           /\ TLCSet(Place(k), "none")

Here == [no |-> no, next |-> next, holes |-> holes, late |-> late, pending |-> Pending,
         claims |-> claims, closures |-> closures, workers |-> workers, deferred |-> deferred,
         finals |-> finals, dead |-> dead, withdrawn |-> withdrawn, ring |-> ring, floor |-> floor,
         notes |-> notes]

\* Used as a constraint: it is looked at once in every state and is always true.
Track == IF trace > 0 /\ at > TLCGet(Furthest(trace))
         THEN TLCSet(Furthest(trace), at) /\ TLCSet(Place(trace), Here)
         ELSE TRUE

Rejected == {k \in 1..Count : TLCGet(Furthest(k)) <= Len(Traces[k].events)}
Why(k)   == IF TLCGet(Reason(k))[1] = TLCGet(Furthest(k)) THEN TLCGet(Reason(k))[2] ELSE "not enabled"
Say(k)   == PrintT("REJECTED " \o ToString(k) \o " " \o ToString(TLCGet(Furthest(k))) \o " WHY "
                   \o ToString(Why(k)) \o " STATE " \o ToString(TLCGet(Place(k))))
Verdict  == (trace = 0 /\ at = Bound) =>
              /\ \A k \in Rejected : Say(k)
              /\ PrintT("VERDICT " \o ToString(Count) \o " " \o ToString(Cardinality(Rejected)))
=============================================================================
