"""Fixtures of every test; each subject has its file."""

import signal

from hypothesis import settings

# How long an example takes is the machine's, and no claim of any test.
settings.register_profile("awa", deadline=None)
settings.load_profile("awa")

pytest_plugins = [
    "tests.fix_bouncer",
    "tests.fix_cluster",
    "tests.fix_database",
    "tests.fix_faults",
    "tests.fix_workers",
    "tests.hang_plugin",
    "tests.replay_plugin",
    "tests.worker_replay_plugin",
    "tests.cron_replay_plugin",
]


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell that starts the tests in the background has them ignore it.

    The programs that tests start and interrupt would inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
