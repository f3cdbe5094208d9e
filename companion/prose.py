"""Numbers in a chapter's prose: computed in a cell, and glued by name into the text."""


def glue(**values):
    """Glue several values by name, without showing them, for ``{glue:text}`` roles.

    Args:
        **values: numbers or texts; numpy's and torch's single numbers become plain
            ones.
    """
    from myst_nb import glue as glue_one

    for name, value in values.items():
        plain = value.item() if hasattr(value, "item") else value
        glue_one(name, plain, display=False)


def finding(text):
    """Glue the sentence that says what a chapter found; the landing page shows it too.

    Args:
        text: one or two sentences with their numbers.
    """
    glue(finding=text)
