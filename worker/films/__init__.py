"""Rendered films: fetched from wherever the backend has them into our storage, and looked at there."""
