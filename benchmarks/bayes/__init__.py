"""Posteriors against PyMC-Marketing's, each fit in a process of its own."""
