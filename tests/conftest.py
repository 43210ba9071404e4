"""Fixtures of every test; each subject has its file."""

pytest_plugins = [
    "tests.fix_cluster",
    "tests.fix_database",
    "tests.fix_faults",
    "tests.fix_workers",
    "tests.replay_plugin",
]
