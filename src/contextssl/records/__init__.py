"""What a run leaves: its folder, its results, and the description of how it was made."""
