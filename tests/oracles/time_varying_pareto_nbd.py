"""Pareto/NBD with time-varying covariates (Bachmann, Meierer and Naef 2021) in mpmath.

A customer is x, T, the ages `until` at which the periods end, and per period the log factors
`buy` = g1'z of the purchase rate and `leave` = g2'z of the dropout hazard; the last period goes on
for ever. The sum of g1'z over repeat purchases is `bought`.
"""

import mpmath as mp

DIGITS = 30


def _pieces(until, buy, leave, start, end):
    """(from, to, rate factor, hazard factor) of the periods between two ages."""
    edges = [mp.mpf(0), *(mp.mpf(u) for u in until[:-1]), mp.inf]
    for k in range(len(until)):
        low, high = max(edges[k], start), min(edges[k + 1], end)
        if low < high:
            yield low, high, mp.exp(buy[k]), mp.exp(leave[k])


def clocks(until, buy, leave, age):
    """A and D at an age: the integrals of the two factors."""
    A = D = mp.mpf(0)
    for low, high, rate, hazard in _pieces(until, buy, leave, mp.mpf(0), mp.mpf(age)):
        A += rate * (high - low)
        D += hazard * (high - low)
    return A, D


def _integral(term, low, high, rate, hazard, A, D, power, alpha, s, beta, delta=0):
    """Integral over one period, cut where the power laws have fallen by a fixed factor."""
    total, here = mp.mpf(0), low
    while here < high:
        steep = power * rate / (alpha + A) + (s + 2) * hazard / (beta + D) + delta
        there = min(high, here + 3 / steep)
        size = term(A + rate * (there - here), D + hazard * (there - here), there, rate, hazard)

        def scaled(u, here=here, A=A, D=D, size=size):  # quad's tolerance is absolute
            return term(A + rate * (u - here), D + hazard * (u - here), u, rate, hazard) / size

        total += size * mp.quad(scaled, [here, there], method="gauss-legendre")
        A, D, here = A + rate * (there - here), D + hazard * (there - here), there
    return total


@mp.workdps(DIGITS)
def branches(x, t_x, T, until, buy, leave, r, alpha, s, beta):
    """Likelihood of being alive and of having left, without the factors common to both."""
    x, t_x, T, r, alpha, s, beta = map(mp.mpf, (x, t_x, T, r, alpha, s, beta))
    A, D = clocks(until, buy, leave, T)
    alive = (alpha + A) ** -(r + x) * (beta + D) ** -s

    def term(A, D, u, rate, hazard):
        return s * hazard * (beta + D) ** -(s + 1) * (alpha + A) ** -(r + x)

    gone = mp.mpf(0)
    for low, high, rate, hazard in _pieces(until, buy, leave, t_x, T):
        A, D = clocks(until, buy, leave, low)
        gone += _integral(term, low, high, rate, hazard, A, D, r + x + 1, alpha, s, beta)
    return alive, gone


@mp.workdps(DIGITS)
def loglik(x, t_x, T, bought, until, buy, leave, r, alpha, s, beta):
    """Log-likelihood of one customer."""
    alive, gone = branches(x, t_x, T, until, buy, leave, r, alpha, s, beta)
    x, r, alpha, s, beta = map(mp.mpf, (x, r, alpha, s, beta))
    constant = mp.loggamma(r + x) - mp.loggamma(r) + r * mp.log(alpha) + s * mp.log(beta)
    return constant + mp.mpf(bought) + mp.log(alive + gone)


@mp.workdps(DIGITS)
def prob_alive(x, t_x, T, until, buy, leave, r, alpha, s, beta):
    """P(alive at T)."""
    alive, gone = branches(x, t_x, T, until, buy, leave, r, alpha, s, beta)
    return alive / (alive + gone)


@mp.workdps(DIGITS)
def survival_if_alive(T, t, until, buy, leave, s, beta):
    """P(alive at T + t | alive at T)."""
    before, after = (clocks(until, buy, leave, mp.mpf(T) + v)[1] for v in (0, mp.mpf(t)))
    return ((beta + before) / (beta + after)) ** mp.mpf(s)


@mp.workdps(DIGITS)
def discounted_if_alive(x, T, start, end, delta, until, buy, leave, r, alpha, s, beta):
    """Discounted purchases expected in (T + start, T + end] of a customer alive at T."""
    x, T, r, alpha, s, beta = map(mp.mpf, (x, T, r, alpha, s, beta))
    A_T, D_T = clocks(until, buy, leave, T)

    def term(A, D, u, rate, hazard):
        return mp.exp(-delta * (u - T)) * rate * ((beta + D_T) / (beta + D)) ** s

    total = mp.mpf(0)
    for low, high, rate, hazard in _pieces(until, buy, leave, T + start, T + end):
        A, D = clocks(until, buy, leave, low)
        total += _integral(term, low, high, rate, hazard, A, D, r + x + 1, alpha, s, beta, delta)
    return (r + x) / (alpha + A_T) * total


@mp.workdps(DIGITS)
def pmf_if_alive(n, x, T, t, until, buy, leave, r, alpha, s, beta):
    """P(n purchases in (T, T + t] | alive at T)."""
    x, T, r, alpha, s, beta = map(mp.mpf, (x, T, r, alpha, s, beta))
    A_T, D_T = clocks(until, buy, leave, T)

    def count(A):
        scale, spent = alpha + A_T, A - A_T
        some = spent**n if n else mp.mpf(1)
        chance = mp.rf(r + x, n) / mp.factorial(n) * some
        return chance * scale ** (r + x) * (scale + spent) ** -(r + x + n)

    def term(A, D, u, rate, hazard):
        return s * hazard * (beta + D_T) ** s * (beta + D) ** -(s + 1) * count(A)

    A_end, D_end = clocks(until, buy, leave, T + mp.mpf(t))
    total = ((beta + D_T) / (beta + D_end)) ** s * count(A_end)
    for low, high, rate, hazard in _pieces(until, buy, leave, T, T + mp.mpf(t)):
        A, D = clocks(until, buy, leave, low)
        total += _integral(term, low, high, rate, hazard, A, D, r + x + n + 1, alpha, s, beta)
    return total


@mp.workdps(DIGITS)
def pareto_nbd_loglik(x, t_x, T, r, alpha, s, beta):
    """Pareto/NBD without covariates by 2F1 (Schmittlein, Morrison and Colombo 1987; note 009)."""
    x, t_x, T, r, alpha, s, beta = map(mp.mpf, (x, t_x, T, r, alpha, s, beta))
    high, low, second = (alpha, beta, s + 1) if alpha >= beta else (beta, alpha, r + x)
    total = r + s + x

    def part(age):
        gauss = mp.hyp2f1(total, second, total + 1, (high - low) / (high + age))
        return gauss / (high + age) ** total

    gone = s / total * (part(t_x) - part(T))
    alive = (alpha + T) ** -(r + x) * (beta + T) ** -s
    constant = mp.loggamma(r + x) - mp.loggamma(r) + r * mp.log(alpha) + s * mp.log(beta)
    return constant + mp.log(alive + gone)
