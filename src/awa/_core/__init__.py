"""Pure decisions and values: imports nothing of Awa but its errors, no I/O, no clock, no chance."""
