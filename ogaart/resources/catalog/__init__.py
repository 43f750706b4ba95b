"""The published catalog: tables, views, serving files, generations, audits."""
