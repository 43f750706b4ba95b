"""Kill it, flood it, lie to it: what the platform promises, broken on purpose and counted."""
