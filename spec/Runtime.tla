------------------------------- MODULE Runtime -------------------------------
(* A few workers and the database between them: claims, handlers, outcomes on *)
(* their way, beats, and what happens when replies, listeners, leaders or     *)
(* whole workers are lost. The database's side of each call is one atomic     *)
(* step; Storage says how it is done. A worker here is one incarnation: it    *)
(* lives once, and who was given up starts anew as another.                   *)
(*                                                                            *)
(* An action is All(ActionG(args)) /\ effect, as in Storage, so the worker's  *)
(* own recorded events are replayed here (RuntimeTrace).                      *)
(*                                                                            *)
(* No message carries its answer: an attempt that has ended stays ended, so   *)
(* what a late reply says is checked against what the database holds now.     *)
(* There is no clock: a worker may be given up while it lives, a handler may  *)
(* be cut at any time after the drain, and time may be up for the last flush. *)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS Jobs,       \* jobs that may ever exist
          Workers,    \* incarnations of workers
          Mortal,     \* those that may die, be drained or be given up alive
          Tokens,     \* claim calls, numbered as they are sent
          Ids,        \* settle ids, numbered as they are drawn
          Permits,    \* handlers of a worker that may run at once, at the most
          Ahead,      \* jobs that may wait behind them
          RunMax,     \* bound: entries a job may have
          AttemptMax, \* attempts a job has
          LossMax,    \* a job lost more often than this ends
          BeatMax,    \* bound: beats under way at once
          AskMax,     \* bound: claim calls of a worker unanswered at once
          Off         \* guards and protections switched off; {} but in witnesses

\* What a bounded model tries beside claims and successful handlers.
With == {"crash", "drain", "rescue"}
May(feature) == feature \in With

All(g) == \A k \in DOMAIN g \ Off : g[k]
Kept(protection) == protection \notin Off
Max(S) == CHOOSE m \in S : \A k \in S : k <= m

Life == INSTANCE JobLife WITH state <- 0, run <- 0, attempt <- 0, losses <- 0

(* ----------------------------- the database ------------------------------ *)

\* Where each job is, [s, r, a, l] as in JobLife.
VARIABLE life
LifeTypeInv == life \in [Jobs -> [s : Life!States, r : 0..RunMax, a : 0..AttemptMax, l : 0..LossMax + 1]]

\* Claims that were executed. An attempt is [job, run]: a job has one entry under each run.
VARIABLE claims
Attempt == [job : Jobs, run : 1..RunMax]
ClaimsTypeInv == claims \subseteq [token : Tokens, worker : Workers, took : SUBSET Attempt]

\* Attempts that ended: by which settle (0: by none), and how.
VARIABLE closed
Hows == {"complete", "retry", "snooze", "fail", "cancel_running", "release"}
ClosedTypeInv == closed \subseteq [job : Jobs, run : 1..RunMax, id : Ids \cup {0},
                                   how : Hows \cup {"lost", "unnamed", "expired"}]

\* A worker's row: none yet, there, gone.
VARIABLE row
RowTypeInv == row \in [Workers -> {"none", "there", "gone"}]

\* Who holds the leader's lock.
VARIABLE leaders
LeadersTypeInv == leaders \subseteq Workers

(* ------------------------------ on the way ------------------------------- *)

\* Claim calls and settles that were sent: each may be executed late, and again. own: one that is part
\* of a handler's own transaction is executed once, with what the handler did, or it is over.
VARIABLES sent, flushes
SentTypeInv == /\ sent \subseteq [token : Tokens, worker : Workers, limit : 1..Permits + Ahead]
               /\ flushes \subseteq [id : Ids, worker : Workers, how : Hows, atts : SUBSET Attempt,
                                    own : {"no", "open", "over"}]
\* Beats under way. named: claim calls the worker knows of, among those up to `upto`.
VARIABLE beats
BeatsTypeInv == beats \subseteq [worker : Workers, n : Nat, upto : Tokens \cup {0}, named : SUBSET Tokens]

(* ------------------------------ the workers ------------------------------ *)

\* off; on; drain: claims no more; closed: starts nothing more; left: has only to take its leave; dead.
VARIABLE phase
PhaseTypeInv == phase \in [Workers -> {"off", "on", "drain", "closed", "left", "dead"}]
\* Workers whose time is up: what still runs is cancelled. Those without a listener just now.
VARIABLES cut, deaf
FlagsTypeInv == cut \subseteq Workers /\ deaf \subseteq Workers
\* Handlers that may run at once just now: a share of what several queues have together, or what an
\* operator said. How shares are found is not said here.
VARIABLE permits
PermitsTypeInv == permits \in [Workers -> 0..Permits]

\* The claim calls that workers wait for. lost: its reply will not come, it is to be sent again; left:
\* it was given up.
VARIABLE ask
AskTypeInv == ask \subseteq [worker : Workers, token : Tokens, state : {"sent", "lost", "left"}]

\* What a worker knows of and the database has not answered for: jobs that wait for a handler, run,
\* are known to be completed by their handler's own transaction (done), have ended (how: their outcome
\* is in the outbox), or are in the batch under way. over: somebody else has ended the attempt, and the
\* worker was told. own: the id of the handler's own transaction that happened, or may have; or 0.
VARIABLE hold
Held == [worker : Workers, job : Jobs, run : 1..RunMax, token : Tokens,
         at : {"waiting", "running", "done", "ended", "batch"}, how : Hows \cup {""}, over : BOOLEAN,
         own : Ids \cup {0}]
HoldTypeInv == hold \subseteq Held

\* The settle call under way, one per worker.
VARIABLE batch
NoBatch == [state |-> "none", id |-> 0]
BatchTypeInv == batch \in [Workers -> [state : {"none", "sent", "lost"}, id : Ids \cup {0}]]

dataVars == <<life, claims, closed>>
wayVars  == <<sent, flushes, beats>>
mindVars == <<ask, hold, batch>>
selfVars == <<phase, cut, deaf, permits>>
vars     == <<dataVars, row, leaders, wayVars, selfVars, mindVars>>

TypeInv == /\ LifeTypeInv /\ ClaimsTypeInv /\ ClosedTypeInv /\ RowTypeInv /\ LeadersTypeInv
           /\ SentTypeInv /\ BeatsTypeInv /\ PhaseTypeInv /\ FlagsTypeInv /\ PermitsTypeInv /\ AskTypeInv
           /\ HoldTypeInv /\ BatchTypeInv

Init == /\ life = [j \in Jobs |-> [s |-> "none", r |-> 0, a |-> 0, l |-> 0]]
        /\ claims = {} /\ closed = {} /\ row = [w \in Workers |-> "none"] /\ leaders = {}
        /\ sent = {} /\ flushes = {} /\ beats = {}
        /\ phase = [w \in Workers |-> "off"] /\ cut = {} /\ deaf = {}
        /\ permits = [w \in Workers |-> Permits]
        /\ ask = {} /\ hold = {} /\ batch = [w \in Workers |-> NoBatch]

(* ----------------------------- derived state ----------------------------- *)

Att(x)       == [job |-> x.job, run |-> x.run]
Atts(S)      == {Att(x) : x \in S}
Taken        == UNION {c.took : c \in claims}
TookBy(t)    == UNION {c.took : c \in {d \in claims : d.token = t}}
TookOf(w)    == UNION {c.took : c \in {d \in claims : d.worker = w}}
Closed       == Atts(closed)
ClosedBy(id) == Atts({c \in closed : c.id = id})
Open         == Taken \ Closed
Executed     == {c.token : c \in claims}
HoldOf(w)    == {h \in hold : h.worker = w}
HoldAt(w, p) == {h \in HoldOf(w) : h.at = p}
SentBy(w)    == {s.token : s \in {r \in sent : r.worker = w}}
AskOf(w)     == {a \in ask : a.worker = w}
Unanswered(w) == {a.token : a \in AskOf(w)}
Living(w)    == phase[w] \in {"on", "drain", "closed"}
Busy(w)      == HoldAt(w, "running") \cup HoldAt(w, "done")       \* handlers that run
Beside(h)    == Busy(h.worker)                                  \* ... of its queue
Room(w)      == permits[w] + Ahead
\* What calls without an answer may yet bring. Who still claims has given up none of them.
Coming(w)    == UNION {{s.token} \X (1..s.limit) : s \in {r \in sent : r.token \in Unanswered(w)}}
Asked(w)     == IF Kept("counts_asked") THEN Cardinality(Coming(w)) ELSE 0
Lanes(h)     == permits[h.worker]                               \* permits of its queue
\* Claim calls a beat names: open ones, and those whose answer is not known.
Naming(w) == {h.token : h \in HoldOf(w)}
             \cup IF Kept("names_unanswered") THEN Unanswered(w) ELSE {}
Upto(w)   == Max(SentBy(w) \cup {0})

(* --------------------------- the life of jobs ---------------------------- *)

Due(a)   == life[a.job].s = "available" /\ life[a.job].r = a.run
Dues     == {a \in Attempt : Due(a)}
To(j, s) == [life[j] EXCEPT !.s = s]
AgainOf(k) == [k EXCEPT !.s = "available", !.r = @ + 1]
Becomes(j, how) ==
    CASE how = "complete" -> To(j, "completed")
      [] how = "release"  -> AgainOf(life[j])
      [] how = "snooze"   -> To(j, "scheduled")
      [] how = "fail"     -> To(j, "failed")
      [] how = "cancel_running" -> To(j, "cancelled")
      [] how \in {"retry", "expired"} -> IF life[j].a < AttemptMax
                                         THEN [To(j, "retryable") EXCEPT !.a = @ + 1]
                                         ELSE To(j, "failed")
      [] OTHER -> IF life[j].l < LossMax                        \* lost, unnamed
                  THEN [AgainOf(life[j]) EXCEPT !.l = @ + 1]
                  ELSE [To(j, "failed") EXCEPT !.l = @ + 1]
JobsOf(S) == {a.job : a \in S}
LifeAfterClaim(S)    == [j \in Jobs |-> IF j \in JobsOf(S) THEN To(j, "running") ELSE life[j]]
LifeAfterEnd(S, how) == [j \in Jobs |-> IF j \in JobsOf(S) THEN Becomes(j, how) ELSE life[j]]
\* Bounded models only: the job needs a run to come back with.
Bounded(S, how) == \A a \in S : LET k == Becomes(a.job, how)
                                IN k.r <= RunMax /\ (k.s \in Life!Waiting => k.r < RunMax)

\* Attempts S end; `id` is the settle that ends them.
EndingG(S) == [open |-> S \subseteq Open]                            \* an attempt of the past ends a job
Ending(S, id, how) ==
    /\ All(EndingG(S))
    /\ closed' = IF Kept("closes") THEN closed \cup {[job |-> a.job, run |-> a.run, id |-> id, how |-> how] : a \in S}
                 ELSE closed
    /\ life' = LifeAfterEnd(S, how)
    /\ UNCHANGED claims

(* ----------------------- what the database executes ---------------------- *)

EnvEnqueue(j) ==
    /\ life[j].s = "none"
    /\ life' = [life EXCEPT ![j] = [s |-> "available", r |-> 1, a |-> 1, l |-> 0]]
    /\ UNCHANGED <<claims, closed, row, leaders, wayVars, selfVars, mindVars>>

\* worker_start.sql; the incarnation lives from here.
WorkerStartG(w) == [new |-> row[w] = "none"]                    \* two lives under one number
WorkerStart(w) ==
    /\ All(WorkerStartG(w))
    /\ row' = [row EXCEPT ![w] = "there"]
    /\ phase' = [phase EXCEPT ![w] = "on"]
    /\ UNCHANGED <<dataVars, leaders, wayVars, cut, deaf, permits, mindVars>>

\* worker_stop.sql
WorkerStopG(w) == [left |-> phase[w] = "left"]                  \* leave taken with work in hand
WorkerStop(w) ==
    /\ All(WorkerStopG(w))
    /\ row' = [row EXCEPT ![w] = "gone"]
    /\ UNCHANGED <<dataVars, leaders, wayVars, selfVars, mindVars>>

\* claim.sql. A call that was running when its worker's row went may still commit.
ClaimG(w, t, took) ==
    [called    |-> \E s \in sent : s.token = t /\ s.worker = w,      \* a call nobody made
     started   |-> row[w] # "none",                                  \* a worker nobody ever heard of
     new_token |-> t \notin Executed,                                \* one call executed twice
     limit     |-> \A s \in sent : s.token = t => Cardinality(took) <= s.limit,   \* more than asked for
     offered   |-> \A a \in took : Due(a)]                           \* work that is not to be had
Claim(w, t, took) ==
    /\ All(ClaimG(w, t, took))
    /\ claims' = claims \cup {[token |-> t, worker |-> w, took |-> took]}
    /\ life' = LifeAfterClaim(took)
    /\ UNCHANGED <<closed, row, leaders, wayVars, selfVars, mindVars>>

\* complete, retry, snooze, fail, cancel_running, release: what is open of what was asked may be
\* ended; the rest is stale or busy. Executed again, it ends what was busy before; but a handler's own
\* transaction ends once.
OwnOver(id) == {IF f.id = id /\ f.own = "open" THEN [f EXCEPT !.own = "over"] ELSE f : f \in flushes}
SettleG(id, S, how) ==
    [sent |-> \E f \in flushes : f.id = id /\ f.how = how /\ S \subseteq f.atts     \* more ended than asked
                                /\ f.own # "over"]
Settle(id, S, how) ==
    /\ All(SettleG(id, S, how))
    /\ Ending(S, id, how)
    /\ flushes' = OwnOver(id)
    /\ UNCHANGED <<row, leaders, sent, beats, selfVars, mindVars>>

\* heartbeat.sql: what the worker does not know of is lost.
HeartbeatG(b, S) ==
    [beat_sent |-> b \in beats,                                      \* a beat nobody sent
     there     |-> S # {} => row[b.worker] = "there",                \* a beat of the past
     its_own   |-> S \subseteq TookOf(b.worker),                     \* another's work
     upto      |-> \A c \in claims : c.took \cap S # {} => c.token <= b.upto,      \* a call on its way
     unnamed   |-> \A c \in claims : c.took \cap S # {} => c.token \notin b.named] \* work that runs
Heartbeat(b, S) ==
    /\ All(HeartbeatG(b, S))
    /\ beats' = beats \ {b}
    /\ Ending(S, 0, "unnamed")
    /\ UNCHANGED <<row, leaders, sent, flushes, selfVars, mindVars>>

\* rescue_worker.sql: the leader gives a worker up, by its own observation; also strays, of workers
\* whose row is gone.
RescueWorkerG(w, S) ==
    [known   |-> row[w] # "none",                                    \* a worker nobody ever heard of
     with_it |-> S \subseteq TookOf(w)]                              \* another's work
RescueWorker(w, S) ==
    /\ All(RescueWorkerG(w, S))
    /\ row' = [row EXCEPT ![w] = "gone"]
    /\ Ending(S, 0, "lost")
    /\ UNCHANGED <<leaders, wayVars, selfVars, mindVars>>

\* An operator's cancel, or a deadline that the leader enforces: attempts end under running handlers.
EndElsewhere(S, how) ==
    /\ Ending(S, 0, how)
    /\ UNCHANGED <<row, leaders, wayVars, selfVars, mindVars>>

\* promote.sql: what waits becomes available.
PromoteG(j) == [waits |-> life[j].s \in Life!Waiting]                \* a job that runs or has ended
Promote(j) ==
    /\ All(PromoteG(j))
    /\ life' = [life EXCEPT ![j] = AgainOf(@)]
    /\ UNCHANGED <<claims, closed, row, leaders, wayVars, selfVars, mindVars>>

\* The leader's lock, taken and lost with a session.
LeadG(w) == [no_other |-> leaders = {}]                              \* two that lead
Lead(w) == /\ All(LeadG(w))
           /\ leaders' = leaders \cup {w}
           /\ UNCHANGED <<dataVars, row, wayVars, selfVars, mindVars>>
EnvDepose(w) == /\ w \in leaders /\ leaders' = leaders \ {w}
                /\ UNCHANGED <<dataVars, row, wayVars, selfVars, mindVars>>

(* --------------------------- what a worker does -------------------------- *)

Without(w, t)       == {a \in ask : ~(a.worker = w /\ a.token = t)}
Asking(w, t, state) == Without(w, t) \cup {[worker |-> w, token |-> t, state |-> state]}

\* A claim call leaves, perhaps beside others. Without a listener the worker polls: it claims as well.
ClaimSentG(w, t, limit) ==
    [claims   |-> phase[w] = "on",                                   \* new work for one that is to end
     room     |-> limit + Cardinality(HoldOf(w)) + Asked(w) <= Room(w),  \* more than it has permits for
     fresh    |-> \A s \in sent : /\ s.token # t                     \* a token of another call
                                  /\ s.worker = w => s.token < t]
ClaimSent(w, t, limit) ==
    /\ All(ClaimSentG(w, t, limit))
    /\ sent' = sent \cup {[token |-> t, worker |-> w, limit |-> limit]}
    /\ ask' = Asking(w, t, "sent")
    /\ UNCHANGED <<dataVars, row, leaders, flushes, beats, selfVars, hold, batch>>

\* Its reply: what was open of it when it was executed, perhaps for the second time. Nothing, if it
\* took nothing.
ClaimAnsweredG(w, t, took) ==
    [awaited |-> \E a \in AskOf(w) : a.token = t /\ a.state = "sent",  \* a reply taken twice
     took  |-> took \subseteq TookBy(t),                             \* work the call has not taken
     whole |-> TookBy(t) \cap Open \subseteq took]                   \* open work nobody was told of
ClaimAnswered(w, t, took) ==
    /\ All(ClaimAnsweredG(w, t, took))
    /\ ask' = Without(w, t)
    /\ hold' = hold \cup {[worker |-> w, job |-> a.job, run |-> a.run, token |-> t, at |-> "waiting",
                           how |-> "", over |-> FALSE, own |-> 0] : a \in took}
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, batch>>

\* The same call, with the same token, after a lost reply.
AskAgainG(w, t) ==
    [call_out |-> \E a \in AskOf(w) : a.token = t /\ a.state \in {"sent", "lost"}]  \* a call of the past
AskAgain(w, t) == /\ All(AskAgainG(w, t))
                  /\ ask' = Asking(w, t, "sent")
                  /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, hold, batch>>

\* Move one attempt, or let go of it.
Moved(h, k) == hold' = (hold \ {h}) \cup {k}
Kind(h, at, how) == [h EXCEPT !.at = at, !.how = how]

\* Here and below h is one of hold.
StartedG(h) ==
    [waiting |-> h.at = "waiting",                                   \* a handler started twice
     begins  |-> phase[h.worker] \in {"on", "drain"},                \* work begun that is to be given back
     free    |-> Cardinality(Beside(h)) < Lanes(h)]                  \* more handlers than permits
Started(h) ==
    /\ All(StartedG(h))
    /\ Moved(h, Kind(h, "running", ""))
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, batch>>

\* From now on so many handlers may run. Of those that run none is cut off, were they more.
Permitted(w, now) ==
    /\ permits' = [permits EXCEPT ![w] = now]
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, phase, cut, deaf, mindVars>>

\* An attempt has its outcome, which goes into the outbox. Only the worker gives back: what has not
\* started, and what it interrupts.
EndedG(h, how) ==
    [own     |-> h.own # 0 => how # "complete",                      \* completed, perhaps without what it did
     running |-> h.at \in IF how = "release" THEN {"waiting", "running"} ELSE {"running"},  \* an outcome of nothing
     cut     |-> how = "release" /\ h.at = "running" => h.worker \in cut]    \* work interrupted without need
Ended(h, how) ==
    /\ All(EndedG(h, how))
    /\ Moved(h, Kind(h, "ended", how))
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, batch>>

\* The worker hears that somebody else has ended an attempt: it is cancelled, or not started.
ToldG(h) == [at_work |-> h.at \in {"waiting", "running"},            \* what has its outcome
             ended   |-> \E c \in closed : Att(c) = Att(h)           \* an attempt that is its own
                                         /\ (h.own # 0 => c.id # h.own)]
Told(h) ==
    /\ All(ToldG(h))
    /\ Moved(h, [h EXCEPT !.over = TRUE])
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, batch>>
\* Nothing is settled for such an attempt when its handler has ended, nor for one that is completed.
LetGoG(h) == [unsettled |-> h.at \in {"waiting", "running", "done"},  \* an outcome on its way
              over      |-> h.over \/ h.at = "done"]                 \* work forgotten
LetGo(h) ==
    /\ All(LetGoG(h))
    /\ hold' = hold \ {h}
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, batch>>

\* A settle leaves, in a batch or as a part of a handler's own transaction.
SendingG(id) == [new_id |-> \A f \in flushes : f.id # id]            \* the answer about another
Sending(w, id, how, S, own) ==
    /\ All(SendingG(id))
    /\ flushes' = flushes \cup {[id |-> id, worker |-> w, how |-> how, atts |-> S, own |-> own]}

\* A handler's own transaction is at its end: it completes the job, and commits if the attempt is open.
CommitSentG(h) ==
    [in_handler |-> h.at = "running",                                \* what a batch has under way
     one        |-> h.own = 0]                                       \* what the handler did, done twice
CommitSent(h, id) ==
    /\ All(CommitSentG(h))
    /\ Sending(h.worker, id, "complete", {Att(h)}, "open")
    /\ Moved(h, [h EXCEPT !.own = id])
    /\ UNCHANGED <<dataVars, row, leaders, sent, beats, selfVars, ask, batch>>

\* It committed, or it did not and never will: by the answer to its COMMIT, or by asking for its id.
OwnEnded(id) == \A f \in flushes : f.id = id => f.own = "over"
CommitAnsweredG(h, id, done) ==
    [doubted |-> h.at = "running" /\ h.own = id /\ id # 0,          \* an answer taken twice
     true  |-> done => Att(h) \in ClosedBy(id),                      \* an effect that did not happen
     final |-> ~done => OwnEnded(id) /\ Att(h) \notin ClosedBy(id)] \* one that yet happens
CommitAnswered(h, id, done) ==
    /\ All(CommitAnsweredG(h, id, done))
    /\ Moved(h, IF done THEN Kind(h, "done", "") ELSE [h EXCEPT !.own = 0])
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, batch>>

\* A settle leaves with outcomes of one kind.
FlushSentG(w, how, S) ==
    [one_flush |-> batch[w].state = "none",                          \* two batches under way
     boxed     |-> S # {} /\ \A a \in S : \E h \in HoldAt(w, "ended") : Att(h) = a /\ h.how = how]
FlushSent(w, id, how, S) ==
    /\ All(FlushSentG(w, how, S))
    /\ Sending(w, id, how, S, "no")
    /\ batch' = [batch EXCEPT ![w] = [state |-> "sent", id |-> id]]
    /\ hold' = {IF h.worker = w /\ Att(h) \in S THEN Kind(h, "batch", h.how) ELSE h : h \in hold}
    /\ UNCHANGED <<dataVars, row, leaders, sent, beats, selfVars, ask>>

\* Its reply. done: ended by this settle; late: ended by somebody before; the rest was busy and goes
\* back into the outbox.
FlushAnsweredG(w, id, done, late) ==
    [asked |-> batch[w].state = "sent" /\ batch[w].id = id,          \* a reply taken twice
     boxes |-> done \cup late \subseteq Atts(HoldAt(w, "batch")),    \* an answer about something else
     done  |-> done \subseteq ClosedBy(id),                          \* an outcome dropped
     late  |-> late \subseteq Closed \ ClosedBy(id)]                 \* its own settle taken for another's
FlushAnswered(w, id, done, late) ==
    /\ All(FlushAnsweredG(w, id, done, late))
    /\ batch' = [batch EXCEPT ![w] = NoBatch]
    /\ hold' = {IF h.worker = w /\ h.at = "batch" THEN Kind(h, "ended", h.how) ELSE h :
                  h \in {k \in hold : ~(k.worker = w /\ k.at = "batch" /\ Att(k) \in done \cup late)}}
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask>>

\* The same settle, under the same id, after a lost reply.
FlushAgainG(w) == [flush_out |-> batch[w].state \in {"sent", "lost"}]  \* a batch of the past
FlushAgain(w) == /\ All(FlushAgainG(w))
                 /\ batch' = [batch EXCEPT ![w].state = "sent"]
                 /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, hold>>

\* A beat leaves, over the listener's connection; who takes leave has one for it.
BeatSentG(w, n, upto, named) ==
    [hears  |-> w \notin deaf \/ phase[w] = "left",                  \* a beat without its connection
     latest |-> upto = Upto(w),                                      \* calls that the list does not know
     named  |-> IF phase[w] = "left" THEN Naming(w) \subseteq named
               ELSE named = Naming(w)]                               \* work given up that runs
BeatSent(w, n, upto, named) ==
    /\ All(BeatSentG(w, n, upto, named))
    /\ beats' = beats \cup {[worker |-> w, n |-> n, upto |-> upto, named |-> named]}
    /\ UNCHANGED <<dataVars, row, leaders, sent, flushes, selfVars, mindVars>>

\* The worker hears, from a beat or a claim, that its row is gone: what it runs is others' by now.
GoneG(w) == [gone |-> row[w] = "gone"]                               \* a worker frightened by nothing
Gone(w) ==
    /\ All(GoneG(w))
    /\ phase' = [phase EXCEPT ![w] = IF @ = "on" THEN "drain" ELSE @]
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, cut, deaf, permits, mindVars>>

\* The end of a worker: it claims no more; starts no more; cancels what runs; is done, or its time for
\* the last flush is up, which it says in its log.
DrainG(w) == [alive |-> Living(w)]                                   \* a worker that has left
Drain(w) ==
    /\ All(DrainG(w))
    /\ phase' = [phase EXCEPT ![w] = IF @ = "on" THEN "drain" ELSE @]
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, cut, deaf, permits, mindVars>>
CloseG(w) == [drained |-> phase[w] = "drain"]                        \* a worker that is not to end
Close(w) ==
    /\ All(CloseG(w))
    /\ phase' = [phase EXCEPT ![w] = "closed"]
    /\ ask' = {IF a.worker = w THEN [a EXCEPT !.state = "left"] ELSE a : a \in ask}
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, cut, deaf, permits, hold, batch>>
CutG(w) == [to_end |-> phase[w] \in {"drain", "closed"}]            \* handlers killed for nothing
Cut(w) ==
    /\ All(CutG(w))
    /\ cut' = cut \cup {w}
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, phase, deaf, permits, mindVars>>
LeaveG(w, dropped) ==
    [closed   |-> phase[w] = "closed",                               \* gone before it was to end
     finished |-> HoldAt(w, "waiting") \cup Busy(w) = {},             \* handlers nobody waits for
     dropped  |-> dropped = Cardinality(HoldOf(w))]                  \* outcomes dropped without a word
Leave(w, dropped) ==
    /\ All(LeaveG(w, dropped))
    /\ phase' = [phase EXCEPT ![w] = "left"]
    /\ leaders' = leaders \ {w}
    /\ hold' = hold \ HoldOf(w)
    /\ ask' = ask \ AskOf(w)
    /\ batch' = [batch EXCEPT ![w] = NoBatch]
    /\ UNCHANGED <<dataVars, row, wayVars, cut, deaf, permits>>

(* -------------------------------- the world ------------------------------ *)

\* kill -9: everything a worker knows is gone; what it sent is on its way.
EnvCrash(w) ==
    /\ phase[w] \in {"on", "drain", "closed", "left"}
    /\ phase' = [phase EXCEPT ![w] = "dead"]
    /\ leaders' = leaders \ {w}
    /\ hold' = hold \ HoldOf(w)
    /\ ask' = ask \ AskOf(w)
    /\ batch' = [batch EXCEPT ![w] = NoBatch]
    /\ UNCHANGED <<dataVars, row, wayVars, cut, deaf, permits>>
EnvLoseClaimReply(w, t) == /\ \E a \in AskOf(w) : a.token = t /\ a.state = "sent"
                           /\ ask' = Asking(w, t, "lost")
                           /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, hold, batch>>
EnvLoseSettleReply(w) == /\ batch[w].state = "sent"
                         /\ batch' = [batch EXCEPT ![w].state = "lost"]
                         /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, hold>>
\* A handler's own transaction is rolled back: it failed, its connection broke, its server crashed.
EnvRollback(f) == /\ f \in flushes /\ f.own = "open"
                  /\ flushes' = OwnOver(f.id)
                  /\ UNCHANGED <<dataVars, row, leaders, sent, beats, selfVars, mindVars>>
EnvLoseBeat(b) == /\ b \in beats /\ beats' = beats \ {b}
                  /\ UNCHANGED <<dataVars, row, leaders, sent, flushes, selfVars, mindVars>>
\* The listener's connection, and with it the beats and the word of what others ended.
Deafened(w) == /\ deaf' = deaf \cup {w}
               /\ UNCHANGED <<dataVars, row, leaders, wayVars, phase, cut, permits, mindVars>>
Hears(w) == /\ deaf' = deaf \ {w}
            /\ UNCHANGED <<dataVars, row, leaders, wayVars, phase, cut, permits, mindVars>>

(* ------------------------------ bounded models --------------------------- *)

NextToken == Cardinality(sent) + 1
NextId    == Cardinality(flushes) + 1
Free(w)   == Room(w) - Cardinality(HoldOf(w)) - Asked(w)
OpenOf(w) == TookOf(w) \cap Open
\* What a guard that is off lets through is tried too.
Loose(g)  == g \in Off
Endable   == IF Loose("open") THEN Taken ELSE Open
Taker(g, w) == IF Loose(g) THEN Taken ELSE TookOf(w)
Unnamed(b) == {a \in Taker("its_own", b.worker) \cap Endable : row[b.worker] = "there" /\
                 \E c \in claims : /\ a \in c.took
                                   /\ c.token <= b.upto \/ Loose("upto")
                                   /\ c.token \notin b.named \/ Loose("unnamed")}
\* What only the leader does. That nobody rescues or promotes without one is no protection, but how
\* the program is made: that somebody leads must be shown (RescueComes).
Led == leaders # {}
Outcomes  == {"complete"} \cup (With \cap (Hows \ {"release"}))
Closable(f) == IF f.own = "over" THEN {} ELSE f.atts \cap Endable

DoWorkerStart(w) == WorkerStart(w)
DoWorkerStop(w)  == row[w] = "there" /\ WorkerStop(w)
\* A call that was answered "empty", or given up, may yet be executed; only a beat or a rescue ends that.
Executing(s) == s.token \in Unanswered(s.worker) \/ May("beat") \/ phase[s.worker] \in {"dead", "left"}
Offered == IF Loose("offered") THEN Attempt ELSE Dues
Calls == IF Loose("called") THEN [worker : Workers, token : Tokens] ELSE {s \in sent : Executing(s)}
DoClaim == \E s \in Calls : \E took \in SUBSET Offered \ {{}} :
    /\ \A a, b \in took : a.job = b.job => a = b
    /\ Claim(s.worker, s.token, took)
DoSettle == \E f \in flushes : \E S \in SUBSET Closable(f) \ {{}} :
    /\ Bounded(S, f.how)
    /\ (May("busy") \/ S = Closable(f)) /\ Settle(f.id, S, f.how)
DoHeartbeat == \E b \in beats : Bounded(Unnamed(b), "unnamed") /\ Heartbeat(b, Unnamed(b))
Doomed(w) == (May("rescue") /\ w \in Mortal) \/ phase[w] \in {"dead", "left"}
DoRescue(w) == LET lost == Taker("with_it", w) \cap Endable
               IN /\ Led /\ Doomed(w) /\ (row[w] = "there" \/ lost # {} \/ Loose("known"))
                  /\ Bounded(lost, "lost") /\ RescueWorker(w, lost)
DoEndElsewhere == May("cancel") /\ \E a \in Endable : EndElsewhere({a}, "cancel_running")
DoLead(w)  == May("lead") /\ Living(w) /\ (Kept("takeover") \/ w \in Mortal) /\ Lead(w)
DoPromote  == Led /\ \E j \in Jobs : life[j].r < RunMax /\ Promote(j)
Limits(w)  == IF Loose("room") THEN 1..Room(w) ELSE 1..Free(w)
DoClaimSent(w) == /\ Dues # {} /\ Cardinality(AskOf(w)) < AskMax
                  /\ \E t \in IF Loose("fresh") THEN Tokens ELSE Tokens \cap {NextToken} :
                     \E limit \in Limits(w) : ClaimSent(w, t, limit)
Awaited(w) == IF Loose("awaited") THEN SentBy(w) ELSE Unanswered(w)
DoClaimAnswered(w) == \E t \in Awaited(w) : /\ t \in Executed \/ Dues = {}
                                            /\ ClaimAnswered(w, t, TookBy(t) \cap Open)
\* The reply is older than the end of what it speaks of.
DoClaimAnsweredLate(w) == \E t \in Unanswered(w) : TookBy(t) \ Open # {} /\ ClaimAnswered(w, t, TookBy(t))
Lost(w) == IF Loose("call_out") THEN SentBy(w) ELSE {a.token : a \in {b \in AskOf(w) : b.state = "lost"}}
DoAskAgain(w) == Kept("ask_again") /\ \E t \in Lost(w) : AskAgain(w, t)
DoFlushSent(w) == /\ NextId \in Ids
                  /\ \E how \in Outcomes \cup {"release"} :
                       LET S == Atts({h \in HoldAt(w, "ended") : h.how = how})
                       IN S # {} /\ FlushSent(w, NextId, how, S)
InBatch(w) == Atts(HoldAt(w, "batch"))
DoFlushAnswered(w) ==
    /\ batch[w].id # 0
    /\ LET id == batch[w].id
           done == IF Loose("done") THEN InBatch(w) ELSE InBatch(w) \cap ClosedBy(id)
           over == IF Loose("late") THEN InBatch(w) ELSE InBatch(w) \cap Closed
       IN /\ done \cup over # {}
          /\ FlushAnswered(w, id, done, over \ done)
DoFlushAgain(w) == Kept("ask_again") /\ (batch[w].state = "lost" \/ Loose("flush_out")) /\ FlushAgain(w)
\* The dead send nothing.
DoBeat(w) == /\ May("beat") /\ Cardinality(beats) < BeatMax /\ (Living(w) \/ phase[w] = "left")
             /\ \E upto \in IF Loose("latest") THEN Tokens ELSE {Upto(w)} : BeatSent(w, 0, upto, Naming(w))
DoEnded(h) == \/ \E how \in Outcomes : Ended(h, how)
              \/ /\ phase[h.worker] # "on" \/ h.worker \in cut
                 /\ Ended(h, "release")
DoTold(h)  == ~h.over /\ h.worker \notin deaf /\ Told(h)
DoCommitSent(h) == May("own") /\ NextId \in Ids /\ CommitSent(h, NextId)
DoCommitAnswered(h) == \E done \in BOOLEAN : CommitAnswered(h, h.own, done)
DoPermitted(w) == /\ May("permit") /\ phase[w] = "on"
                  /\ \E now \in 0..Permits : now # permits[w] /\ Permitted(w, now)
DoGone(w)  == phase[w] = "on" /\ Gone(w)
DoDrain(w) == May("drain") /\ w \in Mortal /\ phase[w] = "on" /\ Drain(w)
DoCut(w)   == Kept("time_up") /\ w \notin cut /\ Cut(w)
DoClose(w) == HoldAt(w, "waiting") = {} /\ Close(w)
DoLeave(w) == (May("late") \/ HoldOf(w) = {}) /\ Leave(w, Cardinality(HoldOf(w)))

DatabaseNext == \/ \E j \in Jobs : EnvEnqueue(j)
                \/ DoClaim \/ DoSettle \/ DoHeartbeat \/ DoEndElsewhere \/ DoPromote
                \/ \E w \in Workers : DoWorkerStart(w) \/ DoWorkerStop(w) \/ DoRescue(w) \/ DoLead(w)
WorkerNext(w) == \/ DoClaimSent(w) \/ DoClaimAnswered(w) \/ DoClaimAnsweredLate(w) \/ DoAskAgain(w)
                 \/ DoFlushSent(w) \/ DoFlushAnswered(w) \/ DoFlushAgain(w) \/ DoBeat(w)
                 \/ DoPermitted(w)
                 \/ DoGone(w) \/ DoDrain(w) \/ DoCut(w) \/ DoClose(w) \/ DoLeave(w)
HandlerNext == \E h \in hold : Started(h) \/ DoEnded(h) \/ DoTold(h) \/ LetGo(h)
                              \/ DoCommitSent(h) \/ DoCommitAnswered(h)
WorldNext == \/ \E w \in Mortal : May("crash") /\ EnvCrash(w)
             \/ \E a \in ask : May("lose") /\ EnvLoseClaimReply(a.worker, a.token)
             \/ \E w \in Workers : \/ May("lose") /\ EnvLoseSettleReply(w)
                                   \/ May("deaf") /\ Living(w) /\ w \notin deaf /\ Deafened(w)
                                   \/ w \in deaf /\ Hears(w)
                                   \/ May("depose") /\ EnvDepose(w)
             \/ \E b \in beats : May("beat") /\ EnvLoseBeat(b)
             \/ \E f \in flushes : EnvRollback(f)
Next == DatabaseNext \/ HandlerNext \/ WorldNext \/ \E w \in Workers : WorkerNext(w)
Spec == Init /\ [][Next]_vars

\* Jobs differ in nothing.
JobsAlike == Permutations(Jobs)

(* -------------------------------- properties ----------------------------- *)

\* Only the open attempt ends a job: neither one of the past nor nobody.
GuardedEnd == [][/\ Atts(closed' \ closed) \subseteq Open
                 /\ \A j \in Jobs : life[j].s = "running" /\ life'[j] # life[j] =>
                      \E a \in Open : a.job = j /\ a \in Atts(closed' \ closed)]_vars

\* A job runs in one place: whatever was lost, cut off or asked twice.
AtMostOneOpen == Cardinality(JobsOf(Open)) = Cardinality(Open)
HeldOnce      == Cardinality(Atts(hold)) = Cardinality(hold)

\* A claim call takes work once, and its worker is told of nothing else.
TokenTakesOnce == /\ Cardinality(Executed) = Cardinality(claims)
                  /\ \A h \in hold : \E c \in claims : c.token = h.token /\ Att(h) \in c.took

\* Never more handlers than permits, nor more jobs in hand than they and what may wait.
Capacity == \A w \in Workers : /\ Cardinality(Busy(w)) <= Permits
                               /\ Cardinality(HoldOf(w)) <= Permits + Ahead

\* Who starts finds a permit that is free then, however few there are by now.
StartsPermitted == [][\A w \in Workers :
    LET starts == Atts(hold' \ hold) \cap Atts(HoldAt(w, "waiting")) \cap Atts({h \in hold' : h.at = "running"})
    IN starts # {} => Cardinality(Busy(w)) + Cardinality(starts) <= permits[w]]_vars

\* A worker that is to end makes no new claim call, and once closed starts nothing.
NoClaimAfterDrain == [][\A w \in Workers :
    /\ phase[w] # "on" /\ row[w] # "none" => {s \in sent' : s.worker = w} = {s \in sent : s.worker = w}
    /\ phase[w] = "closed" => Atts({h \in hold' : h.worker = w /\ h.at = "running"})
                              \subseteq Atts(HoldAt(w, "running"))]_vars

\* What a worker has in hand leaves it when the database has ended the attempt, by this settle or by
\* somebody before; or the worker itself ends. One that takes its leave waits for its handlers or
\* has interrupted them, and drops nothing but outcomes that nobody takes.
NoSilentDrop == [][\A h \in hold :
    \/ \E k \in hold' : /\ k.worker = h.worker /\ Att(k) = Att(h)
                        /\ h.at \in {"done", "ended", "batch"} => k.how = h.how
    \/ Att(h) \in Closed
    \/ phase'[h.worker] = "left" /\ h.at \in {"ended", "batch"}
    \/ phase'[h.worker] = "dead"]_vars

\* A handler is interrupted, and what it does given back, only when its worker is to end and its time
\* is up.
RunsUntilCut == [][\A h \in hold :
    (h.at = "running" /\ \E k \in hold' : k.worker = h.worker /\ Att(k) = Att(h) /\ k.how = "release") =>
        h.worker \in cut /\ phase[h.worker] \in {"drain", "closed"}]_vars

\* A worker's row comes once and goes once: who was given up or took leave starts as another.
LivesOnce == [][\A w \in Workers : row'[w] # row[w] =>
                  <<row[w], row'[w]>> \in {<<"none", "there">>, <<"there", "gone">>}]_vars

\* Who takes its row away itself has nothing in hand any more.
LeavesEmptyHanded == [][\A w \in Workers : WorkerStop(w) => HoldOf(w) = {}]_vars

\* An attempt is called lost only with the worker that took it.
LostWithWorker == [][\A c \in closed' \ closed : c.how = "lost" =>
                       \A d \in claims : Att(c) \in d.took => row'[d.worker] = "gone"]_vars

\* Where a handler completes its job in its own transaction, nothing else completes it as long as that
\* may happen, and nothing happens behind its back once it was told that it did not.
EffectsWithEnd == \A h \in hold : \A c \in closed :
    (Att(c) = Att(h) /\ c.how = "complete" /\ (h.own # 0 \/ h.at \in {"running", "done"})) => c.id = h.own

\* A beat releases nothing that its worker runs, or will run when a reply arrives.
LiveStays == \A c \in closed : c.how = "unnamed" =>
    /\ \A h \in hold : Att(h) # Att(c)
    /\ \A a \in ask : a.state \in {"sent", "lost"} => Att(c) \notin TookBy(a.token)

OneLeader == Cardinality(leaders) <= 1

\* Each job does what JobLife allows.
RefinesJobLife == [][life' = life \/ \A j \in Jobs : \A old \in {life[j]}, new \in {life'[j]} :
                       Life!Legal(old, new)]_vars

(* --------------------------------- liveness ------------------------------ *)
\* Replies may be lost again and again, but not for ever; mortal workers die, an immortal one is there.
FairOf(w) ==
    /\ WF_vars(DoWorkerStart(w)) /\ WF_vars(DoWorkerStop(w)) /\ WF_vars(DoLead(w))
    /\ WF_vars(DoClaimSent(w)) /\ SF_vars(DoClaimAnswered(w)) /\ WF_vars(DoAskAgain(w))
    /\ WF_vars(DoFlushSent(w)) /\ SF_vars(DoFlushAnswered(w)) /\ WF_vars(DoFlushAgain(w))
    /\ WF_vars(DoGone(w)) /\ WF_vars(DoCut(w)) /\ WF_vars(DoClose(w)) /\ WF_vars(DoLeave(w))
    /\ WF_vars(\E h \in HoldOf(w) : Started(h)) /\ WF_vars(\E h \in HoldOf(w) : DoEnded(h))
    /\ WF_vars(\E h \in HoldOf(w) : LetGo(h))
FairRescue == \A w \in Workers : WF_vars(phase[w] \in {"dead", "left"} /\ DoRescue(w))
Fair == /\ \A w \in Workers : FairOf(w)
        /\ FairRescue
        /\ \A j \in Jobs : WF_vars(EnvEnqueue(j))
        /\ WF_vars(DoClaim) /\ WF_vars(DoSettle) /\ WF_vars(DoPromote)
LiveSpec == Spec /\ Fair

\* Each job ends, as long as somebody works and its handler ends.
AllEnd == \A j \in Jobs : (life[j].s # "none") ~> (life[j].s \in Life!Over)

\* What a worker left open that died is given back.
Orphaned(j) == \E a \in Open : a.job = j /\ \E w \in Workers : a \in TookOf(w) /\ phase[w] = "dead"
RescueComes == \A j \in Jobs : Orphaned(j) ~> ~Orphaned(j)

\* A worker that is to end does, whether or not its handlers and the database answer.
DrainFair == \A w \in Workers :
    /\ WF_vars(DoCut(w)) /\ WF_vars(DoClose(w)) /\ WF_vars(DoLeave(w))
    /\ WF_vars(\E h \in HoldOf(w) : DoEnded(h) /\ h.worker \in cut)
    /\ WF_vars(\E h \in HoldOf(w) : h.at = "waiting" /\ Ended(h, "release"))
DrainSpec == Spec /\ DrainFair
DrainEnds == \A w \in Workers : (phase[w] \in {"drain", "closed"}) ~> (phase[w] \in {"left", "dead"})

(* ---------------------------------- probes ------------------------------- *)

\* A settle comes too late, and its worker is told so.
LateFlushProbe == \A w \in Workers : \A h \in HoldAt(w, "batch") :
    ~(Att(h) \in Closed \ ClosedBy(batch[w].id) /\ \E a \in Open : a.job = h.job)
\* A claim executes that nobody waits for any more.
OrphanProbe == \A c \in claims : c.took \cap Open = {} \/ row[c.worker] # "gone" \/ phase[c.worker] # "left"
\* An own transaction has happened, and its worker knows nothing of it.
DoubtProbe == \A h \in hold : h.own # 0 /\ h.at = "running" => Att(h) \notin ClosedBy(h.own)
\* More handlers run than may by now: none of them was cut off.
FewerProbe == \A w \in Workers : Cardinality(Busy(w)) <= permits[w]
\* A call is answered before an older one, with jobs.
OvertakenProbe == \A a \in ask : \A h \in HoldOf(a.worker) : h.token < a.token
\* A handler runs on although its job runs elsewhere by now.
ZombieProbe == \A g, h \in hold : g.job = h.job /\ g.at = "running" /\ h.at = "running" => g = h
=============================================================================
