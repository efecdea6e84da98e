"""The light verbs: one module each with `main(arguments) -> exit status`; none imports PyTorch before it must."""

COMMANDS = {
    "list": "show the methods, data modules, shipped configs and pretrained weights",
    "download": "fetch pretrained weights",
    "export": "turn a checkpoint into pretrained weights with a name",
    "average": "put the moving average of a network in its place, as a checkpoint of weights",
    "convert": "turn the weights that a method's authors published into a checkpoint",
    "report": "put the results of finished runs side by side, with the papers' numbers",
    "discover": "find the typical patterns of a page without labels",
    "demo": "open a page in the browser that finds objects in pictures dropped on it",
}
"""Each verb and what it does, in one line."""
