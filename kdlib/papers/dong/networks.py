"""Networks of finite width beside the clock of their kernel."""

import torch
from torch.func import functional_call, jacrev, vmap

from kdlib import devices, kernels, models
from kdlib.papers.dong import pictures


def clock(gram, targets, step, counts):
    r"""Outputs of the linear network after so many steps of gradient descent from zero.

    .. math:: f_t = \sum_i \bigl(1 - (1 - \eta \lambda_i)^t\bigr)\, v_i v_i^\top y

    Args:
        gram: kernel of the n samples, ``(n, n)``.
        targets: y, ``(n,)``.
        step: η, below :math:`2 / \lambda_{\max}`.
        counts: numbers of steps t, ``(k,)``.

    Returns:
        ``(k, n)``.

    Example:
        >>> gram = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        >>> clock(gram, torch.tensor([1.0, 1.0]), 0.5, torch.tensor([1]))
        tensor([[1.0000, 0.5000]])

    Source: Dong et al. 2019, anisotropic information retrieval; Lee et al. 2019, Eq. 8.
    """
    eigenvalues, vectors = torch.linalg.eigh(gram)
    left = (1 - step * eigenvalues) ** counts[:, None]
    return (1 - left) * (targets @ vectors) @ vectors.T


def linear_error(seed, *, width, n, components, steps, device, data):
    """How far the closed form is from gradient descent on a linearised network's
    weights.

    Args:
        seed: of the images, the noise and the network.
        width: neurons.
        n: images.
        components: d.
        steps: of gradient descent in all weights.
        device: where to compute.
        data: see ``pictures.draw``.

    Returns:
        dict: ``error``, the largest absolute difference of the shares that are fitted,
        over eigenvectors and steps.

    Source: Dong et al. 2019, anisotropic information retrieval.
    """
    x, y = _binary_task(seed, n, components, 0.2, device, data)
    draw = torch.Generator(x.device).manual_seed(seed)
    network = models.NTKMLP(
        x.shape[1], width, depth=1, sigma_b=0.0, generator=draw, dtype=x.dtype
    )
    phi = _features(network, x)
    gram = phi @ phi.T
    eigenvalues, vectors = torch.linalg.eigh(gram)
    step = 1 / eigenvalues[-1].item()
    change = phi.new_zeros(phi.shape[1])
    parts = vectors.T @ y
    largest = 0.0
    for count in range(1, steps + 1):
        change = change + step * phi.T @ (y - phi @ change)
        found = vectors.T @ (phi @ change) / parts
        closed = 1 - (1 - step * eigenvalues) ** count
        largest = max(largest, (found - closed).abs().max().item())
    return {"error": largest}


def beside_the_clock(
    seed, *, activation, widths, n, components, rate, steps, device, data
):
    r"""Wide networks trained for real, beside the clocks of two kernels.

    Every weight of a network with one hidden layer and no biases is trained by gradient
    descent on half the squared error; targets are ±1 for digits above four, a share of
    them flipped. The step is one over the largest eigenvalue of the limit kernel. The
    clocks are those of the network's own kernel at the start and of the limit kernel.

    Args:
        seed: of the images, the noise and the networks.
        activation: of the neurons, ``relu`` or ``erf``.
        widths: numbers of neurons m.
        n: images.
        components: d.
        rate: share of flipped labels.
        steps: of gradient descent.
        device: where to compute.
        data: see ``pictures.draw``.

    Returns:
        dict of lists over the widths: ``own`` and ``limit``, root mean square
        differences between the network's outputs (less those at the start) and those of
        a clock, over all steps and samples; ``rank``, the rank correlation between an
        eigenvalue of the own kernel and the step at which its direction is half fitted,
        over the directions whose clock gets there within the steps; and of the widest
        network ``clock_steps`` and ``network_steps`` at which these are half fitted.

    Source: Dong et al. 2019, abstract; Lee et al. 2019 and Dyer & Gur-Ari 2020 for the
    widths.
    """
    x, y = _binary_task(seed, n, components, rate, device, data)
    kind = {"depth": 1, "activation": activation, "sigma_b": 0.0}
    limit = kernels.ntk(x, **kind)
    step = 1 / torch.linalg.eigvalsh(limit)[-1].item()
    counts = torch.arange(1, steps + 1, device=x.device)
    row = {"own": [], "limit": [], "rank": []}
    for width in widths:
        draw = torch.Generator(x.device).manual_seed(seed)
        network = models.NTKMLP(x.shape[1], width, generator=draw, **kind)
        start = network(x.float()).detach()
        own = kernels.empirical_ntk(network, x.float()).double()
        outputs = _descend(network, x.float(), y.float(), step, steps) - start
        outputs = outputs.double()
        for name, gram in {"own": own, "limit": limit}.items():
            gap = outputs - clock(gram, y - start, step, counts)
            row[name].append(gap.square().mean().sqrt().item())
        rates, vectors = torch.linalg.eigh(own)
        reached = (1 - step * rates) ** steps < 0.5
        shares = (outputs @ vectors) / ((y - start) @ vectors)
        found = (shares < 0.5).int().cummin(0).values.sum(0) + 1.0
        found = found[reached].cpu()
        rates = rates[reached].cpu()
        ranks = torch.stack([_ranks(rates), _ranks(found)])
        row["rank"].append(torch.corrcoef(ranks)[0, 1].item())
    half = torch.log(x.new_tensor(0.5)).cpu() / torch.log1p(-step * rates)
    return row | {"clock_steps": half, "network_steps": found}


def _ranks(values):
    """Ranks ``(k,)``, their mean for equal values: the rank correlation is theirs."""
    is_below = (values < values[:, None]).double().sum(1)
    is_equal = (values == values[:, None]).double().sum(1)
    return is_below + is_equal / 2


def _binary_task(seed, n, components, rate, device, data):
    """Inputs ``(n, d)``, float64, and labels ±1 ``(n,)``, some of them flipped."""
    device = devices.pick_device(device)
    task = pictures.draw(
        seed,
        data,
        kind="symmetric",
        rate=0.0,
        n=n,
        held_out=1,
        n_test=1,
        components=components,
        device=device,
    )
    draw = torch.Generator().manual_seed(2**31 + seed)
    flips = torch.rand(len(task.labels), generator=draw).to(device) < rate
    signs = torch.where(task.labels > 4, 1.0, -1.0)
    return task.x[0].double(), torch.where(flips, -signs, signs).double()


def _features(network, x):
    """Gradients of the outputs by all weights, ``(n, p)``."""
    weights = {name: w.detach() for name, w in network.named_parameters()}

    def output(weights, one):
        """The output for one input."""
        return functional_call(network, weights, (one,))

    gradients = vmap(jacrev(output), in_dims=(None, 0))(weights, x)
    return torch.cat([g.flatten(1) for g in gradients.values()], dim=1)


def _descend(network, x, y, step, steps):
    """Outputs after each step of gradient descent in all weights, ``(steps, n)``."""
    optimiser = torch.optim.SGD(network.parameters(), lr=step)
    outputs = x.new_empty(steps, len(x))
    f = network(x)
    for count in range(steps):
        optimiser.zero_grad()
        (0.5 * (f - y).square().sum()).backward()
        optimiser.step()
        f = network(x)
        outputs[count] = f.detach()
    return outputs
