------------------------------ MODULE Progress ------------------------------
(* What attempts say of their progress, on its way to the database and from  *)
(* one attempt at a job to the next. One job; its attempts are its runs.     *)
(* Storage has note_progress itself, and keeps a note with its job; here are *)
(* the worker's side, and the two places where the database keeps it.        *)
(*                                                                           *)
(* A handler sets its progress without waiting. The worker collects it and   *)
(* sends the latest now and then, by calls that may be executed late, twice, *)
(* or never. The database keeps it beside the open attempt (a lease row), and*)
(* whoever ends the attempt writes it into the job's next row.               *)
(*                                                                           *)
(* A note is a number that grows, so that what is older can be told.         *)
EXTENDS Naturals, FiniteSets

CONSTANTS RunMax,     \* attempts the job may have
          NoteMax,    \* notes that are ever set
          Off         \* guards switched off; {} but in witnesses

All(g) == \A k \in DOMAIN g \ Off : g[k]
Runs  == 1..RunMax
Notes == 0..NoteMax

\* The database: where the job is, its run, what its row says, and the lease of the open attempt (run 0: none).
VARIABLES state, run, body, lease
StateTypeInv == /\ state \in {"waiting", "open", "over"} /\ run \in 0..RunMax
                /\ body \in Notes /\ lease \in [run : 0..RunMax, note : Notes]

\* Of each attempt's worker: what its handler set last, what the database has answered for, whether a call
\* is under way, and whether the handler has ended. Calls on their way.
VARIABLES set, noted, asking, ended, calls, settles
WorkerTypeInv == /\ set \in [Runs -> Notes] /\ noted \in [Runs -> Notes]
                 /\ asking \in [Runs -> Notes \cup {NoteMax + 1}] /\ ended \subseteq Runs
                 /\ calls \subseteq [run : Runs, note : Notes] /\ settles \subseteq Runs

dataVars == <<state, run, body, lease>>
workVars == <<set, noted, asking, ended, calls, settles>>
vars     == <<dataVars, workVars>>
NoCall   == NoteMax + 1
TypeInv  == StateTypeInv /\ WorkerTypeInv

Init == /\ state = "waiting" /\ run = 0 /\ body = 0 /\ lease = [run |-> 0, note |-> 0]
        /\ set = [r \in Runs |-> 0] /\ noted = [r \in Runs |-> 0]
        /\ asking = [r \in Runs |-> NoCall] /\ ended = {} /\ calls = {} /\ settles = {}

Max(S)   == CHOOSE m \in S : \A k \in S : k <= m
Started  == {r \in Runs : r <= run}
\* What is known of the job's progress: of the open attempt, else of its row.
Now      == IF lease.run = run /\ run > 0 THEN lease.note ELSE body
Carried  == IF "carried" \in Off THEN body ELSE Now

(* ------------------------------ the database ----------------------------- *)

\* The next attempt sees what its row says.
Claim == /\ state = "waiting" /\ run < RunMax
         /\ state' = "open" /\ run' = run + 1
         /\ set' = [set EXCEPT ![run + 1] = body] /\ noted' = [noted EXCEPT ![run + 1] = body]
         /\ UNCHANGED <<body, lease, asking, ended, calls, settles>>

\* Storage!NoteProgress, where it changes something.
NoteProgress(c) == /\ c \in calls /\ state = "open" /\ c.run = run
                   /\ lease.run = c.run => c.note > lease.note
                   /\ lease' = c
                   /\ UNCHANGED <<state, run, body, workVars>>

\* Somebody else ends the attempt: a rescue, a deadline, an operator.
EndElsewhere == /\ state = "open" /\ state' = "waiting" /\ body' = Carried
                /\ UNCHANGED <<run, lease, workVars>>
\* Its worker does: retry, snooze, release; or the job is completed.
Settle(r) == /\ r \in settles /\ state = "open" /\ r = run
             /\ \E to \in {"waiting", "over"} : state' = to
             /\ body' = Carried
             /\ UNCHANGED <<run, lease, workVars>>

(* ------------------------------- the worker ------------------------------ *)

SetProgress(r) == /\ r \in Started \ ended /\ Max({set[k] : k \in Runs}) < NoteMax
                  /\ set' = [set EXCEPT ![r] = Max({set[k] : k \in Runs}) + 1]
                  /\ UNCHANGED <<dataVars, noted, asking, ended, calls, settles>>
\* One call at a time carries the latest; without an answer it is sent again.
Sent(r) == /\ r \in Started /\ set[r] # noted[r] /\ asking[r] = NoCall
           /\ calls' = calls \cup {[run |-> r, note |-> set[r]]}
           /\ asking' = [asking EXCEPT ![r] = set[r]]
           /\ UNCHANGED <<dataVars, set, noted, ended, settles>>
\* Its answer: it was noted, or somebody has ended the attempt.
Answered(r) == /\ asking[r] # NoCall
               /\ \/ state # "open" \/ r # run
                  \/ lease.run = r /\ lease.note >= asking[r]
               /\ noted' = [noted EXCEPT ![r] = asking[r]]
               /\ asking' = [asking EXCEPT ![r] = NoCall]
               /\ UNCHANGED <<dataVars, set, ended, calls, settles>>
Ended(r) == /\ r \in Started \ ended /\ ended' = ended \cup {r}
            /\ UNCHANGED <<dataVars, set, noted, asking, calls, settles>>
SettleSentG(r) == [flushed |-> set[r] = noted[r]]                \* what was set last is lost
SettleSent(r) == /\ r \in ended /\ All(SettleSentG(r))
                 /\ settles' = settles \cup {r}
                 /\ UNCHANGED <<dataVars, set, noted, asking, ended, calls>>

Next == \/ Claim \/ EndElsewhere
        \/ \E c \in calls : NoteProgress(c)
        \/ \E r \in Runs : Settle(r) \/ SetProgress(r) \/ Sent(r) \/ Answered(r) \/ Ended(r) \/ SettleSent(r)
Spec == Init /\ [][Next]_vars

(* ------------------------------- properties ------------------------------ *)

\* What is known of it never goes back, from one attempt to the next and within one.
ProgressGrows == [][Now' >= Now]_vars
\* The next attempt sees what the one before set last, where its worker ended it.
ProgressKept == [][\A r \in settles : (state = "open" /\ r = run /\ state' # "open") => body' = set[r]]_vars

(* ---------------------------------- probe -------------------------------- *)

\* A call is executed when its job runs elsewhere: it is refused.
LateNoteProbe == \A c \in calls : ~(c.run < run /\ state = "open" /\ c.note > Now)
=============================================================================
