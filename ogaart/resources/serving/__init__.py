"""words.sqlite, the rows that the search service reads: its tables, and a publication's files of it as one."""
