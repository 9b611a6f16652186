"""``python -m clvmodels`` is the command ``clvmodels``."""

from clvmodels.cli import main

main()
