-------------------------------- MODULE Timer --------------------------------
(* When does the leader wake up for deferred jobs? It sleeps until the next  *)
(* one is due. Whoever defers an earlier one must tell it; whoever defers a  *)
(* later one need not, and does not, because notifying is dear.              *)
(*                                                                           *)
(* The timer is a sequence, so it is in no snapshot. Who defers holds the    *)
(* lock `deferring`, shared, to its end, then reads the timer. The leader    *)
(* sets the timer to for ever, tests whether somebody defers, looks, sets    *)
(* the timer to the next job's time and sleeps. When somebody was deferring  *)
(* it looks again soon instead of sleeping.                                  *)
(*                                                                           *)
(* A look begins where all was seen before (since). There is no fallback     *)
(* poll here: it would hide what is lost.                                    *)
(*                                                                           *)
(* Bare names the protections that a witness takes away.                     *)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS Producers,
          TimeMax,    \* bound: instants
          Deaths,     \* bound: leaders that die
          Bare

Kept(protection) == protection \notin Bare

Times  == 1..TimeMax
Always == TimeMax + 1      \* for ever: later than any job
Min(S) == CHOOSE m \in S : \A k \in S : m <= k

\* The clock of the database.
VARIABLE now
\* The timer, and whether a notification waits for the leader to read it.
VARIABLES timer, mail
TimerTypeInv == now \in 0..TimeMax /\ timer \in 0..Always /\ mail \in BOOLEAN

\* A transaction that defers a job to `at`: idle, read (knows the timer, without the lock: a witness),
\* locked, told (has compared with the timer), done.
VARIABLE prod
NoProducer == [pc |-> "idle", at |-> 0, read |-> 0, tells |-> FALSE]
ProdTypeInv == prod \in [Producers -> [pc : {"idle", "read", "locked", "told", "done"}, at : 0..TimeMax,
                                       read : 0..Always, tells : BOOLEAN]]

\* Committed deferred rows, by who wrote them.
VARIABLE rows
RowsTypeInv == rows \subseteq [who : Producers, at : Times]

\* The leader: down, awake, armed, tested, looked, asleep; nobody: what the test said; due: the next
\* job's time as the look saw it; clock: what time it was when it began; since: where its look begins.
VARIABLE leader
NewLeader == [pc |-> "awake", nobody |-> FALSE, due |-> 0, clock |-> 0, since |-> 0]
LeaderTypeInv == leader \in [pc : {"down", "awake", "armed", "tested", "looked", "asleep"}, nobody : BOOLEAN,
                             due : 0..Always, clock : 0..TimeMax, since : 0..TimeMax]
\* Deaths so far, and what a dead leader's session may still be about to set (0: nothing).
VARIABLES deaths, stray
DeathTypeInv == deaths \in 0..Deaths /\ stray \in 0..Always

vars == <<now, timer, mail, prod, rows, leader, deaths, stray>>
TypeInv == TimerTypeInv /\ ProdTypeInv /\ RowsTypeInv /\ LeaderTypeInv /\ DeathTypeInv

Init == /\ now = 0 /\ timer = 0 /\ mail = FALSE
        /\ prod = [p \in Producers |-> NoProducer] /\ rows = {}
        /\ leader = NewLeader /\ deaths = 0 /\ stray = 0

Tick == /\ now < TimeMax /\ now' = now + 1
        /\ UNCHANGED <<timer, mail, prod, rows, leader, deaths, stray>>

(* ------------------------------- who defers ------------------------------ *)

ProdStep(p, k) == prod' = [prod EXCEPT ![p] = k]
                  /\ UNCHANGED <<now, timer, mail, rows, leader, deaths, stray>>

\* Witness: the timer is read before the lock is had.
PReadEarly(p) == /\ ~Kept("lock_then_read") /\ prod[p].pc = "idle"
                 /\ ProdStep(p, [prod[p] EXCEPT !.pc = "read", !.read = timer])
\* begin_defer. The job's time is in the future when its transaction begins to defer.
PLock(p) == /\ prod[p].pc = IF Kept("lock_then_read") THEN "idle" ELSE "read"
            /\ \E at \in now + 1..TimeMax : ProdStep(p, [prod[p] EXCEPT !.pc = "locked", !.at = at])
\* tell_timer: a notification leaves with the commit.
PTell(p) == /\ prod[p].pc = "locked"
            /\ ProdStep(p, [prod[p] EXCEPT !.pc = "told",
                              !.tells = prod[p].at < IF Kept("lock_then_read") THEN timer ELSE prod[p].read])
\* Visible, told, and the lock let go, in one step as in StorageTx. Nobody hears it without a leader.
PCommit(p) == /\ prod[p].pc = "told"
              /\ rows' = rows \cup {[who |-> p, at |-> prod[p].at]}
              /\ mail' = (mail \/ (prod[p].tells /\ leader.pc # "down"))
              /\ prod' = [prod EXCEPT ![p] = [NoProducer EXCEPT !.pc = "done"]]
              /\ UNCHANGED <<now, timer, leader, deaths, stray>>
PRollback(p) == /\ prod[p].pc \in {"locked", "told"}
                /\ ProdStep(p, [NoProducer EXCEPT !.pc = "done"])

(* -------------------------------- the leader ----------------------------- *)

Deferring == \E p \in Producers : prod[p].pc \in {"locked", "told"}

\* arm_timer, its first half: now everybody tells. What was read of the mail is dealt with by this look.
Arm == /\ leader.pc = "awake"
       /\ timer' = IF Kept("arm") THEN Always ELSE timer
       /\ mail' = FALSE
       /\ leader' = [leader EXCEPT !.pc = "armed", !.clock = now]
       /\ UNCHANGED <<now, prod, rows, deaths, stray>>
\* Its second half: is somebody deferring who read the timer before?
Test == /\ leader.pc = IF Kept("test_then_look") THEN "armed" ELSE "looked"
        /\ leader' = [leader EXCEPT !.pc = "tested", !.nobody = ~Deferring]
        /\ UNCHANGED <<now, timer, mail, prod, rows, deaths, stray>>
\* promote: what is due becomes entries; when is the next?
Look == LET seen == {r \in rows : r.at >= leader.since}
            left == {r \in seen : r.at > now}
        IN /\ leader.pc = IF Kept("test_then_look") THEN "tested" ELSE "armed"
           /\ rows' = rows \ (seen \ left)
           /\ leader' = [leader EXCEPT !.pc = "looked", !.due = IF left = {} THEN Always ELSE Min({r.at : r \in left})]
           /\ UNCHANGED <<now, timer, mail, prod, deaths, stray>>
\* set_timer, and sleep; or look again soon. Only a look beside which nobody deferred moves `since`.
Sleep == /\ leader.pc = IF Kept("test_then_look") THEN "looked" ELSE "tested"
         /\ timer' = leader.due
         /\ leader' = [leader EXCEPT !.pc = IF leader.nobody THEN "asleep" ELSE "awake",
                                     !.since = IF leader.nobody \/ ~Kept("mark_when_nobody") THEN leader.clock ELSE @]
         /\ UNCHANGED <<now, mail, prod, rows, deaths, stray>>
Wake == /\ leader.pc = "asleep" /\ (mail \/ now >= leader.due)
        /\ leader' = [leader EXCEPT !.pc = "awake"]
        /\ UNCHANGED <<now, timer, mail, prod, rows, deaths, stray>>

\* It dies, with its session. Witness: it works on another session than the one that holds the leader's
\* lock, and sets the timer when there is a new leader already.
EnvDie == /\ leader.pc # "down" /\ deaths < Deaths
          /\ deaths' = deaths + 1
          /\ stray' = IF ~Kept("one_session") /\ leader.pc = "looked" THEN leader.due ELSE stray
          /\ leader' = [NewLeader EXCEPT !.pc = "down"] /\ mail' = FALSE
          /\ UNCHANGED <<now, timer, prod, rows>>
StraySets == /\ stray > 0 /\ timer' = stray /\ stray' = 0
             /\ UNCHANGED <<now, mail, prod, rows, leader, deaths>>
\* Another worker leads: it listens, and looks from the beginning.
Lead == /\ leader.pc = "down" /\ leader' = NewLeader
        /\ UNCHANGED <<now, timer, mail, prod, rows, deaths, stray>>

LeaderStep == Arm \/ Test \/ Look \/ Sleep \/ Wake \/ Lead
Next == \/ Tick \/ LeaderStep \/ EnvDie \/ StraySets
        \/ \E p \in Producers : PReadEarly(p) \/ PLock(p) \/ PTell(p) \/ PCommit(p) \/ PRollback(p)
Spec == Init /\ [][Next]_vars

Alike == Permutations(Producers)

(* ------------------------------- properties ------------------------------ *)

\* While the leader sleeps, nothing has been told to it, and its next look would begin late or too late.
Overslept == /\ leader.pc = "asleep" /\ ~mail
             /\ \E r \in rows : r.at < leader.due \/ r.at < leader.since
NoLostTimer == ~Overslept

\* Every job that is deferred is promoted, if the clock goes on and the leader works.
LiveSpec == Spec /\ WF_vars(Tick) /\ WF_vars(LeaderStep)
Promoted == \A p \in Producers : (\E r \in rows : r.who = p) ~> ~\E r \in rows : r.who = p

\* Must be violated: there is no need to tell.
SilentProbe == \A p \in Producers : prod[p].pc = "told" => prod[p].tells
=============================================================================
