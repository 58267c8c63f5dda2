"""Typed settings of every command, and the Hydra files that ship with the package."""
