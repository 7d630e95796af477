"""The worker: takes jobs and callbacks from the queue, drives the backend, and writes down what came of it."""
