"""What the assets share, and what happens before and after a step: steps, discovery, the crawl plan."""
