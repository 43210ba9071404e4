------------------------------ MODULE Reconcile ------------------------------
(* A worker and its heartbeats: which claim calls may the server release?    *)
(*                                                                           *)
(* The worker numbers its claim calls. A beat carries a list and `upto`, the *)
(* last call sent when the list was built. Beats may be late, reordered or   *)
(* lost; replies to claim calls too; a call may execute after it was given   *)
(* up. The server releases a call that is open, not named, and - the rule -  *)
(* not newer than the list.                                                  *)
EXTENDS Naturals, FiniteSets

CONSTANTS CallMax,   \* bound: claim calls the worker sends
          BeatMax,   \* bound: beats under way at once
          Rule       \* "upto"; witnesses: "open" (names open ones only), "no_upto", "all" (names all it sent)

Calls == 1..CallMax

\* Calls sent so far are 1..sent.
VARIABLE sent
\* What became of a call at the server: none (not executed yet), open, closed (settled), released.
VARIABLE server
ServerTypeInv == server \in [Calls -> {"none", "open", "closed", "released"}]
\* The worker's side. known: reply received, attempts run. ended: their settle was answered.
\* given_up: the reply is not awaited any more, the worker will not run what the call may have taken.
VARIABLES known, ended, given_up
WorkerTypeInv == known \subseteq Calls /\ ended \subseteq known /\ given_up \cap known = {}
\* Beats under way.
VARIABLE beats
vars == <<sent, server, known, ended, given_up, beats>>

Init == /\ sent = 0 /\ server = [c \in Calls |-> "none"]
        /\ known = {} /\ ended = {} /\ given_up = {} /\ beats = {}

Send == /\ sent < CallMax /\ sent' = sent + 1
        /\ UNCHANGED <<server, known, ended, given_up, beats>>
\* The server executes a call; its reply is on its way.
Execute(c) == /\ c <= sent /\ server[c] = "none"
              /\ server' = [server EXCEPT ![c] = "open"]
              /\ UNCHANGED <<sent, known, ended, given_up, beats>>
Reply(c) == /\ server[c] # "none" /\ c \notin known \cup given_up
            /\ known' = known \cup {c}
            /\ UNCHANGED <<sent, server, ended, given_up, beats>>
GiveUp(c) == /\ c <= sent /\ c \notin known \cup given_up
             /\ given_up' = given_up \cup {c}
             /\ UNCHANGED <<sent, server, known, ended, beats>>
Settle(c) == /\ c \in known \ ended /\ server[c] = "open"
             /\ server' = [server EXCEPT ![c] = "closed"]
             /\ UNCHANGED <<sent, known, ended, given_up, beats>>
\* The settle's answer (settled, already or stale) has come.
Settled(c) == /\ c \in known \ ended /\ server[c] \in {"closed", "released"}
              /\ ended' = ended \cup {c}
              /\ UNCHANGED <<sent, server, known, given_up, beats>>

Named == IF Rule = "all" THEN 1..sent
         ELSE (known \ ended) \cup IF Rule = "open" THEN {} ELSE (1..sent) \ (known \cup given_up)
Build == /\ Cardinality(beats) < BeatMax
         /\ beats' = beats \cup {[named |-> Named, upto |-> sent]}
         /\ UNCHANGED <<sent, server, known, ended, given_up>>
Beat(b) == /\ b \in beats /\ beats' = beats \ {b}
           /\ server' = [c \in Calls |->
                IF server[c] = "open" /\ c \notin b.named /\ (Rule # "no_upto" => c <= b.upto)
                THEN "released" ELSE server[c]]
           /\ UNCHANGED <<sent, known, ended, given_up>>
EnvLoseBeat(b) == b \in beats /\ beats' = beats \ {b}
                  /\ UNCHANGED <<sent, server, known, ended, given_up>>

Next == \/ Send \/ Build
        \/ \E c \in Calls : Execute(c) \/ Reply(c) \/ GiveUp(c) \/ Settle(c) \/ Settled(c)
        \/ \E b \in beats : Beat(b) \/ EnvLoseBeat(b)
Spec == Init /\ [][Next]_vars

TypeInv == ServerTypeInv /\ WorkerTypeInv

\* Nothing is released that the worker runs, or will run when the reply arrives.
LiveStays == \A c \in Calls : server[c] = "released" => c \in given_up

\* With beats that arrive, what the worker gave up does not stay open for ever.
Fair == WF_vars(Build) /\ \A b \in [named : SUBSET Calls, upto : 0..CallMax] : SF_vars(Beat(b))
LiveSpec == Spec /\ Fair
OrphansEnd == \A c \in Calls : (server[c] = "open" /\ c \in given_up) ~> server[c] = "released"

\* Must be violated: something is released.
ReleaseProbe == \A c \in Calls : server[c] # "released"
=============================================================================
