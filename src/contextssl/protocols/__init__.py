"""The protocols that models are evaluated by, one a file. What is imported inside a function waits until a protocol is run or shown."""
