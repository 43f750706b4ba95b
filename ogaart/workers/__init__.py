"""Child processes that answer requests over their pipes: how they are started, supervised and restarted."""
