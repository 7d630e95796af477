"""Messages at the sandbox backend: taken in, run with their story, answered over a stream."""
