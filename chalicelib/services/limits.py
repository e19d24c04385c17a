"""What the shapes of requests and the rules both know."""

MAX_TAGS = 100

MAX_VERIFIED_BYTES = 50_000_000_000
"""The storage keeps no SHA-256 of what comes in parts; so many bytes a function can read, to make one, before Lambda
ends it after 15 minutes (`verification.BYTES_A_SECOND`)."""
