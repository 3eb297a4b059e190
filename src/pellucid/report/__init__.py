"""Reports: pages, tables and pictures of evaluations, and before/after pages of images."""
