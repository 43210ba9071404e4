"""The witnesses of Runtime: which property each must break.

Most go without one guard. What none of them misses refuses a lie about what workers told, in
tests/correctness/test_worker_traces.py.
"""

from typing import Final

RUNTIME_WITHOUT: Final = {
    "StaleEnds": "GuardedEnd",
    "MoreThanRoom": "Capacity",
    "AskedUncounted": "Capacity",
    "MoreThanPermits": "Capacity",
    "MoreThanPermittedNow": "StartsPermitted",
    "ClaimsOn": "NoClaimAfterDrain",
    "DoneUnheard": "NoSilentDrop",
    "DoneUnasked": "NoSilentDrop",
    "OwnAndBatch": "EffectsWithEnd",
    "GivenUpEarly": "EffectsWithEnd",
    "RescueLeavesOpen": "AtMostOneOpen",
    "CallTakesTwice": "TokenTakesOnce",
    "UnansweredUnnamed": "LiveStays",
    "ReplyTwice": "HeldOnce",
    "AskedAfterReply": "HeldOnce",
    "TwoLead": "OneLeader",
    "NotAskedAgain": "AllEnd",
    "NobodyTakesOver": "RescueComes",
    "NeverCut": "DrainEnds",
    "StartedAgain": "LivesOnce",
    "UnknownGivenUp": "LivesOnce",
    "StopsWithWork": "LeavesEmptyHanded",
    "ClaimsWhatRuns": "HeldOnce",
    "TokenOfAnother": "HeldOnce",
    "BeatEndsWhatRuns": "LiveStays",
    "BeatEndsWhatCame": "LiveStays",
    "BeatAheadOfCalls": "LiveStays",
    "PromotesWhatRuns": "GuardedEnd",
    "OwnTwice": "EffectsWithEnd",
    "ToldOfNothing": "NoSilentDrop",
    "ForgetsWork": "NoSilentDrop",
    "BusyForLate": "NoSilentDrop",
    "LeavesHandlers": "NoSilentDrop",
    "InterruptsEarly": "RunsUntilCut",
    "CutUnasked": "RunsUntilCut",
    "ClosesUnasked": "AllEnd",
    "LeavesUnasked": "AllEnd",
    "GivesUpUnasked": "AllEnd",
    "CalledByNobody": "Capacity",
    "BeatEndsOthers": "LiveStays",
    "RescueEndsOthers": "LostWithWorker",
    "OwnBesideBatch": "EffectsWithEnd",
    "SettlesNothing": "AllEnd",
}
