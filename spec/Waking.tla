------------------------------- MODULE Waking -------------------------------
(* Who wakes whom. A producer notifies only when it sees that some worker    *)
(* sleeps on the queue; a worker that goes to sleep must not miss the entry  *)
(* of a producer that has looked already.                                    *)
(*                                                                           *)
(* Of each queue one worker is the designated sleeper: it holds the queue's  *)
(* flag exclusively. A producer tests the flag with a momentary shared lock. *)
(* The worker's order is flag, in-flight test, look; when out of permits it  *)
(* lets all its flags go and passes the wake-up on for all it serves.        *)
(* While it has permits it may keep its flags: nobody was in flight when the *)
(* last of them went up, and who came later saw them. So who holds all of    *)
(* them since it slept needs one look, and no test, to sleep again; also     *)
(* when that look found something, if its answer says that this was all.     *)
(*                                                                           *)
(* A look is a claim: it locks the lanes that it can and leaves out the      *)
(* others, looks once, and is answered when it has committed. What commits   *)
(* meanwhile it does not show.                                               *)
(*                                                                           *)
(* Bare names the protections that a witness takes away.                     *)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS Workers, Producers, Queues,
          Lanes,      \* of each queue
          Narrow,     \* workers that serve the last queue only; the others serve all
          LastQueue,
          Deaths,     \* may a worker die?
          Polls,      \* does a sleeper look now and then without being told?
          Bare

Kept(protection) == protection \notin Bare
Serves(w) == IF w \in Narrow THEN {LastQueue} ELSE Queues
Nobody == 0
ASSUME Nobody \notin Workers

\* A producer: idle, locked (holds inflight), testing (holds the flag's shared lock for a moment),
\* tested, visible (committed, locks not yet let go), done.
VARIABLE prod
ProdTypeInv == prod \in [Producers -> [pc : {"idle", "locked", "testing", "tested", "visible", "done"},
                                       queue : Queues, lane : Lanes, saw : BOOLEAN]]
\* The designated sleeper of each queue.
VARIABLE flag
FlagTypeInv == flag \in [Queues -> Workers \cup {Nobody}]
\* A worker: awake (taking flags), test, look, lookPoll (it saw somebody in flight), asleep, woken,
\* running (out of permits), dead.
VARIABLES worker, tried
WorkerTypeInv == /\ worker \in [Workers -> {"awake", "test", "look", "lookPoll", "asleep", "woken",
                                            "running", "dead"}]
                 /\ tried \in [Workers -> SUBSET Queues]
\* Notifications that make the worker look again: those heard since it began to raise flags or to look.
VARIABLE mail
MailTypeInv == mail \in [Workers -> SUBSET Queues]
\* Visible entries nobody has claimed.
VARIABLE pending
PendingTypeInv == pending \in [Queues \X Lanes -> 0..Cardinality(Producers)]
\* The claim under way of each worker: the lanes it has locked, the queues it got something from, and whether
\* its answer leaves open that there is more: a lane left out, a limit reached.
VARIABLE claim
ClaimTypeInv == claim \in [Workers -> [on : BOOLEAN, lanes : SUBSET (Queues \X Lanes), got : SUBSET Queues,
                                      more : BOOLEAN]]
NoClaim == [on |-> FALSE, lanes |-> {}, got |-> {}, more |-> FALSE]

vars == <<prod, flag, worker, tried, mail, pending, claim>>
TypeInv == ProdTypeInv /\ FlagTypeInv /\ WorkerTypeInv /\ MailTypeInv /\ PendingTypeInv /\ ClaimTypeInv

At(pc) == [pc |-> pc, queue |-> LastQueue, lane |-> CHOOSE l \in Lanes : TRUE, saw |-> FALSE]
Init == /\ prod = [p \in Producers |-> At("idle")]
        /\ flag = [q \in Queues |-> Nobody]
        /\ worker = [w \in Workers |-> "awake"] /\ tried = [w \in Workers |-> {}]
        /\ mail = [w \in Workers |-> {}] /\ pending = [x \in Queues \X Lanes |-> 0]
        /\ claim = [w \in Workers |-> NoClaim]

InFlight(q) == \E p \in Producers : prod[p].queue = q
                                    /\ prod[p].pc \in {"locked", "testing", "tested", "visible"}
Tested(q)   == \E p \in Producers : prod[p].queue = q /\ prod[p].pc = "testing"

(* -------------------------------- producers ------------------------------ *)

To(p, pc) == prod' = [prod EXCEPT ![p].pc = pc]
Done(p) == prod' = [prod EXCEPT ![p] = At("done")]
Begin(p) == /\ prod[p].pc = "idle"
            /\ \E q \in Queues, l \in Lanes :
                 prod' = [prod EXCEPT ![p].pc = "locked", ![p].queue = q, ![p].lane = l]
            /\ UNCHANGED <<flag, worker, tried, mail, pending, claim>>
\* The shared try fails when somebody sleeps; else it is held for a moment.
Test(p) == /\ prod[p].pc = "locked"
           /\ prod' = [prod EXCEPT ![p].pc = IF flag[prod[p].queue] # Nobody THEN "tested" ELSE "testing",
                                   ![p].saw = flag[prod[p].queue] # Nobody]
           /\ UNCHANGED <<flag, worker, tried, mail, pending, claim>>
LetGo(p) == /\ prod[p].pc = "testing" /\ To(p, "tested")
            /\ UNCHANGED <<flag, worker, tried, mail, pending, claim>>
Appear(p) == /\ prod[p].pc = "tested" /\ To(p, "visible")
             /\ pending' = [pending EXCEPT ![<<prod[p].queue, prod[p].lane>>] = @ + 1]
             /\ UNCHANGED <<flag, worker, tried, mail, claim>>
\* The notification goes out with the commit; the queue's designated sleeper answers for it.
Hears(w) == \/ worker[w] \in {"test", "look", "lookPoll", "asleep"} \/ claim[w].on
            \/ worker[w] = "awake" /\ tried[w] # {}
Commit(p) == /\ prod[p].pc = "visible" /\ Done(p)
             /\ mail' = [w \in Workers |-> IF prod[p].saw /\ flag[prod[p].queue] = w /\ Hears(w)
                                           THEN mail[w] \cup {prod[p].queue} ELSE mail[w]]
             /\ UNCHANGED <<flag, worker, tried, pending, claim>>
Rollback(p) == /\ prod[p].pc = "tested" /\ Done(p)
               /\ UNCHANGED <<flag, worker, tried, mail, pending, claim>>

(* --------------------------------- workers ------------------------------- *)

\* A blocking lock with a short time-out: it outlasts a producer's test and fails only against
\* another sleeper. A mere try fails against the test too.
TakeFlag(w, q) ==
    /\ worker[w] = "awake" /\ q \in Serves(w) \ tried[w]
    /\ flag[q] = Nobody /\ Tested(q) => ~Kept("wait_for_flag")
    /\ flag' = IF flag[q] = Nobody /\ ~Tested(q) THEN [flag EXCEPT ![q] = w] ELSE flag
    /\ tried' = [tried EXCEPT ![w] = @ \cup {q}]
    /\ UNCHANGED <<prod, worker, mail, pending, claim>>
Flagged(w) == /\ worker[w] = "awake" /\ tried[w] = Serves(w)
              /\ worker' = [worker EXCEPT ![w] = IF Kept("test_first") THEN "test" ELSE "look"]
              /\ UNCHANGED <<prod, flag, tried, mail, pending, claim>>
Busy(w) == \E q \in Serves(w) : InFlight(q)
TestInFlight(w) ==
    /\ worker[w] = "test"
    /\ worker' = [worker EXCEPT ![w] = IF Kept("test_first") THEN (IF Busy(w) THEN "lookPoll" ELSE "look")
                                       ELSE IF Busy(w) THEN "awake" ELSE "asleep"]
    /\ tried' = [tried EXCEPT ![w] = {}]
    /\ UNCHANGED <<prod, flag, mail, pending, claim>>

\* A claim takes all it sees in the lanes it could lock, or a part: it has a limit, and entries that were
\* withdrawn may be in its way. Lanes are locked by operators' acts too, for a moment, so any of several may
\* be left out. What its worker hears from now on the look may have been too early for.
LanesOf(w) == Serves(w) \X Lanes
Locked(x) == \E v \in Workers : x \in claim[v].lanes
Free(w) == {x \in LanesOf(w) : ~Locked(x)}
Choices(w) == IF Free(w) = {} \/ Cardinality(Lanes) = 1 THEN {Free(w)} ELSE SUBSET Free(w) \ {{}}
Seen(mine) == {x \in mine : pending[x] > 0}
LeftOut(w, mine, got) == mine # LanesOf(w) /\ Kept("tell_busy") /\ (got # {} => Kept("tell_busy_too"))
StartClaim(w) ==
    /\ worker[w] \in {"look", "lookPoll", "woken"} /\ ~claim[w].on
    /\ \E mine \in Choices(w) : \E part \in {{}} \cup {{x} : x \in Seen(mine)} :
         LET taken == IF part = {} THEN Seen(mine) ELSE part
             got == {x[1] : x \in taken}
         IN /\ pending' = [x \in DOMAIN pending |-> IF x \notin taken THEN pending[x]
                                                    ELSE IF part = {} THEN 0 ELSE pending[x] - 1]
            /\ claim' = [claim EXCEPT ![w] = [on |-> TRUE, lanes |-> mine, got |-> got,
                                              more |-> (part # {} /\ Kept("part_is_not_all"))
                                                       \/ LeftOut(w, mine, got)]]
    /\ UNCHANGED <<prod, flag, worker, tried, mail>>

\* The answer of a claim that took something, and is out of permits: lets the flags go, passes the wake-up on.
PassOn(w, q) == IF ~Kept("pass_on") THEN {} ELSE IF Kept("pass_on_all") THEN Serves(w) ELSE {q}
Full(w, q) ==
    /\ claim[w].on /\ q \in claim[w].got
    /\ claim' = [claim EXCEPT ![w] = NoClaim]
    /\ worker' = [worker EXCEPT ![w] = "running"]
    /\ tried' = [tried EXCEPT ![w] = {}]
    /\ flag' = [r \in Queues |-> IF flag[r] = w /\ (Kept("drop_flags") \/ r = q) THEN Nobody ELSE flag[r]]
    /\ mail' = [v \in Workers |-> IF v = w THEN {} ELSE IF ~Hears(v) THEN mail[v]
                                  ELSE mail[v] \cup (PassOn(w, q) \cap Serves(v))]
    /\ UNCHANGED <<prod, pending>>

\* The answer of a claim of a worker that has room for more: it keeps its flags, and looks again, unless that
\* was all: then it sleeps if what it knows of producers stands.
HoldsAll(w) == \A q \in Serves(w) : flag[q] = w
WasAll(w) == ~claim[w].more /\ (mail[w] = {} \/ ~Kept("look_again_when_told"))
Onward(w) ==
    CASE worker[w] = "lookPoll" /\ (Kept("test_again") \/ claim[w].got = {}) -> "awake"
      [] ~WasAll(w) -> "woken"
      [] worker[w] = "look" /\ claim[w].got = {} -> IF Kept("test_first") THEN "asleep" ELSE "test"
      [] HoldsAll(w) \/ ~Kept("own_flags") -> "asleep"
      [] OTHER -> IF worker[w] = "woken" THEN "awake" ELSE "woken"
GoOn(w) == /\ claim[w].on
           /\ claim' = [claim EXCEPT ![w] = NoClaim]
           /\ worker' = [worker EXCEPT ![w] = Onward(w)]
           /\ tried' = [tried EXCEPT ![w] = {}]
           /\ mail' = [mail EXCEPT ![w] = {}]
           /\ UNCHANGED <<prod, flag, pending>>
\* It may also let its flags go without being full: producers that commit closer together than they should wait
\* for each other are better not made to notify. A look under way is then not the one that counts.
LetFlagsGo(w) == /\ worker[w] = "woken" \/ claim[w].on
                 /\ worker' = [worker EXCEPT ![w] = IF claim[w].on THEN "woken" ELSE "awake"]
                 /\ flag' = [q \in Queues |-> IF flag[q] = w THEN Nobody ELSE flag[q]]
                 /\ tried' = [tried EXCEPT ![w] = {}]
                 /\ UNCHANGED <<prod, mail, pending, claim>>
Wake(w) == /\ worker[w] = "asleep" /\ mail[w] # {}
           /\ worker' = [worker EXCEPT ![w] = "woken"] /\ mail' = [mail EXCEPT ![w] = {}]
           /\ UNCHANGED <<prod, flag, tried, pending, claim>>
\* An attempt has ended: there is a permit again.
End(w) == /\ worker[w] = "running" /\ worker' = [worker EXCEPT ![w] = "woken"]
          /\ UNCHANGED <<prod, flag, tried, mail, pending, claim>>
NothingFor(w) == \A x \in LanesOf(w) : pending[x] = 0
Poll(w) == /\ Polls /\ worker[w] = "asleep" /\ ~NothingFor(w)
           /\ worker' = [worker EXCEPT ![w] = "woken"]
           /\ UNCHANGED <<prod, flag, tried, mail, pending, claim>>
\* One worker may die; its session's flags go, its claim's locks, and its mail.
EnvDie(w) == /\ Deaths /\ \A v \in Workers : worker[v] # "dead"
             /\ worker' = [worker EXCEPT ![w] = "dead"]
             /\ flag' = [q \in Queues |-> IF flag[q] = w THEN Nobody ELSE flag[q]]
             /\ mail' = [mail EXCEPT ![w] = {}]
             /\ claim' = [claim EXCEPT ![w] = NoClaim]
             /\ UNCHANGED <<prod, tried, pending>>

WorkerStep(w) == \/ Flagged(w) \/ TestInFlight(w) \/ StartClaim(w) \/ GoOn(w) \/ Wake(w) \/ End(w) \/ Poll(w)
                 \/ LetFlagsGo(w)
                 \/ \E q \in Queues : TakeFlag(w, q) \/ Full(w, q)
ProducerStep(p) == Begin(p) \/ Test(p) \/ LetGo(p) \/ Appear(p) \/ Commit(p)
Next == \/ \E p \in Producers : ProducerStep(p) \/ Rollback(p)
        \/ \E w \in Workers : WorkerStep(w) \/ EnvDie(w)
Spec == Init /\ [][Next]_vars

\* Producers differ in nothing, and neither do the workers of all queues.
Alike == Permutations(Producers) \cup Permutations(Workers \ Narrow)

(* ------------------------------- properties ------------------------------ *)

\* A visible entry, a sleeper that serves it, and nothing on its way that would make anybody look.
Waiting(q) == \E l \in Lanes : pending[<<q, l>>] > 0
Lost == \E q \in Queues :
    /\ Waiting(q) /\ ~InFlight(q)
    /\ \E w \in Workers : worker[w] = "asleep" /\ q \in Serves(w)
    /\ \A w \in Workers : q \in Serves(w) => worker[w] \in {"asleep", "running", "dead"}
    /\ \A w \in Workers : (worker[w] = "asleep" /\ q \in Serves(w)) => mail[w] = {}
NoLostWakeup == ~Lost
\* The death of the sleeper is the one way to lose a wake-up; the fallback poll bounds it.
LostOnlyByDeath == Lost => \E w \in Workers : worker[w] = "dead"

\* Every visible entry is claimed while a worker that serves it lives.
Fair == /\ \A p \in Producers : WF_vars(ProducerStep(p) /\ prod[p].pc # "idle")
        /\ \A w \in Workers : WF_vars(WorkerStep(w))
LiveSpec == Spec /\ Fair
Claimed == \A q \in Queues : Waiting(q) ~> ~Waiting(q)

\* Must be violated: sleepers exist, and are told.
ToldProbe == \A w \in Workers : worker[w] = "asleep" => mail[w] = {}
=============================================================================
