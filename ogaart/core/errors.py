"""What the operator's commands refuse, each with the reason and the way out."""


class BadChoice(ValueError):
    """A selection of failures that is not valid SQL or names a stage that has none, or a folder that is in use."""


class NoListing(RuntimeError):
    """No result page of a query is available, so there is nothing to count."""


class SpaceInUse(RuntimeError):
    """A vector space that the settings or a kept generation use, or that does not exist."""


class TooFewPictures(RuntimeError):
    """Fewer pictures than a projection can be fitted to."""


class InstanceConfigInvalid(ValueError):
    """The data root's dagster.yaml has a key or a value that Dagster does not accept, or is not a YAML mapping."""


class ExtraMissing(RuntimeError):
    """A package that only some settings need is not installed."""


class InstanceUnreachable(RuntimeError):
    """The database of Dagster's instance does not respond, or refuses to be used."""
