"""Knowledge of the sites that can be read, pure: no network, no Dagster."""
