"""The explorer: a page on which examples are chosen and the nearest views follow, served on this machine or written as one file."""
