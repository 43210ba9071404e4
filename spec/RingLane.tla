------------------------------ MODULE RingLane -------------------------------
(* Ring, as Storage sees its lane: each step of Ring that changes the tables *)
(* must be a step of Storage, and no other step may change what Storage sees.*)
(* So what Ring cuts open, the looks of claims and settles while slots turn, *)
(* are emptied and are carried, still are the single steps of Storage.       *)
(*                                                                           *)
(* Storage's own past is taken from the truth that Ring keeps beside its     *)
(* tables: whose job a number was, what was withdrawn, what slots held that  *)
(* are gone. The lane's state is not kept anywhere: it is read back from the *)
(* claims and the floor, as a claim reads it. That it stays the same while a *)
(* slot is emptied or carried is part of what is checked.                    *)
(*                                                                           *)
(* A claim has one row here, so its part is 1: models ask for one entry at a *)
(* time. Where a bug passes over entries Storage is asked without the three  *)
(* guards that forbid just that.                                             *)
EXTENDS Ring

\* Numbers that were committed since the lane's last claim, as in Storage.
VARIABLE late
ASSUME Limit = 1

(* ------------------------- the lane, seen by Storage --------------------- *)

LeaseOf(s) == Cardinality({n \in 1..s : job[n] = job[s]})
At(e)   == [seq |-> e.seq, slot |-> e.slot, job |-> job[e.seq], lease |-> LeaseOf(e.seq), attempt |-> 1, losses |-> 0]
FateOf(s) == IF s \in cut \cup again THEN "withdrawn" ELSE IF ends[s] > 0 THEN "completed" ELSE "dropped"
Held(s) == [seq |-> s, job |-> job[s], lease |-> LeaseOf(s), attempt |-> 1, losses |-> 0, fate |-> FateOf(s)]
Ended(s) == [job |-> job[s], state |-> "cancelled", lease |-> LeaseOf(s), attempt |-> 1, losses |-> 0]

LaneEntries  == {At(e) : e \in entries}
LaneClaims   == {[token |-> r.token, part |-> 1, slot |-> r.slot, worker |-> 1, call |-> r.token, no |-> r.no,
                  seqs |-> r.seqs] : r \in claims}
LaneClosures == {[token |-> c.token, part |-> 1, seqs |-> c.seqs, settle |-> 1, outcome |-> "completed", copy |-> 0] :
                   c \in {d \in closures : d.token > 0}}
LaneGone     == {Held(s) : s \in Born \ Numbers(entries)}

Lane == INSTANCE Storage WITH
    Jobs <- Seqs, Workers <- {1}, Ids <- {1}, LossMax <- 1, Off <- IF Faults THEN {"forgotten", "some", "in_order"} ELSE {},
    born <- TRUE, fly <- Fly, entries <- LaneEntries, no <- StateNow.no, next <- StateNow.next,
    holes <- StateNow.holes, claims <- LaneClaims, closures <- LaneClosures, workers <- {1}, stopped <- {},
    deferred <- {}, finals <- {Ended(s) : s \in cut}, dead <- {}, removed <- {},
    withdrawn <- UNION {c.seqs : c \in {d \in closures : d.token = 0}}, ring <- current,
    gone <- LaneGone, keys <- {}, wants <- {}, notes <- {}

(* ---------------------- which step of Storage a step is ------------------ *)

NewNumbers == Numbers(entries') \ Numbers(entries)
\* What a bug left behind is appended again by prune, as the same job.
From(n)    == IF again' = again THEN 0 ELSE CHOOSE s \in again' \ again : job[s] = job'[n]
NewEntries == {[seq |-> e.seq, slot |-> e.slot, job |-> e.job, lease |-> e.lease, attempt |-> 1, from |-> From(e.seq)] :
                 e \in {d \in LaneEntries' : d.seq \in NewNumbers}}
NewRows    == {[part |-> 1, slot |-> r.slot, seqs |-> r.seqs] : r \in LaneClaims' \ LaneClaims}
NewItems   == {[token |-> c.token, part |-> 1, asked |-> c.seqs, settled |-> c.seqs, already |-> {}, stale |-> {}] :
                 c \in {d \in closures' \ closures : d.token > 0}}
Cut        == cut' \ cut
Moved      == {e.seq : e \in {d \in entries' : d \notin entries /\ d.seq \in Numbers(entries)}}
Carried    == {[token |-> r.token, part |-> 1, seqs |-> r.seqs] :
                 r \in {q \in LaneClaims' \ LaneClaims : q.slot # mnt.slot}}

LaneStep ==
    \/ Lane!EnvDraw
    \/ Fly' # Fly /\ Lane!EnvRollback(Fly \ Fly')
    \/ NewEntries # {} /\ Lane!EnqueueMany(NewEntries, Lane!Plain)
    \/ \E t \in {r.token : r \in LaneClaims' \ LaneClaims} : Lane!Claim(1, t, t, NewRows, StateNow', FALSE)
    \/ NewItems # {} /\ Lane!Complete(1, NewItems)
    \/ Cut # {} /\ Lane!CancelPending({[job |-> job[s], from |-> s] : s \in Cut},
                                      {[job |-> job[s], state |-> "cancelled", lease |-> LeaseOf(s), attempt |-> 1,
                                        losses |-> 0, from |-> s] : s \in Cut})
    \/ Lane!Rotate(current, current')
    \/ mnt.pc = "excl" /\ Lane!Prune(mnt.slot, floor', NewEntries, TRUE)
    \/ mnt.pc = "evac" /\ Lane!Evacuate(mnt.slot, current, Moved, Carried)

\* What of Ring's variables the lane is made of.
Seen == <<current, entries, claims, closures, floor, last, Fly, job, ends, cut, again, late>>
RefinesStorage == [][UNCHANGED Seen \/ LaneStep]_vars

(* ------------------------------ specification ---------------------------- *)

LaneInit == Init /\ late = {}
\* Who claims had looked before.
LaneNext == Next /\ late' = IF StateNow'.no > StateNow.no THEN {}
                            ELSE (late \cap Numbers(entries')) \cup NewNumbers
seenVars == <<vars, late>>
LaneSpec == LaneInit /\ [][LaneNext]_seenVars
=============================================================================
