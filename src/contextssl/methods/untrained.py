"""The encoder as it is drawn."""

from contextssl.method import Method

METHOD = Method("random", "floor", title="untrained", place=13)
