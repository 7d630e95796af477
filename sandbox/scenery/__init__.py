"""Scenes drawn by code, for clips that one likes to look at: layers that pass at different speeds, a sky, a light."""
