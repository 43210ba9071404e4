"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("awa-trio")
except PackageNotFoundError:  # run from a tree that was never installed
    VERSION = "0+unknown"
