"""The published likeness of the cells of sheets: immutable pieces of arrays, merged and shared between publications."""
