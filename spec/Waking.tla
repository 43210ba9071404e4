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
(* them since it slept needs one look, and no test, to sleep again.          *)
(*                                                                           *)
(* Bare names the protections that a witness takes away.                     *)
EXTENDS Naturals, FiniteSets

CONSTANTS Workers, Producers, Queues,
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
                                       queue : Queues, saw : BOOLEAN]]
\* The designated sleeper of each queue.
VARIABLE flag
FlagTypeInv == flag \in [Queues -> Workers \cup {Nobody}]
\* A worker: awake (taking flags), test, look, lookPoll (it saw somebody in flight), asleep, woken,
\* running (out of permits), dead.
VARIABLES worker, tried
WorkerTypeInv == /\ worker \in [Workers -> {"awake", "test", "look", "lookPoll", "asleep", "woken",
                                            "running", "dead"}]
                 /\ tried \in [Workers -> SUBSET Queues]
\* Notifications not yet read, by worker.
VARIABLE mail
MailTypeInv == mail \in [Workers -> SUBSET Queues]
\* Visible entries nobody has claimed.
VARIABLE pending
PendingTypeInv == pending \in [Queues -> 0..Cardinality(Producers)]

vars == <<prod, flag, worker, tried, mail, pending>>
TypeInv == ProdTypeInv /\ FlagTypeInv /\ WorkerTypeInv /\ MailTypeInv /\ PendingTypeInv

Init == /\ prod = [p \in Producers |-> [pc |-> "idle", queue |-> LastQueue, saw |-> FALSE]]
        /\ flag = [q \in Queues |-> Nobody]
        /\ worker = [w \in Workers |-> "awake"] /\ tried = [w \in Workers |-> {}]
        /\ mail = [w \in Workers |-> {}] /\ pending = [q \in Queues |-> 0]

InFlight(q) == \E p \in Producers : prod[p].queue = q
                                    /\ prod[p].pc \in {"locked", "testing", "tested", "visible"}
Tested(q)   == \E p \in Producers : prod[p].queue = q /\ prod[p].pc = "testing"

(* -------------------------------- producers ------------------------------ *)

To(p, pc) == prod' = [prod EXCEPT ![p].pc = pc]
Begin(p) == /\ prod[p].pc = "idle"
            /\ \E q \in Queues : prod' = [prod EXCEPT ![p].pc = "locked", ![p].queue = q]
            /\ UNCHANGED <<flag, worker, tried, mail, pending>>
\* The shared try fails when somebody sleeps; else it is held for a moment.
Test(p) == /\ prod[p].pc = "locked"
           /\ prod' = [prod EXCEPT ![p].pc = IF flag[prod[p].queue] # Nobody THEN "tested" ELSE "testing",
                                   ![p].saw = flag[prod[p].queue] # Nobody]
           /\ UNCHANGED <<flag, worker, tried, mail, pending>>
LetGo(p) == /\ prod[p].pc = "testing" /\ To(p, "tested")
            /\ UNCHANGED <<flag, worker, tried, mail, pending>>
Appear(p) == /\ prod[p].pc = "tested" /\ To(p, "visible")
             /\ pending' = [pending EXCEPT ![prod[p].queue] = @ + 1]
             /\ UNCHANGED <<flag, worker, tried, mail>>
\* The notification goes out with the commit; the queue's designated sleeper answers for it.
Commit(p) == /\ prod[p].pc = "visible" /\ To(p, "done")
             /\ mail' = [w \in Workers |-> IF prod[p].saw /\ flag[prod[p].queue] = w
                                           THEN mail[w] \cup {prod[p].queue} ELSE mail[w]]
             /\ UNCHANGED <<flag, worker, tried, pending>>
Rollback(p) == /\ prod[p].pc = "tested" /\ To(p, "done")
               /\ UNCHANGED <<flag, worker, tried, mail, pending>>

(* --------------------------------- workers ------------------------------- *)

\* A blocking lock with a short time-out: it outlasts a producer's test and fails only against
\* another sleeper. A mere try fails against the test too.
TakeFlag(w, q) ==
    /\ worker[w] = "awake" /\ q \in Serves(w) \ tried[w]
    /\ flag[q] = Nobody /\ Tested(q) => ~Kept("wait_for_flag")
    /\ flag' = IF flag[q] = Nobody /\ ~Tested(q) THEN [flag EXCEPT ![q] = w] ELSE flag
    /\ tried' = [tried EXCEPT ![w] = @ \cup {q}]
    /\ UNCHANGED <<prod, worker, mail, pending>>
Flagged(w) == /\ worker[w] = "awake" /\ tried[w] = Serves(w)
              /\ worker' = [worker EXCEPT ![w] = IF Kept("test_first") THEN "test" ELSE "look"]
              /\ UNCHANGED <<prod, flag, tried, mail, pending>>
Busy(w) == \E q \in Serves(w) : InFlight(q)
TestInFlight(w) ==
    /\ worker[w] = "test"
    /\ worker' = [worker EXCEPT ![w] = IF Kept("test_first") THEN (IF Busy(w) THEN "lookPoll" ELSE "look")
                                       ELSE IF Busy(w) THEN "awake" ELSE "asleep"]
    /\ tried' = [tried EXCEPT ![w] = {}]
    /\ UNCHANGED <<prod, flag, mail, pending>>

\* Takes an entry and is out of permits: lets the flags go, passes the wake-up on.
PassOn(w, q) == IF ~Kept("pass_on") THEN {} ELSE IF Kept("pass_on_all") THEN Serves(w) ELSE {q}
Take(w, q) ==
    /\ pending[q] > 0 /\ pending' = [pending EXCEPT ![q] = @ - 1]
    /\ worker' = [worker EXCEPT ![w] = "running"]
    /\ tried' = [tried EXCEPT ![w] = {}]
    /\ flag' = [r \in Queues |-> IF flag[r] = w /\ (Kept("drop_flags") \/ r = q) THEN Nobody ELSE flag[r]]
    /\ mail' = [v \in Workers |-> IF v = w THEN {} ELSE IF worker[v] = "dead" THEN mail[v]
                                  ELSE mail[v] \cup (PassOn(w, q) \cap Serves(v))]
    /\ UNCHANGED prod
NothingFor(w) == \A q \in Serves(w) : pending[q] = 0

\* Takes an entry and has room for more: keeps its flags, and looks again.
TakeAndGoOn(w, q, to) ==
    /\ pending[q] > 0 /\ pending' = [pending EXCEPT ![q] = @ - 1]
    /\ worker' = [worker EXCEPT ![w] = to]
    /\ tried' = [tried EXCEPT ![w] = {}]
    /\ mail' = [mail EXCEPT ![w] = {}]
    /\ UNCHANGED <<prod, flag>>
\* It may also let them go without being full: producers that commit closer together than they should wait
\* for each other are better not made to notify.
LetFlagsGo(w) == /\ worker[w] = "woken"
                 /\ worker' = [worker EXCEPT ![w] = "awake"]
                 /\ flag' = [q \in Queues |-> IF flag[q] = w THEN Nobody ELSE flag[q]]
                 /\ UNCHANGED <<prod, tried, mail, pending>>
HoldsAll(w) == \A q \in Serves(w) : flag[q] = w
Look(w) == /\ worker[w] \in {"look", "lookPoll"}
           /\ IF NothingFor(w)
              THEN /\ worker' = [worker EXCEPT ![w] = IF @ = "lookPoll" THEN "awake"
                                                      ELSE IF Kept("test_first") THEN "asleep" ELSE "test"]
                   /\ tried' = [tried EXCEPT ![w] = {}]
                   /\ UNCHANGED <<prod, flag, mail, pending>>
              ELSE \E q \in Serves(w) :
                     \/ Take(w, q)
                     \/ TakeAndGoOn(w, q, IF worker[w] = "lookPoll" /\ Kept("test_again") THEN "awake" ELSE "woken")
Wake(w) == /\ worker[w] = "asleep" /\ mail[w] # {}
           /\ worker' = [worker EXCEPT ![w] = "woken"] /\ mail' = [mail EXCEPT ![w] = {}]
           /\ UNCHANGED <<prod, flag, tried, pending>>
Woken(w) == /\ worker[w] = "woken"
            /\ IF NothingFor(w)
               THEN /\ worker' = [worker EXCEPT ![w] = IF HoldsAll(w) \/ ~Kept("own_flags") THEN "asleep" ELSE "awake"]
                    /\ UNCHANGED <<prod, flag, tried, mail, pending>>
               ELSE \E q \in Serves(w) : Take(w, q) \/ TakeAndGoOn(w, q, "woken")
\* An attempt has ended: there is a permit again.
End(w) == /\ worker[w] = "running" /\ worker' = [worker EXCEPT ![w] = "woken"]
          /\ UNCHANGED <<prod, flag, tried, mail, pending>>
Poll(w) == /\ Polls /\ worker[w] = "asleep" /\ ~NothingFor(w)
           /\ worker' = [worker EXCEPT ![w] = "woken"]
           /\ UNCHANGED <<prod, flag, tried, mail, pending>>
\* One worker may die; its session's flags go, and its mail.
EnvDie(w) == /\ Deaths /\ \A v \in Workers : worker[v] # "dead"
             /\ worker' = [worker EXCEPT ![w] = "dead"]
             /\ flag' = [q \in Queues |-> IF flag[q] = w THEN Nobody ELSE flag[q]]
             /\ mail' = [mail EXCEPT ![w] = {}]
             /\ UNCHANGED <<prod, tried, pending>>

WorkerStep(w) == \/ Flagged(w) \/ TestInFlight(w) \/ Look(w) \/ Wake(w) \/ Woken(w) \/ End(w) \/ Poll(w)
                 \/ LetFlagsGo(w)
                 \/ \E q \in Queues : TakeFlag(w, q)
ProducerStep(p) == Begin(p) \/ Test(p) \/ LetGo(p) \/ Appear(p) \/ Commit(p)
Next == \/ \E p \in Producers : ProducerStep(p) \/ Rollback(p)
        \/ \E w \in Workers : WorkerStep(w) \/ EnvDie(w)
Spec == Init /\ [][Next]_vars

(* ------------------------------- properties ------------------------------ *)

\* A visible entry, a sleeper that serves it, and nothing on its way that would make anybody look.
Lost == \E q \in Queues :
    /\ pending[q] > 0 /\ ~InFlight(q)
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
Claimed == \A q \in Queues : (pending[q] > 0) ~> (pending[q] = 0)

\* Must be violated: sleepers exist, and are told.
ToldProbe == \A w \in Workers : worker[w] = "asleep" => mail[w] = {}
=============================================================================
