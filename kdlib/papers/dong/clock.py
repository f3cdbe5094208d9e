"""The clock of the tangent kernel: what is fitted when, and when to stop."""

import torch

from kdlib import devices, kernels
from kdlib.papers.dong import pictures

#: Bins of the spectrum by rank, each twice as wide as the one before.
BINS = 8
#: Times of the clock, in units in which the rate of an eigenvalue λ is λ / n.
TIMES = tuple(10 ** (place / 8) for place in range(-8, 49))


def fitted_share(rates, parts, times):
    r"""How much of a label vector gradient flow has fitted by a time.

    .. math::
        s(t) = \frac{\langle f_t, y \rangle}{\langle y, y \rangle}
        = \frac{\sum_i (1 - e^{-\lambda_i t})\, y_i^2}{\sum_i y_i^2},
        \qquad y_i = v_i^\top y

    Args:
        rates: eigenvalues λ of the kernel divided by the number of samples, ``(n,)``.
        parts: coordinates of the labels along the eigenvectors, ``(n, c)``.
        times: t, ``(k,)``.

    Returns:
        ``(k,)``.

    Example:
        >>> rates = torch.tensor([1.0, 0.1])
        >>> parts = torch.tensor([[1.0], [1.0]])
        >>> fitted_share(rates, parts, torch.tensor([0.0, 1.0])).round(decimals=3)
        tensor([0.0000, 0.3640])

    Source: Dong et al. 2019, anisotropic information retrieval; the formula is ours.
    """
    energies = parts.square().sum(1)
    shares = -(-rates * times[:, None]).expm1()
    return shares @ energies / energies.sum()


def distance_estimate(rates, parts, times):
    r"""Unbiased estimate of the distance to labels without chance, from noisy ones.

    .. math::
        \hat R(t) = \frac1n \Bigl(\|f_t - y\|^2 + 2 \sigma^2 \sum_i
        (1 - e^{-\lambda_i t}) - n \sigma^2\Bigr)

    with :math:`f_t` the outputs and y the given labels. The size :math:`\sigma^2` of
    the noise is the mean square of the label's coordinates in the lower half of the
    spectrum, where hardly any of the labels without chance lies.

    Args:
        rates: eigenvalues λ of the kernel divided by the number of samples, growing,
            ``(n,)``.
        parts: coordinates of the given labels along the eigenvectors, ``(n, c)``.
        times: t, ``(k,)``.

    Returns:
        ``(k,)``.

    Source: Mallows 1973 and Stein 1981; to read the noise off the spectrum is ours.
    """
    n = len(rates)
    energies = parts.square().sum(1)
    sigma2 = energies[: n // 2].mean()
    left = (-rates * times[:, None]).exp()
    missing = left.square() @ energies
    return (missing + 2 * sigma2 * (1 - left).sum(1)) / n - sigma2


def spectra(seed, *, kind, rate, n, n_test, components, depth, device, data):
    r"""What the kernel fits when, and the test error on its clock.

    The kernel is that of a ReLU network without biases. Labels are one-hot vectors less
    one tenth. The *noise* is given less clean labels. The teacher is the network at the
    time that the picture says: where the outputs on the training images are nearest to
    the clean labels.

    Args:
        seed: of the images and the noise.
        kind: of the noise, see ``pictures.draw``.
        rate: its nominal rate.
        n: training images.
        n_test: test images.
        components: d.
        depth: hidden layers of the kernel's network.
        device: where to compute.
        data: see ``pictures.draw``.

    Returns:
        dict of lists over ``TIMES``: ``clean``, ``noise`` and ``teacher`` (shares that
        are fitted), ``distance`` (mean square, of the outputs to the clean labels),
        ``estimate`` (see :func:`distance_estimate`), ``error`` (on test images); lists
        over the bins of the spectrum: ``clean_energy``, ``noise_energy``,
        ``teacher_energy`` and ``half`` (the time at which the bin is half fitted); and
        the numbers ``clean_top`` and ``noise_top`` (energy in the top tenth of the
        spectrum) and ``rate_measured``.

    Source: Dong et al. 2019, abstract; all settings are ours.
    """
    task = pictures.draw(
        seed,
        data,
        kind=kind,
        rate=rate,
        n=n,
        held_out=1,
        n_test=n_test,
        components=components,
        device=devices.pick_device(device),
    )
    x = task.x[0].double()
    n = len(x)
    times = torch.tensor(TIMES, dtype=torch.float64, device=x.device)
    gram = kernels.ntk(x, depth=depth, sigma_b=0.0)
    eigenvalues, vectors = torch.linalg.eigh(gram)
    rates = eigenvalues.clamp(min=1e-12 * eigenvalues[-1]) / n
    clean = vectors.T @ (pictures.one_hot(task.labels) - 0.1)
    given = vectors.T @ (pictures.one_hot(task.given) - 0.1)
    fitted = -(-rates * times[:, None]).expm1()  # (k, n)
    distance = (fitted[:, :, None] * given - clean).square().sum((1, 2)) / n
    teacher = fitted[distance.argmin(), :, None] * given
    cross = kernels.ntk(task.test_x.double(), x, depth=depth, sigma_b=0.0) @ vectors
    errors = []
    for shares in fitted:
        outputs = cross @ (shares[:, None] / (n * rates[:, None]) * given)
        errors.append((outputs.argmax(1) != task.test_y).double().mean().item())
    parts = {"clean": clean, "noise": given - clean, "teacher": teacher}
    row = {name: fitted_share(rates, part, times) for name, part in parts.items()}
    row |= {f"{name}_energy": binned(part) for name, part in parts.items()}
    top = max(n // 10, 1)
    for name in ("clean", "noise"):
        energies = parts[name].square().sum(1)
        row[f"{name}_top"] = (energies[-top:].sum() / energies.sum()).item()
    return row | {
        "distance": distance,
        "estimate": distance_estimate(rates, given, times),
        "error": errors,
        "half": half_times(rates),
        "rate_measured": (task.given != task.labels).double().mean().item(),
    }


def bin_edges(n):
    """Ranks at which the bins of a spectrum begin, and its end.

    Args:
        n: number of eigenvalues.

    Returns:
        ``BINS + 1`` growing integers from 0 to n; each bin is about twice as wide as
        the one before.
    """
    edges = [0]
    for place in range(1, BINS + 1):
        edges.append(max(edges[-1], round(n * (2**place - 1) / (2**BINS - 1))))
    return edges


def binned(parts):
    """Share of the energy in each bin of the spectrum, the largest eigenvalues first.

    Args:
        parts: coordinates along the eigenvectors of growing eigenvalues, ``(n, c)``.

    Returns:
        ``(BINS,)``.
    """
    energies = parts.square().sum(1).flip(0)
    below = torch.cat([energies.new_zeros(1), energies.cumsum(0)])
    return below[bin_edges(len(energies))].diff() / below[-1]


def half_times(rates):
    """Time at which the middle direction of each bin is half fitted, ``(BINS,)``.

    Args:
        rates: growing eigenvalues divided by n, ``(n,)``.

    Returns:
        ln 2 / λ of the direction in the middle of each bin.
    """
    edges = bin_edges(len(rates))
    middles = [(low + high) // 2 for low, high in zip(edges, edges[1:])]
    middles = [min(middle, len(rates) - 1) for middle in middles]
    return torch.log(rates.new_tensor(2.0)) / rates.flip(0)[middles]
