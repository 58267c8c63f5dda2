"""One file per method, with its ``METHOD``; found by :data:`contextssl.method.METHODS`."""
