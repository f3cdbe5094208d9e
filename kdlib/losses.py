"""Distillation losses: one value per example, so that the caller writes ``.mean()``."""

import torch
import torch.nn.functional as F


def distillation_loss(
    student_logits, teacher_logits, labels, *, soft_ratio, temperature
):
    r"""Soft and hard cross-entropy, mixed by the soft ratio.

    Two classes, logits of shape ``(n,)``,
    :math:`H(p, q) = -p \ln q - (1 - p) \ln(1 - q)`:

    .. math::
        \ell = \rho\, H(\sigma(z_t / T), \sigma(z_s / T))
            + (1 - \rho)\, H(y, \sigma(z_s))

    ``c`` classes, logits of shape ``(n, c)``, :math:`H(p, q) = -\sum_k p_k \ln q_k`:

    .. math:: \ell = \rho\, H(\mathrm{softmax}(z_t / T), \mathrm{softmax}(z_s / T))
              + (1 - \rho)\, H(e_y, \mathrm{softmax}(z_s))

    Neither form has the factor :math:`T^2` on the soft term that Hinton et al. use; Ji
    & Zhu have none. The gradient of the soft term therefore shrinks like :math:`1/T^2`
    at large T, so that the same soft ratio is a harder mix than with the factor: soft
    ratio :math:`\rho` here is :math:`\rho / (\rho + (1 - \rho) T^2)` there. The ratio
    weighs the soft term (the usual alpha weighs the hard one), and the soft term is a
    cross-entropy, not a Kullback-Leibler divergence: the two differ by the teacher's
    entropy, which the student cannot change. No gradient is stopped.

    Args:
        student_logits: floating-point tensor of shape ``(n,)`` or ``(n, c)``.
        teacher_logits: tensor of the same shape.
        labels: ``(n,)``; for two classes numbers in {0, 1}, not ±1; for ``c`` classes
            integers in 0 … c − 1.
        soft_ratio: weight of the teacher's soft labels, in [0, 1]; 0 is plain training
            on the labels.
        temperature: softening T of both logits in the soft term, > 0; the hard term has
            none.

    Returns:
        Tensor of shape ``(n,)``, one loss per example in nats.

    Raises:
        ValueError: shapes differ or are neither ``(n,)`` nor ``(n, c)``; a label, the
            ratio or the temperature is out of range.

    Example:
        >>> from kdlib import losses
        >>> student, teacher = torch.tensor([0.0, 2.0]), torch.tensor([3.0, 2.0])
        >>> labels = torch.tensor([1, 0])
        >>> losses.distillation_loss(
        ...     student, teacher, labels, soft_ratio=0.5, temperature=1.0
        ... )
        tensor([0.6931, 1.2461])

    Source: Ji & Zhu 2020, Section 2, Eq. 2; classes as in their Section 1.
    """
    _check(student_logits, teacher_logits, labels, soft_ratio, temperature)
    T = temperature
    if student_logits.ndim == 1:
        _check_binary(labels)
        soft = F.binary_cross_entropy_with_logits(
            student_logits / T, torch.sigmoid(teacher_logits / T), reduction="none"
        )
        hard = F.binary_cross_entropy_with_logits(
            student_logits, labels.to(student_logits.dtype), reduction="none"
        )
    else:
        _check_classes(labels, student_logits.shape[1])
        soft = F.cross_entropy(
            student_logits / T,
            torch.softmax(teacher_logits / T, dim=1),
            reduction="none",
        )
        hard = F.cross_entropy(student_logits, labels.long(), reduction="none")
    return soft_ratio * soft + (1 - soft_ratio) * hard


def _check(student_logits, teacher_logits, labels, soft_ratio, temperature):
    """Raise ValueError where shapes do not fit or a number is out of range."""
    alike = student_logits.shape == teacher_logits.shape
    if not alike or student_logits.ndim not in (1, 2):
        raise ValueError(
            "student_logits and teacher_logits must share one shape, (n,) or (n, c), "
            f"got {tuple(student_logits.shape)} and {tuple(teacher_logits.shape)}"
        )
    if labels.shape != student_logits.shape[:1]:
        raise ValueError(
            f"labels must have shape ({len(student_logits)},), got "
            f"{tuple(labels.shape)}"
        )
    if not 0 <= soft_ratio <= 1:
        raise ValueError(f"soft_ratio must be in [0, 1], got {soft_ratio}")
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")


def _check_binary(labels):
    """Raise ValueError where a label is neither 0 nor 1."""
    known = (labels == 0) | (labels == 1)
    if not known.all():
        raise ValueError(f"labels must be 0 or 1, got {labels[~known][0].item()}")


def _check_classes(labels, c):
    """Raise ValueError where a label is no class."""
    if labels.is_floating_point() or ((labels < 0) | (labels >= c)).any():
        raise ValueError(
            f"labels must be integers in 0 … {c - 1}, got {labels.dtype} from "
            f"{labels.min().item()} to {labels.max().item()}"
        )
