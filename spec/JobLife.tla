------------------------------ MODULE JobLife ------------------------------
(* What a user is owed: the life of each job, with no lanes, numbers, claims *)
(* or SQL. Storage refines this module.                                     *)
(*                                                                          *)
(*   none --> available --> running --> completed                           *)
(*                ^            |  |                                         *)
(*                +--release---+  +--> failed   (lost too often)            *)
(*                +--loss------+                                            *)
EXTENDS Naturals

CONSTANTS Jobs,     \* every job that may ever exist
          RunMax,   \* bound of the model: most entries one job may have
          LossMax   \* a job lost more often than this ends as failed

States == {"none", "available", "running", "completed", "failed"}
Final  == {"completed", "failed"}

\* What a reader of the job is told.
VARIABLE state
StateTypeInv == state \in [Jobs -> States]

\* run_lease: how many entries the job has had. The public fencing number.
VARIABLE run
RunTypeInv == run \in [Jobs -> 0..RunMax]

\* How often a worker lost the job.
VARIABLE losses
LossesTypeInv == losses \in [Jobs -> 0..LossMax + 1]

lifeVars == <<state, run, losses>>

\* One job, before and after one step of the world. Each line is one arrow of the drawing.
Legal(old, new) ==
    \/ new = old
    \/ old.s = "none" /\ new = [s |-> "available", r |-> 1, l |-> 0]                  \* insert
    \/ old.s = "available" /\ new = [old EXCEPT !.s = "running"]                      \* claim
    \/ old.s = "running" /\ new = [old EXCEPT !.s = "completed"]                      \* complete
    \/ old.s = "running" /\ new = [s |-> "available", r |-> old.r + 1, l |-> old.l]   \* release
    \/ /\ old.s = "running" /\ old.l < LossMax                                        \* loss
       /\ new = [s |-> "available", r |-> old.r + 1, l |-> old.l + 1]
    \/ /\ old.s = "running" /\ old.l >= LossMax                                       \* lost for good
       /\ new = [s |-> "failed", r |-> old.r, l |-> old.l + 1]

Was(j) == [s |-> state[j], r |-> run[j], l |-> losses[j]]
Is(j)  == [s |-> state'[j], r |-> run'[j], l |-> losses'[j]]

LifeInit == /\ state = [j \in Jobs |-> "none"]
            /\ run = [j \in Jobs |-> 0]
            /\ losses = [j \in Jobs |-> 0]

\* A transaction may move many jobs at once, each along one arrow.
LifeNext == /\ state' \in [Jobs -> States]
            /\ run' \in [Jobs -> 0..RunMax]
            /\ losses' \in [Jobs -> 0..LossMax + 1]
            /\ \A j \in Jobs : Legal(Was(j), Is(j))
LifeSpec == LifeInit /\ [][LifeNext]_lifeVars

\* The same without the bounds of this model, for a module that refines it and has its own.
LifeOfEachJob == LifeInit /\ [][\A j \in Jobs : Legal(Was(j), Is(j))]_lifeVars

\* What the promise means, said without the arrows.
FinalForGood == [][\A j \in Jobs : state[j] \in Final => state'[j] = state[j]]_lifeVars
RunGrows     == [][\A j \in Jobs : run'[j] \in {run[j], run[j] + 1}]_lifeVars
LossBound    == \A j \in Jobs : /\ losses[j] <= LossMax + 1
                                /\ losses[j] > LossMax <=> state[j] = "failed"
ExistsOnce   == \A j \in Jobs : state[j] = "none" <=> run[j] = 0

\* Every job ends, if workers keep claiming and a handler that is started often enough succeeds.
Starts(j)    == LifeNext /\ state[j] = "available" /\ state'[j] = "running"
Completes(j) == LifeNext /\ state[j] = "running" /\ state'[j] = "completed"
LifeFair     == \A j \in Jobs : WF_lifeVars(Starts(j)) /\ SF_lifeVars(Completes(j))
LifeLiveSpec == LifeSpec /\ LifeFair
EveryJobEnds == \A j \in Jobs : (state[j] # "none") ~> (state[j] \in Final)

\* Must be violated: a job can be lost too often.
FailedProbe == \A j \in Jobs : state[j] # "failed"
=============================================================================
