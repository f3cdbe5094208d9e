"""What the theorems of Mandal et al. ask for: width, step size, number of steps and
radius."""

import math
from typing import NamedTuple


class Demand(NamedTuple):
    """What a theorem asks for.

    Attributes:
        width: least m, even.
        step: largest η.
        steps: fewest T.
        radius: B.
    """

    width: int
    step: float
    steps: int
    radius: float


def soft_risk_demand(beta, *, n, least_norm=1.0, delta=0.1):
    r"""Theorem 2, with η = β / 3, T = 9 / β², B = 1 and :math:`C_1 = 96 / (1 + e^2)`.

    .. math:: m = \frac{C_1}{\beta} \Bigl(\frac{\sqrt{2/\pi}}{c}
              + 3\sqrt{\ln(2n/\delta)}\Bigr)^2

    Args:
        beta: bound on the mean KL divergence averaged over the steps, in (0, 1).
        n: number of samples.
        least_norm: c, the least norm of an input.
        delta: the bound holds with probability 1 − 3 delta.

    Returns:
        :class:`Demand`.

    Source: Mandal, Lin & Srikant 2025, Theorem 2.
    """
    C1 = 96 / (1 + math.e**2)
    spread = math.sqrt(2 / math.pi) / least_norm + _three_deviations(n, delta)
    width = C1 / beta * spread**2
    return Demand(_even(width), beta / 3, math.ceil(9 / beta**2), 1.0)


def soft_error_demand(eps, gamma, *, n, least_norm=1.0, delta=0.1, corrected=True):
    r"""Corollary 4: Theorem 2 at :math:`\beta = \gamma^2 \varepsilon / 32`, so that
    Lemma 3 gives an averaged error of ε.

    Args:
        eps: bound on the 0-1 error averaged over the steps, in (0, 1).
        gamma: the margin.
        n: as in :func:`soft_risk_demand`.
        least_norm: as in :func:`soft_risk_demand`.
        delta: as in :func:`soft_risk_demand`.
        corrected: False takes η and T as printed, γ² ε / 3 and 9 / (γ⁴ ε²), where the
            32 and its square are missing.

    Returns:
        :class:`Demand`.

    Source: Mandal, Lin & Srikant 2025, Corollary 4.
    """
    beta = gamma**2 * eps / 32
    demand = soft_risk_demand(beta, n=n, least_norm=least_norm, delta=delta)
    if corrected:
        return demand
    steps = math.ceil(9 / (gamma**4 * eps**2))
    return demand._replace(step=gamma**2 * eps / 3, steps=steps)


def hard_risk_demand(beta, gamma, *, n, least_norm=1.0, delta=0.1):
    r"""Proposition 5 at η = 1, with :math:`\lambda = \ln\frac{2}{\beta \ln 2}`.

    .. math:: B = \frac{2 \lambda}{\gamma}, \qquad
              T = \frac{8 \lambda^2}{\gamma^2 \beta \ln 2}, \qquad
              m = \frac{16}{\gamma^4} \Bigl(\frac{2\sqrt2}{c \sqrt\pi} \lambda
              + 3\sqrt{\ln(2n/\delta)}\Bigr)^2

    Args:
        beta: bound on the logistic risk averaged over the steps; the averaged 0-1 error
            is then at most β / ln 2.
        gamma: the margin.
        n: as in :func:`soft_risk_demand`.
        least_norm: as in :func:`soft_risk_demand`.
        delta: as in :func:`soft_risk_demand`.

    Returns:
        :class:`Demand`.

    Source: Mandal, Lin & Srikant 2025, Proposition 5.
    """
    lam = math.log(2 / (math.log(2) * beta))
    turn = 2 * math.sqrt(2) / (least_norm * math.sqrt(math.pi)) * lam
    spread = turn + _three_deviations(n, delta)
    width = _even(16 / gamma**4 * spread**2)
    steps = math.ceil(8 * lam**2 / (gamma**2 * math.log(2) * beta))
    return Demand(width, 1.0, steps, 2 * lam / gamma)


def _three_deviations(n, delta):
    r"""The term :math:`3\sqrt{\ln(2n/\delta)}` that both widths share."""
    return 3 * math.sqrt(math.log(2 * n / delta))


def _even(width):
    """The least even number that is at least the width."""
    return 2 * math.ceil(width / 2)
