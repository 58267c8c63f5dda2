"""The heads that read factors and the class, one a file."""
