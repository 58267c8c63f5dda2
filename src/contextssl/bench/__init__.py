"""The ruler: what each part of the work takes on this machine, beside its limits and beside the published code's way of doing the same."""
