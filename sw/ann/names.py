"""The methods' names, for those who do not want to wait for PyTorch."""

__all__ = ["METHOD_NAMES"]

METHOD_NAMES = ("rate", "rnl", "phase", "bistable", "qcfs")
