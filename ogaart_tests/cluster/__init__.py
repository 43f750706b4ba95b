"""Several processes over one data root: PostgreSQL, Redis and Celery workers, all real and on loopback."""
