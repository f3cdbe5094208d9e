"""The student trained to convergence on the first n samples, for every n at once."""

import torch
from torch import nn

from kdlib import kernels, memory

BLOCK = 512  # test points whitened at a time: large enough for BLAS, small beside n
NUMBER = 8  # bytes of a float64


class LinearizedStudent(nn.Module):
    r"""A wide student, linear in its weights, trained to the end on n samples, every n.

    It is trained on the first n of N samples, for every n up to N at once.

    .. math::
        \Delta_{\hat w} = \phi(X)\, \Theta_n^{-1} \Delta_z, \qquad
        \langle a, b \rangle_{\Theta_n} = a^\top \Theta_n^{-1} b
        = \sum_{i \le n} (L^{-1} a)_i\, (L^{-1} b)_i

    L is the Cholesky factor of the whole Gram matrix :math:`\Theta_N = L L^\top`. The
    leading n × n block of L is the factor of :math:`\Theta_n`, and a triangular solve
    goes from the top, so its first n entries are those of the student of n samples:
    norms, inner products and outputs at every n are running sums over one solve. The
    factorisation takes N³ / 3 multiplications, a target and a test point N² / 2 more
    each.

    Targets are logit *changes*, :math:`\Delta_z = z - z_0` with :math:`z_0` the
    student's outputs at its initialisation, not the logits z themselves. All arithmetic
    is float64, on the device of ``gram``.

    Args:
        gram: kernel of the samples in the order in which they are added, ``(n, n)``,
            symmetric positive definite.
        in_place: overwrite ``gram``, which must be float64, with its factor: then there
            is one n × n matrix (800 MB at n = 10,000) instead of two. ``gram`` is lost.

    Raises:
        ValueError: ``gram`` is not such a matrix; inputs that are duplicates for the
            kernel are named (see ``kernels.cholesky``).
        MemoryError: the copy of ``gram`` does not fit; see :func:`memory_needed` to ask
            before there is a ``gram``.

    Example:
        >>> gram = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
        >>> student = LinearizedStudent(gram)
        >>> changes = torch.tensor([2.0, -1.0])
        >>> student.weight_norms(changes).square().round(decimals=3).tolist()
        [2.0, 4.667]

    Source: Ji & Zhu 2020, Section 2, Eq. 4, where the direct solution is called
    impractical (in feature space it is).
    """

    def __init__(self, gram, *, in_place=False):
        super().__init__()
        if not in_place and gram.ndim == 2:
            memory.require(
                NUMBER * len(gram) ** 2,
                gram.device,
                f"a float64 copy of a Gram matrix of n = {len(gram):,}",
            )
        self.register_buffer("factor", kernels.cholesky(gram, in_place=in_place))

    def whiten(self, targets):
        r"""Coordinates :math:`v = L^{-1} \Delta_z` of the weight change.

        The basis is orthonormal and spans the samples' features. The n-th basis vector
        is the part of sample n's features that no earlier sample has.

        Args:
            targets: logit changes, ``(n,)`` or ``(n, k)``.

        Returns:
            float64 tensor of the same shape; its first n rows belong to the student of
            the first n samples.

        Raises:
            ValueError: the first dimension is not that of the Gram matrix, or there are
                more than two.

        Source: Golub & Van Loan, Matrix Computations, Section 4.2.
        """
        n = len(self.factor)
        if targets.ndim not in (1, 2) or len(targets) != n:
            raise ValueError(
                f"targets must have shape (n,) or (n, k) with n = {n}, got "
                f"{tuple(targets.shape)}"
            )
        columns = targets.to(self.factor).reshape(n, -1)
        v = torch.linalg.solve_triangular(self.factor, columns, upper=False)
        return v.reshape(targets.shape)

    def weight_norms(self, targets):
        r"""Norm of the converged weight change at every sample size.

        .. math:: \|\Delta_{\hat w, n}\|_2 = \sqrt{\Delta_z^\top \Theta_n^{-1} \Delta_z}

        Args:
            targets: logit changes, ``(n,)`` or ``(n, k)``.

        Returns:
            float64 tensor of the same shape; row i is the norm after i + 1 samples. It
            never falls.

        Raises:
            ValueError: see :meth:`whiten`.

        Source: Ji & Zhu 2020, Section 4, Definition 1.
        """
        return self.whiten(targets).square_().cumsum(0).sqrt_()

    def inner(self, first, second):
        r"""Inner product of two weight changes at every sample size.

        .. math:: \langle a, b \rangle_{\Theta_n} = a^\top \Theta_n^{-1} b

        Args:
            first: logit changes a, ``(n,)`` or ``(n, k)``.
            second: logit changes b, ``(n,)`` or ``(n, k)``; one of the two may have k
                where the other has none.

        Returns:
            float64 tensor, ``(n,)`` or ``(n, k)``; row i belongs to the first i + 1
            samples.

        Raises:
            ValueError: see :meth:`whiten`; or the two have a different number k of
                targets.

        Source: Ji & Zhu 2020, Section 5, where it is written with the kernel as its
        index.
        """
        if first.ndim == second.ndim == 2 and first.shape[1] != second.shape[1]:
            raise ValueError(
                "first and second must have the same number of targets, got "
                f"{first.shape[1]} and {second.shape[1]}"
            )
        a = self.whiten(first)
        b = self.whiten(second)
        if a.ndim < b.ndim:
            a = a[:, None]
        if b.ndim < a.ndim:
            b = b[:, None]
        return (a * b).cumsum(0)

    def oracle_angles(self, targets, zero_targets):
        r"""Angle between student and oracle at every sample size.

        Both are taken less the zero function's weight change.

        .. math:: \bar\alpha_n = \bar\alpha(\Delta_{w_*} - \Delta_{w_z},\,
                  \Delta_{\hat w, n} - \Delta_{w_z}), \qquad
                  \Delta_{\hat w, n} = P_n \Delta_{w_*}

        The oracle and the zero function are the students of all n samples; with the
        test points among the last of them Theorem 1 holds exactly on those points.
        Without the zero function (targets of zeros) the cosine is :math:`\|\Delta_{\hat
        w, n}\| / \|\Delta_{w_*}\|`, Eq. 9, and falls with n.

        Args:
            targets: the oracle's logit changes, ``(n,)``.
            zero_targets: the zero function's, :math:`-z_0`, ``(n,)``.

        Returns:
            float64 tensor ``(n,)`` of acute angles in radians; the last is 0.

        Raises:
            ValueError: see :meth:`whiten`.

        Source: Ji & Zhu 2020, Section 3, Theorem 1.
        """
        v, u = self.whiten(torch.stack([targets, zero_targets], dim=1)).T
        w = v - u  # the oracle less the zero function
        # The student of n samples is w less D, which has v beyond n and 0 before.
        DD = _sums_beyond(v * v)
        wD = _sums_beyond(w * v)
        opposite = (w @ w * DD - wD**2).clamp_(min=0).sqrt_()
        return torch.atan2(opposite, (w @ w - wD).abs())  # not acos: exact near 0

    def predict(self, cross_gram, targets, sizes=None):
        r"""Outputs on test points at the sizes asked for, less those at initialisation.

        .. math:: f_n(x) - f(x; w_0) = \Theta(x, X_n)\, \Theta_n^{-1} \Delta_z

        Add :math:`f(x; w_0)` to get logits. Beside the result it holds a block of 512
        test points, 512 · n numbers; the result has a number for every size, test point
        and target.

        Args:
            cross_gram: kernel between t test points and the samples, ``(t, n)``.
            targets: logit changes, ``(n,)`` or ``(n, k)``.
            sizes: the sample sizes, a sequence of integers in 1 … n that grows; every
                size from 1 to n by default.

        Returns:
            float64 tensor, ``(sizes, t)`` or ``(sizes, t, k)``.

        Raises:
            ValueError: a shape does not fit the Gram matrix, or sizes are out of range
                or do not grow.
            MemoryError: the result does not fit.

        Source: Ji & Zhu 2020, Section 2, Eq. 4; Lee et al. 2019, Eq. 8.
        """
        n = len(self.factor)
        v = self.whiten(targets).reshape(n, -1)
        if cross_gram.ndim != 2 or cross_gram.shape[1] != n:
            raise ValueError(
                f"cross_gram must have shape (t, n) with n = {n}, got "
                f"{tuple(cross_gram.shape)}"
            )
        sizes = range(1, n + 1) if sizes is None else sizes
        sizes = [int(size) for size in sizes]
        if any(low >= high for low, high in zip([0] + sizes, sizes + [n + 1])):
            raise ValueError(f"sizes must grow and lie in 1 … {n}, got {sizes}")
        t = len(cross_gram)
        k = v.shape[1]
        what = f"the outputs at {len(sizes):,} sizes, {t:,} test points, {k:,} targets"
        memory.require(NUMBER * k * t * len(sizes), v.device, what)
        outputs = v.new_empty(len(sizes), t, k)
        for start in range(0, t, BLOCK):
            block = cross_gram[start : start + BLOCK].to(v)  # (b, n)
            W = torch.linalg.solve_triangular(
                self.factor.T, block, upper=True, left=False
            )
            there = outputs[:, start : start + BLOCK]
            if len(sizes) == n:
                for target in range(k):
                    there[:, :, target] = (W * v[:, target]).cumsum(1).T
                continue
            low = 0
            total = v.new_zeros(len(block), k)
            for row, size in enumerate(sizes):
                total.addmm_(W[:, low:size], v[low:size])
                there[row] = total
                low = size
        return outputs.reshape(len(sizes), t, *targets.shape[1:])

    def predict_later(self, whitened, start, size):
        r"""Outputs on later samples of the pool, less those at initialisation.

        .. math:: f_n(x_j) - f(x_j; w_0) = \sum_{i \le n} L_{ji}\, v_i,
                  \qquad v = L^{-1} \Delta_z

        Row j of L holds the coordinates of sample j's features in the basis in which v
        holds the weight change, so a student of the first n samples has its outputs on
        the others without a kernel to them and without another solve. A sample that the
        student has seen (j ≤ n) gets its own target.

        Args:
            whitened: v, ``(n,)`` or ``(n, k)``, see :meth:`whiten`.
            start: first sample of interest, counted from 0: the test points of a pool.
            size: number n of samples that the student has seen, from the first on.

        Returns:
            float64 tensor, ``(N - start,)`` or ``(N - start, k)``.

        Raises:
            ValueError: ``start`` or ``size`` lies outside the pool.

        Source: Ji & Zhu 2020, Section 2, Eq. 4, in the basis of :meth:`whiten`.
        """
        N = len(self.factor)
        if not (0 <= start < N and 1 <= size <= N):
            raise ValueError(
                f"start must be in 0 … {N - 1} and size in 1 … {N}, got {start} and "
                f"{size}"
            )
        return self.factor[start:, :size] @ whitened[:size]


def memory_needed(
    samples, *, targets=1, test_points=0, sizes=1, in_place=True, device="cpu"
):
    """Bytes that a student takes, known before anything is allocated.

    8 (n² (2 unless in place) + 3 n k + 512 n + t n + s t k): Gram matrix, targets with
    their solves, a block, the kernel of the test points, the outputs there.

    Args:
        samples: n, at least 1.
        targets: number k of targets.
        test_points: number t of test points, 0 where nothing is predicted.
        sizes: number s of sample sizes at which outputs are asked for.
        in_place: whether the factor overwrites the Gram matrix.
        device: where the Gram matrix will be.

    Returns:
        Bytes, an int.

    Raises:
        ValueError: samples below 1.
        MemoryError: more than is free on the device; the line says how much is needed
            and free, and the largest n.

    Source: sizes of the tensors above.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")

    def needed(n):
        matrices = n**2 * (1 if in_place else 2) + BLOCK * n
        return NUMBER * (
            matrices + 3 * n * targets + test_points * n + sizes * test_points * targets
        )

    free = memory.free(device)
    fits = 0
    if needed(samples) > free:
        for bit in reversed(range(40)):
            if needed(fits + 2**bit) <= free:
                fits += 2**bit
    memory.require(
        needed(samples),
        device,
        f"a student of n = {samples:,} samples",
        f"; n = {fits:,} would fit",
    )
    return needed(samples)


def _sums_beyond(terms):
    """For each n the sum of the terms after the first n."""
    return terms.flip(0).cumsum(0).flip(0) - terms
