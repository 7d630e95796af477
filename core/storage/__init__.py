"""Files' bytes, in a local folder or in S3: how they are written, read and deleted, and which are whose."""
