"""The randomly initialised encoder, not trained."""

from contextssl.method import Method

METHOD = Method("random", "floor", title="untrained", place=13)
