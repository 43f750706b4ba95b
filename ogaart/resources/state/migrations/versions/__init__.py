"""One module for each version of the database of state."""
