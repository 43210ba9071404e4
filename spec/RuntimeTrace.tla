---------------------------- MODULE RuntimeTrace ----------------------------
(* What workers said of themselves, joined with what the database recorded,  *)
(* replayed through the actions of Runtime: many traces in one run of TLC.   *)
(* The module Traces is written by correctness/worker_replay.py. How a run   *)
(* gives its verdicts is told in StorageTrace.                               *)
(*                                                                           *)
(* What jobs become is left to StorageTrace, which knows all of it: here an  *)
(* attempt is to be had until a claim has taken it. Who leads is not in a    *)
(* trace either.                                                             *)
EXTENDS Runtime, Sequences, TLC, Traces

VARIABLES trace, at
traceVars == <<vars, trace, at>>

Count == Len(Traces)
e     == Traces[trace].events[at]

Furthest(k) == k
Reason(k)   == Count + k

Refuse(why) == TLCSet(Reason(trace), <<at, why>>) /\ FALSE
\* Takes the place of All (see the configuration): also says which guards are false.
TraceAll(g) == LET wrong == {k \in DOMAIN g : ~g[k]}
               IN IF wrong = {} THEN TRUE ELSE Refuse(<<"guard", wrong>>)

(* ------------------- what a trace says beforehand ------------------------ *)
\* permits: of each worker at its beginning, by queue; totals: of those whose queues share permits;
\* claimers: sessions of each that claim; queues: of each attempt.
Pairs(of)         == Traces[trace][of]
PermitsOf(w)      == {p \in Pairs("permits") : p[1] = w}
\* Nobody's queue is 0; of a queue without permits no handler runs.
QueueOf(h)        == LET known == {q \in Pairs("queues") : q[1] = h.job /\ q[2] = h.run}
                     IN IF known = {} THEN 0 ELSE (CHOOSE q \in known : TRUE)[3]
TraceLanes(h)     == LET granted == {p \in permits[h.worker] : p[2] = QueueOf(h)}
                     IN IF granted = {} THEN 0 ELSE (CHOOSE p \in granted : TRUE)[3]
TraceBeside(h)    == {k \in Busy(h.worker) : QueueOf(k) = QueueOf(h)}
RECURSIVE Sum(_)
Sum(S) == IF S = {} THEN 0 ELSE LET p == CHOOSE q \in S : TRUE IN p[3] + Ahead + Sum(S \ {p})
TraceRoom(w)      == Sum(permits[w])
TraceDue(a)       == a \notin Taken
TraceClaimed(S)   == life
TraceEnded(S, how) == life
TraceOwnEnded(id) == TRUE

(* ------------------------------- the events ------------------------------ *)

\* The attempt as its worker holds it; what it does not hold is refused.
Mine == {h \in HoldOf(e.worker) : h.job = e.job /\ h.run = e.run}
WithMine(Do(_)) == IF Mine = {} THEN Refuse(<<"guard", {"held"}>>) ELSE \E h \in Mine : Do(h)
DoneAs(h) == Ended(h, e.how)
Same(field, logged, spec) ==
    IF logged = spec THEN TRUE ELSE Refuse(<<"field", field, "logged", logged, "spec", spec>>)

\* What the database refused goes back into the outbox, and may be said in a milder way.
Refused(w, id) ==
    /\ All(FlushAnsweredG(w, id, {}, {}))
    /\ batch' = [batch EXCEPT ![w] = NoBatch]
    /\ hold' = {IF h.worker = w /\ h.at = "batch" THEN Kind(h, "ended", h.how) ELSE h : h \in hold}
    /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask>>
Softened(h) == /\ All([held |-> h.at = "ended"])
               /\ Moved(h, Kind(h, "ended", e.how))
               /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, batch>>
\* Not even a release is taken: the next beat gives the attempt back.
Forsaken(h) == /\ All([held |-> h.at = "ended" /\ h.how = "release"])
               /\ hold' = hold \ {h}
               /\ UNCHANGED <<dataVars, row, leaders, wayVars, selfVars, ask, batch>>
\* What rolls back leaves no record. Who was told so may have no commit of it follow.
Commits(h) == CommitSent(h, e.id)
Answers(h) == IF e.done THEN CommitAnswered(h, e.id, TRUE)
              ELSE /\ All(CommitAnsweredG(h, e.id, FALSE))
                   /\ Moved(h, [h EXCEPT !.own = 0])
                   /\ flushes' = OwnOver(e.id)
                   /\ UNCHANGED <<dataVars, row, leaders, sent, beats, selfVars, ask, batch>>
Begins(w) == /\ All([started |-> row[w] # "none"])
             /\ permits' = [permits EXCEPT ![w] = PermitsOf(w)]
             /\ UNCHANGED <<dataVars, row, leaders, wayVars, phase, cut, deaf, mindVars>>
\* A session that claims waits for one call at a time.
SentAmong(w) == /\ ClaimSent(w, e.token, e.limit)
                /\ All([sessions |-> \A p \in Pairs("claimers") :
                                       p[1] = w => Cardinality(AskOf(w)) < p[2]])
NewPermits(w, queue, now) == {p \in permits[w] : p[2] # queue} \cup {<<w, queue, now>>}
\* Where queues share permits there are no more handlers than all of them have together.
StartedAmong(h) == /\ All([shared |-> \A p \in Pairs("totals") :
                                       p[1] = h.worker => Cardinality(Busy(h.worker)) < p[2]])
                   /\ Started(h)

Act == CASE e.a = "worker_start"   -> WorkerStart(e.worker)
         [] e.a = "worker_stop"    -> WorkerStop(e.worker)
         [] e.a = "claim"          -> Claim(e.worker, e.token, e.took)
         [] e.a = "settle"         -> Settle(e.id, e.atts, e.how)
         [] e.a = "heartbeat"      -> Heartbeat(e.beat, e.atts)
         [] e.a = "rescue_worker"  -> RescueWorker(e.worker, e.atts)
         [] e.a = "end_elsewhere"  -> EndElsewhere(e.atts, "expired")
         [] e.a = "began"          -> Begins(e.worker)
         [] e.a = "claim_sent"     -> SentAmong(e.worker)
         [] e.a = "claim_answered" -> ClaimAnswered(e.worker, e.token, e.took)
         [] e.a = "permitted"      -> Permitted(e.worker, NewPermits(e.worker, e.queue, e.permits))
         [] e.a = "started"        -> WithMine(StartedAmong)
         [] e.a = "ended"          -> WithMine(DoneAs)
         [] e.a = "told"           -> WithMine(Told)
         [] e.a = "let_go"         -> WithMine(LetGo)
         [] e.a = "commit_sent"    -> WithMine(Commits)
         [] e.a = "commit_answered" -> WithMine(Answers)
         [] e.a = "flush_sent"     -> FlushSent(e.worker, e.id, e.how, e.atts)
         [] e.a = "flush_answered" -> FlushAnswered(e.worker, e.id, e.done, e.late)
         [] e.a = "flush_refused"  -> Refused(e.worker, e.id)
         [] e.a = "softened"       -> WithMine(Softened)
         [] e.a = "forsaken"       -> WithMine(Forsaken)
         [] e.a = "beat_sent"      -> BeatSent(e.worker, e.n, e.upto, e.named)
         [] e.a = "deafened"       -> Deafened(e.worker)
         [] e.a = "hears"          -> Hears(e.worker)
         [] e.a = "gone"           -> Gone(e.worker)
         [] e.a = "drained"        -> Drain(e.worker)
         [] e.a = "closed"         -> Close(e.worker)
         [] e.a = "handlers_cut"   -> Cut(e.worker)
         [] e.a = "left"           -> Leave(e.worker, e.dropped)
         [] e.a = "crashed"        -> EnvCrash(e.worker)
         [] OTHER                  -> Refuse(<<"unknown action", e.a>>)

Step == /\ trace > 0 /\ at <= Len(Traces[trace].events)
        /\ Act
        /\ at' = at + 1 /\ trace' = trace

(* ------------------------------- the auditor ----------------------------- *)

Longest == Max({Len(Traces[k].events) : k \in 1..Count} \cup {0})
Bound   == Longest + 3
Audit   == trace = 0 /\ at < Bound /\ at' = at + 1 /\ UNCHANGED <<vars, trace>>

TraceInit ==
    /\ trace \in 0..Count /\ at = 1
    /\ life = 0 /\ claims = {} /\ closed = {} /\ leaders = {}
    /\ row = [w \in Workers |-> "none"]
    /\ sent = {} /\ flushes = {} /\ beats = {}
    /\ phase = [w \in Workers |-> "off"] /\ cut = {} /\ deaf = {} /\ permits = [w \in Workers |-> {}]
    /\ ask = {} /\ hold = {} /\ batch = [w \in Workers |-> NoBatch]
TraceNext == Step \/ Audit
TraceSpec == TraceInit /\ [][TraceNext]_traceVars

ASSUME \A k \in 1..Count : TLCSet(Furthest(k), 0) /\ TLCSet(Reason(k), <<0, "none">>)

\* Used as a constraint: it is looked at once in every state and is always true.
Track == IF trace > 0 /\ at > TLCGet(Furthest(trace)) THEN TLCSet(Furthest(trace), at) ELSE TRUE

Rejected == {k \in 1..Count : TLCGet(Furthest(k)) <= Len(Traces[k].events)}
Why(k)   == IF TLCGet(Reason(k))[1] = TLCGet(Furthest(k)) THEN TLCGet(Reason(k))[2] ELSE "not enabled"
Say(k)   == PrintT("REJECTED " \o ToString(k) \o " " \o ToString(TLCGet(Furthest(k))) \o " WHY " \o ToString(Why(k)))
Verdict  == (trace = 0 /\ at = Bound) =>
              /\ \A k \in Rejected : Say(k)
              /\ PrintT("VERDICT " \o ToString(Count) \o " " \o ToString(Cardinality(Rejected)))
=============================================================================
