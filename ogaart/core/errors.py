"""What the operator's commands refuse, each with its reason and the way out."""


class BadChoice(ValueError):
    """A choice of failures that is no SQL, or names a stage that has none."""


class NoListing(RuntimeError):
    """No result page of a query is to be had, so there is nothing to count."""


class SpaceInUse(RuntimeError):
    """A vector space that the settings or a kept generation use, or that does not exist."""


EXIT_DAMAGED = 8
"""Exit code: something that is stored is damaged."""
