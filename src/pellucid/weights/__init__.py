"""Networks that are shipped with Pellucid, and the catalog that finds them."""
