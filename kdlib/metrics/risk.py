"""How often student and teacher disagree."""


def transfer_risk(student_logits, teacher_logits):
    r"""Share of the examples on which student and teacher decide differently.

    Two classes, logits of shape ``(n,)``: :math:`R = P[z_t z_s < 0]`, so that a logit
    of exactly zero, which decides nothing, never disagrees. ``c`` classes, shape
    ``(n, c)``: :math:`R = P[\arg\max z_t \ne \arg\max z_s]`, ties going to the lowest
    class as in ``torch.argmax``. The labels play no part: a student can agree with a
    wrong teacher.

    Args:
        student_logits: tensor of shape ``(n,)`` or ``(n, c)``, n >= 1.
        teacher_logits: tensor of the same shape.

    Returns:
        A float in [0, 1]; multiples of 1 / n.

    Raises:
        ValueError: shapes differ, are of another kind, or n is 0.

    Example:
        >>> from kdlib import metrics
        >>> student = torch.tensor([1.0, -2.0, 3.0, 0.5])
        >>> teacher = torch.tensor([2.0, 1.0, 1.0, 0.1])
        >>> metrics.transfer_risk(student, teacher)
        0.25

    Source: Ji & Zhu 2020, Section 3, first paragraph; classes as in their Section S2
    (set-up not published).
    """
    shape = tuple(student_logits.shape)
    if shape != tuple(teacher_logits.shape) or len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(
            "student_logits and teacher_logits must share one shape, (n,) or (n, c) "
            f"with n >= 1, got {shape} and {tuple(teacher_logits.shape)}"
        )
    if len(shape) == 1:
        # Signs, since the product of two small logits can underflow to zero.
        differs = student_logits.sign() * teacher_logits.sign() < 0
    else:
        differs = student_logits.argmax(dim=1) != teacher_logits.argmax(dim=1)
    return differs.double().mean().item()
