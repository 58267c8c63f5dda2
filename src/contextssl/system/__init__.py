"""What the machine gives: files, locks, processes, signals, precision, memory, a terminal."""
