"""Awa: a job queue that lives in PostgreSQL and runs on trio."""

__all__: list[str] = []
