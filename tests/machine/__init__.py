"""All actions in random order against the real SQL, with the Python twin as oracle."""
