"""Why bytes of a known picture format could not be decoded; ``pictures`` turns these into rows' reasons."""


class FormatError(Exception):
    """The bytes cannot be decoded."""


class Damaged(FormatError):
    """The bytes break the format's rules, or end early."""


class Unsupported(FormatError):
    """A variant of the format that is not read, named in the message."""


class Encrypted(FormatError):
    """The bytes of the picture are encrypted."""


class Invisible(FormatError):
    """The bytes are not a picture: it would show nothing."""


class TooManyPixels(FormatError):
    """More pixels than allowed."""


class TooManyBytes(FormatError):
    """More bytes than allowed."""
