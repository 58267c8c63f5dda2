"""The campaign of faults: what is killed, filled, damaged and handed over, and what came of it."""
