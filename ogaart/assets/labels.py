"""Labels that every asset carries in the UI: who answers for it, and whether materializing it asks the site."""

OWNERS = ["team:data-engineering"]
ASKS_THE_SITE = {"asks": "site"}
READS_ROWS = {"asks": "nobody"}
