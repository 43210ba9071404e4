-------------------------------- MODULE Ring ---------------------------------
(* The ring turns: slots are pruned and evacuated beside claims and settles. *)
(* May a row be lost, or taken twice, because it went while somebody looked? *)
(*                                                                           *)
(* TRUNCATE ignores snapshots: rows vanish at its commit for everybody who   *)
(* did not lock the slot before. File sizes, which tell live slots, and the  *)
(* current slot are in no snapshot at all. An evacuation is an ordinary      *)
(* change: each snapshot shows a row once, in its old slot or its new one,   *)
(* but only to those who look at both.                                       *)
(*                                                                           *)
(* One lane. Claims, withdrawals (under the lane's lock, one at a time),     *)
(* settles, prune, evacuate and rotate (one at a time: the maintenance lock) *)
(* are cut into the steps between which others may commit. Each hole waits   *)
(* for the xid of the claim that noted it, as in Looking.                    *)
(*                                                                           *)
(* Rows that are gone cannot tell whether they were lost. So the truth is    *)
(* kept beside the tables: what was taken, ended, withdrawn, appended again. *)
(*                                                                           *)
(* Bare names the protections that a witness takes away.                     *)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS Producers, Settlers,
          Slots,           \* slots of the ring, 0 is current at the start
          SeqMax,          \* bound: numbers the lane's sequence draws
          XidMax,          \* bound: transactions of producers and claims
          TokenMax,        \* bound: claim calls
          TurnMax,         \* bound: rotations
          MoveMax,         \* bound: prunes and evacuations that happen
          Limit,           \* entries a claim asks for
          Preload,         \* entries that are there at the start, in slot 0
          Preclaimed,      \* of these, the numbers that call 1 has taken
          Midway,          \* or: call 1 took 2 and noted 1, which is in flight, as is 4; 3 is there
          Withdraws,       \* are pending entries withdrawn?
          Faults,          \* may a bug make a claim pass over a number it saw?
          Quick,           \* attempts end in one step: for models whose subject are the claims
          Halves,          \* a list of live slots reads their sizes in two steps
          Bare

Kept(protection) == protection \notin Bare

Seqs   == 1..SeqMax
Tokens == 1..TokenMax
None   == 99
ASSUME None \notin Slots
Max(S) == CHOOSE m \in S : \A k \in S : k <= m
FirstN(S) == {s \in S : Cardinality({k \in S : k <= s}) <= Limit}
UpTo(S, top) == {s \in S : s <= top}

(* -------------------------------- variables ------------------------------ *)

\* The current slot (a sequence), slots whose file is not empty, rotations so far.
VARIABLES current, filled, turns
\* Slots that a ledger would call in use: they were current since they were last truncated.
VARIABLE ledger
RingTypeInv == current \in Slots /\ filled \subseteq Slots /\ turns \in 0..TurnMax /\ ledger \subseteq Slots

\* Committed rows. A claims row with no = 0 was carried here and says nothing of the lane; a closure
\* with token 0 is a withdrawal.
VARIABLES entries, claims, closures
RowsTypeInv ==
    /\ entries \subseteq [seq : Seqs, slot : Slots]
    /\ claims \subseteq [token : Tokens, slot : Slots, seqs : SUBSET Seqs, no : 0..TokenMax,
                         next : 1..SeqMax + 1, holes : SUBSET Seqs]
    /\ closures \subseteq [token : Tokens \cup {0}, slot : Slots, seqs : SUBSET Seqs]

\* The lane's state as a prune or an evacuation left it, and what each hole waits for.
VARIABLES floor, waits
LaneTypeInv == /\ floor \in [no : 0..TokenMax, next : 1..SeqMax + 1, holes : SUBSET Seqs]
               /\ waits \in [Seqs -> 0..XidMax]

\* The last number drawn, and the next xid. A producer: its xid (0: none runs), number, slot written to.
VARIABLES last, nextXid, prod
NoProducer  == [xid |-> 0, num |-> 0, slot |-> None]
ProdTypeInv == /\ last \in 0..SeqMax /\ nextXid \in 1..XidMax + 1
               /\ prod \in [Producers -> [xid : 0..XidMax, num : 0..SeqMax, slot : Slots \cup {None}]]

\* The claim or withdrawal under way: idle, begun (has the token's lock, and the lane's if `mine`),
\* half (read some sizes), listed, locked (has read the lane's state), picked, looked, quiet, ready.
VARIABLE clm
NoState == [no |-> 0, next |-> 1, holes |-> {}]
NoClaim == [pc |-> "idle", token |-> 0, mine |-> FALSE, slots |-> {}, locked |-> {}, base |-> NoState,
            rows |-> {}, cut |-> {}, take |-> {}, top |-> 0, xmin |-> 0, forget |-> {}]

\* A settle under way: new, held (has the token's lock), search (not all is where it was told), listed,
\* found, done. It was told `slot`; take: what is open of what was asked, with the slot it is in.
VARIABLE stl
NoSettle == [pc |-> "new", token |-> 0, slot |-> None, asked |-> {}, slots |-> {}, locked |-> {}, take |-> {}]

\* Maintenance: idle; of prune: shared (ready of the slot is locked SHARE), state (has read the lane's),
\* proven, drawn, excl (has everything exclusive); of evacuate: seen (has looked at what lives), evac (has
\* the lane's lock, if `lane`, and those of `tokens`).
VARIABLES mnt, moves
NothingLives == [pending |-> {}, open |-> {}]
NoMnt == [pc |-> "idle", slot |-> None, lane |-> FALSE, tokens |-> {}, base |-> NoState, known |-> {},
          stray |-> {}, num |-> 0, xid |-> 0, floor |-> NoState, seen |-> NothingLives]

\* The truth. job[n]: the job of number n, once it has committed (0: never). took: who took what.
\* ends[n]: how often an end of n was accepted. cut: withdrawn. again: appended again under another
\* number. lost: passed over by a bug. doubled: a repeated claim call did not find what it had taken.
VARIABLES job, took, ends, cut, again, lost, doubled
truth == <<job, took, ends, cut, again, lost, doubled>>
TruthTypeInv ==
    /\ job \in [Seqs -> 0..SeqMax] /\ took \subseteq Tokens \X Seqs /\ ends \in [Seqs -> 0..3]
    /\ cut \subseteq Seqs /\ again \subseteq Seqs /\ lost \subseteq Seqs /\ doubled \in BOOLEAN

ringVars == <<current, filled, turns, ledger>>
rowVars  == <<entries, claims, closures>>
laneVars == <<floor, waits>>
drawVars == <<last, nextXid, prod>>
vars     == <<ringVars, rowVars, laneVars, drawVars, clm, stl, mnt, moves, truth>>
TypeInv  == RingTypeInv /\ RowsTypeInv /\ LaneTypeInv /\ ProdTypeInv /\ TruthTypeInv /\ moves \in 0..MoveMax

(* ------------------------------ derived state ---------------------------- *)

Live  == filled \cup {current}
Fly   == ({prod[p].num : p \in Producers} \cup {mnt.num}) \ {0}
Quiet == mnt.xid = 0 /\ \A p \in Producers : prod[p].xid = 0
Xmin  == LET running == ({prod[p].xid : p \in Producers} \cup {mnt.xid}) \ {0}
         IN IF running = {} THEN nextXid ELSE CHOOSE x \in running : \A y \in running : x <= y

\* What the rows of these slots and a floor say of the lane: the greatest `no` wins.
StatesIn(slots) == {[no |-> c.no, next |-> c.next, holes |-> c.holes] :
                      c \in {r \in claims : r.slot \in slots /\ r.no > 0}}
Newest(states, low) == LET newer == {s \in states : s.no > low.no}
                       IN IF newer = {} THEN low ELSE CHOOSE s \in newer : \A t \in newer : t.no <= s.no
StateNow        == Newest(StatesIn(Slots), floor)
Wanted(b, s)    == s >= b.next \/ s \in b.holes

ClosedIn(slots, t) == UNION {c.seqs : c \in {d \in closures : d.slot \in slots /\ d.token = t}}
OpenOf(r)       == r.seqs \ ClosedIn({r.slot}, r.token)

Taken   == {n \in Seqs : \E t \in Tokens : <<t, n>> \in took}
Born    == {n \in Seqs : job[n] > 0}
Running == {n \in Taken : ends[n] = 0}
Pending == Born \ (Taken \cup cut \cup again)
TookOf(t) == {n \in Seqs : <<t, n>> \in took}

\* Locks on slots. Claims and settles hold ACCESS SHARE (and write where they hold it); a producer
\* that has written holds ROW EXCLUSIVE on ready.
Exclusive(k) == mnt.slot = k /\ mnt.pc = "excl"
Writable(k)  == ~(mnt.slot = k /\ mnt.pc \in {"shared", "state", "proven", "drawn", "excl"})
Unlocked(k)  == /\ k \notin clm.locked
                /\ \A s \in Settlers : k \notin stl[s].locked
                /\ \A p \in Producers : prod[p].slot # k
LaneFree     == ~(clm.pc # "idle" /\ clm.mine) /\ ~mnt.lane
\* The key of a claim's lock is the token alone. (Witness: it depends on the place.)
SameKey(s, t, k) == stl[s].pc \in {"held", "found", "search", "listed"} /\ stl[s].token = t
                    /\ (Kept("key_of_token") \/ stl[s].slot = k)
TokenHeld(t, k)  == \/ clm.pc # "idle" /\ clm.token = t
                    \/ t \in mnt.tokens /\ (Kept("key_of_token") \/ mnt.slot = k)
                    \/ \E s \in Settlers : SameKey(s, t, k)

(* -------------------------------- producers ------------------------------ *)

PBegin(p) ==
    /\ prod[p].xid = 0 /\ nextXid <= XidMax /\ last < SeqMax
    /\ nextXid' = nextXid + 1 /\ last' = last + 1
    /\ prod' = [prod EXCEPT ![p].xid = nextXid, ![p].num = last + 1]
    /\ UNCHANGED <<ringVars, rowVars, laneVars, clm, stl, mnt, moves, truth>>

\* Any slot: the ring may have turned since the producer read which one is current. It waits for
\* whoever keeps writers out of that slot.
PWrite(p, k) ==
    /\ prod[p].xid > 0 /\ prod[p].slot = None /\ Writable(k)
    /\ prod' = [prod EXCEPT ![p].slot = k]
    /\ filled' = filled \cup {k}
    /\ UNCHANGED <<current, turns, ledger, rowVars, laneVars, last, nextXid, clm, stl, mnt, moves, truth>>

PCommit(p) ==
    /\ prod[p].slot # None
    /\ entries' = entries \cup {[seq |-> prod[p].num, slot |-> prod[p].slot]}
    /\ job' = [job EXCEPT ![prod[p].num] = prod[p].num]
    /\ prod' = [prod EXCEPT ![p] = NoProducer]
    /\ UNCHANGED <<ringVars, claims, closures, laneVars, last, nextXid, clm, stl, mnt, moves, took, ends, cut,
                   again, lost, doubled>>

PRollback(p) ==
    /\ prod[p].xid > 0
    /\ prod' = [prod EXCEPT ![p] = NoProducer]
    /\ UNCHANGED <<ringVars, rowVars, laneVars, last, nextXid, clm, stl, mnt, moves, truth>>

(* ---------------------------------- claim -------------------------------- *)

ClaimStep(k) == clm' = k /\ UNCHANGED <<ringVars, rowVars, laneVars, drawVars, stl, mnt, moves, truth>>

\* A new call, or one that took something and is sent again. Token 0: a withdrawal. The token's lock
\* waits; the lane's is tried, and a call goes on without it for its other lanes.
CBegin(t) ==
    /\ clm.pc = "idle"
    /\ \/ t = 0 /\ Withdraws /\ Pending # {}
       \/ t > 0 /\ ~TokenHeld(t, None) /\ TookOf(t) # {} /\ TookOf(t) \cap Running # {}
       \/ t > 0 /\ TookOf(t) = {} /\ \A u \in Tokens : u < t => TookOf(u) # {}
    /\ LaneFree \/ (t > 0 /\ TookOf(t) # {})
    /\ ClaimStep([NoClaim EXCEPT !.pc = "begun", !.token = t, !.mine = LaneFree,
                                 \* Witness: the floor is read before the claims are.
                                 !.base = IF Kept("floor_last") THEN NoState ELSE floor])

\* live_slots: by size, and the current one. Sizes are read in the order of the slots.
Listed == IF Kept("sizes") THEN Live ELSE ledger
CHalf(k) ==
    /\ Halves /\ clm.pc = "begun" /\ \A s \in Slots : s < k => ~Exclusive(s)
    /\ ClaimStep([clm EXCEPT !.pc = "half", !.slots = {s \in Listed : s < k} \cup {current}, !.top = k])
CList ==
    /\ clm.pc \in {"begun", "half"} /\ (Halves => clm.pc = "half")
    \* reading a size waits for whoever is to truncate that file
    /\ \A k \in Slots : k >= clm.top => ~Exclusive(k)
    /\ ClaimStep([clm EXCEPT !.pc = "listed", !.top = 0,
                             !.slots = IF clm.pc = "half" THEN @ \cup {s \in Listed : s >= clm.top}
                                       ELSE Listed])

\* Every listed slot is locked; then the rows of the token are looked for, and the lane's state is
\* read: claims and floor by one statement, begun after the locks.
StateFrom(k) ==
    LET rows == StatesIn(k.slots)
        low  == IF Kept("floor_last") THEN floor ELSE k.base
        here == StatesIn({current})
    IN IF Kept("greatest_no") \/ here = {} THEN Newest(rows, low) ELSE Newest(here, NoState)
CLock ==
    /\ clm.pc = "listed" /\ \A k \in clm.slots : ~Exclusive(k)
    /\ IF clm.token > 0 /\ \E r \in claims : r.token = clm.token /\ r.slot \in clm.slots
       THEN ClaimStep(NoClaim)                                            \* answers what is open of it
       ELSE IF clm.token > 0 /\ TookOf(clm.token) # {}
       THEN /\ clm' = NoClaim                       \* takes again under this token, unless all has ended
            /\ doubled' = (doubled \/ TookOf(clm.token) \cap Running # {})
            /\ UNCHANGED <<ringVars, rowVars, laneVars, drawVars, stl, mnt, moves, job, took, ends, cut, again, lost>>
       ELSE ClaimStep([clm EXCEPT !.pc = "locked", !.locked = clm.slots, !.base = StateFrom(clm)])

\* One statement, one snapshot: the visible entries it looks for, what is withdrawn of them, its xmin.
Sees(k) == {e \in entries : e.slot \in k.slots /\ Wanted(k.base, e.seq)}
Numbers(rows) == {e.seq : e \in rows}
Looked(k, rows) ==
    LET gone == Numbers(rows) \cap ClosedIn(k.slots, 0)
    IN [k EXCEPT !.rows = rows, !.cut = gone, !.take = FirstN(Numbers(rows) \ gone)]
\* It fetches no more than its limit, withdrawn ones included.
CPick ==
    LET rows == {e \in Sees(clm) : e.seq \in FirstN(Numbers(Sees(clm)))}
    IN /\ clm.pc = "locked" /\ clm.token > 0
       /\ ClaimStep([Looked(clm, rows) EXCEPT !.pc = "picked", !.xmin = Xmin,
                                              !.top = IF rows = {} THEN 0 ELSE Max(Numbers(rows))])

\* When a slot has filled, the pick is made again through the new list, once that is locked.
CLookAgain ==
    /\ clm.pc = "picked"
    /\ IF ~(Listed \subseteq clm.slots)
       THEN /\ \A k \in Listed : ~Exclusive(k)
            /\ ClaimStep([clm EXCEPT !.pc = "locked", !.slots = @ \cup Listed,
                                     !.locked = @ \cup Listed, !.top = 0, !.rows = {}, !.cut = {}, !.take = {}])
       ELSE IF clm.top = 0 THEN ClaimStep(NoClaim)                        \* empty
       ELSE ClaimStep([clm EXCEPT !.pc = "looked"])

PassedBy(k) == (k.base.next..k.top) \cup k.base.holes
PassedOverBy(k) == {s \in IF Cardinality(k.rows) = Limit THEN UpTo(k.base.holes, k.top) ELSE k.base.holes :
                      waits[s] < k.xmin} \ Numbers(k.rows)
CTest ==
    LET missing == UpTo(PassedBy(clm), clm.top) \ (clm.take \cup clm.cut)
    IN /\ clm.pc = "looked"
       /\ ClaimStep(IF missing # {} /\ Quiet THEN [clm EXCEPT !.pc = "quiet"]
                    ELSE [clm EXCEPT !.pc = "ready", !.forget = PassedOverBy(clm)])

\* Nobody is in flight: list and lock again, look again without limit up to the greatest seen.
CListAgain ==
    /\ clm.pc = "quiet" /\ \A k \in Listed : ~Exclusive(k)
    /\ ClaimStep([clm EXCEPT !.pc = "again", !.slots = @ \cup Listed, !.locked = @ \cup Listed])
CAgain ==
    LET rows == {e \in Sees(clm) : e.seq <= clm.top}
        k == Looked(clm, rows)
    IN /\ clm.pc = "again"
       /\ ClaimStep([k EXCEPT !.pc = "ready", !.forget = UpTo(PassedBy(clm), clm.top) \ Numbers(rows)])

\* Its rows, one in each slot it takes from; a claim that saw withdrawn entries only writes one all
\* the same, so that the cursor moves.
SlotOf(k, s) == (CHOOSE e \in k.rows : e.seq = s).slot
CCommit(fault) ==
    LET k == [clm EXCEPT !.take = @ \ fault]
        left  == PassedBy(k) \ (k.take \cup k.cut \cup k.forget \cup fault)
        after == [no |-> k.base.no + 1, next |-> Max({k.base.next, k.top + 1}), holes |-> left]
        used  == {SlotOf(k, s) : s \in IF k.take = {} THEN Numbers(k.rows) ELSE k.take}
        row(j) == [token |-> k.token, slot |-> j, no |-> after.no, next |-> after.next, holes |-> after.holes,
                   seqs |-> {s \in k.take : SlotOf(k, s) = j}]
    IN /\ k.pc = "ready" /\ nextXid <= XidMax /\ k.base.no < TokenMax
       /\ fault = {} \/ (Faults /\ lost = {} /\ fault \subseteq clm.take)
       /\ nextXid' = nextXid + 1
       /\ claims' = claims \cup {row(j) : j \in used}
       /\ waits' = [s \in Seqs |-> IF s \notin left THEN 0 ELSE IF s \in k.base.holes THEN waits[s] ELSE nextXid]
       /\ took' = took \cup {<<k.token, s>> : s \in k.take}
       /\ lost' = lost \cup fault
       /\ clm' = NoClaim
       /\ UNCHANGED <<ringVars, entries, closures, floor, last, prod, stl, mnt, moves, job, ends, cut, again, doubled>>

\* cancel_pending: an entry that is there, is looked for and not withdrawn yet.
CWithdraw(e) ==
    /\ clm.pc = "locked" /\ clm.token = 0
    /\ e \in Sees(clm) /\ e.seq \notin ClosedIn(clm.slots, 0)
    /\ closures' = closures \cup {[token |-> 0, slot |-> e.slot, seqs |-> {e.seq}]}
    /\ cut' = cut \cup {e.seq}
    /\ clm' = NoClaim
    /\ UNCHANGED <<ringVars, entries, claims, laneVars, drawVars, stl, mnt, moves, job, took, ends, again, lost, doubled>>

CCrash == clm.pc # "idle" /\ ClaimStep(NoClaim)

(* --------------------------------- settle -------------------------------- *)

\* In one step, as it ought to be.
SettleQuick(r) ==
    /\ Quick /\ OpenOf(r) # {} /\ ~Exclusive(r.slot) /\ ~TokenHeld(r.token, r.slot)
    /\ closures' = closures \cup {[token |-> r.token, slot |-> r.slot, seqs |-> OpenOf(r)]}
    /\ ends' = [n \in Seqs |-> ends[n] + IF n \in OpenOf(r) THEN 1 ELSE 0]
    /\ UNCHANGED <<ringVars, entries, claims, laneVars, drawVars, clm, stl, mnt, moves, job, took, cut, again, lost, doubled>>

SettleStep(s, k) == stl' = [stl EXCEPT ![s] = k]
                    /\ UNCHANGED <<ringVars, rowVars, laneVars, drawVars, clm, mnt, moves, truth>>

\* A receipt names the slot in which the entry was claimed, or (a rescue) where it was seen last: any.
\* The token's lock is tried.
SBegin(s, t, k, asked) ==
    /\ ~Quick /\ stl[s].pc = "new" /\ asked # {} /\ asked \subseteq TookOf(t)
    /\ \A d \in Settlers : d < s => stl[d].pc # "new"
    /\ SettleStep(s, IF TokenHeld(t, k) THEN [NoSettle EXCEPT !.pc = "done"]
                     ELSE [NoSettle EXCEPT !.pc = "held", !.token = t, !.slot = k, !.asked = asked])

\* What is open of what was asked, as the tables of these slots say.
OpenIn(k, slots) == UNION {{<<r.slot, n>> : n \in k.asked \cap OpenOf(r)} :
                             r \in {q \in claims : q.slot \in slots /\ q.token = k.token}}

\* First the slot that was named; when it does not hold all as open, by token all slots that are live.
SLook(s) ==
    LET k == stl[s]
        here == OpenIn(k, {k.slot})
    IN /\ k.pc = "held" /\ ~Exclusive(k.slot)
       /\ SettleStep(s, [k EXCEPT !.locked = {k.slot}, !.take = here,
                                  !.pc = IF Kept("search") /\ Cardinality(here) < Cardinality(k.asked)
                                         THEN "search" ELSE "found"])
SList(s) == /\ stl[s].pc = "search" /\ \A j \in Slots : ~Exclusive(j)
            /\ SettleStep(s, [stl[s] EXCEPT !.pc = "listed", !.slots = Live])
SSearch(s) ==
    LET k == [stl[s] EXCEPT !.locked = @ \cup stl[s].slots]
    IN /\ k.pc = "listed" /\ \A j \in k.slots : ~Exclusive(j)
       /\ SettleStep(s, IF ~(Live \subseteq k.locked) THEN [k EXCEPT !.slots = Live]
                        ELSE [k EXCEPT !.pc = "found", !.take = @ \cup OpenIn(k, k.locked \ {k.slot})])
Accepted(k) == {x[2] : x \in k.take}
SCommit(s) ==
    LET k == stl[s]
    IN /\ k.pc = "found"
       /\ closures' = closures \cup {[token |-> k.token, slot |-> x[1], seqs |-> {x[2]}] : x \in k.take}
       /\ ends' = [n \in Seqs |-> ends[n] + IF n \in Accepted(k) THEN 1 ELSE 0]
       /\ stl' = [stl EXCEPT ![s] = [NoSettle EXCEPT !.pc = "done"]]
       /\ UNCHANGED <<ringVars, entries, claims, laneVars, drawVars, clm, mnt, moves, job, took, cut, again, lost, doubled>>
SCrash(s) == /\ stl[s].pc \in {"held", "found", "search", "listed"}
             /\ SettleStep(s, [NoSettle EXCEPT !.pc = "crashed"])

(* --------------------------- rotate, prune, evacuate --------------------- *)

MntStep(k) == mnt' = k /\ UNCHANGED <<ringVars, rowVars, laneVars, drawVars, clm, stl, moves, truth>>

\* setval: seen at once, also by those who have looked at half of the sizes.
Rotate(k) ==
    /\ mnt.pc = "idle" /\ turns < TurnMax /\ k \notin Live
    /\ current' = k /\ turns' = turns + 1 /\ ledger' = ledger \cup {k}
    /\ UNCHANGED <<filled, rowVars, laneVars, drawVars, clm, stl, mnt, moves, truth>>

\* SHARE on ready of the slot: late producers wait, claims and settles pass.
PruneShare(k) ==
    /\ mnt.pc = "idle" /\ moves < MoveMax /\ k \in filled \ {current}
    /\ \A p \in Producers : prod[p].slot # k
    /\ MntStep([NoMnt EXCEPT !.pc = "shared", !.slot = k])

\* What the slot's own tables say. Claims are where their entries are, so this is all there is to know.
RowsOfSlot(k)  == {e.seq : e \in {d \in entries : d.slot = k}}
ClaimedIn(k)   == UNION {r.seqs : r \in {q \in claims : q.slot = k}}
EndedIn(k)     == UNION {c.seqs : c \in {d \in closures : d.slot = k /\ d.token > 0}}
WithdrawnIn(k) == ClosedIn({k}, 0)

\* The lane's state first and the claims after it: then whatever is below the cursor and in no hole
\* had been taken by a claim whose row can be seen. The two are read by different statements.
PruneState ==
    /\ mnt.pc = "shared"
    /\ MntStep([mnt EXCEPT !.pc = "state", !.base = IF Kept("state_first") THEN StateNow ELSE @,
                           !.known = IF Kept("state_first") THEN @ ELSE ClaimedIn(mnt.slot)])
PruneProve ==
    LET k == mnt.slot
        b == IF Kept("state_first") THEN mnt.base ELSE StateNow
        known == (IF Kept("state_first") THEN ClaimedIn(k) ELSE mnt.known)
                 \cup (IF Kept("sees_withdrawn") THEN WithdrawnIn(k) ELSE {})
        unknown == RowsOfSlot(k) \ known
        stray == {s \in unknown : ~Wanted(b, s)}
        open == IF Kept("sees_open") THEN ClaimedIn(k) \ EndedIn(k) ELSE {}
        waiting == IF Kept("sees_pending") THEN unknown \ stray ELSE {}
    IN /\ mnt.pc = "state"
       /\ MntStep(IF open # {} \/ waiting # {} THEN NoMnt                      \* needed
                  ELSE [mnt EXCEPT !.pc = "proven", !.base = NoState, !.known = {},
                                   !.stray = IF Kept("local_proof") THEN stray ELSE {},
                                   !.floor = Newest(StatesIn({k}), floor)])

\* A row that nobody would ever look for gets a new number, drawn as everybody draws.
PruneDraw ==
    /\ mnt.pc = "proven" /\ Cardinality(mnt.stray) = 1 /\ last < SeqMax /\ nextXid <= XidMax
    /\ mnt' = [mnt EXCEPT !.pc = "drawn", !.num = last + 1, !.xid = nextXid]
    /\ last' = last + 1 /\ nextXid' = nextXid + 1
    /\ UNCHANGED <<ringVars, rowVars, laneVars, prod, clm, stl, moves, truth>>

PruneLock ==
    /\ mnt.pc = "drawn" \/ (mnt.pc = "proven" /\ mnt.stray = {})
    /\ Unlocked(mnt.slot)
    /\ MntStep([mnt EXCEPT !.pc = "excl"])

Truncated(k) == /\ filled' = (filled \cup (IF mnt.num > 0 THEN {current} ELSE {})) \ {k}
                /\ ledger' = ledger \ {k}
                /\ moves' = moves + 1
                /\ mnt' = NoMnt

\* Now, under the exclusive lock, what the slot says of the lane goes to the floor.
PruneCommit ==
    LET k == mnt.slot
        s == CHOOSE n \in mnt.stray : TRUE
    IN /\ mnt.pc = "excl"
       /\ floor' = IF Kept("move_after_lock") THEN Newest(StatesIn({k}), floor) ELSE mnt.floor
       /\ entries' = {e \in entries : e.slot # k}
                     \cup (IF mnt.num > 0 THEN {[seq |-> mnt.num, slot |-> current]} ELSE {})
       /\ claims' = {r \in claims : r.slot # k}
       /\ closures' = {c \in closures : c.slot # k}
       /\ IF mnt.num > 0
          THEN again' = again \cup {s} /\ job' = [job EXCEPT ![mnt.num] = job[s]]
          ELSE UNCHANGED <<again, job>>
       /\ Truncated(k)
       /\ UNCHANGED <<current, turns, waits, drawVars, clm, stl, took, ends, cut, lost, doubled>>

\* What lives in a slot: entries that are neither ended nor withdrawn; what of them a claim took is open.
LiveIn(k) ==
    LET rows == RowsOfSlot(k) \ (EndedIn(k) \cup (IF Kept("sees_withdrawn") THEN WithdrawnIn(k) ELSE {}))
    IN [pending |-> rows \ ClaimedIn(k),
        open |-> UNION {{<<r.token, n>> : n \in r.seqs \cap rows} : r \in {q \in claims : q.slot = k}}]

\* Look, lock, look again, move. The locks are tried: what is locked by others stays for another time.
EvacuateLook(k) ==
    /\ mnt.pc = "idle" /\ moves < MoveMax /\ k \in filled \ {current}
    /\ LiveIn(k) # NothingLives
    /\ MntStep([NoMnt EXCEPT !.pc = "seen", !.slot = k, !.seen = LiveIn(k)])
EvacuateLock ==
    /\ mnt.pc = "seen"
    /\ MntStep([mnt EXCEPT !.pc = "evac", !.lane = mnt.seen.pending # {} /\ LaneFree,
                           !.tokens = {t \in {x[1] : x \in mnt.seen.open} : ~TokenHeld(t, mnt.slot)}])
\* Whoever claims or withdraws a pending entry holds the lane's lock; whoever ends an open one its token's.
EvacuateCommit ==
    LET k == mnt.slot
        now == IF Kept("look_after_lock") THEN LiveIn(k) ELSE mnt.seen
        pending == IF mnt.lane \/ ~Kept("evacuate_lane") THEN now.pending ELSE {}
        open == {x \in now.open : x[1] \in mnt.tokens \/ ~Kept("evacuate_tokens")}
        moved == pending \cup {x[2] : x \in open}
        part(r) == {n \in r.seqs : <<r.token, n>> \in open}
    IN /\ mnt.pc = "evac"
       /\ entries' = {[e EXCEPT !.slot = IF e.slot = k /\ e.seq \in moved THEN current ELSE @] : e \in entries}
       \* the row that stays keeps the lane's state; the one that is carried has none
       /\ claims' = {IF r.slot = k THEN [r EXCEPT !.seqs = @ \ part(r)] ELSE r : r \in claims}
                    \cup {[token |-> r.token, slot |-> current, seqs |-> part(r), no |-> 0, next |-> 1, holes |-> {}] :
                            r \in {q \in claims : q.slot = k /\ part(q) # {}}}
       /\ filled' = filled \cup (IF moved # {} THEN {current} ELSE {})
       /\ moves' = moves + 1 /\ mnt' = NoMnt
       /\ UNCHANGED <<current, turns, ledger, closures, laneVars, drawVars, clm, stl, truth>>

\* A lock was not had in time, or the leader died.
MntGivesUp == mnt.pc # "idle" /\ MntStep(NoMnt)

(* ------------------------------ specification ---------------------------- *)

InitLoaded ==
    /\ filled = (IF Preload > 0 THEN {0} ELSE {})
    /\ entries = {[seq |-> n, slot |-> 0] : n \in 1..Preload}
    /\ claims = IF Preclaimed = {} THEN {}
                ELSE {[token |-> 1, slot |-> 0, seqs |-> Preclaimed, no |-> 1, next |-> Max(Preclaimed) + 1, holes |-> {}]}
    /\ waits = [s \in Seqs |-> 0] /\ last = Preload /\ nextXid = 1
    /\ prod = [p \in Producers |-> NoProducer]
    /\ job = [n \in Seqs |-> IF n <= Preload THEN n ELSE 0]
    /\ took = {<<1, n>> : n \in Preclaimed}

InitMidway ==
    /\ filled = {0} /\ entries = {[seq |-> n, slot |-> 0] : n \in {2, 3}}
    /\ claims = {[token |-> 1, slot |-> 0, seqs |-> {2}, no |-> 1, next |-> 3, holes |-> {1}]}
    /\ waits = [s \in Seqs |-> IF s = 1 THEN 2 ELSE 0] /\ last = 4 /\ nextXid = 5
    /\ \E q, r \in Producers :
         q # r /\ prod = [p \in Producers |-> IF p = q THEN [NoProducer EXCEPT !.xid = 1, !.num = 1]
                                              ELSE IF p = r THEN [NoProducer EXCEPT !.xid = 4, !.num = 4]
                                              ELSE NoProducer]
    /\ job = [n \in Seqs |-> IF n \in {2, 3} THEN n ELSE 0]
    /\ took = {<<1, 2>>}

Init ==
    /\ current = 0 /\ turns = 0 /\ ledger = {0} /\ moves = 0
    /\ clm = NoClaim /\ stl = [s \in Settlers |-> NoSettle] /\ mnt = NoMnt
    /\ closures = {} /\ floor = NoState /\ ends = [n \in Seqs |-> 0]
    /\ cut = {} /\ again = {} /\ lost = {} /\ doubled = FALSE
    /\ IF Midway THEN InitMidway ELSE InitLoaded

Next ==
    \/ \E p \in Producers : PBegin(p) \/ PCommit(p) \/ PRollback(p) \/ \E k \in Slots : PWrite(p, k)
    \/ \E t \in Tokens \cup {0} : CBegin(t)
    \/ \E k \in Slots : CHalf(k)
    \/ CList \/ CLock \/ CPick \/ CLookAgain \/ CTest \/ CListAgain \/ CAgain \/ CCrash
    \/ \E fault \in {{}} \cup {{n} : n \in Seqs} : CCommit(fault)
    \/ \E e \in entries : CWithdraw(e)
    \/ \E r \in claims : SettleQuick(r)
    \/ \E s \in Settlers : \/ SLook(s) \/ SList(s) \/ SSearch(s) \/ SCommit(s) \/ SCrash(s)
                           \/ \E t \in Tokens, k \in Slots, asked \in SUBSET Seqs : SBegin(s, t, k, asked)
    \/ PruneState \/ PruneProve \/ PruneDraw \/ PruneLock \/ PruneCommit \/ EvacuateLock \/ EvacuateCommit \/ MntGivesUp
    \/ \E k \in Slots : Rotate(k) \/ PruneShare(k) \/ EvacuateLook(k)
Spec == Init /\ [][Next]_vars

\* Producers differ in nothing but their names.
ProducersAlike == Permutations(Producers)

(* ------------------------------- properties ------------------------------ *)

\* A number that may still appear, or has appeared and is unclaimed, is one a claim will look for.
HoleSafety == \A s \in Fly \cup (Pending \ lost) : Wanted(StateNow, s)
\* Nothing is taken twice, and what is taken is offered to no other claim.
EntryClaimedOnce == /\ \A s \in Seqs, t, u \in Tokens : <<t, s>> \in took /\ <<u, s>> \in took => t = u
                    /\ \A s \in Taken : ~Wanted(StateNow, s)
\* One claim call takes work once, however often it is sent.
TokenTakesOnce == ~doubled
\* Each attempt ends once.
ClosuresDisjoint == \A s \in Seqs : ends[s] <= 1
\* Whatever is pending or open has one row, and when it is open its claim is in the same slot.
BodyKept ==
    /\ \A s \in Pending \cup Running : Cardinality({e \in entries : e.seq = s}) = 1
    /\ \A s \in Running : LET k == (CHOOSE e \in entries : e.seq = s).slot
                          IN \E r \in claims : r.slot = k /\ s \in OpenOf(r) /\ <<r.token, s>> \in took
\* A job is in one live place; when it has ended or was withdrawn, in none.
PlacesOf(j) == {s \in Pending \cup Running : job[s] = j}
OneLivePlacePerJob == \A j \in Seqs :
    /\ Cardinality(PlacesOf(j)) <= 1
    /\ (\E s \in Seqs : job[s] = j /\ ends[s] > 0) => PlacesOf(j) = {}
\* What was withdrawn is never taken.
FinalForGood == cut \cap Taken = {}

CursorGrows == [][StateNow'.next >= StateNow.next /\ StateNow'.no >= StateNow.no]_vars
\* A slot is truncated when nothing in it lives, but for what moves.
PruneEmpty == [][(mnt.pc = "excl" /\ mnt'.pc = "idle" /\ moves' > moves) =>
                   RowsOfSlot(mnt.slot) \cap (Pending \cup Running) \subseteq mnt.stray]_vars
\* A settle is told that an attempt has ended only when it has.
OnlyKnownEnd == [][\A s \in Settlers : (stl[s].pc = "found" /\ stl'[s].pc = "done") =>
                     (stl[s].asked \ Accepted(stl[s])) \cap Running = {}]_vars

(* ------------------- probes: each must be violated ----------------------- *)

\* A slot is pruned, with the newest state of the lane in it.
PrunedStateProbe == [][~(mnt.pc = "excl" /\ moves' > moves /\ floor' # floor)]_vars
\* A number that commits in a slot that was pruned before.
LateProbe == \A e \in entries : e.slot \in ledger
\* An open attempt is carried forward, and ends where it was carried to.
CarriedEndProbe == \A c \in closures : c.token > 0 => \E r \in claims : r.slot = c.slot /\ r.token = c.token /\ r.no > 0
\* A straggler is found and gets a new number.
StrayProbe == again = {}
\* A settle searches because its entry has moved.
SearchProbe == \A s \in Settlers : stl[s].pc # "listed"
=============================================================================
