"""Sending callbacks: `attempt` sends one, `schedule` decides what its answer means, `hosts` shares out the sending."""
