"""What the header of a film or a sound says: its length, size, picture. Pure but for the `read` that it is handed.

Our images have no ffmpeg, and the files may lie in S3, so only headers are read, in a few small reads.
"""
