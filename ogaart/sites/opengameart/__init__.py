"""Knowledge of the site, pure: pages to records, URL rules, queries. No requests, no files."""
