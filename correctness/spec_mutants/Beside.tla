------------------------------- MODULE Beside -------------------------------
(* What the bounded models of Storage do not reach in a search that is small *)
(* enough for many mutants, or try not at all: an entry that a mistake left  *)
(* behind, jobs that go to another lane and come back, and answers that no   *)
(* function gives. And what can be reached, so that a mutant is noticed that *)
(* only forbids something.                                                   *)
EXTENDS Storage

Here(s, j) == [seq |-> s, slot |-> Min(Slots), job |-> j, lease |-> 1, attempt |-> 1, losses |-> 0]
First == [token |-> 1, part |-> 1, slot |-> Min(Slots), worker |-> 1, call |-> 1, no |-> 1, seqs |-> {1}]
Quiet == /\ born = TRUE /\ holes = {} /\ closures = {} /\ workers = Workers /\ stopped = {}
         /\ floor = [no |-> 0, next |-> 1, holes |-> {}] /\ gone = {}
         /\ finals = {} /\ removed = {} /\ withdrawn = {} /\ keys = {[key |-> 1, job |-> 2]}
         /\ notes = {}

\* The first claim took number 1 and forgot number 2, which then committed, as number 4 did that it had
\* not seen. The job that was left behind has a unique key until it starts.
MendInit ==
    /\ Quiet /\ last = 4 /\ fly = {3} /\ late = {2, 4} /\ no = 1 /\ next = 3
    /\ entries = {Here(1, 1), Here(2, 2), [Here(4, 3) EXCEPT !.slot = Max(Slots)]} /\ claims = {First}
    /\ deferred = {} /\ dead = {} /\ ring = Max(Slots)
    /\ wants = {[job |-> 2, key |-> 1, mask |-> Started, lease |-> 1]}
\* Prune mends also where it cannot truncate.
OnlyMends == \E k \in Slots : \E new \in Follows(Orphans(k)) : new # {} /\ Prune(k, floor, new, FALSE)
MendNext  == Next \/ OnlyMends

\* A job that was cancelled while it waited is a dead letter; another one waits and has a unique key.
LettersInit ==
    /\ Quiet /\ last = 1 /\ fly = {1} /\ late = {} /\ no = 0 /\ next = 1
    /\ entries = {} /\ claims = {} /\ ring = Min(Slots)
    /\ deferred = {[job |-> 2, state |-> "scheduled", lease |-> 0, attempt |-> 1, losses |-> 0]}
    /\ dead = {[job |-> 1, state |-> "cancelled", lease |-> 0, attempt |-> 1, losses |-> 0]}
    /\ wants = {[job |-> 2, key |-> 1, mask |-> Finished, lease |-> 1]}
\* Jobs with unique keys stay: Storage says nothing of the key of a job that comes.
Keyless(j) == \A w \in wants : w.job # j
Leaves == \E j \in Jobs : LettersOf(j) # {} /\ Keyless(j) /\ DlqRetry({j}, NoRows, {j}, {})
Comes(j, lease) ==
    \/ \E n \in Draws, k \in Slots :
         EnvArrive(OnlyNew({[seq |-> n, slot |-> k, job |-> j, lease |-> lease + 1, attempt |-> 1,
                             from |-> 0]}), {})
    \/ EnvArrive([NoRows EXCEPT !.deferred =
         {[job |-> j, state |-> "scheduled", lease |-> lease, attempt |-> 1, losses |-> 0, from |-> 0]}], {})
\* A retry that says of a letter that it ended, or makes another job of it.
Wrongly == Loose("followed") /\ \E d \in dead :
    \/ DlqRetry({d.job}, [NoRows EXCEPT !.finals = {d}], {}, {})
    \/ \E j \in Unknown, n \in Draws, k \in Slots :
         DlqRetry({d.job}, OnlyNew({[seq |-> n, slot |-> k, job |-> j, lease |-> 1, attempt |-> 1,
                                     from |-> 0]}), {}, {})
AwayNext == \/ Next \/ Leaves \/ Wrongly
            \/ \E r \in removed : Keyless(r.job) /\ Comes(r.job, r.lease)
            \/ Unknown # {} /\ Comes(Min(Unknown), 0)

\* An attempt past its deadline may also be followed at once: no function does it, and nothing forbids it.
AtOnce     == \E it \in OpenItems : \E new \in Follows(it.settled) : RescueDeadline({it}, OnlyNew(new))
AtOnceNext == Next \/ AtOnce

(* --------------------- what must be reached sometimes -------------------- *)

\* A number is rolled back, and an earlier one is still in flight.
EarlierFliesProbe == \A s \in fly : \A n \in s + 1..last : n \in fly \cup Written
\* A claim passes over what prune appended again: it may not have seen it.
MendedPassedProbe == [][\A x \in entries : (x.lease > 1 /\ x.seq \notin Claimed') =>
                          no' = no \/ \A s \in Claimed' \ Claimed : s < x.seq]_vars
\* A prune leaves late what is late.
StillLateProbe == [][gone' = gone \/ late \cap late' = {}]_vars
=============================================================================
