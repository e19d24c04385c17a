"""What the shapes of requests and the rules both know."""

MAX_TAGS = 100
