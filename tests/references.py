"""Slow, obvious twins of kdlib's clever functions: read them to see what a function means, never to run it fast."""
