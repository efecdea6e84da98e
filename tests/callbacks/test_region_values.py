"""Which region is the object."""

import torch

from tiae_zoo.callbacks.region_values import border_contact, by_border, by_classes


def test_the_object_is_what_touches_the_border_least() -> None:
    mask = torch.zeros(2, 10, 20)
    mask[0, 2:8, 2:18] = 1  # region 0 in the middle
    mask[0, 0, :7] = 1  # and a little at the border
    mask[1] = 1 - mask[0]
    contact = border_contact(mask)
    assert torch.allclose(contact, torch.tensor([7 / 56, 49 / 56]))
    assert by_border(contact.tolist(), pictures=3).values == [1, 0]


def test_stored_classes_are_kept_and_surplus_regions_follow() -> None:
    assert by_classes([1, 0], by_design=False).values == [1, 0]
    assert by_classes([-1, 1, -1, 0], by_design=False).values == [2, 1, 3, 0]
    assert "last validation" in by_classes([1, 0], by_design=False).chosen_by
    assert "own order" in by_classes([0, 1], by_design=True).chosen_by
