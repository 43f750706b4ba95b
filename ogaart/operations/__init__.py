"""What an operator does to a data root: run, retry, verify, repair, delete, back up, block."""
