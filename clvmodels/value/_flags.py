"""What predictions note of a customer."""

from typing import Final

ONE_TIME: Final = "one-time buyer"
"""Begins the note on a customer without a repeat purchase."""
