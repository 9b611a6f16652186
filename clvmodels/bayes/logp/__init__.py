"""Log-likelihoods of the models, row by row, as PyTensor expressions.

One file per model, with one function: ``logp(<columns>, *, <parameters>)``. Columns are vectors;
a parameter is one number for all rows, or a vector with one for each.
"""
