"""Deploying: what an overlay needs of a cluster, how far it has come, and what stays of it."""
