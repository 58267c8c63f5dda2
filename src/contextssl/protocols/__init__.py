"""The evaluation protocols, one per file. Heavy modules are imported inside functions, when a protocol is run or shown."""
