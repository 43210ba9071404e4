"""Examples that run: `quickstart`, and `stdlib_census`, the demo of `make demo`."""
