"""Knowledge of the sites that can be read, pure: no requests, no Dagster."""
