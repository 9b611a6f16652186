"""The papers' equations in 50 digits, which the kernels are tested against too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from oracles import beta_geo, gamma_gamma, modified_beta_geo, pareto_nbd

__all__ = ["beta_geo", "gamma_gamma", "modified_beta_geo", "pareto_nbd"]
