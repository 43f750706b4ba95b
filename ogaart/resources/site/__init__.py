"""Fetching from a site politely: robots.txt, the delay, retries, resumed downloads, records of fetches."""
