"""The HTTP service and its page; worker processes decode, denoise and encode the images."""
