"""Small pieces that every layer uses: atomic writes, progress, paths, what the machine has."""
