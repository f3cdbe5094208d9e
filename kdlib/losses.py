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


def weighted_soft_label_loss(
    student_logits, teacher_logits, labels, *, alpha, temperature
):
    r"""Label loss and soft loss, the soft one weighted sample by sample.

    .. math::
        \ell = L_s + \alpha\, w\, L_{kd}, \qquad
        L_{kd} = -\tau^2 \sum_k p^t_k(\tau) \ln p^s_k(\tau), \qquad
        w = 1 - e^{-L_s / L_t}

    :math:`L_s` and :math:`L_t` are the cross-entropies of the student and of the
    teacher on the label, at temperature 1. The weight is that of
    :func:`soft_label_weights`, and no gradient flows through it. The soft loss has the
    factor :math:`\tau^2`, which :func:`distillation_loss` has not, and is a
    cross-entropy; a Kullback-Leibler divergence gives the student the same gradient.

    Args:
        student_logits: floating-point tensor ``(…, c)``.
        teacher_logits: tensor of the same shape.
        labels: integers in 0 … c − 1, ``(…,)``.
        alpha: α ≥ 0, weight of the soft loss.
        temperature: τ > 0, of the soft loss alone.

    Returns:
        One loss per example in nats, ``(…,)``.

    Raises:
        ValueError: shapes do not fit; a label, α or the temperature is out of range.

    Example:
        >>> from kdlib import losses
        >>> student, teacher = torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]])
        >>> label = torch.tensor([0])
        >>> losses.weighted_soft_label_loss(
        ...     student, teacher, label, alpha=1.0, temperature=1.0
        ... )
        tensor([0.6734])

    Source: Zhou et al. 2021, Section 4.
    """
    if not alpha >= 0:
        raise ValueError(f"alpha must be at least 0, got {alpha}")
    weights = soft_label_weights(student_logits, teacher_logits, labels)
    soft = soft_loss(student_logits, teacher_logits, temperature=temperature)
    return _label_loss(student_logits, labels) + alpha * weights * soft


def soft_loss(student_logits, teacher_logits, *, temperature):
    r"""Cross-entropy of a student against a softened teacher, times :math:`\tau^2`.

    .. math:: L_{kd} = -\tau^2 \sum_k p^t_k(\tau) \ln p^s_k(\tau)

    Args:
        student_logits: floating-point tensor ``(…, c)``.
        teacher_logits: tensor of the same shape.
        temperature: τ > 0.

    Returns:
        One loss per example in nats, ``(…,)``.

    Raises:
        ValueError: the shapes differ, or the temperature is not above 0.

    Example:
        >>> logits = torch.zeros(1, 2)
        >>> soft_loss(logits, logits, temperature=2.0)
        tensor([2.7726])

    Source: Hinton, Vinyals & Dean 2015, Section 2; Zhou et al. 2021, Section 3.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(
            "student_logits and teacher_logits must share one shape, got "
            f"{tuple(student_logits.shape)} and {tuple(teacher_logits.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    targets = torch.softmax(teacher_logits / temperature, dim=-1)
    answers = torch.log_softmax(student_logits / temperature, dim=-1)
    return -(temperature**2) * (targets * answers).sum(-1)


def soft_label_weights(student_logits, teacher_logits, labels):
    r"""Weights of the soft loss: near 0 where the student is ahead of the teacher.

    .. math:: w = 1 - e^{-L_s / (L_t + 10^{-7})}

    Where the teacher is so sure of the label that :math:`L_t` rounds to 0, the ratio
    has no value; the official code adds :math:`10^{-7}` for that. The weight is then 1
    unless the student is as sure.

    Args:
        student_logits: floating-point tensor ``(…, c)``.
        teacher_logits: tensor of the same shape.
        labels: integers in 0 … c − 1, ``(…,)``.

    Returns:
        ``(…,)`` in [0, 1], without a gradient.

    Raises:
        ValueError: shapes do not fit, or a label is no class.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0]])
        >>> weights = soft_label_weights(logits, logits, torch.tensor([0]))
        >>> round(weights.item(), 4)  # 1 - 1/e
        0.6321

    Source: Zhou et al. 2021, Section 4; the constant is that of their code.
    """
    if student_logits.shape != teacher_logits.shape or student_logits.ndim < 2:
        raise ValueError(
            "student_logits and teacher_logits must share one shape (…, c), got "
            f"{tuple(student_logits.shape)} and {tuple(teacher_logits.shape)}"
        )
    if labels.shape != student_logits.shape[:-1]:
        raise ValueError(
            f"labels must have shape {tuple(student_logits.shape[:-1])}, got "
            f"{tuple(labels.shape)}"
        )
    _check_classes(labels, student_logits.shape[-1])
    student = _label_loss(student_logits.detach(), labels)
    teacher = _label_loss(teacher_logits.detach(), labels)
    return -torch.expm1(-student / (teacher + 1e-7))


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


def _label_loss(logits, labels):
    """Cross-entropy on the labels at temperature 1, ``(…,)``."""
    logs = torch.log_softmax(logits, dim=-1)
    return -logs.gather(-1, labels[..., None])[..., 0]
