"""The database of state: its tables, their versions, and how it is opened."""
