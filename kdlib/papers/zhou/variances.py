"""Three things that are called variance, measured on the same networks."""

import torch


def three(network, kind, x, labels, true, taught):
    r"""Variances of the student's objective and of its gradient, by kind of target.

    The first variance of the three, of the predictions, is
    ``metrics.bias_variance.variance_of``. The others are, for networks that stand
    still,

    .. math::
        \mathrm{Var}_i\bigl[\ell_i\bigr], \qquad
        \frac1n \sum_i \|\nabla \ell_i - \nabla \bar\ell\|^2, \qquad
        \ell_i = -\sum_k t_{ik} \ln p_k(x_i)

    with the gradient by all weights. Divided by the number of samples of a training set
    the first is the variance of the objective; divided by the batch size the second is
    that of a stochastic gradient. The targets t are labels, true probabilities, or the
    teacher's probabilities at temperature 1.

    Args:
        network: ``models.StackedMLP`` of S seeds.
        kind: which of its kinds.
        x: inputs, ``(S, t, d)``.
        labels: drawn from the true probabilities, ``(t,)``.
        true: ``(t, c)``.
        taught: teacher's probabilities, ``(S, t, c)``.

    Returns:
        dict of floats, means over the seeds: ``objective_label``, ``objective_true``,
        ``objective_teacher``, and ``gradient_…`` of the same three.

    Source: Menon et al. 2021, Section 3, for the objective; Safaryan et al. 2023 for
    the gradient.
    """
    with torch.no_grad():
        V = network.outer[:, kind]
        before = x @ network.hidden[:, kind] + network.shifts[:, kind]
        active = before.relu()
        logits = active @ V + network.offsets[:, kind]
        logs = torch.log_softmax(logits, dim=-1)
        one_hot = torch.nn.functional.one_hot(labels, logs.shape[-1]).to(logs)
        targets = {"label": one_hot.expand_as(logs), "teacher": taught}
        targets["true"] = true.to(logs).expand_as(logs)
        found = {}
        for name, target in targets.items():
            losses = -(target * logs).sum(-1)
            found[f"objective_{name}"] = losses.double().var(-1).mean().item()
            slope = logs.exp() - target
            back = (slope @ V.mT) * (before > 0)
            parts = gradient_variance(x, back) + gradient_variance(active, slope)
            found[f"gradient_{name}"] = parts.mean().item()
    return found


def gradient_variance(inputs, slopes):
    r"""Variance of a layer's gradient over examples, from its inputs and slopes.

    An example's gradient by the weights is the outer product of its inputs h and slopes
    δ, and by the offsets it is δ. So its squared norm is
    :math:`\|\delta\|^2 (\|h\|^2 + 1)`.

    Args:
        inputs: h, ``(…, t, m)``.
        slopes: δ, ``(…, t, c)``.

    Returns:
        ``(…,)``.

    Example:
        >>> gradient_variance(torch.zeros(2, 1), torch.tensor([[1.0], [-1.0]]))
        tensor(1.)

    Source: Safaryan et al. 2023 for what it is.
    """
    squares = slopes.square().sum(-1) * (inputs.square().sum(-1) + 1)
    mean = inputs.mT @ slopes / inputs.shape[-2]
    of_mean = mean.square().sum((-2, -1)) + slopes.mean(-2).square().sum(-1)
    return squares.mean(-1) - of_mean
