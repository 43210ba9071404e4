"""A census of the standard library: every file is a job, two worker processes share the work.

    census.py     the work itself: which files there are, and what is counted of one
    app.py        the worker's side: a client and its handler
    workers.py    worker processes, stopped whatever happens
    progress.py   a bar on a terminal, lines elsewhere
    findings.py   what the database says afterwards, and whether it is true
    __main__.py   all of it in order

Run it from a checkout: `make demo`, or `python -m examples.stdlib_census`.
"""
