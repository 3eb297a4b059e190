"""Guards: checks of what a file announces, made before a library follows it."""
