"""Dagster around the assets: jobs, schedules, sensors, checks, the instance."""
