"""Which samples are regularization samples, in two readings."""

import torch
import torch.nn.functional as F


def label_coordinates(student_logits, teacher_logits, labels, *, temperature):
    r"""The gradients a and b at the coordinate of the label.

    .. math::
        a = p^s_y(1) - 1, \qquad
        b = \tau\,(p^s_y(\tau) - p^t_y(\tau)) - a

    They are the derivatives of the label loss and of what the soft loss adds to it,
    :math:`L_{kd} - L_{ce}`, by the student's logit of the label. A sample is a
    *regularization sample* where :math:`|b| > |a|`.

    Args:
        student_logits: ``(…, c)``.
        teacher_logits: ``(…, c)``.
        labels: ``(…,)``.
        temperature: τ > 0.

    Returns:
        a and b, ``(…,)`` each.

    Raises:
        ValueError: the temperature is not above 0.

    Example:
        >>> student, teacher = torch.tensor([[[2.0, 0.0]], [[0.0, 0.0]]])
        >>> a, b = label_coordinates(
        ...     student, teacher, torch.tensor([0]), temperature=1.0
        ... )
        >>> round(a.item(), 3), round(b.item(), 3)
        (-0.119, 0.5)

    Source: Zhou et al. 2021, Section 3; which coordinates they mean was not found.
    """
    a, b = _gradients(student_logits, teacher_logits, labels, temperature)
    place = labels[..., None]
    return a.gather(-1, place)[..., 0], b.gather(-1, place)[..., 0]


def vector_norms(student_logits, teacher_logits, labels, *, temperature):
    r"""The Euclidean norms of the gradients a and b by all logits of a sample.

    .. math::
        a = p^s(1) - e_y, \qquad b = \tau\,(p^s(\tau) - p^t(\tau)) - a

    Args:
        student_logits: ``(…, c)``.
        teacher_logits: ``(…, c)``.
        labels: ``(…,)``.
        temperature: τ > 0.

    Returns:
        ‖a‖ and ‖b‖, ``(…,)`` each.

    Raises:
        ValueError: the temperature is not above 0.

    Example:
        With two classes the readings agree: both coordinates are of one size.

        >>> student, teacher = torch.tensor([[[2.0, 0.0]], [[0.0, 0.0]]])
        >>> a, b = vector_norms(student, teacher, torch.tensor([0]), temperature=1.0)
        >>> round(a.item() / 2**0.5, 3), round(b.item() / 2**0.5, 3)
        (0.119, 0.5)

    Source: Zhou et al. 2021, Section 3; the second reading of theirs.
    """
    a, b = _gradients(student_logits, teacher_logits, labels, temperature)
    return a.norm(dim=-1), b.norm(dim=-1)


READINGS = {"label": label_coordinates, "norm": vector_norms}


def are_regularization(student_logits, teacher_logits, labels, *, temperature, reading):
    """Which samples are regularization samples.

    Args:
        student_logits: ``(…, c)``.
        teacher_logits: ``(…, c)``.
        labels: ``(…,)``.
        temperature: τ > 0.
        reading: ``label`` or ``norm``, of ``READINGS``.

    Returns:
        Truth values ``(…,)``.

    Raises:
        ValueError: an unknown reading, or a temperature that is not above 0.

    Source: Zhou et al. 2021, Section 3.
    """
    if reading not in READINGS:
        known = ", ".join(READINGS)
        raise ValueError(f"reading must be one of {known}; got {reading!r}")
    a, b = READINGS[reading](
        student_logits, teacher_logits, labels, temperature=temperature
    )
    return b.abs() > a.abs()


def random_logits(count, *, classes, scale, generator):
    """Logits of a random student and a random teacher that lean to one label.

    Args:
        count: n, number of samples.
        classes: c.
        scale: of the normal logits; the label's has the scale added to it.
        generator: of the draw.

    Returns:
        Student's logits ``(n, c)``, teacher's logits ``(n, c)`` and labels ``(n,)``.

    Source: none; to see when the two readings agree.
    """
    draw = {"generator": generator, "dtype": torch.float64}
    labels = torch.randint(classes, (count,), generator=generator)
    lean = F.one_hot(labels, classes)
    student, teacher = scale * (torch.randn(2, count, classes, **draw) + lean)
    return student, teacher, labels


def _gradients(student_logits, teacher_logits, labels, temperature):
    """Derivatives of L_ce and of L_kd - L_ce by all of the student's logits."""
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    student = torch.softmax(student_logits / temperature, dim=-1)
    teacher = torch.softmax(teacher_logits / temperature, dim=-1)
    hard = torch.softmax(student_logits, dim=-1)
    a = hard - F.one_hot(labels, hard.shape[-1])
    return a, temperature * (student - teacher) - a
