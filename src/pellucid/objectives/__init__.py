"""Objectives, one file each: what a network is trained towards on one batch."""
