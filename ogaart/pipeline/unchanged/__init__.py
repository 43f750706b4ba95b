"""Steps of which nothing can have changed: they end before they read their rows."""
