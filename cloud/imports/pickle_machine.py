"""A pickle, read by a machine that makes plain values and calls nothing.

Python's own unpickler is a machine that imports and calls whatever the file names. This one knows
the same opcodes, but what a file names stays a name: it is looked up in a table of constructors
that the reader gives, and whatever is not in there ends the reading. So there is no attribute to
reach, no extension registry, no class to instantiate, and no state to set on anything but our own
values.

Source: Python's pickletools, whose `genops` takes the file apart into opcodes and their arguments.
"""

import io
import pickletools
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cloud.imports.limits import MAX_STEPS
from sightline.errors import ConfigError

Constructor = Callable[[tuple[object, ...]], object]

_MAX_INTEGER_BITS = 512
# In a dict, and in the memo. A number's hash is its remainder by 2**61 - 1, so that of larger ones
# and of fractions many have one hash, and each is compared with all before it.
_MAX_KEY = 2**32
_MARK = object()

_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
# Python 2's are taken as Latin-1, in which NumPy wrote its bytes.
_TEXTS_OF_PYTHON_2 = ("STRING", "BINSTRING", "SHORT_BINSTRING")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_PUSHES = frozenset((*_NUMBERS, *_TEXTS_OF_PYTHON_2, *_TEXTS, *_BYTES))
_SKIPS = frozenset(("PROTO", "FRAME"))
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


@dataclass(frozen=True, slots=True)
class Name:
    """What a pickle named, such as `numpy.ndarray`; nothing but the name."""

    dotted: str


class Built(ABC):
    """A value that a pickle makes in two steps, as it does with arrays."""

    @abstractmethod
    def set_state(self, state: object) -> None:
        """Take the second step.

        Raises:
            ConfigError: It does not fit the first.
        """


class DamagedError(ConfigError):
    """It is no pickle, or not all of one."""

    def __init__(self, detail: str):
        super().__init__(f"it is no whole pickle: {detail}")


def read_pickle(
    stream: io.BytesIO,
    constructors: Mapping[str, Constructor],
    *,
    persistent: Callable[[object], object] | None = None,
) -> object:
    """Read one pickle of any protocol, and leave *stream* behind its end.

    Args:
        stream: The file.
        constructors: By dotted name, what makes a value from a call's arguments. None else is
            called.
        persistent: Makes a value from a persistent id; None: there must be none.

    Returns:
        None, bool, int, float, str, bytes, `Name`, what a constructor made, or lists, tuples and
        dicts of them, which may hold themselves.

    Raises:
        ConfigError: It names something else, is damaged, or too long.
    """
    with warnings.catch_warnings():
        # Python 2's texts may hold escapes that Python 3 would rather not see.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _Machine(constructors, persistent).run(stream)


class _Machine:
    def __init__(
        self,
        constructors: Mapping[str, Constructor],
        persistent: Callable[[object], object] | None,
    ) -> None:
        self._constructors = constructors
        self._persistent = persistent
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}

    def run(self, stream: io.BytesIO) -> object:
        for count, (name, argument) in enumerate(_steps(stream)):
            if count >= MAX_STEPS:
                raise ConfigError(f"the pickle has over {MAX_STEPS:,} steps; split it")
            if name == "STOP":
                value = self._pop()
                if self._stack:
                    raise DamagedError("something is left over at its end")
                return value
            self._step(name, argument)
        raise DamagedError("it has no end")  # pragma: no cover - genops says so before

    def _step(self, name: str, argument: object) -> None:
        if name in _PUSHES:
            self._push(_checked(argument))
        elif name in _SKIPS:
            pass
        elif name in _PUTS:
            self._memo[_index(argument)] = self._top()
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._top()
        elif name in _GETS:
            self._get(_index(argument))
        elif name in _CONSTANTS:
            self._push(_CONSTANTS[name])
        elif name in _TUPLES:
            items = [self._pop() for _ in range(_TUPLES[name])]
            self._push(tuple(reversed(items)))
        else:
            action = _ACTIONS.get(name)
            if action is None:
                raise ConfigError(f"it is refused: its step {name} is of no use for plain values")
            action(self, argument)

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _top(self) -> object:
        if not self._stack or self._stack[-1] is _MARK:
            raise DamagedError("a value is missing")
        return self._stack[-1]

    def _pop(self) -> object:
        value = self._top()
        self._stack.pop()
        return value

    def _pop_to_mark(self) -> list[object]:
        items = []
        while self._stack and self._stack[-1] is not _MARK:
            items.append(self._stack.pop())
        if not self._stack:
            raise DamagedError("a mark is missing")
        self._stack.pop()
        items.reverse()
        return items

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise DamagedError("it refers to what it does not hold")
        self._push(self._memo[index])

    def _drop(self, _: object) -> None:
        if not self._stack:
            raise DamagedError("a value is missing")
        self._stack.pop()  # a mark, too, as Python does

    def _drop_to_mark(self, _: object) -> None:
        self._pop_to_mark()

    def _append(self, items: list[object]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise DamagedError("it appends to what is no list")
        target.extend(items)

    def _set(self, items: list[object]) -> None:
        target = self._top()
        if not isinstance(target, dict):
            raise DamagedError("it sets an item of what is no dict")
        target.update(_pairs(items))

    def _set_one(self, _: object) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _name_of_two(self, _: object) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise DamagedError("a name in it is no text")
        self._name(f"{module} {name}")

    def _name(self, argument: object) -> None:
        dotted = str(argument).replace(" ", ".", 1)
        if dotted not in self._constructors:
            raise ConfigError(
                f"it is refused, and nothing of it was run: it names {_shown(dotted)}, which"
                " embeddings and names do not need"
            )
        self._push(Name(dotted))

    def _call(self, _: object) -> None:
        arguments, what = self._pop(), self._pop()
        if not isinstance(what, Name) or not isinstance(arguments, tuple):
            raise ConfigError("it is refused: it calls what is no constructor")
        self._push(self._constructors[what.dotted](arguments))

    def _build(self, _: object) -> None:
        state, target = self._pop(), self._top()
        if not isinstance(target, Built):
            raise ConfigError("it is refused: it sets the state of what has none")
        target.set_state(state)

    def _persist(self, _: object) -> None:
        if self._persistent is None:
            raise ConfigError("it is refused: part of it is said to be in another file")
        self._push(self._persistent(self._pop()))


_ACTIONS: Mapping[str, Callable[[_Machine, object], None]] = {
    "MARK": lambda machine, _: machine._push(_MARK),
    "POP": _Machine._drop,
    "POP_MARK": _Machine._drop_to_mark,
    "DUP": lambda machine, _: machine._push(machine._top()),
    "BYTEARRAY8": lambda machine, value: machine._push(bytes(value)),  # type: ignore[call-overload]
    "EMPTY_LIST": lambda machine, _: machine._push([]),
    "EMPTY_TUPLE": lambda machine, _: machine._push(()),
    "EMPTY_DICT": lambda machine, _: machine._push({}),
    "LIST": lambda machine, _: machine._push(machine._pop_to_mark()),
    "TUPLE": lambda machine, _: machine._push(tuple(machine._pop_to_mark())),
    "DICT": lambda machine, _: machine._push(_pairs(machine._pop_to_mark())),
    "APPEND": lambda machine, _: machine._append([machine._pop()]),
    "APPENDS": lambda machine, _: machine._append(machine._pop_to_mark()),
    "SETITEM": _Machine._set_one,
    "SETITEMS": lambda machine, _: machine._set(machine._pop_to_mark()),
    "GLOBAL": _Machine._name,
    "STACK_GLOBAL": _Machine._name_of_two,
    "REDUCE": _Machine._call,
    "BUILD": _Machine._build,
    "BINPERSID": _Machine._persist,
}


def _steps(stream: io.BytesIO) -> Iterator[tuple[str, object]]:
    """Take *stream* apart; lengths are checked against what is there before anything is made."""
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            yield opcode.name, argument
    except (ValueError, OverflowError) as err:
        raise DamagedError(_shown(str(err))) from err


def _checked(value: object) -> object:
    if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        raise ConfigError("it is refused: it holds an integer of more than 150 digits")
    return value


def _index(argument: object) -> int:
    if not isinstance(argument, int) or abs(argument) >= _MAX_KEY:
        raise DamagedError("a reference in it is no number, or too large")
    return argument


def _pairs(items: list[object]) -> dict[object, object]:
    if len(items) % 2:
        raise DamagedError("a dict in it has a key without a value")
    keys = items[::2]
    for key in keys:
        _check_key(key)
    return dict(zip(keys, items[1::2], strict=True))


def _check_key(key: object) -> None:
    # Nothing else, for to hash a tuple in a tuple in a tuple … ends Python's stack.
    if key is not None and not isinstance(key, (str, int, float, bytes)):
        raise ConfigError("it is refused: a dict in it has a key that is neither text nor number")
    if isinstance(key, (int, float)) and not (abs(key) < _MAX_KEY and float(key).is_integer()):
        raise ConfigError(
            "it is refused: a dict in it has a key that is no whole number of 32 bits"
        )


def _shown(text: str) -> str:
    return repr(text[:80])
