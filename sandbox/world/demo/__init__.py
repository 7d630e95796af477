"""`./run demo`: one job per skill, from its input to the verified callback and the probed MP4."""
