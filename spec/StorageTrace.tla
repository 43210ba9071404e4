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
VARIABLES trace, at
traceVars == <<vars, trace, at>>

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

(* ------------------------------- the events ------------------------------ *)
\* Entries, rows and items are logged as lists, so that one that stands twice is seen.
Set(list) == {list[k] : k \in 1..Len(list)}
Once(field, list) == Same(field, Len(list), Cardinality(Set(list)))
New   == Set(e.new)
Items == Set(e.items)
Rows  == Set(e.rows)

CensusEntries  == {<<x.slot, x.seq, x.job, x.lease, x.attempt>> : x \in entries}
CensusClaims   == {<<r.slot, r.token, r.part, r.seqs>> : r \in claims}
CensusClosures == {<<(CHOOSE r \in RowsOf(c.token, c.part) : TRUE).slot, c.token, c.part, c.seqs, c.outcome>>
                     : c \in closures}
Census == /\ Same("no", e.no, no)
          /\ Same("next", e.next, next)
          /\ Same("holes", e.holes, holes)
          /\ Same("entries", e.entries, CensusEntries)
          /\ Same("claims", e.claims, CensusClaims)
          /\ Same("closures", e.closures, CensusClosures)
          /\ Same("closures in all", e.closed, Cardinality(closures))
          /\ UNCHANGED vars

Act == CASE e.a = "ensure_lane"  -> EnsureLane
         [] e.a = "enqueue"      -> Once("new", e.new) /\ Enqueue(New)
         [] e.a = "enqueue_many" -> Once("new", e.new) /\ EnqueueMany(New)
         [] e.a = "worker_start" -> WorkerStart(e.worker, e.answer)
         [] e.a = "worker_stop"  -> WorkerStop(e.worker, e.answer)
         [] e.a = "heartbeat"    -> /\ Once("items", e.items) /\ Once("new", e.new)
                                    /\ Heartbeat(e.worker, e.upto, e.named, e.answer, Items, New)
         [] e.a = "claim"        -> Once("rows", e.rows)
                                    /\ Claim(e.worker, e.call, e.token, Rows, e.after, e.again)
         [] e.a = "complete"     -> Once("items", e.items) /\ Complete(e.settle, Items)
         [] e.a = "release"      -> /\ Once("items", e.items) /\ Once("new", e.new)
                                    /\ Release(e.settle, Items, New)
         [] e.a = "census"       -> Census
         [] OTHER                -> Refuse(<<"unknown action", e.a>>)

Step == /\ trace > 0 /\ at <= Len(Traces[trace].events)
        /\ Act
        /\ at' = at + 1 /\ trace' = trace

(* ------------------------------- the auditor ----------------------------- *)

Longest == Max({Len(Traces[k].events) : k \in 1..Count} \cup {0})
Bound   == Longest + 3
Audit   == trace = 0 /\ at < Bound /\ at' = at + 1 /\ UNCHANGED <<vars, trace>>

TraceInit ==
    /\ trace \in 0..Count /\ at = 1
    /\ born = IF trace = 0 THEN FALSE ELSE Traces[trace].born
    /\ fly = IF trace = 0 THEN {} ELSE Traces[trace].appear
    /\ last = Max(fly \cup {0})
    /\ entries = {} /\ no = 0 /\ next = 1 /\ holes = {} /\ late = {}
    /\ claims = {} /\ closures = {} /\ workers = {} /\ stopped = {}
    /\ AwayInit
TraceNext == Step \/ Audit
TraceSpec == TraceInit /\ [][TraceNext]_traceVars

ASSUME \A k \in 1..Count : /\ TLCSet(Furthest(k), 0)
                           /\ TLCSet(Reason(k), <<0, "none">>)
                           /\ TLCSet(Place(k), "none")

Here == [no |-> no, next |-> next, holes |-> holes, late |-> late, pending |-> Written \ Claimed,
         claims |-> claims, closures |-> closures, workers |-> workers]

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
