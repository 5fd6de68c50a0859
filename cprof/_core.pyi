"""The C side of the package: profiles as columns, the server and the records of this process."""

from collections.abc import Callable, Sequence
from typing import SupportsFloat, SupportsIndex

class CoreError(Exception):
    """What the core could not do; args are (status name such as "MALFORMED", one sentence)."""

class Model:
    """An immutable decoded profile. Columns are read-only memoryviews that keep the model alive."""

    @staticmethod
    def decode(data: bytes | bytearray | memoryview) -> Model:
        """gzipped or plain profile.proto; CoreError says what was received instead."""
    def encode(self) -> bytes:
        """gzipped profile.proto."""
    @staticmethod
    def merge(models: Sequence[Model], scales: Sequence[float]) -> Model:
        """sum of scales[i] * models[i]; CoreError("INVALID", ...) where sample types differ."""

    @property
    def sample_types(self) -> list[tuple[str, str]]: ...
    @property
    def period_type(self) -> tuple[str, str]: ...
    @property
    def period(self) -> int: ...
    @property
    def time_nanos(self) -> int: ...
    @property
    def duration_nanos(self) -> int: ...
    @property
    def default_sample_type(self) -> str: ...
    @property
    def comments(self) -> list[str]: ...
    @property
    def doc_url(self) -> str: ...
    @property
    def drop_frames(self) -> str: ...
    @property
    def keep_frames(self) -> str: ...
    @property
    def strings(self) -> list[str]:
        """index = string id; bytes that are not UTF-8 become U+FFFD."""
    # Columns. "Q" = uint64, "I" = uint32, "q" = int64; 0xFFFFFFFF in an "I" column = none.
    @property
    def values(self) -> memoryview:
        """q, n_samples * n_types, row by row."""
    @property
    def stack_start(self) -> memoryview:
        """Q, n_samples + 1."""
    @property
    def stack(self) -> memoryview:
        """I, location indices, leaf first."""
    @property
    def label_start(self) -> memoryview: ...
    @property
    def label_key(self) -> memoryview: ...
    @property
    def label_str(self) -> memoryview: ...
    @property
    def label_unit(self) -> memoryview: ...
    @property
    def label_num(self) -> memoryview: ...
    @property
    def location_mapping(self) -> memoryview: ...
    @property
    def location_folded(self) -> memoryview: ...
    @property
    def location_address(self) -> memoryview: ...
    @property
    def line_start(self) -> memoryview: ...
    @property
    def line_function(self) -> memoryview: ...
    @property
    def line_number(self) -> memoryview: ...
    @property
    def line_column(self) -> memoryview: ...
    @property
    def function_name(self) -> memoryview: ...
    @property
    def function_system_name(self) -> memoryview: ...
    @property
    def function_filename(self) -> memoryview: ...
    @property
    def function_start_line(self) -> memoryview: ...
    @property
    def mapping_start(self) -> memoryview: ...
    @property
    def mapping_limit(self) -> memoryview: ...
    @property
    def mapping_offset(self) -> memoryview: ...
    @property
    def mapping_filename(self) -> memoryview: ...
    @property
    def mapping_build_id(self) -> memoryview: ...
    @property
    def mapping_flags(self) -> memoryview:
        """I, bits: 1 functions, 2 filenames, 4 line numbers, 8 inline frames."""

class Record:
    """A profile being taken of this process; it ends with the object."""

    @staticmethod
    def start(kind: str, hz: int) -> Record:
        """hz 0 is the set rate; CoreError("BUSY", ...) where SIGPROF cannot be had."""
    def stop(self) -> bytes:
        """gzipped profile.proto, again and again the same; CoreError("NOT_RUNNING", ...) in a child
        of fork."""
    @property
    def data(self) -> bytes | None:
        """What stop returned, also where an interrupt kept its caller from getting it."""

class CustomProfile:
    """A profile of the program's own, of numbers."""

    @staticmethod
    def make(name: str) -> CustomProfile:
        """CoreError("INVALID", ...) where the name is empty or taken."""
    def add(self, number: int, skip: int, /) -> None:
        """With the native stack of this thread; CoreError("INVALID", ...) where it is there."""
    def remove(self, number: int, /) -> None:
        """One that is not there is no error."""
    def count(self) -> int: ...

# Variables. What cannot be published is a cprof.VarError.

class Int:
    """A 64-bit number that /debug/vars serves; without a name, one for a Map or cprof.publish.

    >>> requests = cprof.Int("requests")                        # doctest: +SKIP
    >>> requests.add()                                          # doctest: +SKIP

    Adding is one atomic step, safe from any thread, also without a GIL. Beyond 64 bits a sum wraps
    around, as in Go; a delta or a value that does not fit is an OverflowError.
    """

    def __new__(cls, name: str | None = None) -> Int: ...
    def add(self, delta: SupportsIndex = 1, /) -> None: ...
    def set(self, value: SupportsIndex, /) -> None: ...
    @property
    def value(self) -> int: ...

class Float:
    """A float that /debug/vars serves; NaN and infinities are null there."""

    def __new__(cls, name: str | None = None) -> Float: ...
    def add(self, delta: SupportsFloat | SupportsIndex = 1.0, /) -> None: ...
    def set(self, value: SupportsFloat | SupportsIndex, /) -> None: ...
    @property
    def value(self) -> float: ...

class String:
    """A text that /debug/vars serves, empty at first."""

    def __new__(cls, name: str | None = None) -> String: ...
    def set(self, value: str, /) -> None: ...
    @property
    def value(self) -> str: ...

class Map:
    """Variables under keys, which /debug/vars serves as an object."""

    def __new__(cls, name: str | None = None) -> Map: ...
    def add(self, key: str, delta: SupportsIndex = 1, /) -> None:
        """Adds to the Int under key, which is made when there is nothing; what is something else
        stays as it is."""
    def add_float(self, key: str, delta: SupportsFloat | SupportsIndex = 1.0, /) -> None:
        """The same with a Float."""
    def set(self, key: str, var: Int | Float | String | Map | None, /) -> None:
        """Puts a variable under key, or None, which is null."""
    def get(self, key: str, /) -> Int | Float | String | Map | None:
        """The variable under key: another object, equal to the one that was put there."""
    def delete(self, key: str, /) -> None:
        """Takes a key out; one that is not there is no error."""
    def clear(self) -> None: ...
    def keys(self) -> list[str]:
        """Sorted by their bytes."""
    def items(self) -> list[tuple[str, Int | Float | String | Map | None]]:
        """Sorted likewise."""
    def __contains__(self, key: object, /) -> bool: ...
    def __len__(self) -> int: ...

def publish(name: str, x: object, encode: Callable[[object], str] | None, /) -> None:
    """Serves x in /debug/vars: a variable, or a callable whose results encode turns into JSON."""

# The servers of this process: what is refused is a CoreError.

def serve(
    addr: str | None,
    allow_remote: bool,
    token: str | None,
    token_file: str | None,
    without_token: bool,
    allow_host: str | None,
    /,
) -> str:
    """Starts the program's own server; returns where it listens."""

def address() -> str:
    """Where the program's own server listens; "" when there is none."""

def close() -> None:
    """Stops the program's own server."""

def serve_outside(
    addr: str,
    allow_remote: str | None,
    token_file: str | None,
    allow_host: str | None,
    /,
) -> str:
    """Starts the server that the environment asks for, in its words; where there is one, that is
    fine."""

def address_outside() -> str:
    """Where that one listens; "" when there is none."""

def snapshot(kind: str, debug: int, /) -> bytes:
    """A profile of this process by its name as it stands: gzipped profile.proto, or with debug
    text."""

def watch_gc() -> None:
    """From now on /debug/vars tells of this interpreter's collections, and gc=1 asks for one."""

def forget_gc() -> None:
    """It tells of no more."""

def hand_over() -> None:
    """From now on that server's address goes to the child of a reloader that serves."""

def elevated() -> bool:
    """Whether the environment is a stranger's: a setuid program."""
