"""Files of format 1, as the first versions wrote them, and their conversion to format 2."""
