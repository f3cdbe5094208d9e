"""Data that are known by what makes them, and made when a row first needs them."""

from companion.engine import codekeys


class Prepared:
    """The data of a sweep's rows: what ``function(*arguments, **named)`` returns.

    Two of them are the same data where function, code and arguments are the same; an
    image set is known by its name and checksum. So recorded rows are found without the
    images.
    """

    def __init__(self, function, *arguments, **named):
        self._function = function
        self._arguments = arguments
        self._named = named
        self._values = None

    def described(self):
        """What the data are, as lists, texts and numbers."""
        code = codekeys.code_of(self._function)
        arguments = [_described(value) for value in self._arguments]
        named = {name: _described(value) for name, value in self._named.items()}
        return ["prepared", code.digest, code.constants, arguments, named]

    def values(self):
        """The data, made once: a dict of arrays and tensors."""
        if self._values is None:
            arguments = [_made(value) for value in self._arguments]
            named = {name: _made(value) for name, value in self._named.items()}
            self._values = self._function(*arguments, **named)
        return self._values

    def later_rows(self):
        """The rows that are computed for these data alone.

        Returns:
            List of :class:`LaterRow`.
        """
        found = []
        for value in (*self._arguments, *self._named.values()):
            if isinstance(value, LaterRow):
                found.append(value)
            elif isinstance(value, Prepared):
                found += value.later_rows()
        return found


class LaterRow:
    """A row that is computed when another one needs it.

    Attributes:
        identity: digest by which it is known.
        compute: function that returns the row's values by name.
    """

    def __init__(self, identity, compute):
        self.identity = identity
        self._compute = compute
        self._values = None

    def described(self):
        """What the row is."""
        return ["row", self.identity]

    def values(self):
        """What the row measured, computed once: a dict of plain values and arrays."""
        if self._values is None:
            self._values = self._compute()
        return self._values


def digest_of(data):
    """The digest of a sweep's data: a dict, :class:`Prepared`, or None.

    Args:
        data: as given to a sweep.

    Returns:
        A digest, or None.
    """
    if data is None:
        return None
    if hasattr(data, "described"):
        return codekeys.digest(data.described())
    return codekeys.digest(codekeys.describe(data, "data"))


def _described(value):
    if hasattr(value, "described"):
        return value.described()
    if hasattr(value, "checksum"):
        return ["set", value.name, value.checksum]
    return codekeys.describe(value, "argument")


def _made(value):
    return value.values() if hasattr(value, "described") else value
