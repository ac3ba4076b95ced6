"""Affinity: a conversation finds the replica that still has its KV cache.

An HTTP transport under the chat client, so that nothing above knows of it.
"""
