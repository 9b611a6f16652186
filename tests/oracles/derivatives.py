"""Gradients and Hessians of mpmath functions by central differences with digits to spare."""

import mpmath as mp
import numpy as np

_STEP = mp.mpf(10) ** -12  # of functions right to 50 digits: an error of 1e-24, whatever the order


@mp.workdps(50)
def gradient_hessian(function, theta):
    """Value, gradient and Hessian of function(*theta) at positive theta, as floats."""
    theta = [mp.mpf(v) for v in theta]
    steps = [_STEP * v for v in theta]
    size = range(len(theta))

    def at(*moves):
        moved = list(theta)
        for i, sign in moves:
            moved[i] += sign * steps[i]
        return function(*moved)

    here = function(*theta)
    up, down = [at((i, 1)) for i in size], [at((i, -1)) for i in size]
    gradient = [(up[i] - down[i]) / (2 * steps[i]) for i in size]
    hessian = np.empty((len(theta), len(theta)))
    for i in size:
        hessian[i, i] = (up[i] - 2 * here + down[i]) / steps[i] ** 2
        for j in range(i):
            mixed = at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1))
            mixed = (mixed + at((i, -1), (j, -1))) / (4 * steps[i] * steps[j])
            hessian[i, j] = hessian[j, i] = mixed
    return float(here), np.array([float(g) for g in gradient]), hessian
