"""The HTTP service and its page: a thin door; images are decoded, denoised and encoded in processes of their own."""
