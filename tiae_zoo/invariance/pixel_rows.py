"""Pictures as one line of pixels, in which a shift is a step along the line."""

from __future__ import annotations

import torch
from torch import Tensor


class PixelRows:
    """The rows of all planes end to end, with zeros between them that last for shifts by up to m pixels.

    Each plane (H, W) lies at (m, m) of a larger one (H', W'). So the shift by (dx, dy) is a step of dx + dy * W' along
    the line, and whatever a shift brings into the frame, or a correlation that wraps around finds there, is zero.

    Args:
        images: (B, C, H, W).
        furthest: m, in pixels.
    """

    def __init__(self, images: Tensor, furthest: int) -> None:
        self.images, self._furthest = images, furthest
        self.frame = padded_frame(images, furthest)
        plane, row = self.frame[0] * self.frame[1], self.frame[1]
        number = images.shape[0] * images.shape[1]
        self._line = images.new_zeros(number * plane + furthest * (row + 1))  # zeros follow the last plane too
        self.planes = self._line[: number * plane].view(number, plane)
        """(B * C, H' * W')"""
        inside = self.planes.view(*images.shape[:2], *self.frame)
        height, width = images.shape[-2:]
        inside[:, :, furthest : furthest + height, furthest : furthest + width] = images

    def shifted(self, theta: Tensor) -> Tensor:
        """Return the images (B, C, H, W) shifted by whole pixels (dx, dy) up to m, theta (B, 2)."""
        batch, channels, height, width = self.images.shape
        plane, row = self.frame[0] * self.frame[1], self.frame[1]
        first = self._furthest * (row + 1)
        rows = torch.arange(first, first + height * row, row, device=theta.device)
        planes = torch.arange(0, batch * channels * plane, plane, device=theta.device).view(batch, channels, 1)
        dx, dy = theta.long().unbind(1)
        starts = planes + rows - (dy * row + dx).view(batch, 1, 1)  # (B, C, H)
        return self._line.unfold(0, width, 1).index_select(0, starts.flatten()).view_as(self.images)


def padded_frame(images: Tensor, furthest: int) -> tuple[int, int]:
    """Return (H', W'): enough zeros for shifts by up to `furthest`, and a place for each of the shifts."""
    height, width = (max(side + furthest, 2 * furthest + 1) for side in images.shape[-2:])
    return height, width
