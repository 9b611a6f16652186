"""Bridges to other libraries. Nothing here is imported until asked for."""

from typing import Final

NEEDS_SKLEARN: Final = "This needs scikit-learn, 1.6 or newer: pip install 'scikit-learn>=1.6'."
