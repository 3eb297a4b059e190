"""Jobs: their database, files, queue and events."""
