"""Looks at rendered films: what their headers say, and whether that is a film. Pure but for the `read` that it is handed.

The worker's image has no ffmpeg, and the files may lie in S3, so only headers are read, in a few small reads.
"""
