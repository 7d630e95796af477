"""What the API and the workers agree on: records, rules, Redis, queue, settings. No web framework, no HTTP client."""
