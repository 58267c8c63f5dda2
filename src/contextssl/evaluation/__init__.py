"""What frozen representations are worth: protocols, metrics and result rows."""
