"""The models' mathematics: arrays in, arrays out, in the notation of the papers.

Every purchase model's file has the same functions with the same argument order, data first:
``loglik``, ``nll_grad_hess``, ``prob_alive``, ``purchases_if_alive``, ``pmf_if_alive`` and
``simulate``. Kernels assume valid input; validation happens where data and parameters enter.
"""
