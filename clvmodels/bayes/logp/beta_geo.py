"""BG/NBD (Fader, Hardie and Lee 2005): no dropout before the first repeat purchase."""

from functools import partial

from clvmodels.bayes.logp import dropout_at_purchase as family

logp = partial(family.logp, d=0)
