"""What else one would build: the same JSON accepted by FastAPI and put into the same Redis by Celery."""
