"""Makes the oracles beside this folder importable: ``from oracles import beta_geo``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
