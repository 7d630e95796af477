"""The paths of the API, one file per subject. A route reads the request, calls the rules, and writes the answer."""
