"""Looks at rendered films: whether what came is a film. Pure but for the `read` that it is handed."""
