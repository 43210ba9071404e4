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
(* What was recorded of schedules is replayed through these actions          *)
(* (CronTrace). Guards have names where a refusal is to say which is false.  *)
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
All(g) == \A k \in DOMAIN g : g[k]

Instants == 1..TimeMax
\* Two rules, of which a schedule has one at a time: every instant, and every other one.
Rules     == {1, 2}
Due(rule) == {t \in Instants : rule = 1 \/ t % 2 = 0}
\* When an instant is fired at the earliest (in a replay, its jitter later), and how late it is by a clock.
When(d)        == d
Late(d, clock) == clock - When(d)
Max(S)    == CHOOSE m \in S : \A k \in S : k <= m
Newest(S, n) == {t \in S : Cardinality({u \in S : u > t}) < n}
Oldest(S, n) == {t \in S : Cardinality({u \in S : u < t}) < n}
\* Of a schedule that has its policy for good; in a replay, as the schedule says then.
OverlapNow == Overlap
Most      == IF Missed = "catch_up" THEN CatchUpMax ELSE 1
Later(a, b) == IF a > b THEN a ELSE b

\* The clock of the database, and the last version that was given away.
VARIABLES now, versions
ClockTypeInv == now \in 0..TimeMax /\ versions \in Nat

\* The schedule. upto: the instants up to here were dealt with.
VARIABLE row
RowTypeInv == row \in [here : BOOLEAN, version : Nat, upto : 0..TimeMax, rule : Rules, paused : BOOLEAN]

\* Its jobs, in the order of their ids. at 0: somebody triggered it.
VARIABLE jobs
JobTypeInv == \A n \in 1..Len(jobs) : jobs[n] \in [at : 0..TimeMax, rule : Rules, state : {"live", "ended", "replaced"}]

\* What each leader looked at, and by which clock. owes: fires it has still to store (a witness).
VARIABLE leader
NoView == [pc |-> "idle", version |-> 0, upto |-> 0, rule |-> 1, clock |-> 0, busy |-> FALSE, owes |-> {}]
LeaderTypeInv == leader \in [Leaders -> [pc : {"idle", "looked", "owes", "dead"}, version : Nat, upto : 0..TimeMax, rule : Rules,
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

Passes(to) == /\ to \in now..TimeMax /\ now' = to
              /\ UNCHANGED <<versions, row, jobs, leader, past, edits, deaths>>
Tick == now < TimeMax /\ Passes(now + 1)

(* ------------------------------- its jobs -------------------------------- *)

Lives == {n \in 1..Len(jobs) : jobs[n].state = "live"}
EndJob(n) == /\ n \in Lives /\ jobs' = [jobs EXCEPT ![n].state = "ended"]
             /\ UNCHANGED <<now, versions, row, leader, past, edits, deaths>>

New(at) == [at |-> at, rule |-> row.rule, state |-> "live"]
Replaced(s) == [n \in 1..Len(s) |-> IF s[n].state = "live" THEN [s[n] EXCEPT !.state = "replaced"] ELSE s[n]]
\* One more job, as the overlap allows it. `busy`: whether one lives, as far as who asks can know.
Stored(s, at, busy) ==
    CASE OverlapNow = "skip" /\ busy -> s
      [] OverlapNow = "replace"      -> Append(Replaced(s), New(at))
      [] OTHER                    -> Append(s, New(at))
Living(s) == \E n \in 1..Len(s) : s[n].state = "live"
RECURSIVE StoredAll(_, _, _)
\* Of several that replace each other only the last one comes.
StoredAll(s, ats, view) ==
    IF ats = {} THEN s
    ELSE IF OverlapNow = "replace" THEN Stored(s, Max(ats), view)
    ELSE LET at == CHOOSE t \in ats : \A u \in ats : t <= u
         IN StoredAll(Stored(s, at, IF Kept("overlap_inside") THEN Living(s) ELSE view), ats \ {at}, view)

(* ------------------------------ who leads -------------------------------- *)

\* due_schedules: what the row says, and the time. Paused schedules are not looked at.
Seen(clock) == [NoView EXCEPT !.pc = "looked", !.version = row.version, !.upto = row.upto, !.rule = row.rule,
                              !.clock = clock, !.busy = Lives # {}]
LookG(l) == [idle |-> leader[l].pc = "idle", here |-> row.here, awake |-> ~row.paused]
LookBy(l, clock) == /\ All(LookG(l))
                    /\ leader' = [leader EXCEPT ![l] = Seen(clock)]
                    /\ UNCHANGED <<now, versions, row, jobs, past, edits, deaths>>
\* Where nothing is due a leader may look as well, and moves on when it looks next; models leave that out.
Look(l) == \E ahead \in 0..Skew : /\ \E d \in Due(row.rule) : row.upto < d /\ When(d) <= now + ahead
                                  /\ LookBy(l, now + ahead)

\* The plan: which instants have passed, up to which one that is all, and which of them are fired.
Passed(v) == {d \in Due(v.rule) : v.upto < d /\ When(d) <= v.clock}
Upto(v)   == Max(Passed(v) \cup {v.upto})
Timely(v) == {d \in Passed(v) : Late(d, v.clock) <= LateMax}
Chosen(v) == IF Kept("newest") THEN Newest(Timely(v), Most) ELSE Oldest(Timely(v), Most)

\* fire: compare, move on, store; all or nothing.
Compares(v) == row.here /\ (Kept("compare") => row.version = v.version)
InTime(v)   == Kept("clock") => \A d \in Passed(v) : d <= now
Fits(v)     == v.pc = "looked" /\ Compares(v) /\ InTime(v)
Fire(l) ==
    LET v == leader[l]
        upto == IF Kept("upto_of_plan") THEN Upto(v) ELSE now
        chosen == Chosen(v)
        passed == Passed(v)
        stored == IF Kept("one_transaction") THEN chosen ELSE {}
    IN /\ Fits(v)
       /\ row' = [row EXCEPT !.upto = upto, !.version = versions + 1] /\ versions' = versions + 1
       /\ jobs' = StoredAll(jobs, stored, v.busy)
       /\ fires' = [t \in Instants |-> IF t \in stored /\ fires[t] < 2 THEN fires[t] + 1 ELSE fires[t]]
       /\ missed' = missed \cup {[at |-> d, late |-> Late(d, v.clock), newer |-> Cardinality({c \in chosen : c > d})]
                                 : d \in passed \ chosen}
       /\ dealt' = dealt \cup stored \cup (passed \ chosen)
       /\ leader' = [leader EXCEPT ![l] = IF stored = chosen THEN NoView ELSE [v EXCEPT !.pc = "owes", !.owes = chosen]]
       /\ UNCHANGED <<now, slept, edits, deaths>>
\* fire that answers stale or early: nothing was done.
NothingDone(l) == /\ leader' = [leader EXCEPT ![l] = NoView]
                  /\ UNCHANGED <<now, versions, row, jobs, past, edits, deaths>>
Refused(l) == leader[l].pc = "looked" /\ ~Fits(leader[l]) /\ NothingDone(l)
\* fire that answers busy: somebody settles the job that is to be replaced.
BusyG == [replaces |-> OverlapNow = "replace", lives |-> Living(jobs)]
Busy(l) == Fits(leader[l]) /\ All(BusyG) /\ NothingDone(l)
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

PauseScheduleG  == [here |-> row.here, awake |-> ~row.paused]
PauseSchedule   == /\ All(PauseScheduleG) /\ Edit /\ Changed([row EXCEPT !.paused = TRUE])
                   /\ UNCHANGED <<jobs, dealt, slept>>
ResumeScheduleG == [here |-> row.here, paused |-> row.paused]
ResumeSchedule == /\ All(ResumeScheduleG) /\ Edit
                  /\ Changed(IF Kept("resume_from_now") THEN FromNow([row EXCEPT !.paused = FALSE]) ELSE [row EXCEPT !.paused = FALSE])
                  /\ slept' = slept \cup Between /\ dealt' = dealt \cup Between /\ UNCHANGED jobs
\* A new schedule, or another rule: it begins now. With the same rule (another policy, other jobs) it goes
\* on where it was.
PutSchedule(rule) ==
    LET same == row.here /\ rule = row.rule
        new  == [row EXCEPT !.here = TRUE, !.rule = rule, !.paused = row.here /\ row.paused]
    IN /\ Edit /\ Changed(IF same THEN new ELSE FromNow(new))
       /\ dealt' = IF same THEN dealt ELSE dealt \cup 1..Later(row.upto, now)
       /\ UNCHANGED <<jobs, slept>>
HereG == [here |-> row.here]
DeleteSchedule == /\ All(HereG) /\ Edit /\ row' = [row EXCEPT !.here = FALSE]
                  /\ UNCHANGED <<versions, jobs, dealt, slept>>
\* Also of a schedule that is paused.
TriggerSchedule == /\ All(HereG) /\ Edit /\ jobs' = Stored(jobs, 0, Living(jobs))
                   /\ UNCHANGED <<versions, row, dealt, slept>>
\* A deployment's declarations: either of the two.
DeclareSchedules == (\E rule \in Rules : PutSchedule(rule)) \/ DeleteSchedule

LeaderStep(l) == Look(l) \/ Fire(l) \/ Refused(l) \/ Busy(l) \/ PayBack(l) \/ Lead(l)
Next == \/ Tick \/ \E n \in Lives : EndJob(n)
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
