"""What the service answers, a file a kind of request; each has a `router`."""
