"""The metrics that every protocol shares, one per file: each is computed wherever a factor, or the class, is probed."""
