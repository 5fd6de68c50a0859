"""The C side of the package: profiles as columns, the server and the records of this process."""

from collections.abc import Sequence

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

def hand_over() -> None:
    """From now on that server's address goes to the child of a reloader that serves."""

def elevated() -> bool:
    """Whether the environment is a stranger's: a setuid program."""
