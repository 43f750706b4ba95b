"""What the operator has blocked, and what visitors have reported."""
