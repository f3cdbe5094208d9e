"""The network that learns labels by the logistic loss, stopped at several times."""

import torch

#: Largest relative residual of a linear system.
RESIDUAL = 1e-6
# samples whose kernel stands for the whole one where a system is preconditioned
LANDMARKS = 512
# of the linearly implicit steps: γ of the method, and each step beside the time before
GAMMA = 1 - 0.5**0.5
FIRST = 0.1
GROWTH = 0.3


def logistic_flow(gram, labels, times):
    r"""Dual coefficients of a wide network during gradient flow of the logistic loss.

    Trained on M samples from an output of zero, the network has the outputs
    :math:`f(x) = \Theta(x, X)\, a(s)` at time s, with

    .. math::
        \dot a = \frac1M \bigl(y - \sigma(\Theta a)\bigr), \qquad a(0) = 0 .

    Unlike the squared loss the logistic loss has no end: outputs grow on, like the
    logarithm of s where the labels can be told apart.

    The steps are those of ROS2, linearly implicit, of second order and L-stable; each
    is a fixed fraction of the time that has passed, so that a hundred of them go a
    long way. A step solves two systems :math:`(1 + D \Theta)\, k = r` with the diagonal
    :math:`D = \gamma h\, \sigma' / M`, by conjugate gradients. Their preconditioner is
    the same system with the kernel that 512 of the samples span (the Nyström kernel),
    which leaves some ten products with the Gram matrix a system, where a factorisation
    would take M / 3. Outputs are within 1 % of the exact flow.

    Args:
        gram: kernel :math:`\Theta` of the M samples, ``(M, M)``, float64, symmetric
            positive definite.
        labels: y, 0 or 1, ``(M,)``.
        times: s, ``(k,)``, growing, the first > 0.

    Returns:
        float64 tensor ``(M, k)``, on the device of ``gram``.

    Raises:
        ValueError: a shape does not fit, a label is not 0 or 1, or times do not grow
            from above 0.

    Example:
        >>> gram = torch.tensor([[4.0]], dtype=torch.float64)
        >>> duals = logistic_flow(gram, torch.tensor([1.0]), [1.0])
        >>> f = (gram @ duals).item()
        >>> round(f + 2.718281828**f, 2)  # of the exact flow: 1 + 4 s
        5.0

    Source: Verwer et al. 1999, Eq. 6, for ROS2; Frangella et al. 2023 for the
    preconditioner.
    """
    M = len(gram)
    if gram.ndim != 2 or gram.shape[1] != M or labels.shape != (M,):
        raise ValueError(
            "gram must have shape (M, M) and labels (M,), got "
            f"{tuple(gram.shape)} and {tuple(labels.shape)}"
        )
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("each label must be 0 or 1")
    times = torch.as_tensor(times, dtype=torch.float64)
    if times.ndim != 1 or not (times.diff(prepend=times.new_zeros(1)) > 0).all():
        raise ValueError(f"times must grow from above 0, got {times.tolist()}")
    flow = _Flow(gram, labels.to(gram))
    duals = [flow.until(time) for time in times.tolist()]
    return torch.stack(duals, dim=1) if duals else gram.new_zeros(M, 0)


class _Flow:
    """Where the flow is: dual coefficients ``a`` and outputs ``z`` at time ``now``."""

    def __init__(self, gram, labels):
        self.gram = gram
        self.labels = labels
        self.features = _landmark_features(gram)
        self.a = torch.zeros_like(labels)
        self.z = torch.zeros_like(labels)
        self.now = 0.0

    def until(self, time):
        """The dual coefficients at a later time."""
        while self.now < time * (1 - 1e-12):
            self.step(min(max(GROWTH * self.now, FIRST), time - self.now))
        return self.a

    def step(self, h):
        """One step of ROS2 of length h."""
        M = len(self.labels)
        p = self.z.sigmoid()
        system = _System(self.gram, self.features, GAMMA * h / M * p * (1 - p))
        k1 = system.solve((self.labels - p) / M)
        Theta_k1 = self.gram @ k1
        ahead = (self.labels - (self.z + h * Theta_k1).sigmoid()) / M
        k2 = system.solve(ahead - 2 * k1)
        self.a = self.a + h * (1.5 * k1 + 0.5 * k2)
        self.z = self.z + h * (1.5 * Theta_k1 + 0.5 * (self.gram @ k2))
        self.now += h


class _System:
    """(1 + D Θ) k = r for a positive diagonal D, many r.

    With S = √D it is r - k = S u and (1 + S Θ S) u = S Θ r, which is symmetric.
    """

    def __init__(self, gram, features, diagonal):
        self.gram = gram
        self.root = diagonal.sqrt()
        self.features = self.root[:, None] * features
        inner = self.features.T @ self.features
        inner.diagonal().add_(1)
        self.inner = torch.linalg.cholesky(inner)

    def solve(self, r):
        """The solution k."""
        return r - self.root * self._conjugate_gradients(self.root * (self.gram @ r))

    def _multiply(self, u):
        return u + self.root * (self.gram @ (self.root * u))

    def _precondition(self, u):
        """The inverse of 1 + F Fᵀ, of the landmarks' features F, times u."""
        inner = torch.cholesky_solve((self.features.T @ u)[:, None], self.inner)
        return u - self.features @ inner[:, 0]

    def _conjugate_gradients(self, right):
        """The u whose product is the right-hand side."""
        u = torch.zeros_like(right)
        residual = right
        enough = RESIDUAL * right.norm()
        direction = ahead = self._precondition(residual)
        size = residual @ ahead
        for _ in range(len(right)):
            if residual.norm() <= enough:
                break
            product = self._multiply(direction)
            length = size / (direction @ product)
            u = u + length * direction
            residual = residual - length * product
            ahead = self._precondition(residual)
            before, size = size, residual @ ahead
            direction = ahead + size / before * direction
        return u


def _landmark_features(gram):
    """Features ``(M, r)`` whose inner products are the kernel that landmarks span."""
    M = len(gram)
    chosen = torch.linspace(0, M - 1, min(M, LANDMARKS), device=gram.device).long()
    L = torch.linalg.cholesky(gram[chosen][:, chosen])
    return torch.linalg.solve_triangular(L, gram[chosen], upper=False).T
