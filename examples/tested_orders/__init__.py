"""A small program with jobs, and the tests that its authors would write."""
