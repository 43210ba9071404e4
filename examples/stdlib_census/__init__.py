"""A census of the standard library: every file is a job, and not everything goes well.

    census.py     the work itself: which files there are, and what is counted of one
    plan.py       which jobs there are, and what shall happen to some of them
    app.py        the worker's side: a client and its handler
    workers.py    worker processes: started, killed, and gone at the end whatever happens
    progress.py   a bar on a terminal, lines elsewhere
    findings.py   what the database says afterwards, and whether it is true
    report.py     the findings as people read them
    __main__.py   all of it in order

Run it from a checkout: `make demo`, or `python -m examples.stdlib_census`.
"""
