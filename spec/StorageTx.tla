----------------------------- MODULE StorageTx ------------------------------
(* Storage with its SQL functions cut open: lock, read, draw, write, commit. *)
(* Every commit must be one step of Storage, and nothing else may change it. *)
(*                                                                           *)
(* Producers draw numbers and commit or roll back in any order. A claimer is *)
(* one execution of a claim call, a settler one execution of a settle; two   *)
(* executions may share a token, or a settle id: the first reply was lost    *)
(* and the call is sent again while it still runs. Any of them may crash.    *)
(*                                                                           *)
(* A settler may also be a note of an attempt's progress, which ends         *)
(* nothing; or a handler's own transaction, which completes its job and does *)
(* what the handler did in one commit. That is never sent again: who lost    *)
(* the answer to its COMMIT only asks whether it happened.                   *)
(*                                                                           *)
(* A commit makes its rows visible and lets its locks go in one step:        *)
(* PostgreSQL does the first before the second.                              *)
(*                                                                           *)
(* Bare names the protections that a witness takes away.                     *)
EXTENDS Storage, TLC

CONSTANTS Producers, Claimers, Settlers,
          Inside,      \* claimers whose transaction had an xid before the claim
          Limit,       \* entries a claim asks for
          DrawMax,     \* numbers one producer may draw
          Preload,     \* entries that are there at the start
          XidMax,      \* bound on xids; 0: this configuration does without xids
          Calm,        \* nothing rolls back or crashes: enough for some witnesses, and smaller
          Fifo,        \* remember what was visible when each enqueue began
          Bare

\* What settlers try; configurations choose their own.
Ops == {"completed", "released", "lost"}

Kept(protection) == protection \notin Bare
UseXids == XidMax > 0

\* Two executions of one call have the same token, and the same for settles.
TokenOf(c) == ((c - 1) % Cardinality(Tokens)) + 1
IdOf(s)    == ((s - 1) % Cardinality(Ids)) + 1

(* -------------------------------- variables ------------------------------ *)

\* A producer's transaction: its in-flight lock (shared), its xid, its numbers, what it could see.
VARIABLE prod
NoProducer == [lock |-> FALSE, xid |-> 0, nums |-> {}, seen |-> {}]
ProdTypeInv == prod \in [Producers -> [lock : BOOLEAN, xid : 0..XidMax, nums : SUBSET Seqs,
                                       seen : SUBSET Seqs]]

\* An execution of claim. new (looked, in some witnesses), then lane (holds token and lane, has read the state), picked, quiet
\* (saw nobody in flight), ready (knows what it takes and forgets), stamped (has its xid), done.
VARIABLE clm
NewClaim == [pc |-> "new"]

\* An execution of complete, release or heartbeat: new, held, done. A handler's own transaction says in
\* the end whether what it did was committed; who asks about one, what the answer was.
VARIABLE stl
NewSettle == [pc |-> "new"]

\* The lane's holes, in two generations, each with the xid it waits for (0: none noted).
VARIABLE gens
NoGens == [old |-> {}, oldXid |-> 0, young |-> {}, youngXid |-> 0]
GensInv == gens.old \cup gens.young = holes /\ gens.old \cap gens.young = {}

\* Transaction numbers: the next one, the last that finished, and foreign transactions running.
VARIABLES nextXid, doneXid, strangers

\* before[n]: what was visible when the enqueue that drew n began.
VARIABLE before

xids   == <<nextXid, doneXid, strangers>>
txVars == <<vars, prod, clm, stl, gens, xids, before>>

(* ------------------------------ xids and locks --------------------------- *)

InClaim == {"lane", "picked", "quiet", "ready", "stamped"}
Running == {prod[p].xid : p \in Producers} \cup strangers
           \cup {clm[c].xid : c \in {d \in Claimers : clm[d].pc \in InClaim}}
           \cup {stl[s].xid : s \in {d \in Settlers : stl[d].pc = "held"}}

\* A snapshot's bounds. xmax is the last finished xid + 1: running transactions may be above it.
SnapMax == doneXid + 1
SnapMin == LET below == {x \in Running : x > 0 /\ x < SnapMax}
           IN IF below = {} THEN SnapMax ELSE Min(below)

Finish(x)  == doneXid' = Max({doneXid, x})
HasXid     == nextXid <= XidMax
TakesXid   == IF UseXids THEN HasXid /\ nextXid' = nextXid + 1 ELSE UNCHANGED nextXid
FreshXid   == IF UseXids THEN nextXid ELSE 0

LaneHeld(c)   == \E d \in Claimers \ {c} : clm[d].pc \in InClaim
TokenHeld(t, c, s) == \/ \E d \in Claimers \ {c} : clm[d].pc \in InClaim /\ TokenOf(d) = t
                      \/ \E d \in Settlers \ {s} : stl[d].pc = "held" /\ stl[d].token = t
\* quiet(lane): nobody holds inflight(lane)
Quiet == /\ \A p \in Producers : ~prod[p].lock
         /\ Kept("inflight_release") => \A s \in Settlers : stl[s].pc = "held" => ~stl[s].lock

(* -------------------------------- producers ------------------------------ *)

\* Order of begin_append: the in-flight lock, the xid, then numbers.
PLock(p) ==
    /\ ~prod[p].lock
    /\ IF Kept("lock_first") THEN last < SeqMax ELSE prod[p].nums # {}
    /\ prod' = [prod EXCEPT ![p].lock = TRUE, ![p].seen = IF Fifo THEN Written ELSE {}]
    /\ UNCHANGED <<vars, clm, stl, gens, xids, before>>

\* A caller's transaction may have its xid from earlier writes of its own.
PXid(p) ==
    /\ UseXids /\ prod[p].xid = 0 /\ HasXid /\ last < SeqMax + Cardinality(prod[p].nums)
    /\ prod' = [prod EXCEPT ![p].xid = nextXid]
    /\ nextXid' = nextXid + 1
    /\ UNCHANGED <<vars, clm, stl, gens, doneXid, strangers, before>>

PDraw(p) ==
    /\ prod[p].lock \/ ~Kept("lock_first")
    /\ UseXids /\ Kept("xid_forced") => prod[p].xid > 0
    /\ Cardinality(prod[p].nums) < DrawMax
    /\ EnvDraw
    /\ prod' = [prod EXCEPT ![p].nums = @ \cup {last + 1}]
    /\ before' = IF Fifo THEN [before EXCEPT ![last + 1] = prod[p].seen] ELSE before
    /\ UNCHANGED <<clm, stl, gens, xids>>

PCommit(p) ==
    /\ prod[p].nums # {} /\ prod[p].lock /\ (UseXids => prod[p].xid > 0)
    /\ EnqueueMany({[seq |-> n, slot |-> 0, job |-> n, lease |-> 1, attempt |-> 1, from |-> 0] :
                      n \in prod[p].nums}, Plain)
    /\ Finish(prod[p].xid)
    /\ prod' = [prod EXCEPT ![p] = NoProducer]
    /\ UNCHANGED <<clm, stl, gens, nextXid, strangers, before>>

PRollback(p) ==
    /\ ~Calm /\ prod[p].nums # {}
    /\ EnvRollback(prod[p].nums)
    /\ Finish(prod[p].xid)
    /\ prod' = [prod EXCEPT ![p] = NoProducer]
    /\ UNCHANGED <<clm, stl, gens, nextXid, strangers, before>>

StrangerBegins == /\ UseXids /\ HasXid /\ strangers = {}
                  /\ strangers' = {nextXid} /\ nextXid' = nextXid + 1
                  /\ UNCHANGED <<vars, prod, clm, stl, gens, doneXid, before>>
StrangerEnds   == /\ strangers # {}
                  /\ Finish(Max(strangers)) /\ strangers' = {}
                  /\ UNCHANGED <<vars, prod, clm, stl, gens, nextXid, before>>

(* ---------------------------------- claim -------------------------------- *)

Base == [no |-> no, next |-> next, gens |-> gens, written |-> Written]

\* What of `written` a claim with this base looks for.
Wanted(b, written) == {s \in written : s >= b.next \/ s \in b.gens.old \cup b.gens.young}
FirstN(S) == IF Kept("order") THEN {s \in S : Rank(S, s) <= Limit}
             ELSE {s \in S : Rank(S, s) > Cardinality(S) - Limit}
PassedBy(b, top) == (b.next..top) \cup b.gens.old \cup b.gens.young
UpTo(S, top) == {s \in S : s <= top}

Ends(c, reply) == clm' = [clm EXCEPT ![c] = [pc |-> "done", reply |-> reply]]
\* In an old snapshot (REPEATABLE READ) each statement sees what the first one saw.
Sees(c) == IF Kept("snapshot") THEN Written ELSE clm[c].base.written

\* Token lock (waits), lane lock (tries), the look for rows of the token, the lane's state: under the
\* locks these cannot change, so they are one step. In the bounded models executions begin in order.
\* Without the token lock, or in an old snapshot, the look comes first and the lane's lock later.
CBegin(c) ==
    LET mine == {r \in claims : r.token = TokenOf(c)}
        early == c \in Inside \/ ~Kept("xid_late")
    IN /\ clm[c].pc = "new"
       /\ \A d \in Claimers : d < c => clm[d].pc # "new"
       /\ Kept("token_lock") => ~TokenHeld(TokenOf(c), c, 0)
       /\ IF mine # {}
          THEN /\ Ends(c, IF Kept("repeat_open") THEN UNION {OpenOf(r) : r \in mine}
                          ELSE UNION {r.seqs : r \in mine})
               /\ UNCHANGED xids
          ELSE IF ~Kept("token_lock") \/ ~Kept("snapshot")
          THEN clm' = [clm EXCEPT ![c] = [pc |-> "looked", base |-> Base]] /\ UNCHANGED xids
          ELSE IF Kept("lane_lock") /\ LaneHeld(c)
          THEN Ends(c, {}) /\ UNCHANGED xids                                  \* busy
          ELSE /\ clm' = [clm EXCEPT ![c] = [pc |-> "lane", base |-> Base,
                                             xid |-> IF early THEN FreshXid ELSE 0]]
               /\ (IF early THEN TakesXid ELSE UNCHANGED nextXid)
               /\ UNCHANGED <<doneXid, strangers>>
       /\ UNCHANGED <<vars, prod, stl, gens, before>>

CLane(c) ==
    /\ clm[c].pc = "looked"
    /\ IF LaneHeld(c) THEN Ends(c, {})
       ELSE clm' = [clm EXCEPT ![c] = [pc |-> "lane", xid |-> 0,
                                       base |-> IF Kept("snapshot") THEN Base ELSE @.base]]
    /\ UNCHANGED <<vars, prod, stl, gens, xids, before>>

\* One statement, one snapshot: the visible entries it looks for, and its xmin.
CPick(c) ==
    LET k == clm[c]
        \* Looking through a list of slots that is older than the snapshot, or slot by slot.
        P == FirstN(Wanted(k.base, IF Kept("one_look") THEN Sees(c) ELSE k.base.written))
    IN /\ k.pc = "lane"
       /\ IF P = {} THEN Ends(c, {}) /\ Finish(k.xid)                        \* empty
          ELSE /\ clm' = [clm EXCEPT ![c] = [pc |-> "picked", base |-> k.base, xid |-> k.xid,
                                             take |-> P, xmin |-> SnapMin, xmax |-> SnapMax]]
               /\ UNCHANGED doneXid
       /\ UNCHANGED <<vars, prod, stl, gens, nextXid, strangers, before>>

\* Numbers of a generation that waits for an xid below xmin, looked for and not seen.
PassedOverBy(k) ==
    LET looked(S) == IF Cardinality(k.take) = Limit THEN UpTo(S, Max(k.take)) ELSE S
        g == k.base.gens
    IN (IF g.oldXid > 0 /\ g.oldXid < k.xmin THEN looked(g.old) ELSE {})
       \cup (IF g.youngXid > 0 /\ g.youngXid < k.xmin THEN looked(g.young) ELSE {})

\* The in-flight test. It is made only when numbers up to the greatest taken are missing.
CTest(c) ==
    LET k == clm[c]
        top == Max(k.take)
        missing == UpTo(PassedBy(k.base, top), top) \ k.take
    IN /\ k.pc = "picked"
       /\ clm' = [clm EXCEPT ![c] =
            [pc |-> IF missing # {} /\ Quiet THEN "quiet" ELSE "ready", base |-> k.base,
             xid |-> k.xid, xmax |-> k.xmax, take |-> k.take, top |-> top,
             forget |-> IF missing # {} /\ Quiet THEN {} ELSE PassedOverBy(k) \ k.take]]
       /\ UNCHANGED <<vars, prod, stl, gens, xids, before>>

\* Quiet: look again, without limit, up to the greatest seen. What has no room stays a hole.
CAgain(c) ==
    LET k == clm[c]
        seen == UpTo(Wanted(k.base, IF Kept("second_pick") THEN Sees(c) ELSE k.take), k.top)
        P == FirstN(seen)
    IN /\ k.pc = "quiet"
       /\ clm' = [clm EXCEPT ![c] =
            [pc |-> "ready", base |-> k.base, xid |-> k.xid, xmax |-> k.xmax, take |-> P,
             top |-> k.top,
             forget |-> UpTo(PassedBy(k.base, k.top), k.top) \ (IF Kept("looked") THEN seen ELSE P)]]
       /\ UNCHANGED <<vars, prod, stl, gens, xids, before>>

\* All picks are done: only now the transaction's own xid.
CStamp(c) ==
    /\ clm[c].pc = "ready"
    /\ IF clm[c].xid > 0 THEN UNCHANGED nextXid ELSE TakesXid
    /\ clm' = [clm EXCEPT ![c].pc = "stamped", ![c].xid = IF @ > 0 THEN @ ELSE FreshXid]
    /\ UNCHANGED <<vars, prod, stl, gens, doneXid, strangers, before>>

\* Two generations of holes: the rest of the old one keeps its xid, all others are young.
GensAfter(k, x) ==
    LET g     == k.base.gens
        left  == PassedBy(k.base, k.top) \ (k.take \cup k.forget)
        old   == g.old \cap left
        young == left \ old
        noted == ~(young \subseteq g.young)
        youngXid == IF noted \/ g.youngXid = 0 THEN x ELSE g.youngXid
        oldXid == IF g.oldXid = 0 THEN x ELSE g.oldXid
    IN IF old = {}
       THEN [old |-> young, oldXid |-> IF young = {} THEN 0 ELSE youngXid, young |-> {}, youngXid |-> 0]
       ELSE [old |-> old, oldXid |-> oldXid, young |-> young,
             youngXid |-> IF young = {} THEN 0 ELSE youngXid]

CCommit(c) ==
    LET k == clm[c]
        x == IF c \in Inside THEN 0 ELSE IF Kept("own_xid") THEN k.xid ELSE k.xmax
        t == TokenOf(c)
        G == GensAfter(k, x)
    IN /\ k.pc = "stamped"
       /\ claims' = claims \cup {[token |-> t, part |-> c, slot |-> 0, worker |-> 1, call |-> t,
                                  no |-> k.base.no + 1, seqs |-> k.take]}
       /\ no' = k.base.no + 1
       /\ next' = Max({k.base.next, k.top + 1})
       /\ gens' = G /\ holes' = G.old \cup G.young
       /\ late' = {}
       /\ Finish(k.xid)
       /\ Ends(c, k.take)
       /\ UNCHANGED <<born, drawVars, entries, closures, workers, stopped, awayVars, prod, stl, nextXid,
                      strangers, before>>

CCrash(c) == /\ ~Calm /\ clm[c].pc \in InClaim
             /\ Finish(clm[c].xid)
             /\ Ends(c, {})
             /\ UNCHANGED <<vars, prod, stl, gens, nextXid, strangers, before>>

(* --------------------------------- settle -------------------------------- *)

IsNew(s)   == stl[s].pc = "new" /\ \A d \in Settlers : d < s => stl[d].pc # "new"
IsOp(s, op) == stl[s].pc # "new" /\ "op" \in DOMAIN stl[s] /\ stl[s].op = op
Alike(s)   == {o \in Settlers \ {s} : IdOf(o) = IdOf(s) /\ stl[o].pc # "new"}
OwnUnder(s) == {o \in Alike(s) : IsOp(o, "own")}

\* The claim's lock (tried), then what is open. op: completed, released, or lost (a heartbeat's); or
\* noted, a note of one attempt's progress.
\* Without the protection the read comes first and the lock at the write, where it no longer helps.
\* own: a handler's own transaction at its end, under an id of its own. It waits for the lock.
SBegin(s, op, r, asked) ==
    LET locked == Kept("claim_lock") /\ TokenHeld(r.token, 0, s)
        held == [pc |-> "held", op |-> op, token |-> r.token, part |-> r.part, xid |-> 0,
                 lock |-> FALSE, nums |-> {}, take |-> asked \cap OpenOf(r)]
    IN /\ IsNew(s)
       /\ OwnUnder(s) = {} \/ (op = "completed" /\ ~Kept("own_asked"))
       /\ op = "own" => Alike(s) = {} /\ ~locked
       /\ stl' = [stl EXCEPT ![s] =
            IF op = "own" THEN [k \in {"asked"} \cup DOMAIN held |-> IF k = "asked" THEN asked ELSE held[k]]
            ELSE IF locked THEN [pc |-> "done"]                                      \* busy
            ELSE held]
       /\ UNCHANGED <<vars, prod, clm, gens, xids, before>>

\* An own transaction that lost its answer is asked about under the lock it held: it has ended then.
SAsk(s) ==
    /\ IsNew(s)
    /\ \E o \in OwnUnder(s) :
         LET k == stl[o]
         IN /\ Kept("ask_lock") => ~TokenHeld(k.token, 0, s)
            /\ stl' = [stl EXCEPT ![s] =
                 [pc |-> "done", op |-> "ask", of |-> o,
                  there |-> k.asked \subseteq ClosedAs(k.token, k.part, IdOf(o), "completed")]]
    /\ UNCHANGED <<vars, prod, clm, gens, xids, before>>

\* Re-appending draws like every producer: begin_append, then one number for each entry.
SDraw(s) ==
    LET k == stl[s]
    IN /\ k.pc = "held" /\ k.op \notin {"completed", "own", "noted"} /\ Cardinality(k.nums) < Cardinality(k.take)
       /\ EnvDraw
       /\ stl' = [stl EXCEPT ![s] = [k EXCEPT !.nums = @ \cup {last + 1}, !.lock = TRUE,
                                              !.xid = IF @ > 0 THEN @ ELSE FreshXid]]
       /\ IF k.xid > 0 THEN UNCHANGED nextXid ELSE TakesXid
       /\ before' = IF Fifo THEN [before EXCEPT ![last + 1] = {}] ELSE before
       /\ UNCHANGED <<prod, clm, gens, doneXid, strangers>>

Over(k, did) == IF k.op = "own" THEN [pc |-> "done", op |-> "own", token |-> k.token, part |-> k.part,
                                      asked |-> k.asked, did |-> did]
                ELSE [pc |-> "done"]

\* An own transaction whose attempt was ended by somebody else does not commit what it did either.
SCommit(s) ==
    LET k == stl[s]
        loss == IF k.op = "lost" THEN 1 ELSE 0
        new == {[seq |-> Nth(k.nums, Rank(k.take, n)), slot |-> 0, job |-> EntryOf(n).job,
                 lease |-> EntryOf(n).lease + 1, attempt |-> EntryOf(n).attempt, from |-> n] :
                  n \in IF k.op \in {"completed", "own"} THEN {} ELSE k.take}
    IN /\ k.pc = "held" /\ k.op # "noted"
       /\ k.op \notin {"completed", "own"} => Cardinality(k.nums) = Cardinality(k.take)
       /\ k.op = "own" /\ Kept("own_stale") => k.take = k.asked
       /\ Closing({[token |-> k.token, part |-> k.part, settled |-> k.take]},
                  IF k.op = "own" THEN "completed" ELSE k.op, IF k.op = "lost" THEN 0 ELSE IdOf(s))
       /\ Appending(new, loss)
       /\ Finish(k.xid)
       /\ stl' = [stl EXCEPT ![s] = Over(k, TRUE)]
       /\ UNCHANGED <<born, last, no, next, holes, claims, workers, stopped, awayVars, prod, clm, gens, nextXid,
                      strangers, before>>

\* A note is written where the attempt was open at the look. Settlers' names stand for its number and text.
NCommit(s) ==
    LET k == stl[s]
        fresh == {n \in {[job |-> EntryOf(q).job, lease |-> EntryOf(q).lease, note |-> s, said |-> s] :
                            q \in k.take} : Newer(n)}
    IN /\ k.pc = "held" /\ k.op = "noted"
       /\ notes' = {m \in notes : \A n \in fresh : n.job # m.job} \cup fresh
       /\ stl' = [stl EXCEPT ![s] = Over(k, TRUE)]
       /\ UNCHANGED <<born, drawVars, entries, laneVars, claims, closures, workers, stopped, placeVars,
                      removed, withdrawn, ringVars, keyVars, prod, clm, gens, xids, before>>

Stale(k)  == k.op = "own" /\ k.take # k.asked
SCrash(s) == /\ stl[s].pc = "held" /\ (~Calm \/ Stale(stl[s]))
             /\ fly' = fly \ stl[s].nums
             /\ Finish(stl[s].xid)
             /\ stl' = [stl EXCEPT ![s] = Over(@, FALSE)]
             /\ UNCHANGED <<born, last, entries, laneVars, claims, closures, workers, stopped, awayVars, prod,
                            clm, gens, nextXid, strangers, before>>

(* ------------------------------ specification ---------------------------- *)

TxInit ==
    /\ born = TRUE /\ last = Preload /\ fly = {}
    /\ entries = {[seq |-> n, slot |-> 0, job |-> n, lease |-> 1, attempt |-> 1, losses |-> 0] :
                    n \in 1..Preload}
    /\ no = 0 /\ next = 1 /\ holes = {} /\ late = 1..Preload
    /\ claims = {} /\ closures = {} /\ workers = {1} /\ stopped = {}
    /\ AwayInit
    /\ prod = [p \in Producers |-> NoProducer]
    /\ clm = [c \in Claimers |-> NewClaim] /\ stl = [s \in Settlers |-> NewSettle]
    /\ gens = NoGens /\ nextXid = 1 /\ doneXid = 0 /\ strangers = {}
    /\ before = [n \in Seqs |-> {}]

TxNext ==
    \/ \E p \in Producers : PLock(p) \/ PXid(p) \/ PDraw(p) \/ PCommit(p) \/ PRollback(p)
    \/ StrangerBegins \/ StrangerEnds
    \/ \E c \in Claimers : CBegin(c) \/ CLane(c) \/ CPick(c) \/ CTest(c) \/ CAgain(c) \/ CStamp(c)
                           \/ CCommit(c) \/ CCrash(c)
    \/ \E s \in Settlers : \/ SDraw(s) \/ SCommit(s) \/ NCommit(s) \/ SCrash(s) \/ SAsk(s)
                           \/ \E op \in Ops, r \in claims :
                                \E asked \in (IF op \in {"own", "noted"} THEN {} ELSE {r.seqs})
                                            \cup (IF op = "lost" THEN {} ELSE {{n} : n \in r.seqs}) :
                                  SBegin(s, op, r, asked)
TxSpec == TxInit /\ [][TxNext]_txVars

\* Producers differ in nothing but their names.
ProducersAlike == Permutations(Producers)

\* For witnesses, to which one bad behaviour is enough: no claim begins before all numbers are drawn.
DrawnFirst == last = SeqMax \/ \A c \in Claimers : clm[c].pc = "new"

(* ------------------------------- properties ------------------------------ *)

TxTypeInv == ProdTypeInv /\ GensInv

\* If the enqueue of X committed before the enqueue of Y began, Y is never claimed before X.
FifoLinearizable ==
    [][\A y \in Claimed' \ Claimed : \A x \in before[y] : x \in Claimed']_txVars

\* What a claim call answers is open when it answers.
AnswersAreOpen ==
    [][\A c \in Claimers : (clm[c].pc # "done" /\ clm'[c].pc = "done") =>
         clm'[c].reply \subseteq UNION {OpenOf(r)' : r \in {q \in claims' : q.token = TokenOf(c)}}]_txVars

\* What a handler did in its own transaction and its job's completion commit together or not at all.
Did(o) == stl[o].pc = "done" /\ stl[o].did
EffectsWithEnd == \A o \in Settlers : IsOp(o, "own") =>
    (Did(o) <=> stl[o].asked \subseteq ClosedAs(stl[o].token, stl[o].part, IdOf(o), "completed"))
\* What is answered of such a transaction stands.
AnswersStand == \A s \in Settlers : IsOp(s, "ask") => (stl[s].there <=> Did(stl[s].of))

\* Which step of Storage a step here is, read off its effect.
NewEntries(froms) ==
    {[seq |-> e.seq, slot |-> e.slot, job |-> e.job, lease |-> e.lease, attempt |-> e.attempt,
      from |-> IF froms = {} THEN 0 ELSE CHOOSE n \in froms : EntryOf(n).job = e.job] :
       e \in entries' \ entries}
NewRows == {[part |-> r.part, slot |-> r.slot, seqs |-> r.seqs] : r \in claims' \ claims}
ItemOf(c) == [token |-> c.token, part |-> c.part, asked |-> c.seqs, settled |-> c.seqs,
              already |-> {}, stale |-> {}]
StorageStep ==
    \/ EnvDraw
    \/ EnvRollback(fly \ fly')
    \/ EnqueueMany(NewEntries({}), Plain)
    \/ \E r \in claims' \ claims :
         Claim(r.worker, r.call, r.token, NewRows, [no |-> no', next |-> next', holes |-> holes'], FALSE)
    \/ \E c \in closures' \ closures :
         \/ Complete(c.settle, {ItemOf(c)})
         \/ Release(c.settle, {ItemOf(c)}, NewEntries(c.seqs))
         \/ Heartbeat(1, Max(Tokens), {}, "alive", {ItemOf(c)}, OnlyNew(NewEntries(c.seqs)))
    \/ \E n \in notes' \ notes, r \in claims : \E q \in r.seqs :
         /\ EntryOf(q).job = n.job /\ EntryOf(q).lease = n.lease
         /\ NoteProgress({[token |-> r.token, part |-> r.part, seq |-> q, note |-> n.note, said |-> n.said,
                            answer |-> "noted"]})
RefinesStorage == [][StorageStep]_vars

(* ------------------- probes: each must be violated ----------------------- *)

\* A claim that looks again sees more than it has room for.
NoRoomProbe == [][\A c \in Claimers : ~(clm[c].pc = "quiet" /\ clm'[c].pc = "ready" /\ clm'[c].take # clm[c].take)]_txVars
\* A hole is forgotten because every xid of its time has ended, with a producer in flight.
XidForgetsProbe == \A c \in Claimers : clm[c].pc = "ready" /\ ~Quiet => clm[c].forget = {}
\* Holes of two generations.
TwoGensProbe == gens.young = {}
\* A repeat answers a part of what the first execution took.
RepeatPartProbe == \A c, d \in Claimers :
    (c # d /\ clm[c].pc = "done" /\ clm[d].pc = "done" /\ TokenOf(c) = TokenOf(d)) =>
      clm[c].reply = {} \/ clm[d].reply = {} \/ clm[c].reply = clm[d].reply
\* An own transaction that comes too late, and one that was asked about and had happened.
OwnStaleProbe == \A s \in Settlers : stl[s].pc = "held" => ~Stale(stl[s])
OwnThereProbe == \A s \in Settlers : IsOp(s, "ask") => ~stl[s].there
\* A settle that finds everything ended: stale.
StaleProbe == \A s \in Settlers : stl[s].pc = "held" => stl[s].take # {}
=============================================================================
