------------------------------ MODULE JobLife ------------------------------
(* What a user is owed: the life of each job, with no lanes, numbers, claims *)
(* or SQL. Storage refines this module.                                     *)
(*                                                                          *)
(*   none ----> scheduled --+            retryable                          *)
(*     |            ^       |promote      |     ^                           *)
(*     |      snooze|       v             |     |retry, loss                *)
(*     +------------|--> available <------+     |                           *)
(*                  |     |     ^               |                           *)
(*                  |     v     |release, loss  |                           *)
(*                  +---- running --------------+                           *)
(*                        |  |  |                                           *)
(*            completed <-+  |  +-> failed, dead    (failed, exhausted,     *)
(*                           v                       lost too often)        *)
(*                       cancelled                  (from each live state)  *)
(*                                                                          *)
(* Operators: failed or cancelled --> dead --> available or scheduled.      *)
(* Retention: failed, cancelled, dead --> removed.                          *)
EXTENDS Naturals

CONSTANTS Jobs,       \* every job that may ever exist
          RunMax,     \* bound of the model: most entries one job may have
          AttemptMax, \* attempts a job has
          LossMax     \* a job lost more often than this ends

Waiting == {"scheduled", "retryable"}
Final   == {"completed", "failed", "cancelled"}
Over    == Final \cup {"dead", "removed"}
States  == {"none", "available", "running"} \cup Waiting \cup Over

\* What a reader of the job is told.
VARIABLE state
StateTypeInv == state \in [Jobs -> States]

\* run_lease: how many entries the job has had. The public fencing number.
VARIABLE run
RunTypeInv == run \in [Jobs -> 0..RunMax]

\* Which attempt the job is at, or will be at next.
VARIABLE attempt
AttemptTypeInv == attempt \in [Jobs -> 0..AttemptMax]

\* How often a worker lost the job.
VARIABLE losses
LossesTypeInv == losses \in [Jobs -> 0..LossMax + 1]

lifeVars == <<state, run, attempt, losses>>

(* One job, before and after one step of the world: [s, r, a, l]. *)
To(old, s) == [old EXCEPT !.s = s]
Again(old) == [old EXCEPT !.s = "available", !.r = @ + 1]
Lost(job)  == [job EXCEPT !.l = @ + 1]
Anew(job)  == [job EXCEPT !.a = 1, !.l = 0]

Inserted     == {[s |-> "available", r |-> 1, a |-> 1, l |-> 0],
                 [s |-> "scheduled", r |-> 0, a |-> 1, l |-> 0]}
FromRunning(old) ==
    {To(old, "completed"), To(old, "cancelled"), To(old, "failed"), To(old, "dead"),
     Again(old),                                                    \* release
     To(old, "scheduled")}                                          \* snooze
    \cup (IF old.a < AttemptMax
          THEN {[To(old, "retryable") EXCEPT !.a = @ + 1]} ELSE {})  \* retry, deadline
    \cup (IF old.l < LossMax
          THEN {Lost(Again(old)), Lost(To(old, "retryable"))}        \* loss
          ELSE {Lost(To(old, "failed")), Lost(To(old, "dead"))})     \* lost once too often
After(old) ==
    CASE old.s = "none"      -> Inserted
      [] old.s \in Waiting   -> {Again(old), To(old, "cancelled")}   \* promote, cancel
      [] old.s = "available" -> {To(old, "running"), To(old, "cancelled")}
      [] old.s = "running"   -> FromRunning(old)
      [] old.s \in {"failed", "cancelled"} -> {To(old, "dead"), To(old, "removed")}
      [] old.s = "dead"      -> {Anew(Again(old)), Anew(To(old, "scheduled")), To(old, "removed")}
      [] OTHER               -> {}
Legal(old, new) == new = old \/ new \in After(old)

Was(j) == [s |-> state[j], r |-> run[j], a |-> attempt[j], l |-> losses[j]]
Is(j)  == [s |-> state'[j], r |-> run'[j], a |-> attempt'[j], l |-> losses'[j]]

LifeInit == /\ state = [j \in Jobs |-> "none"]
            /\ run = [j \in Jobs |-> 0]
            /\ attempt = [j \in Jobs |-> 0]
            /\ losses = [j \in Jobs |-> 0]

\* In the bounded model jobs move one at a time. A job that waits needs a run to come back with.
Moves(j) == \E new \in After(Was(j)) :
    /\ new.r <= RunMax /\ (new.s \in Waiting => new.r < RunMax)
    /\ state' = [state EXCEPT ![j] = new.s] /\ run' = [run EXCEPT ![j] = new.r]
    /\ attempt' = [attempt EXCEPT ![j] = new.a] /\ losses' = [losses EXCEPT ![j] = new.l]
LifeNext == \E j \in Jobs : Moves(j)
LifeSpec == LifeInit /\ [][LifeNext]_lifeVars

\* What a module that refines this one is held to: a transaction may move many jobs at once, each
\* along one arrow, and its bounds are its own.
LifeOfEachJob == LifeInit /\ [][\A j \in Jobs : Legal(Was(j), Is(j))]_lifeVars

\* What the promise means, said without the arrows.
FinalForGood == [][\A j \in Jobs :
    /\ state[j] = "completed" => state'[j] = "completed"
    /\ state[j] \in Final => state'[j] \in {state[j], "dead", "removed"}
    /\ state[j] = "removed" => state'[j] = "removed"]_lifeVars
RunGrows     == [][\A j \in Jobs : run'[j] \in {run[j], run[j] + 1}]_lifeVars
LossBound    == \A j \in Jobs : /\ losses[j] <= LossMax + 1
                                /\ losses[j] > LossMax => state[j] \in Over
ExistsOnce   == \A j \in Jobs : /\ state[j] = "none" <=> attempt[j] = 0
                                /\ state[j] \in {"available", "running"} => run[j] > 0

\* Every job ends, if workers keep claiming, what waits is promoted, and a handler that is started
\* often enough succeeds.
Starts(j)    == Moves(j) /\ state[j] = "available" /\ state'[j] = "running"
Completes(j) == Moves(j) /\ state[j] = "running" /\ state'[j] = "completed"
Promotes(j)  == Moves(j) /\ state[j] \in Waiting /\ state'[j] = "available"
LifeFair     == \A j \in Jobs : /\ WF_lifeVars(Starts(j)) /\ SF_lifeVars(Completes(j))
                                /\ WF_lifeVars(Promotes(j))
LifeLiveSpec == LifeSpec /\ LifeFair
EveryJobEnds == \A j \in Jobs : (state[j] # "none") ~> (state[j] \in Over)

\* Must be violated: a job can be lost too often; a dead letter can run again.
FailedProbe == \A j \in Jobs : state[j] # "failed"
RoundTripProbe == [][\A j \in Jobs : state[j] = "dead" => state'[j] # "available"]_lifeVars
=============================================================================
