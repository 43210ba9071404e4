"""Fixtures of every test; each subject has its file."""

from importlib.util import find_spec

pytest_plugins = ["tests.fix_cluster", "tests.fix_database"]
if find_spec("tests.replay_plugin") is not None:
    pytest_plugins.append("tests.replay_plugin")
