"""One file a method, each with its ``METHOD``; found by :data:`contextssl.method.METHODS`."""
