"""Networks, one file each; `pellucid.registry` finds them by file name."""
