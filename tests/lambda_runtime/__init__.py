"""The package as Lambda runs it: by the real runtime client, against a small Runtime API."""
