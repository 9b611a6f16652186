"""MBG/NBD (Batislam, Denizel and Filiztekin 2007; Hoppe and Wagner 2007).

Bound to `dropout_at_purchase` with d = 1: dropout can follow the first purchase too.
"""

from functools import partial

from clvmodels.kernels import dropout_at_purchase as family

loglik = partial(family.loglik, d=1)
nll_grad_hess = partial(family.nll_grad_hess, d=1)
row_derivatives = partial(family.row_derivatives, d=1)
tails = partial(family.tails, d=1)
prob_alive = partial(family.prob_alive, d=1)
bend = partial(family.bend, d=1)
purchases_if_alive = partial(family.purchases_if_alive, d=1)
survival_if_alive = partial(family.survival_if_alive, d=1)
pmf_if_alive = partial(family.pmf_if_alive, d=1)
simulate = partial(family.simulate, d=1)
