"""Checks of untrusted image files before a library decodes them."""
