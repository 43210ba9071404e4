"""Does the program match its specification? Model checking and replay; not shipped."""
