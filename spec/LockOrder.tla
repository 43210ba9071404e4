----------------------------- MODULE LockOrder ------------------------------
(* Can our functions wait for each other in a circle?                        *)
(*                                                                           *)
(* LockPlans holds what a server showed: each wait of each function, with    *)
(* what the function holds by then. Whoever waits without an end comes to    *)
(* its locks in one order, and never asks for more of a lock that it holds:  *)
(* then among any number of transactions, one function in each, somebody can *)
(* always go on. EveryWaitClimbs says that the plans are so.                 *)
(*                                                                           *)
(* What is left out of this argument is prune. It waits against the order,   *)
(* but never longer than 30 ms. The rest of this module lets it run beside   *)
(* others, with the queues of PostgreSQL: whoever comes waits behind those   *)
(* who wait already, unless it holds something that is in their way.         *)
EXTENDS LockPlans, Naturals, FiniteSets, Sequences

CONSTANTS Together,    \* the functions that run at once, by name
          Bare         \* protections that a witness takes away

Kept(protection) == protection \notin Bare

(* ------------------------------- the order ------------------------------- *)

\* The modes of PostgreSQL, and which get in each other's way. Advisory locks and rows have two.
Conflicts ==
    [AccessShare     |-> {"AccessExclusive"},
     RowExclusive    |-> {"Share", "Exclusive", "AccessExclusive"},
     Share           |-> {"RowExclusive", "Exclusive", "AccessExclusive"},
     Exclusive       |-> {"RowExclusive", "Share", "Exclusive", "AccessExclusive"},
     AccessExclusive |-> {"AccessShare", "RowExclusive", "Share", "Exclusive", "AccessExclusive"}]

Untimed == {w \in Waits : w.call \notin Timed}
\* (Witness: the order is read from its end.)
Place(on) == CHOOSE n \in 1..Len(Order) : Order[IF Kept("order") THEN n ELSE Len(Order) + 1 - n] = on
Placed == \A w \in Untimed : \E n \in 1..Len(Order) : Order[n] = w.wants[1]
\* Somebody may wait for this lock, without an end.
WaitedFor(held) == \E w \in Untimed : w.wants[1] = held[1] /\ held[2] \in Conflicts[w.wants[2]]
Climbs(w) == \A held \in w.holds : WaitedFor(held) => Place(held[1]) < Place(w.wants[1])

Climbing == Placed /\ \A w \in Untimed : Climbs(w)

(* ------------------------------ side by side ----------------------------- *)

\* The waits of a call, in the order it came to them: by then it held more and more.
StepsOf  == [c \in Together |-> {w \in Waits : w.call = c}]
Earlier  == [c \in Together |-> [w \in StepsOf[c] |-> {v.wants : v \in StepsOf[c]} \cap (w.holds \ {w.wants})]]
After(c, done) == {w \in StepsOf[c] : w.wants \notin done /\ Earlier[c][w] \subseteq done}
Wants    == {w.wants : w \in UNION {StepsOf[c] : c \in Together}}

\* Of each call: what it has of its steps, and what it waits for (or nothing); who has ended.
VARIABLES has, asks, ended
\* Who waits, in the order of coming.
VARIABLE queue
vars == <<has, asks, ended, queue>>
Nothing == <<"", "">>

Init == /\ has = [c \in Together |-> {}] /\ asks = [c \in Together |-> Nothing]
        /\ ended = {} /\ queue = <<>>

InTheWay(c, want) == \E d \in Together \ {c} : \E held \in has[d] :
                       held[1] = want[1] /\ held[2] \in Conflicts[want[2]]
\* Does c hold what stands in the way of d's request? Then it goes before d.
Ahead(c, d) == \E held \in has[c] : held[1] = asks[d][1] /\ asks[d][2] \in Conflicts[held[2]]
BehindOf(c, want, n) == LET d == queue[n] IN
    d # c /\ asks[d][1] = want[1] /\ asks[d][2] \in Conflicts[want[2]] /\ ~Ahead(c, d)
Position(c) == IF \E n \in 1..Len(queue) : queue[n] = c THEN CHOOSE n \in 1..Len(queue) : queue[n] = c ELSE Len(queue) + 1
Blocked(c, want) == InTheWay(c, want) \/ \E n \in 1..Position(c) - 1 : BehindOf(c, want, n)
Without(c) == SelectSeq(queue, LAMBDA d : d # c)

\* It comes to its next lock, and has it or waits.
Ask(c) ==
    /\ c \notin ended /\ asks[c] = Nothing
    /\ \E w \in After(c, has[c]) :
         IF Blocked(c, w.wants)
         THEN /\ asks' = [asks EXCEPT ![c] = w.wants] /\ queue' = Append(queue, c)
              /\ UNCHANGED <<has, ended>>
         ELSE /\ has' = [has EXCEPT ![c] = @ \cup {w.wants}]
              /\ UNCHANGED <<asks, ended, queue>>
Granted(c) ==
    /\ asks[c] # Nothing /\ ~Blocked(c, asks[c])
    /\ has' = [has EXCEPT ![c] = @ \cup {asks[c]}] /\ asks' = [asks EXCEPT ![c] = Nothing]
    /\ queue' = Without(c) /\ UNCHANGED ended
End(c) == /\ c \notin ended /\ asks[c] = Nothing /\ After(c, has[c]) = {}
          /\ has' = [has EXCEPT ![c] = {}] /\ ended' = ended \cup {c}
          /\ UNCHANGED <<asks, queue>>
\* 30 ms are over: it lets everything go.
TimeOut(c) == /\ Kept("time_outs") /\ c \in Timed /\ asks[c] # Nothing
              /\ has' = [has EXCEPT ![c] = {}] /\ asks' = [asks EXCEPT ![c] = Nothing]
              /\ ended' = ended \cup {c} /\ queue' = Without(c)

CanGoOn(c) == c \notin ended /\ (asks[c] = Nothing \/ ~Blocked(c, asks[c]) \/ (Kept("time_outs") /\ c \in Timed))
Next == \E c \in Together : Ask(c) \/ Granted(c) \/ End(c) \/ TimeOut(c)
Spec == Init /\ [][Next]_vars

TypeInv == /\ \A c \in Together : has[c] \subseteq Wants /\ asks[c] \in Wants \cup {Nothing}
           /\ ended \subseteq Together /\ Len(queue) <= Cardinality(Together)

\* The plans are the same in every state; this asks for them while nobody waits.
EveryWaitClimbs == queue = <<>> => Climbing
\* Somebody can always go on, until all have ended.
NoDeadlock == ended = Together \/ \E c \in Together : CanGoOn(c)
=============================================================================
