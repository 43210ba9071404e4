------------------------------ MODULE CronTrace ------------------------------
(* What was recorded of schedules, replayed through the actions of Cron: one *)
(* schedule is one trace, and there are many traces in one run of TLC. The   *)
(* module Traces is written by correctness/cron_replay.py. How a run gives   *)
(* its verdicts is told in StorageTrace.                                     *)
(*                                                                           *)
(* Instants of a trace are those that anything in it could depend on, in     *)
(* their order, as numbers from 1: an instant that is due, when it may be    *)
(* fired and when it is too late, the time of an event, and what it says.    *)
(*                                                                           *)
(* What nobody records is said for them: time passes before an event, and a  *)
(* plan was made by somebody who looked while the row was as the plan saw    *)
(* it. Each plan has a leader of its own; who they were does not matter.     *)
EXTENDS Cron, Traces

VARIABLES trace, at
traceVars == <<vars, trace, at>>

Count == Len(Traces)
T     == Traces[trace]
e     == T.events[at]

Furthest(k) == k
Reason(k)   == Count + k

Refuse(why) == TLCSet(Reason(trace), <<at, why>>) /\ FALSE
\* Takes the place of All (see the configuration): also says which guards are false.
TraceAll(g) == LET wrong == {k \in DOMAIN g : ~g[k]}
               IN IF wrong = {} THEN TRUE ELSE Refuse(<<"guard", wrong>>)
Same(field, logged, spec) ==
    IF logged = spec THEN TRUE ELSE Refuse(<<"field", field, "logged", logged, "spec", spec>>)

(* ----------------- what a trace and its policies say --------------------- *)

Policy            == T.policies[e.policy]
TraceRules        == IF trace = 0 THEN {} ELSE DOMAIN T.due
TraceDue(rule)    == IF trace = 0 THEN {} ELSE T.due[rule]
TraceWhen(d)      == Policy.when[d]
\* LateMax is 0.
TraceLate(d, clock) == IF clock < Policy.late[d] THEN 0 ELSE 1
TraceMost         == Policy.most
TraceOverlap      == Policy.overlap

(* ------------------------------- the events ------------------------------ *)

Set(list)   == {list[k] : k \in 1..Len(list)}
Rising(list) == \A j, k \in 1..Len(list) : j < k => list[j] < list[k]
RowAs == /\ Same("version", e.version, row'.version)
         /\ Same("dealt", e.dealt, row'.upto)
         /\ Same("paused", e.paused, row'.paused)
         /\ Same("rule", e.rule, row'.rule)

\* The clock of who looked: one by which it planned so. Where there is none, that of the answer.
Planned(v) == Chosen(v) = Set(e.due) /\ Upto(v) = IF e.upto = 0 THEN v.upto ELSE e.upto
Clock == IF \E c \in e.clocks : Planned(Seen(c)) THEN CHOOSE c \in e.clocks : Planned(Seen(c)) ELSE e.last

NewAts   == [n \in 1..Len(jobs') - Len(jobs) |-> jobs'[Len(jobs) + n].at]
Answer(v) == IF ~Compares(v) THEN "stale" ELSE IF ~InTime(v) THEN "early" ELSE "fired"
FireG(v) == [looked   |-> v.pc = "looked",        \* a plan for a row that nobody saw so
             compares |-> Compares(v),            \* somebody else has fired it, or changed it
             in_time  |-> InTime(v)]              \* it is not due yet
Fired    == /\ All(FireG(leader[e.leader]))
            /\ All([ascending |-> Rising(e.due), once |-> \A t \in Set(e.due) : fires[t] = 0])
            /\ Same("due", Set(e.due), Chosen(leader[e.leader]))
            /\ Fire(e.leader)
            /\ Same("stored", e.stored, NewAts)
            /\ RowAs
NotFired == /\ All([looked |-> leader[e.leader].pc = "looked"])
            /\ Same("answer", e.answer, Answer(leader[e.leader]))
            /\ Refused(e.leader)
Put      == /\ All([created |-> (e.answer = "created") = ~row.here,
                    kept    |-> e.answer = "kept" => e.rule = row.rule])
            /\ IF e.answer = "kept" /\ e.version = row.version THEN UNCHANGED vars ELSE PutSchedule(e.rule)
            /\ RowAs
Triggered == /\ IF e.answer = "busy" THEN All(HereG) /\ All(BusyG) /\ UNCHANGED vars ELSE TriggerSchedule
             /\ Same("stored", e.stored, NewAts)
             /\ RowAs
\* Only tests do this: a schedule is as if nobody had looked at it for long.
EnvOlder == /\ All(HereG)
            /\ row' = [row EXCEPT !.upto = e.dealt]
            /\ UNCHANGED <<now, versions, jobs, leader, past, edits, deaths>>
            /\ RowAs
JobEnds  == All([lives |-> e.job \in Lives]) /\ EndJob(e.job)

Goes     == All([forwards |-> e.to >= now]) /\ Passes(e.to)

Act == CASE e.a = "time"            -> Goes
         [] e.a = "look"            -> LookBy(e.leader, Clock)
         [] e.a = "fire"            -> CASE e.answer = "fired" -> Fired
                                         [] e.answer = "busy"  -> All(FireG(leader[e.leader])) /\ Busy(e.leader)
                                         [] OTHER              -> NotFired
         [] e.a = "put_schedule"    -> Put
         [] e.a = "delete_schedule" -> DeleteSchedule
         [] e.a = "pause_schedule"  -> PauseSchedule /\ RowAs
         [] e.a = "resume_schedule" -> ResumeSchedule /\ RowAs
         [] e.a = "trigger_schedule" -> Triggered
         [] e.a = "env_older"       -> EnvOlder
         [] e.a = "job_ends"        -> JobEnds
         [] OTHER                   -> Refuse(<<"unknown action", e.a>>)

Step == /\ trace > 0 /\ at <= Len(T.events)
        /\ Act
        /\ at' = at + 1 /\ trace' = trace

(* ------------------------------- the auditor ----------------------------- *)

Longest == Max({Len(Traces[k].events) : k \in 1..Count} \cup {0})
Bound   == Longest + 3
Audit   == trace = 0 /\ at < Bound /\ at' = at + 1 /\ UNCHANGED <<vars, trace>>

TraceInit ==
    /\ trace \in 0..Count /\ at = 1
    /\ now = 0 /\ versions = 0
    /\ row = [here |-> FALSE, version |-> 0, upto |-> 0, rule |-> 0, paused |-> FALSE]
    /\ jobs = <<>> /\ leader = [l \in Leaders |-> NoView]
    /\ fires = [t \in Instants |-> 0] /\ missed = {} /\ dealt = {} /\ slept = {} /\ edits = 0 /\ deaths = 0
TraceNext == Step \/ Audit
TraceSpec == TraceInit /\ [][TraceNext]_traceVars

ASSUME \A k \in 1..Count : TLCSet(Furthest(k), 0) /\ TLCSet(Reason(k), <<0, "none">>)

\* Used as a constraint: it is looked at once in every state and is always true.
Track == IF trace > 0 /\ at > TLCGet(Furthest(trace)) THEN TLCSet(Furthest(trace), at) ELSE TRUE

Rejected == {k \in 1..Count : TLCGet(Furthest(k)) <= Len(Traces[k].events)}
Why(k)   == IF TLCGet(Reason(k))[1] = TLCGet(Furthest(k)) THEN TLCGet(Reason(k))[2] ELSE "not enabled"
Say(k)   == PrintT("REJECTED " \o ToString(k) \o " " \o ToString(TLCGet(Furthest(k))) \o " WHY " \o ToString(Why(k)))
Verdict  == (trace = 0 /\ at = Bound) =>
              /\ \A k \in Rejected : Say(k)
              /\ PrintT("VERDICT " \o ToString(Count) \o " " \o ToString(Cardinality(Rejected)))
=============================================================================
