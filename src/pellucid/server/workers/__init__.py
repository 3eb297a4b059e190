"""Worker processes, which decode, denoise and encode."""
