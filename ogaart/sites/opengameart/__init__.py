"""Knowledge of the site, pure: pages to records, URL rules, licences and attribution. No network, no files."""
