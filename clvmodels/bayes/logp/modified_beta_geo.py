"""MBG/NBD (Batislam, Denizel and Filiztekin 2007): dropout right after the first purchase too."""

from functools import partial

from clvmodels.bayes.logp import dropout_at_purchase as family

logp = partial(family.logp, d=1)
