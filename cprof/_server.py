"""The server that the program itself opens: cprof.serve."""

from __future__ import annotations

import os

from cprof._errors import ServeError, core, disabled, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType


class Server:
    """The debug server of this process, as `cprof.serve` returns it.

    Also a context manager: `with cprof.serve() as server: ...` closes it at the end.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._pid = os.getpid()

    @property
    def serving(self) -> bool:
        """False once it was closed, in a child of fork, and where CPROF_DISABLE is set."""
        return bool(self.address)

    @property
    def address(self) -> str:
        """ "127.0.0.1:6060" or "unix:/path", "" while it does not serve."""
        if _current is not self or self._pid != os.getpid():
            return ""
        return self._address if core().address() else ""

    @property
    def url(self) -> str:
        """ "http://127.0.0.1:6060" or "unix:/path", which `cprof.fetch` and the command take as a
        target; "" while it does not serve."""
        return url_of(self.address)

    def close(self) -> None:
        """Stops serving; requests under way are cut. Closing twice is fine, and so is closing in a
        child of fork, which leaves the parent's server alone."""
        global _current
        if _current is not self:
            return
        _current = None
        if self._pid == os.getpid():
            _close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<cprof.Server: {self.url or 'not serving'}>"


_current: Server | None = None


def serve(
    addr: str | int | None = None,
    *,
    allow_remote: bool = False,
    token: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    without_token: bool = False,
    allow_host: str | Iterable[str] = (),
) -> Server:
    """Serves /debug/pprof/ of this process, on threads of its own, until closed or the end.

    addr: "host:port", ":port", a port (0 picks a free one), or "unix:/path/of/socket"; 127.0.0.1,
    where no host is named, and :6060 by default.

    Beyond loopback only with allow_remote, and then clients need a token (16 characters or more),
    unless without_token says otherwise: `http://x:TOKEN@host:6060`. A token_file has it as its
    line and is not readable by others. With a token, clients on loopback need it too. allow_host:
    names that clients may call this server by, beside localhost and its IP addresses.

    One server per process: where one runs, `ServeError` names its address, and its `server` is the
    one that `serve` returned before. (A server that CPROF_HTTP or `cprof run` asked for is beside
    it and does not count.) An address that is taken, cannot be read or is not allowed is a
    ServeError too. With CPROF_DISABLE=1 in the environment nothing is opened and nothing raised:
    the Server that comes back is off, and its url "".

    A child of fork has no server; it may call serve() itself. From Python 3.12 on os.fork() gives a
    DeprecationWarning in any process with a second thread, and the server's is one.
    """
    global _current
    if disabled():
        return Server("")
    module = core()
    module.watch_gc()
    try:
        address = module.serve(
            f":{addr}" if isinstance(addr, int) else addr,
            allow_remote,
            token,
            os.fspath(token_file) if token_file is not None else None,
            without_token,
            allow_host if isinstance(allow_host, str) else ",".join(allow_host),
        )
    except module.CoreError as why:
        forget_gc_unless_served()
        raise _failure(why) from None
    _current = Server(address)
    return _current


def url_of(address: str) -> str:
    return f"http://{address}" if address and not address.startswith("unix:") else address


def _failure(why: BaseException) -> Exception:
    error = refused(why, ServeError)
    if isinstance(error, ServeError) and why.args[0] == "BUSY":
        error.server = _current
    return error


def _close() -> None:
    module = core()
    try:
        module.close()
    except module.CoreError as why:
        if why.args[0] != "NOT_RUNNING":  # it gave up by itself: as good as closed
            raise refused(why, ServeError) from None
    forget_gc_unless_served()


def forget_gc_unless_served() -> None:
    """Whoever opened it: the address tells of both servers."""
    module = core()
    if not module.address():
        module.forget_gc()
