"""The files under deploy/, as far as they can be checked without Docker, Kubernetes and a running systemd."""
