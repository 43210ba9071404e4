-------------------------------- MODULE Cron ---------------------------------
(* When does a schedule fire, and how often? Its row says up to which        *)
(* instant all was dealt with. Whoever leads, or still believes it does,     *)
(* looks at the row, works out what is due, and asks for it to be fired: in  *)
(* one transaction, which compares the row's version with the one that was   *)
(* looked at, moves the row on, and stores the jobs. Whatever changes a row  *)
(* gives it a version that no row had before.                                *)
(*                                                                           *)
(* What is due is worked out outside, by rules that only leaders know, so    *)
(* the transaction trusts the plan; but not the clock of who made it.        *)
(*                                                                           *)
(* Bare names the protections that a witness takes away.                     *)
EXTENDS Naturals, FiniteSets, Sequences, TLC

CONSTANTS Leaders,
          TimeMax,    \* bound: instants
          Missed,     \* what becomes of instants that were missed: "coalesce", "catch_up"
          LateMax,    \* how late an instant may be fired
          CatchUpMax, \* how many at most are caught up on in one go
          Overlap,    \* while a job of the schedule lives: "allow", "skip", "replace"
          Skew,       \* how much too fast a leader's clock may be
          Edits,      \* bound: acts of people, and new declarations
          Deaths,     \* bound: leaders that die
          Bare

Kept(protection) == protection \notin Bare

Instants == 1..TimeMax
\* Two rules, of which a schedule has one at a time: every instant, and every other one.
Due(rule) == {t \in Instants : rule = 1 \/ t % 2 = 0}
Max(S)    == CHOOSE m \in S : \A k \in S : k <= m
Newest(S, n) == {t \in S : Cardinality({u \in S : u > t}) < n}
Oldest(S, n) == {t \in S : Cardinality({u \in S : u < t}) < n}
Most      == IF Missed = "catch_up" THEN CatchUpMax ELSE 1
Later(a, b) == IF a > b THEN a ELSE b

\* The clock of the database, and the last version that was given away.
VARIABLES now, versions
ClockTypeInv == now \in 0..TimeMax /\ versions \in Nat

\* The schedule. upto: the instants up to here were dealt with.
VARIABLE row
RowTypeInv == row \in [here : BOOLEAN, version : Nat, upto : 0..TimeMax, rule : {1, 2}, paused : BOOLEAN]

\* Its jobs, in the order of their ids. at 0: somebody triggered it.
VARIABLE jobs
JobTypeInv == \A n \in 1..Len(jobs) : jobs[n] \in [at : 0..TimeMax, rule : {1, 2}, state : {"live", "ended", "replaced"}]

\* What each leader looked at, and by which clock. owes: fires it has still to store (a witness).
VARIABLE leader
NoView == [pc |-> "idle", version |-> 0, upto |-> 0, rule |-> 1, clock |-> 0, busy |-> FALSE, owes |-> {}]
LeaderTypeInv == leader \in [Leaders -> [pc : {"idle", "looked", "owes", "dead"}, version : Nat, upto : 0..TimeMax, rule : {1, 2},
                                         clock : 0..TimeMax + Skew, busy : BOOLEAN, owes : SUBSET Instants]]

\* For the properties: how often each instant was fired; those that were missed, how late they were then
\* and how many newer ones were fired instead; those that somebody dealt with; those that came in a pause.
VARIABLES fires, missed, dealt, slept, edits, deaths
PastTypeInv == /\ fires \in [Instants -> 0..2] /\ dealt \subseteq Instants /\ slept \subseteq Instants
               /\ missed \subseteq [at : Instants, late : Nat, newer : Nat] /\ edits \in 0..Edits /\ deaths \in 0..Deaths

vars == <<now, versions, row, jobs, leader, fires, missed, dealt, slept, edits, deaths>>
past == <<fires, missed, dealt, slept>>
TypeInv == ClockTypeInv /\ RowTypeInv /\ JobTypeInv /\ LeaderTypeInv /\ PastTypeInv

Init == /\ now = 0 /\ versions = 1
        /\ row = [here |-> TRUE, version |-> 1, upto |-> 0, rule |-> 1, paused |-> FALSE]
        /\ jobs = <<>> /\ leader = [l \in Leaders |-> NoView]
        /\ fires = [t \in Instants |-> 0] /\ missed = {} /\ dealt = {} /\ slept = {} /\ edits = 0 /\ deaths = 0

Tick == /\ now < TimeMax /\ now' = now + 1
        /\ UNCHANGED <<versions, row, jobs, leader, past, edits, deaths>>

(* ------------------------------- its jobs -------------------------------- *)

Lives == {n \in 1..Len(jobs) : jobs[n].state = "live"}
EndJob == /\ \E n \in Lives : jobs' = [jobs EXCEPT ![n].state = "ended"]
          /\ UNCHANGED <<now, versions, row, leader, past, edits, deaths>>

New(at) == [at |-> at, rule |-> row.rule, state |-> "live"]
Replaced(s) == [n \in 1..Len(s) |-> IF s[n].state = "live" THEN [s[n] EXCEPT !.state = "replaced"] ELSE s[n]]
\* One more job, as the overlap allows it. `busy`: whether one lives, as far as who asks can know.
Stored(s, at, busy) ==
    CASE Overlap = "skip" /\ busy -> s
      [] Overlap = "replace"      -> Append(Replaced(s), New(at))
      [] OTHER                    -> Append(s, New(at))
Living(s) == \E n \in 1..Len(s) : s[n].state = "live"
RECURSIVE StoredAll(_, _, _)
\* Of several that replace each other only the last one comes.
StoredAll(s, ats, view) ==
    IF ats = {} THEN s
    ELSE IF Overlap = "replace" THEN Stored(s, Max(ats), view)
    ELSE LET at == CHOOSE t \in ats : \A u \in ats : t <= u
         IN StoredAll(Stored(s, at, IF Kept("overlap_inside") THEN Living(s) ELSE view), ats \ {at}, view)

(* ------------------------------ who leads -------------------------------- *)

\* due_schedules: what the row says, and the time. Paused schedules are not looked at.
Look(l) == /\ leader[l].pc = "idle" /\ row.here /\ ~row.paused
           /\ \E ahead \in 0..Skew :
                /\ \E d \in Due(row.rule) : row.upto < d /\ d <= now + ahead
                /\ leader' = [leader EXCEPT ![l] = [NoView EXCEPT !.pc = "looked", !.version = row.version, !.upto = row.upto,
                                                     !.rule = row.rule, !.clock = now + ahead, !.busy = Lives # {}]]
           /\ UNCHANGED <<now, versions, row, jobs, past, edits, deaths>>

\* The plan: which instants have passed, and which of them are fired.
Passed(v) == {d \in Due(v.rule) : v.upto < d /\ d <= v.clock}
Timely(v) == {d \in Passed(v) : v.clock - d <= LateMax}
Chosen(v) == IF Kept("newest") THEN Newest(Timely(v), Most) ELSE Oldest(Timely(v), Most)

\* fire: compare, move on, store; all or nothing.
Compares(v) == row.here /\ (Kept("compare") => row.version = v.version)
InTime(v)   == Kept("clock") => Max(Passed(v)) <= now
Fire(l) ==
    LET v == leader[l]
        upto == IF Kept("upto_of_plan") THEN Max(Passed(v)) ELSE now
        stored == IF Kept("one_transaction") THEN Chosen(v) ELSE {}
    IN /\ v.pc = "looked" /\ Compares(v) /\ InTime(v)
       /\ row' = [row EXCEPT !.upto = upto, !.version = versions + 1] /\ versions' = versions + 1
       /\ jobs' = StoredAll(jobs, stored, v.busy)
       /\ fires' = [t \in Instants |-> IF t \in stored /\ fires[t] < 2 THEN fires[t] + 1 ELSE fires[t]]
       /\ missed' = missed \cup {[at |-> d, late |-> v.clock - d, newer |-> Cardinality({c \in Chosen(v) : c > d})]
                                 : d \in Passed(v) \ Chosen(v)}
       /\ dealt' = dealt \cup stored \cup (Passed(v) \ Chosen(v))
       /\ leader' = [leader EXCEPT ![l] = IF stored = Chosen(v) THEN NoView ELSE [v EXCEPT !.pc = "owes", !.owes = Chosen(v)]]
       /\ UNCHANGED <<now, slept, edits, deaths>>
\* fire that answers stale or early: nothing was done.
Refused(l) == /\ leader[l].pc = "looked" /\ ~(Compares(leader[l]) /\ InTime(leader[l]))
              /\ leader' = [leader EXCEPT ![l] = NoView]
              /\ UNCHANGED <<now, versions, row, jobs, past, edits, deaths>>
\* Witness: the jobs come with a second transaction.
PayBack(l) == /\ leader[l].pc = "owes"
              /\ jobs' = StoredAll(jobs, leader[l].owes, leader[l].busy)
              /\ fires' = [t \in Instants |-> IF t \in leader[l].owes /\ fires[t] < 2 THEN fires[t] + 1 ELSE fires[t]]
              /\ dealt' = dealt \cup leader[l].owes
              /\ leader' = [leader EXCEPT ![l] = NoView]
              /\ UNCHANGED <<now, versions, row, missed, slept, edits, deaths>>

EnvDie(l) == /\ leader[l].pc # "dead" /\ deaths < Deaths /\ deaths' = deaths + 1
             /\ leader' = [leader EXCEPT ![l] = [NoView EXCEPT !.pc = "dead"]]
             /\ UNCHANGED <<now, versions, row, jobs, past, edits>>
\* Another worker leads in its place.
Lead(l) == /\ leader[l].pc = "dead" /\ Kept("takeover")
           /\ leader' = [leader EXCEPT ![l] = NoView]
           /\ UNCHANGED <<now, versions, row, jobs, past, edits, deaths>>

(* ----------------------------- people's acts ----------------------------- *)

Edit == edits < Edits /\ edits' = edits + 1 /\ UNCHANGED <<now, leader, fires, missed, deaths>>
Changed(r) == row' = [r EXCEPT !.version = versions + 1] /\ versions' = versions + 1
\* What came before now is no business of the schedule as it is from now on.
Between == {t \in Instants : row.upto < t /\ t <= now}
FromNow(r) == [r EXCEPT !.upto = Later(r.upto, now)]

PauseSchedule  == /\ row.here /\ ~row.paused /\ Edit /\ Changed([row EXCEPT !.paused = TRUE])
                  /\ UNCHANGED <<jobs, dealt, slept>>
ResumeSchedule == /\ row.here /\ row.paused /\ Edit
                  /\ Changed(IF Kept("resume_from_now") THEN FromNow([row EXCEPT !.paused = FALSE]) ELSE [row EXCEPT !.paused = FALSE])
                  /\ slept' = slept \cup Between /\ dealt' = dealt \cup Between /\ UNCHANGED jobs
\* A new schedule, or another rule. What only changes its jobs changes nothing here.
PutSchedule    == /\ Edit /\ \E rule \in {1, 2} :
                       /\ row.here => rule # row.rule
                       /\ Changed(FromNow([row EXCEPT !.here = TRUE, !.rule = rule, !.paused = row.here /\ row.paused]))
                  /\ dealt' = dealt \cup 1..Later(row.upto, now) /\ UNCHANGED <<jobs, slept>>
DeleteSchedule == /\ row.here /\ Edit /\ row' = [row EXCEPT !.here = FALSE]
                  /\ UNCHANGED <<versions, jobs, dealt, slept>>
\* Also of a schedule that is paused.
TriggerSchedule == /\ row.here /\ Edit /\ jobs' = Stored(jobs, 0, Living(jobs))
                   /\ UNCHANGED <<versions, row, dealt, slept>>
\* A deployment's declarations: any of the three.
DeclareSchedules == PutSchedule \/ DeleteSchedule

LeaderStep(l) == Look(l) \/ Fire(l) \/ Refused(l) \/ PayBack(l) \/ Lead(l)
Next == \/ Tick \/ EndJob
        \/ \E l \in Leaders : LeaderStep(l) \/ EnvDie(l)
        \/ PauseSchedule \/ ResumeSchedule \/ DeclareSchedules \/ TriggerSchedule
Spec == Init /\ [][Next]_vars

Alike == Permutations(Leaders)

(* ------------------------------- properties ------------------------------ *)

\* An instant is fired at most once, whoever leads, however often it changes.
FiredOnce == \A t \in Instants : fires[t] <= 1
\* No leader's clock makes a schedule fire before its time.
NeverEarly == \A n \in 1..Len(jobs) : jobs[n].at <= now
\* What is fired is due by the rule that the schedule has then.
OfItsRule == \A n \in 1..Len(jobs) : jobs[n].at > 0 => jobs[n].at \in Due(jobs[n].rule)
\* A schedule that is paused does not fire, and what came in a pause is never fired.
PausedSleeps == [][row.here /\ row.paused => fires' = fires]_vars
SleptStays == [][\A t \in slept : fires'[t] = fires[t]]_vars
\* An instant is missed only when it was too late, or as many newer ones as the policy wants were fired for it.
PolicyKept == \A m \in missed : m.late > LateMax \/ m.newer >= Most
\* What the row says was dealt with was dealt with: fired, missed, or let go by somebody's act.
NoFireLost == row.here /\ (\A l \in Leaders : leader[l].pc # "owes") => \A t \in Due(row.rule) : t <= row.upto => t \in dealt
\* While one job of the schedule lives there is no other, where it says so.
OneAtATime == Overlap # "allow" => Cardinality(Lives) <= 1

\* Each instant is dealt with, if the clock goes on and somebody leads.
LiveSpec == Spec /\ WF_vars(Tick) /\ \A l \in Leaders : WF_vars(LeaderStep(l))
DueFires == \A t \in Instants : (now >= t) ~> (t \in dealt)

\* Must be violated: some instant is missed; two fires are one transaction; some job is replaced.
MissedProbe   == missed = {}
RefusedProbe  == \A l \in Leaders : leader[l].pc = "looked" => Compares(leader[l]) /\ InTime(leader[l])
OverlapProbe == \A n \in 1..Len(jobs) : jobs[n].state # "replaced"
=============================================================================
