"""Pages of the documentation that are generated from the code: ``python -m ogaart.reference``."""
