"""Sending callbacks: `attempt` sends one, `schedule` decides what its answer means, `outcome` what is remembered of it,
`hosts` shares out the sending.
"""
