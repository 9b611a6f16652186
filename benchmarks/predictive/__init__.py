"""Which method foresees best, and where: every method on logs that are real and that are made."""
