"""Callbacks: `deliver` runs a delivery through its phases, `send` makes one attempt, `retry_policy` decides what its
result means, `record` says what is remembered of it.
"""
