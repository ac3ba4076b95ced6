"""Adapters: a version is deployed, proven, promoted and rolled back as one object."""
