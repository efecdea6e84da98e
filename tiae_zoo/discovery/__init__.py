"""What a shift-invariant auto-encoder finds on a page without labels: typical patterns, and groups of them."""

from tiae_zoo.discovery.finding import Discovery, discover, figures, summary
from tiae_zoo.discovery.writing import write

__all__ = ["Discovery", "discover", "figures", "summary", "write"]
