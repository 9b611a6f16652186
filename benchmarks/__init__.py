"""Is it fast, is it right, is it useful: one folder for each question."""
