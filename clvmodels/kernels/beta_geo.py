"""BG/NBD (Fader, Hardie and Lee 2005).

Bound to `dropout_at_purchase` with d = 0: no dropout before the first repeat purchase.
"""

from functools import partial

from clvmodels.kernels import dropout_at_purchase as family

loglik = partial(family.loglik, d=0)
nll_grad_hess = partial(family.nll_grad_hess, d=0)
row_derivatives = partial(family.row_derivatives, d=0)
tails = partial(family.tails, d=0)
prob_alive = partial(family.prob_alive, d=0)
bend = partial(family.bend, d=0)
purchases_if_alive = partial(family.purchases_if_alive, d=0)
survival_if_alive = partial(family.survival_if_alive, d=0)
pmf_if_alive = partial(family.pmf_if_alive, d=0)
simulate = partial(family.simulate, d=0)
