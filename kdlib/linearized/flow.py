"""The network stopped early: gradient flow of the squared error, at several times from
one basis."""

import torch

from kdlib import memory

#: Largest relative error of the flow, by a bound on it.
TOLERANCE = 1e-11
# bytes of a float64
NUMBER = 8
# vectors of the basis between two looks at its error, and allocated at a time
STEP = 10
ROOM = 200
# rows of the Gram matrix multiplied at a time where it is not float64
BLOCK = 1024


def gradient_flow(gram, targets, times):
    r"""Dual coefficients of a wide network during gradient flow of the squared error.

    Trained on M samples from an output of zero, the network has the outputs
    :math:`f(x) = \Theta(x, X)\, a(s)` at time s, with

    .. math::
        \dot a = \frac1M \bigl(y - \Theta a\bigr), \qquad a(0) = 0, \qquad
        a(s) = \varphi_s\Bigl(\frac\Theta M\Bigr) \frac yM, \qquad
        \varphi_s(\lambda) = \frac{1 - e^{-\lambda s}}{\lambda} .

    The Lanczos process builds an orthonormal basis Q of the Krylov space of y, in which
    :math:`\Theta / M` is a tridiagonal matrix T of j rows. The flow in this space is
    :math:`Q\, \varphi_s(T)\, e_1 \|y\| / M`, for all times at once. What it leaves of
    the equation is :math:`\beta_j u_j(s)` times the next basis vector, where u_j is its
    last coordinate and β_j the next entry beside the diagonal of T. As u_j never
    changes its sign, the error at time s is at most

    .. math::
        \beta_j \int_0^s |u_j(t)|\, dt = \beta_j \bigl|e_j^\top \psi_s(T)\, e_1\bigr|
        \|y\| / M, \qquad \psi_s(\lambda) = \frac{s - \varphi_s(\lambda)}{\lambda} .

    The basis grows until this bound is below 1e-11 of the coefficients at every time.
    Its cost is one product with the Gram matrix for each of its vectors: for the kernel
    of a plane some 100 to 200 of them, whatever M is, where all eigenvectors would take
    about 10 M products.

    Args:
        gram: kernel :math:`\Theta` of the M samples, ``(M, M)``, symmetric and not
            negative; float64, or float32 to halve its memory: then the result is the
            flow of the rounded kernel.
        targets: y, ``(M,)``.
        times: s, ``(k,)``, each >= 0, in units in which the rate of an eigenvalue λ of
            :math:`\Theta / M` is λ.

    Returns:
        float64 tensor ``(M, k)``, on the device of ``gram``.

    Raises:
        ValueError: a shape does not fit, a time is negative or not finite, or the Gram
            matrix is not symmetric and non-negative on the basis.
        MemoryError: the basis does not fit.

    Example:
        >>> gram = torch.tensor([[2.0, 0.0], [0.0, 4.0]], dtype=torch.float64)
        >>> duals = gradient_flow(gram, torch.tensor([1.0, 1.0]), [1.0])
        >>> (gram @ duals).round(decimals=4).tolist()  # 1 - exp(-1), 1 - exp(-2)
        [[0.6321], [0.8647]]

    Source: Jacot et al. 2018, Section 5, for the flow; Hochbruck & Lubich 1997 and
    Golub & Van Loan, Section 10.1, for the method; the bound is ours.
    """
    M = len(gram)
    if gram.ndim != 2 or gram.shape[1] != M or targets.shape != (M,):
        raise ValueError(
            "gram must have shape (M, M) and targets (M,), got "
            f"{tuple(gram.shape)} and {tuple(targets.shape)}"
        )
    times = torch.as_tensor(times, dtype=torch.float64, device=gram.device)
    if times.ndim != 1 or not (times.isfinite() & (times >= 0)).all():
        raise ValueError(
            f"times must be a list of finite numbers >= 0, got {times.tolist()}"
        )
    y = targets.to(gram.device, torch.float64)
    length = y.norm()
    if length == 0 or not len(times):
        return y.new_zeros(M, len(times))
    for basis, diagonal, beside in _lanczos(gram, y / length):
        coordinates, errors = _flow_in_basis(diagonal, beside, times)
        duals = basis.T @ coordinates * (length / M)
        if (errors <= TOLERANCE * coordinates.norm(dim=0)).all():
            break
    return duals


def _lanczos(gram, start):
    """Growing orthonormal bases of the Krylov space of Θ / M and a unit vector.

    Yields:
        The basis, a vector a row, ``(j, M)``, and two lists of j numbers of the
        tridiagonal matrix that Θ / M is in it: the diagonal, and the entries beside
        it, of which the last leads out of the space. The last basis is closed: nothing
        leads out of it.
    """
    M = len(start)
    room = start.new_empty(0, M)
    diagonal, beside = [], []
    vector = start
    while True:
        size = len(diagonal) + 1
        if size > len(room):
            room = _with_room(room)
        room[size - 1] = vector
        basis = room[:size]
        rest = _product(gram, vector) / M
        along = basis @ rest
        _check_symmetric(along, beside)
        rest = rest - along @ basis
        rest = rest - (basis @ rest) @ basis  # what rounding had left of it
        diagonal.append(along[-1].item())
        beside.append(rest.norm().item())
        is_closed = size == M or beside[-1] <= 1e-15 * max(diagonal)
        if is_closed or size % STEP == 0:
            yield basis, diagonal, beside
        if is_closed:
            return
        vector = rest / beside[-1]


def _flow_in_basis(diagonal, beside, times):
    """Coordinates of the flow ``(j, k)``, and bounds on what they miss ``(k,)``."""
    T = torch.diag(times.new_tensor(diagonal))
    off = torch.diag(times.new_tensor(beside[:-1]), 1)
    rates, vectors = torch.linalg.eigh(T + off + off.T)
    if rates[0] < -1e-8 * rates[-1]:
        raise ValueError(f"gram has a negative eigenvalue: {rates[0]:.2g} M or less")
    steps = rates[:, None] * times
    # near zero both are the first terms of their series
    flow = times * (1 - steps / 2 + steps**2 / 6)
    flow = torch.where(steps.abs() < 1e-5, flow, -steps.neg().expm1() / rates[:, None])
    summed = times**2 / 2 * (1 - steps / 3)
    summed = torch.where(steps.abs() < 1e-5, summed, (times - flow) / rates[:, None])
    coordinates = vectors @ (vectors[0, :, None] * flow)
    beyond = (vectors[-1] * vectors[0]) @ summed
    return coordinates, beside[-1] * beyond.abs()


def _check_symmetric(along, beside):
    """Whether the newest product has the entries that a symmetric matrix must have."""
    expected = along.new_zeros(len(along) - 1)
    expected[-1:] = beside[-1] if beside else 0
    if (along[:-1] - expected).norm() > 1e-6 * along.norm():
        raise ValueError("gram must be symmetric")


def _with_room(basis):
    """The basis, and beside it memory for more vectors."""
    M = basis.shape[1]
    what = f"a basis of {len(basis) + ROOM} vectors for M = {M:,} samples"
    memory.require(NUMBER * (2 * len(basis) + ROOM) * M, basis.device, what)
    return torch.cat([basis, basis.new_empty(min(ROOM, M), M)])


def _product(gram, vector):
    """Θ times a float64 vector, in float64 whatever Θ is stored in."""
    if gram.dtype == vector.dtype:
        return gram @ vector
    return torch.cat([block.to(vector) @ vector for block in gram.split(BLOCK)])
