"""The metrics that every protocol shares, one a file: each is computed wherever a factor, or the class, is read."""
