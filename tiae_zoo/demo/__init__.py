"""A page in the browser that finds objects in pictures dropped on it."""
