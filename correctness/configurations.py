"""The registry of configurations: what each checks, and what must come out.

Every .cfg below spec/ is listed here, and nothing else; the runner and a test see to it.
A witness switches one protection off and a probe claims that a state is unreachable: both must
break exactly the property they name, and a configuration without a name must hold.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from correctness.runtime_without import RUNTIME_WITHOUT

SPEC: Final = Path(__file__).resolve().parent.parent / "spec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One .cfg: its path below spec/, the module it checks, the property it must break or None."""

    path: str
    module: str
    breaks: str | None = None
    deep: bool = False
    """Too long for every run: only with --deep."""
    at_random: bool = False
    """Random walks find what it must break in a moment; breadth first it takes long."""

    @property
    def name(self) -> str:
        """The path without its ending: how the configuration is asked for."""
        return self.path.removesuffix(".cfg")

    @property
    def file(self) -> Path:
        """The configuration file."""
        return SPEC / self.path


_AT_RANDOM: Final = {
    *("witness/TryForTheFlag", "witness/NoPassOn", "witness/PassOnForOneQueue"),
    "probe/XidForgetsProbe",
}
"""Their counterexamples are long, and common."""


def _holds(path: str, module: str, *, deep: bool = False) -> Configuration:
    return Configuration(path=f"{path}.cfg", module=module, deep=deep)


def _breaks(folder: str, module: str, **named: str) -> tuple[Configuration, ...]:
    return tuple(
        Configuration(
            path=f"{folder}/{stem}.cfg",
            module=module,
            breaks=broken,
            at_random=f"{folder}/{stem}" in _AT_RANDOM,
        )
        for stem, broken in named.items()
    )


CONFIGURATIONS: Final = (
    _holds("JobLife", "JobLife"),
    _holds("JobLifeEnds", "JobLife"),
    _holds("StorageOneJob", "Storage"),
    _holds("StorageTwoJobs", "Storage"),
    _holds("StorageTwoSlots", "Storage"),
    _holds("StorageWaits", "Storage"),
    _holds("StorageNotes", "Storage"),
    _holds("StorageEnds", "Storage"),
    _holds("StorageRescue", "Storage"),
    _holds("StorageLetters", "Storage"),
    _holds("StorageRing", "Storage"),
    _holds("StorageUnique", "Storage"),
    _holds("StorageUniqueLetters", "Storage"),
    _holds("StorageMends", "Storage"),
    _holds("StorageDrains", "Storage"),
    _holds("StorageReclaims", "Storage"),
    _holds("StorageTurns", "Storage"),
    _holds("deep/StorageThreeJobs", "Storage", deep=True),
    _holds("deep/StorageTwoSlots", "Storage", deep=True),
    _holds("deep/StorageWaits", "Storage", deep=True),
    _holds("deep/StorageLetters", "Storage", deep=True),
    _holds("deep/StorageRing", "Storage", deep=True),
    _holds("deep/StorageLife", "Storage", deep=True),
    *_breaks(
        "probe",
        "Storage",
        HoleProbe="HoleProbe",
        LateHoleProbe="LateHoleProbe",
        ForgottenProbe="ForgottenProbe",
        PartlyClosedProbe="PartlyClosedProbe",
        TwoRowsProbe="TwoRowsProbe",
        ReleasedProbe="ReleasedProbe",
        CrashLoopProbe="CrashLoopProbe",
        PromotedProbe="PromotedProbe",
        ExhaustedProbe="ExhaustedProbe",
        EmptyClaimProbe="EmptyClaimProbe",
        DeadLossProbe="DeadLossProbe",
        ReturnedProbe="ReturnedProbe",
        RemovedProbe="RemovedProbe",
        PrunedProbe="PrunedProbe",
        FloorProbe="FloorProbe",
        CarriedProbe="CarriedProbe",
        SpokenAgainProbe="SpokenAgainProbe",
        TakenOverProbe="TakenOverProbe",
        ReappendedProbe="ReappendedProbe",
    ),
    *_breaks("probe", "JobLife", FailedProbe="FailedProbe", RoundTripProbe="RoundTripProbe"),
    _holds("TxHoles", "StorageTx"),
    _holds("TxLimit", "StorageTx"),
    _holds("TxSettles", "StorageTx"),
    _holds("TxReleases", "StorageTx"),
    _holds("TxOwn", "StorageTx"),
    _holds("TxNotes", "StorageTx"),
    _holds("TxFifo", "StorageTx"),
    _holds("TxXids", "StorageTx"),
    _holds("TxXidsInside", "StorageTx"),
    _holds("deep/TxXids", "StorageTx", deep=True),
    _holds("deep/TxXidsCrashes", "StorageTx", deep=True),
    _holds("deep/TxXidsInside", "StorageTx", deep=True),
    _holds("deep/TxHoles", "StorageTx", deep=True),
    *_breaks(
        "probe",
        "StorageTx",
        NoRoomProbe="NoRoomProbe",
        XidForgetsProbe="XidForgetsProbe",
        TwoGensProbe="TwoGensProbe",
        RepeatPartProbe="RepeatPartProbe",
        StaleProbe="StaleProbe",
        OwnStaleProbe="OwnStaleProbe",
        OwnThereProbe="OwnThereProbe",
    ),
    *_breaks(
        "witness",
        "StorageTx",
        NoLaneLock="EntryClaimedOnce",
        NoTokenLock="TokenTakesOnce",
        ForgetUnpicked="HoleSafety",
        XmaxForOwnXid="HoleSafety",
        XidBeforePick="HoleSafety",
        XminNewerThanLook="HoleSafety",
        InflightAfterDraw="HoleSafety",
        XidNotForced="HoleSafety",
        NoSecondPick="HoleSafety",
        ReadThenLock="ClosuresDisjoint",
        NoteThenLock="OnlyOpenNotes",
        OldSnapshot="EntryClaimedOnce",
        ReleaseNotInflight="HoleSafety",
        RepeatAnswersAll="AnswersAreOpen",
        NewestFirst="FifoLinearizable",
        OwnStaleCommits="EffectsWithEnd",
        OwnRepeated="EffectsWithEnd",
        AskUnlocked="AnswersStand",
    ),
    _holds("Looking", "Looking"),
    _holds("LookingFifo", "Looking"),
    *_breaks("probe", "Looking", RepickProbe="RepickProbe", QuietListProbe="QuietListProbe"),
    *_breaks(
        "witness",
        "Looking",
        NoLookAgain="HoleSafety",
        NoLookAgainFifo="FifoLinearizable",
        ListBeforeQuiet="HoleSafety",
    ),
    _holds("RingClaims", "Ring"),
    _holds("RingSettles", "Ring"),
    _holds("RingWithdraws", "Ring"),
    _holds("RingFaults", "Ring"),
    *(_holds(f"RingLane{part}", "RingLane") for part in ("Claims", "Settles", "Faults")),
    *_breaks("witness", "RingLane", LaneCarriedUnlocked="RefinesStorage"),
    *_breaks("witness", "RingLane", LanePrunedOpen="RefinesStorage"),
    _holds("deep/RingClaims", "Ring", deep=True),
    _holds("deep/RingSettles", "Ring", deep=True),
    _holds("deep/RingMidway", "Ring", deep=True),
    *_breaks("probe", "Ring", StrayProbe="StrayProbe", CarriedEndProbe="CarriedEndProbe"),
    *_breaks(
        "witness",
        "Ring",
        FloorFirst="EntryClaimedOnce",
        FloorBeforeLock="CursorGrows",
        NewestSlotFirst="EntryClaimedOnce",
        SlotsByLedger="HoleSafety",
        ProofByCursor="BodyKept",
        StateAfterClaims="OneLivePlacePerJob",
        PruneOpen="BodyKept",
        PrunePending="PruneEmpty",
        EvacuateReadsFirst="ClosuresDisjoint",
        EvacuateUnlockedClaims="ClosuresDisjoint",
        EvacuateBesideClaims="BodyKept",
        CarryWithdrawn="FinalForGood",
        NoSearch="OnlyKnownEnd",
        KeyOfSlot="ClosuresDisjoint",
    ),
    *_breaks(
        "witness",
        "Storage",
        SettleByNumber="OnlyOpenSettles",
        SettleOutsideClaim="ClosureWithinClaim",
        SettleEnded="FinalForGood",
        TokenReused="TokenTakesOnce",
        ClaimTaken="EntryClaimedOnce",
        HoleForgotten="HoleSafety",
        HoleMadeUp="HolesBelow",
        CursorBack="CursorGrows",
        NumberTwice="NumbersOnce",
        LeaseStands="RunLeaseGrows",
        ReleaseLoses="OneLivePlacePerJob",
        JobTwice="OpenIsNewest",
        PassedOver="PassedOver",
        WrongSlot="BodyKept",
        WithdrawnRun="WithdrawnUnclaimed",
        CancelOpen="OneLivePlacePerJob",
        CancelLoses="NoJobLost",
        WaitsWithOldLease="RunLeaseGrows",
        FreeRetry="RefinesJobLife",
        RetryForever="AttemptBound",
        LossForgotten="RefinesJobLife",
        LostForever="LossBound",
        EndsEarly="RefinesJobLife",
        PromotedStays="OneLivePlacePerJob",
        RetryOfTheLiving="OneLivePlacePerJob",
        LetterLost="DlqRoundTrip",
        KeyTaken="UniqueHeldOnce",
        LetterKeyTaken="UniqueHeldOnce",
        KeyOfAnother="UniqueHeldOnce",
        OpenMask="UniqueHeldOnce",
        KeyOfOldLife="DlqRoundTrip",
        MendedWithoutKey="KeyKept",
        OpenSlotPruned="OnlyKnownEnd",
        PendingSlotPruned="PruneEmpty",
        FloorLost="FloorKept",
        CarriedWithoutClaim="BodyKept",
        EndedCarried="OneLivePlacePerJob",
        OpenMended="OneLivePlacePerJob",
        NotedLate="OnlyOpenNotes",
        NotedAgain="ProgressGrows",
        NobodyPromotes="Drains",
        NobodyPrunes="Reclaims",
        TurnedOntoHistory="HistoryEnds",
    ),
    _holds("Reconcile", "Reconcile"),
    _holds("ReconcileEnds", "Reconcile"),
    _holds("WakingOneQueue", "Waking"),
    _holds("WakingTwoQueues", "Waking"),
    _holds("WakingDeath", "Waking"),
    _holds("WakingPoll", "Waking"),
    _holds("deep/WakingPoll", "Waking", deep=True),
    _holds("deep/WakingTwoLanes", "Waking", deep=True),
    *_breaks("probe", "Waking", DeathLosesProbe="NoLostWakeup", ToldProbe="ToldProbe"),
    *_breaks(
        "witness",
        "Waking",
        LookThenTest="NoLostWakeup",
        TryForTheFlag="NoLostWakeup",
        NoPassOn="NoLostWakeup",
        PassOnForOneQueue="NoLostWakeup",
        KeepFlagsWhenFull="NoLostWakeup",
        SleepOnOthersFlags="NoLostWakeup",
        NoTestAgain="NoLostWakeup",
        BusyUntold="NoLostWakeup",
        BusyUntoldBesideGot="NoLostWakeup",
        PartForAll="NoLostWakeup",
        DeafWhileLooking="NoLostWakeup",
        NoPassOnAtDeath="LostOnlyByDeath",
        NoPoll="Claimed",
    ),
    _holds("ShardsRing", "Shards"),
    _holds("ShardsOrder", "Shards"),
    _holds("ShardsServed", "Shards"),
    _holds("deep/ShardsRing", "Shards", deep=True),
    *_breaks(
        "witness",
        "Shards",
        ShardsAnyLane="OrderPerKey",
        ShardsAcrossChange="OrderPerKey",
        ShardsOfSettingOnly="Served",
        ShardsProofOfOne="PruneEmpty",
        ShardsFloorOfOne="StateKept",
    ),
    _holds("LockOrder", "LockOrder"),
    _holds("deep/LockOrder", "LockOrder", deep=True),
    *_breaks("witness", "LockOrder", LocksBackwards="EveryWaitClimbs", PruneWaits="NoDeadlock"),
    _holds("TimerSleeps", "Timer"),
    _holds("TimerEnds", "Timer"),
    _holds("deep/TimerSleeps", "Timer", deep=True),
    *_breaks("probe", "Timer", SilentProbe="SilentProbe"),
    *_breaks(
        "witness",
        "Timer",
        TimerLookThenTest="NoLostTimer",
        TimerReadThenLock="NoLostTimer",
        TimerNotArmed="NoLostTimer",
        TimerMarkedBeside="NoLostTimer",
        TimerOfTheDead="NoLostTimer",
        TimerNeverPromotes="Promoted",
    ),
    _holds("CronRaces", "Cron"),
    _holds("CronCatchUp", "Cron"),
    _holds("CronLate", "Cron"),
    _holds("CronSkips", "Cron"),
    _holds("CronReplaces", "Cron"),
    _holds("CronEnds", "Cron"),
    *_breaks(
        "probe",
        "Cron",
        MissedProbe="MissedProbe",
        RefusedProbe="RefusedProbe",
        OverlapProbe="OverlapProbe",
    ),
    *_breaks(
        "witness",
        "Cron",
        CronNotCompared="FiredOnce",
        CronOldRule="OfItsRule",
        CronFiresPaused="PausedSleeps",
        CronResumesBehind="SleptStays",
        CronFastClock="NeverEarly",
        CronTwoTransactions="NoFireLost",
        CronUptoNow="NoFireLost",
        CronOldestFirst="PolicyKept",
        CronOverlapSeen="OneAtATime",
        CronNobodyLeads="DueFires",
    ),
    _holds("RuntimeDeaths", "Runtime"),
    _holds("RuntimeBeats", "Runtime"),
    _holds("RuntimeCalls", "Runtime"),
    _holds("RuntimeCallsLost", "Runtime"),
    _holds("RuntimeBatches", "Runtime"),
    _holds("RuntimeOwn", "Runtime"),
    _holds("RuntimePermits", "Runtime"),
    _holds("RuntimeEnds", "Runtime"),
    _holds("RuntimeCallsEnd", "Runtime"),
    _holds("RuntimeDrains", "Runtime"),
    _holds("deep/RuntimeDeaths", "Runtime", deep=True),
    _holds("deep/RuntimeBeats", "Runtime", deep=True),
    _holds("deep/RuntimeCalls", "Runtime", deep=True),
    _holds("deep/RuntimeBatches", "Runtime", deep=True),
    *_breaks(
        "probe",
        "Runtime",
        LateFlushProbe="LateFlushProbe",
        ZombieProbe="ZombieProbe",
        OrphanProbe="OrphanProbe",
        OvertakenProbe="OvertakenProbe",
        DoubtProbe="DoubtProbe",
        FewerProbe="FewerProbe",
    ),
    *_breaks("witness", "Runtime", **RUNTIME_WITHOUT),
    _holds("ProgressNotes", "Progress"),
    *_breaks("probe", "Progress", LateNoteProbe="LateNoteProbe"),
    *_breaks(
        "witness",
        "Progress",
        ProgressDropped="ProgressGrows",
        SettledUnflushed="ProgressKept",
    ),
    *_breaks("probe", "Reconcile", ReleaseProbe="ReleaseProbe"),
    *_breaks(
        "witness",
        "Reconcile",
        ReconcileOpenOnly="LiveStays",
        ReconcileNoUpto="LiveStays",
        ReconcileNamesAll="OrphansEnd",
    ),
)


_SMALL: Final = ("Holes", "Waits", "Letters", "Ring", "Unique", "Notes")
TWINS: Final = tuple(_holds(f"twin/{stem}", "Storage") for stem in _SMALL)
"""Small scopes of Storage whose whole graph is that of the Python twin (correctness/model)."""


def unlisted() -> list[str]:
    """Configuration files nobody expects anything of, and listed ones that do not exist."""
    listed = {entry.path for entry in (*CONFIGURATIONS, *TWINS)}
    present = {str(path.relative_to(SPEC)) for path in SPEC.rglob("*.cfg")}
    return sorted(listed ^ present)
