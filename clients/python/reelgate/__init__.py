"""Reelgate for those who call it."""
