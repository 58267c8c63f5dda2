"""The probe heads, one per file."""
