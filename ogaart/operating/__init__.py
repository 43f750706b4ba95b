"""What an operator does to a data root: planning, retrying, tidying, verifying, rebuilding."""
