"""Say in two sentences why a command line could not be parsed, with the name that was probably meant."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard, get_args, get_type_hints

import yaml
from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from tiae_zoo.launch.arguments import CONFIG_OPTIONS, option_values
from tiae_zoo.messages import UserError, did_you_mean

BASES: dict[str, type] = {
    "model": LightningModule,
    "data": LightningDataModule,
    "trainer.callbacks": Callback,
    "trainer.logger": Logger,
}
KINDS = {"model": "method", "data": "data module", "trainer.callbacks": "callback", "trainer.logger": "logger"}
NOISE = ("Does not validate against any", "Subtypes:", "Errors:", "- Expected a <class 'NoneType'>", "Given value")
BULLET = "- "  # of what was tried


class Given(NamedTuple):
    """One thing the user gave: a dotted key, its value, and where it was written."""

    key: str
    value: Any
    source: str


def explain(arguments: list[str], message: str, verb_options: Iterable[str]) -> str:
    """Return why `arguments` were refused.

    Looks for a name that does not exist; if every name does, returns the parser's own message, shortened.

    Args:
        arguments: the verb and its options, configs given by their paths.
        message: what the parser said.
        verb_options: names of the options beside model, data and trainer that this verb has.
    """
    verb = arguments[0]
    classes: dict[str, type] = {}
    for given in all_given(arguments):
        if problem := _unknown(
            given, classes, {*verb_options, "config", "print_config", "model", "data", "trainer", "seed_everything"}
        ):
            return f"{problem} {_where_to_look(verb, given, classes)}"
    if "model" not in classes:
        return (
            "No method was chosen. Give a --config, such as configs/quickstart.yaml, or a --model; see `tiae-zoo list`."
        )
    told = shortened(message)
    if told.startswith("unrecognized arguments: ") and "--" not in told:
        told += "\nAn option takes one value: quote patterns such as 'photos/*.jpg', which the shell replaces by many."
    return f"{told}\n`tiae-zoo {verb} --help` tells what each option takes."


def _where_to_look(verb: str, given: Given, classes: dict[str, type]) -> str:
    top, _, rest = given.key.partition(".")
    if top not in BASES:
        name, _, option = rest.partition(".")
        if option not in ("", "class_path") and (last := classes.get(key := f"{top}.{name}")):
            told = f"`tiae-zoo {verb} --{key}.help {last.__name__}` lists its own."
            return f"An option reaches the last {KINDS[key]} of the list alone; {told}"
        return f"`tiae-zoo {verb} --help` lists them."
    if rest in ("", "class_path"):
        return "`tiae-zoo list` names those of the zoo; a class of your own is given by its import path."
    return f"`tiae-zoo {verb} --{top}.help {classes[top].__name__}` lists them."


def shortened(message: str) -> str:
    r"""Return a parser's message without the lines that list what else it tried, and no list of one item.

    >>> shortened("Errors:\n  - width is 0. Give 1 or more.\n  - Expected a <class 'NoneType'>")
    'width is 0. Give 1 or more.'
    """
    lines = [line.rstrip() for line in message.splitlines()]
    lines = [line for line in lines if line and not line.strip().startswith(NOISE)]
    if sum(line.lstrip().startswith(BULLET) for line in lines) == 1:
        lines = [line.lstrip().removeprefix(BULLET) if line.lstrip().startswith(BULLET) else line for line in lines]
    return "\n".join(lines)


def all_given(arguments: list[str]) -> Iterator[Given]:
    """Yield what the configs and the command line give, in the order in which it takes effect.

    Raises:
        UserError: if a config is not a YAML mapping.
    """
    configs = dict(option_values(arguments, *CONFIG_OPTIONS))
    for place, argument in enumerate(arguments):
        if place in configs:
            yield from _flat(read_config(configs[place]), configs[place])
        elif argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            following = arguments[place + 1] if place + 1 < len(arguments) else ""
            yield Given(name.rstrip("+"), value if equals else following, "the command line")


def refuse_other_image_size(arguments: list[str], options: Namespace) -> None:
    """Let nobody ask for an image size of the model and silently get the data's.

    Raises:
        UserError: if the model's image size was given and the data has another.
    """
    size = options.model.get("init_args", Namespace()).get("image_size")
    for given in all_given(arguments):
        if given.key in ("model.image_size", "model.init_args.image_size") and str(given.value) != str(size):
            raise UserError(
                f"{given.source} sets model.image_size to {given.value}, but the data gives images of size {size}. "
                "Set data.image_size alone; the model follows it."
            )


def read_config(path: str) -> Mapping[str, Any]:
    """Return the content of a config.

    Raises:
        UserError: if it is not a YAML mapping.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be read"
        raise UserError(
            f"{path}{where} is not valid YAML: {what}. Mend the indentation, brackets or quotes there."
        ) from error
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds no settings. A config is a mapping such as `trainer: {{max_steps: 100}}`.")
    return content


def _flat(content: Mapping[str, Any], source: str, prefix: str = "") -> Iterator[Given]:
    for name, value in content.items():
        key = f"{prefix}{name}"
        # the class comes first: the arguments are its own
        inner = dict(sorted(value.items(), key=lambda item: item[0] != "class_path")) if _nested(key, value) else None
        if inner is None:
            yield Given(key, value, source)
        else:
            yield from _flat(inner, source, f"{key}.")


def _nested(key: str, value: Any) -> bool:
    return isinstance(value, Mapping) and key in ("model", "data", "trainer", "model.init_args", "data.init_args")


def _unknown(given: Given, classes: dict[str, type], options: set[str]) -> str:
    """Return a sentence if `given` names something that does not exist; remembers classes that do."""
    top, _, rest = given.key.partition(".")
    if top not in options:
        return f"There is no option {top!r}, given by {given.source}.{did_you_mean(top, options)}"
    if top in BASES:
        return _unknown_of_class(given, top, rest, classes)
    if top == "trainer" and rest:
        name, _, option = rest.partition(".")
        known = list(inspect.signature(Trainer).parameters)
        if name not in known:
            return f"The trainer has no option {name!r}.{did_you_mean(name, known)}"
        if (key := f"trainer.{name}") in BASES:
            return _unknown_of_class(given, key, option, classes) if option else _unknown_in_list(given, key, classes)
    return ""


def _unknown_in_list(given: Given, key: str, classes: dict[str, type]) -> str:
    """Return a sentence on what is wrong with a list of callbacks or loggers; remembers the class of each and the last.

    An item may leave out its class if the list before was as long: it has that of the item in its place there.
    """
    items = given.value if isinstance(given.value, list) else [given.value]
    before = [place for place in classes if place.startswith(f"{key}[")]
    if any(isinstance(item, Mapping) and "class_path" not in item for item in items):
        if not isinstance(given.value, list) or len(items) == len(before):
            return ""
        return (
            f"{given.source} has {len(items)} of {key} instead of {len(before)}, so that each needs its class_path, "
            "and one has none."
        )
    for place in (key, *before):
        classes.pop(place, None)
    for number, item in enumerate(items):
        wanted = item["class_path"] if isinstance(item, Mapping) else item
        found = find_class(wanted, BASES[key]) if isinstance(wanted, str) else None
        if found is not None:
            classes[key] = classes[f"{key}[{number}]"] = found
        elif _is_name(wanted):
            return _no_class(wanted, key, BASES[key])
    return ""


def _is_name(value: Any) -> TypeGuard[str]:
    """Whether a value can be the name of a class; `false` and `null` of a command line are none."""
    return isinstance(value, str) and value.isidentifier() and isinstance(yaml.safe_load(value), str)


def _unknown_of_class(given: Given, top: str, rest: str, classes: dict[str, type]) -> str:
    if rest in ("", "class_path"):
        if not isinstance(given.value, str):
            return ""
        found = find_class(given.value, BASES[top])
        if found is None:
            return _no_class(given.value, top, BASES[top])
        classes[top] = found
        return ""
    name = rest.removeprefix("init_args.").split(".")[0]
    if top not in classes or name in ("help", "init_args", "dict_kwargs"):
        return ""
    parameters = arguments_of(classes[top])
    if parameters is None or name in parameters:
        base = _abstract_class_of(classes[top], name)
        wanted = given.value if rest.removeprefix("init_args.") == name else None
        if base and _is_name(wanted) and find_class(wanted, base) is None:
            return _no_class(wanted, name, base)
        return ""
    return f"{classes[top].__name__} has no argument {name!r}.{did_you_mean(name, parameters)}"


def _abstract_class_of(cls: type, argument: str) -> type | None:
    """Return the abstract class whose subclasses an argument takes, if it takes some."""
    hint = get_type_hints(vars(cls).get("__init__", object.__init__)).get(argument)
    kinds = get_args(hint) or (hint,)
    return next((kind for kind in kinds if inspect.isabstract(kind)), None)


def arguments_of(cls: type) -> list[str] | None:
    """Return the names a class can be built with, those its `**kwargs` hand to its bases too; None if that is open."""
    names: list[str] = []
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names += [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            return names
    return None


def _no_class(name: str, key: str, base: type) -> str:
    known = [found.__name__ for found in subclasses(base)]
    return f"There is no {KINDS.get(key, key)} {name!r}.{did_you_mean(name.rpartition('.')[2], known)}"


def find_class(name: str, base: type) -> type | None:
    """Return the subclass of `base` that `name` means: an import path, or the bare name of an imported class."""
    module, _, short = name.rpartition(".")
    if not module:
        return next((found for found in subclasses(base) if found.__name__ == short), None)
    try:
        found: Any = getattr(importlib.import_module(module), short, None)
    except ImportError:
        return None
    return found if isinstance(found, type) and issubclass(found, base) else None


def subclasses(base: type) -> Iterator[type]:
    """Yield the public classes that derive from `base` and are imported."""
    children: list[type] = base.__subclasses__()
    for found in children:
        if not found.__name__.startswith("_"):
            yield found
        yield from subclasses(found)
