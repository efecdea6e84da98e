"""Find objects and shapes without labels: a PyTorch Lightning model zoo."""

__version__ = "0.1.0"
