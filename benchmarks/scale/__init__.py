"""Backfills over several workers: a simulation, and the runs that it is compared with."""
