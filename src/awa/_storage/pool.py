"""A small pool of connections for producers and administrators, for trio and asyncio."""
