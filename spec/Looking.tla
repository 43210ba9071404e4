------------------------------- MODULE Looking -------------------------------
(* A claim lists the slots that may hold an entry, and looks at those only.  *)
(* May it miss what its snapshot shows?                                      *)
(*                                                                           *)
(* Sizes of files tell which slots are live, and sizes are in no snapshot:   *)
(* a slot may fill after it was listed as empty, by a transaction that has   *)
(* committed when the snapshot is taken. StorageTx looks at all slots in one *)
(* step; here the list, the look and the look for new slots are apart.       *)
(*                                                                           *)
(* One lane, and one claim at a time: the lane's lock. Nothing is truncated: *)
(* a claim locks what it lists. Each hole waits for the xid of the claim     *)
(* that noted it; two generations (StorageTx) forget no sooner.              *)
(*                                                                           *)
(* Bare names the protections that a witness takes away.                     *)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS Producers,
          Slots, Current,  \* slots of the ring; the current one is listed also when it is empty
          SeqMax,          \* bound: numbers the lane's sequence draws
          XidMax,          \* bound: transactions
          ClaimMax,        \* bound: claims that take something
          Limit,           \* entries a claim asks for
          Fifo,            \* remember what was visible when each enqueue began
          Bare

ASSUME Current \in Slots
Kept(protection) == protection \notin Bare

Seqs == 1..SeqMax
None == "none"
ASSUME None \notin Slots
Max(S) == CHOOSE m \in S : \A k \in S : k <= m
Min(S) == CHOOSE m \in S : \A k \in S : m <= k
FirstN(S) == {s \in S : Cardinality({k \in S : k <= s}) <= Limit}
UpTo(S, top) == {s \in S : s <= top}

(* -------------------------------- variables ------------------------------ *)

\* A producer's transaction: its xid (0: none runs; with an xid it holds the in-flight lock), its
\* number, and the slot it has written to.
VARIABLE prod
NoProducer == [xid |-> 0, num |-> 0, slot |-> None]
ProdTypeInv == prod \in [Producers -> [xid : 0..XidMax, num : 0..SeqMax, slot : Slots \cup {None}]]

\* Slots whose file is not empty. A row counts as soon as it is written, and also when it is rolled back.
VARIABLE filled
FilledTypeInv == filled \subseteq Slots

\* Committed entries.
VARIABLE entries
EntriesTypeInv == entries \subseteq [seq : Seqs, slot : Slots]

\* The last number drawn, and the next xid.
VARIABLES last, nextXid
DrawnTypeInv == last \in 0..SeqMax /\ nextXid \in 1..XidMax + 1

\* The lane after its last claim: cursor, holes, the xid each hole waits for.
VARIABLES next, holes, waits
LaneTypeInv == /\ next \in 1..SeqMax + 1 /\ holes \subseteq 1..next - 1
               /\ waits \in [Seqs -> 0..XidMax]
               /\ \A s \in Seqs : waits[s] > 0 <=> s \in holes

\* What each claim took, in order of the claims; no: how many there were.
VARIABLES no, taken
TakenTypeInv == /\ no \in 0..ClaimMax /\ taken \in [1..ClaimMax -> SUBSET Seqs]
                /\ \A n \in 1..ClaimMax : taken[n] # {} <=> n <= no

\* The claim that holds the lane's lock: idle (there is none), listed, picked, looked (no slot has
\* filled), quiet (saw nobody in flight), again (listed after that), ready (knows what it takes and
\* forgets). xmin is that of the snapshot which saw `take`.
VARIABLE claim
NoClaim == [pc |-> "idle", slots |-> {}, take |-> {}, top |-> 0, xmin |-> 0, forget |-> {}]
ClaimTypeInv == claim \in [pc : {"idle", "listed", "picked", "looked", "quiet", "again", "ready"},
                           slots : SUBSET Slots, take : SUBSET Seqs, top : 0..SeqMax,
                           xmin : 0..XidMax + 1, forget : SUBSET Seqs]

\* before[n]: what was visible when the enqueue that drew n began.
VARIABLE before
BeforeTypeInv == before \in [Seqs -> SUBSET Seqs]

laneVars == <<next, holes, waits, no, taken>>
vars     == <<prod, filled, entries, last, nextXid, laneVars, claim, before>>
TypeInv  == /\ ProdTypeInv /\ FilledTypeInv /\ EntriesTypeInv /\ DrawnTypeInv /\ LaneTypeInv
            /\ TakenTypeInv /\ ClaimTypeInv /\ BeforeTypeInv

Init == /\ prod = [p \in Producers |-> NoProducer]
        /\ filled = {} /\ entries = {} /\ last = 0 /\ nextXid = 1
        /\ next = 1 /\ holes = {} /\ waits = [s \in Seqs |-> 0]
        /\ no = 0 /\ taken = [n \in 1..ClaimMax |-> {}]
        /\ claim = NoClaim /\ before = [s \in Seqs |-> {}]

Visible == {e.seq : e \in entries}
Claimed == UNION {taken[n] : n \in 1..ClaimMax}
Fly     == {prod[p].num : p \in Producers} \ {0}
Live    == filled \cup {Current}
Quiet   == \A p \in Producers : prod[p].xid = 0
\* The least xid that runs, or the next one. A claim has its xid after its looks only.
Xmin    == Min(({prod[p].xid : p \in Producers} \ {0}) \cup {nextXid})

(* -------------------------------- producers ------------------------------ *)

\* begin_append: the in-flight lock, the xid, then a number. In one step: StorageTx has them apart.
PBegin(p) ==
    /\ prod[p].xid = 0 /\ nextXid <= XidMax /\ last < SeqMax
    /\ nextXid' = nextXid + 1 /\ last' = last + 1
    /\ prod' = [prod EXCEPT ![p].xid = nextXid, ![p].num = last + 1]
    /\ before' = IF Fifo THEN [before EXCEPT ![last + 1] = Visible] ELSE before
    /\ UNCHANGED <<filled, entries, laneVars, claim>>

\* Any slot: the ring may have turned since the producer read which one is current.
PWrite(p, s) ==
    /\ prod[p].xid > 0 /\ prod[p].slot = None
    /\ prod' = [prod EXCEPT ![p].slot = s]
    /\ filled' = filled \cup {s}
    /\ UNCHANGED <<entries, last, nextXid, laneVars, claim, before>>

\* Visible before the lock is free, in one step as in StorageTx.
PCommit(p) ==
    /\ prod[p].slot # None
    /\ entries' = entries \cup {[seq |-> prod[p].num, slot |-> prod[p].slot]}
    /\ prod' = [prod EXCEPT ![p] = NoProducer]
    /\ UNCHANGED <<filled, last, nextXid, laneVars, claim, before>>

PRollback(p) ==
    /\ prod[p].xid > 0
    /\ prod' = [prod EXCEPT ![p] = NoProducer]
    /\ UNCHANGED <<filled, entries, last, nextXid, laneVars, claim, before>>

(* ---------------------------------- claim -------------------------------- *)

Wanted(s)   == s >= next \/ s \in holes
PassedBy(k) == (next..k.top) \cup holes
\* What one statement sees: of all that is visible now, what is in the slots it looks at.
Sees(slots) == {e.seq : e \in {d \in entries : d.slot \in slots /\ Wanted(d.seq)}}

ClaimStep(k) == /\ claim' = k
                /\ UNCHANGED <<prod, filled, entries, last, nextXid, laneVars, before>>

\* live_slots, under the lane's lock. What earlier claims wrote is in slots that were filled then.
CList ==
    /\ claim.pc = "idle" /\ no < ClaimMax
    /\ ClaimStep([NoClaim EXCEPT !.pc = "listed", !.slots = Live])

\* pick: one statement, one snapshot, its entries and its xmin.
CPick ==
    LET P == FirstN(Sees(claim.slots))
    IN /\ claim.pc = "listed"
       /\ ClaimStep([claim EXCEPT !.pc = "picked", !.take = P, !.xmin = Xmin,
                                  !.top = IF P = {} THEN 0 ELSE Max(P)])

\* pick_everywhere: when a slot has filled, the pick is made again, in a new snapshot and through the
\* new list. Otherwise all that the snapshot showed was in a listed slot. Without it, what the
\* snapshot shows elsewhere is passed over, and forgotten when the snapshot's xmin allows that.
CLookAgain ==
    /\ claim.pc = "picked"
    /\ IF Kept("look_again") /\ ~(Live \subseteq claim.slots)
       THEN ClaimStep([claim EXCEPT !.pc = "listed", !.slots = Live])
       ELSE IF claim.take = {} THEN ClaimStep(NoClaim)                        \* empty
       ELSE ClaimStep([claim EXCEPT !.pc = "looked"])

\* Holes whose xid is below xmin, looked for and not seen.
PassedOverBy(k) == {s \in IF Cardinality(k.take) = Limit THEN UpTo(holes, k.top) ELSE holes :
                      waits[s] < k.xmin} \ k.take

\* The in-flight test, made only when numbers up to the greatest taken are missing.
CTest ==
    LET missing == UpTo(PassedBy(claim), claim.top) \ claim.take
    IN /\ claim.pc = "looked"
       /\ ClaimStep(IF missing # {} /\ Quiet THEN [claim EXCEPT !.pc = "quiet"]
                    ELSE [claim EXCEPT !.pc = "ready", !.forget = PassedOverBy(claim)])

\* Whoever drew one of these numbers has ended by now: its file counts in this list. In the list from
\* before the test it need not. After this list no new look is needed: a slot that fills now holds
\* greater numbers only.
CListAgain ==
    /\ claim.pc = "quiet"
    /\ ClaimStep([claim EXCEPT !.pc = "again", !.slots = IF Kept("list_after_quiet") THEN Live ELSE @])

\* Without limit, up to the greatest seen. What has no room stays a hole.
CAgain ==
    LET seen == UpTo(Sees(claim.slots), claim.top)
    IN /\ claim.pc = "again"
       /\ ClaimStep([claim EXCEPT !.pc = "ready", !.take = FirstN(seen),
                                  !.forget = UpTo(PassedBy(claim), claim.top) \ seen])

\* All looks are done: the claim's own xid, its row, and the commit.
CCommit ==
    LET left == PassedBy(claim) \ (claim.take \cup claim.forget)
    IN /\ claim.pc = "ready" /\ nextXid <= XidMax
       /\ nextXid' = nextXid + 1
       /\ no' = no + 1 /\ taken' = [taken EXCEPT ![no + 1] = claim.take]
       /\ next' = Max({next, claim.top + 1})
       /\ holes' = left
       /\ waits' = [s \in Seqs |-> IF s \notin left THEN 0 ELSE IF s \in holes THEN waits[s] ELSE nextXid]
       /\ claim' = NoClaim
       /\ UNCHANGED <<prod, filled, entries, last, before>>

CCrash == claim.pc # "idle" /\ ClaimStep(NoClaim)

(* ------------------------------ specification ---------------------------- *)

Next == \/ \E p \in Producers : \/ PBegin(p) \/ PCommit(p) \/ PRollback(p)
                                \/ \E s \in Slots : PWrite(p, s)
        \/ CList \/ CPick \/ CLookAgain \/ CTest \/ CListAgain \/ CAgain \/ CCommit \/ CCrash
Spec == Init /\ [][Next]_vars

\* Producers differ in nothing but their names, and so do the slots that are not current.
Alike == Permutations(Producers) \cup Permutations(Slots \ {Current})

(* ------------------------------- properties ------------------------------ *)

\* A number that may still appear, or has appeared and is unclaimed, is one a claim will look for.
HoleSafety == \A s \in Fly \cup (Visible \ Claimed) : Wanted(s)
\* Nothing is taken twice, and what is taken is offered to no other claim.
EntryClaimedOnce == /\ \A m, n \in 1..ClaimMax : m # n => taken[m] \cap taken[n] = {}
                    /\ \A s \in Claimed : ~Wanted(s)
\* If the enqueue of X committed before the enqueue of Y began, Y is never claimed before X.
FifoLinearizable == [][\A y \in Claimed' \ Claimed : \A x \in before[y] : x \in Claimed']_vars

(* ------------------- probes: each must be violated ----------------------- *)

\* A pick that is made again takes something else, and also something smaller.
RepickProbe ==
    [][~(claim.pc = "listed" /\ claim.take # {} /\ claim'.pc = "picked"
         /\ Min(claim'.take) < Min(claim.take))]_vars
\* After the in-flight test the list has a slot more, and in it a number that is missing.
QuietListProbe ==
    [][~(claim.pc = "quiet" /\ claim'.pc = "again"
         /\ \E e \in entries : /\ e.slot \in claim'.slots \ claim.slots
                               /\ e.seq < claim.top /\ Wanted(e.seq))]_vars
=============================================================================
