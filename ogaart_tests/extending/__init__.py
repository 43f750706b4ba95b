"""Tests that follow the recipes of docs/extending.md."""
