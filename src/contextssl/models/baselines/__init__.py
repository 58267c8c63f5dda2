"""Rivals that need no context."""
