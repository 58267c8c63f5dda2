"""Records in rows and columns: UCI Adult, MIMIC-III, and any CSV or Parquet file."""
