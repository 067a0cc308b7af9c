"""One line of the fault proxy: its doors on loopback, and the connections through them."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from infra.fleet.weather import CALM, Episode, Forecast, Weather
from infra.local.ports import LOOPBACK
from sightline.errors import ConfigError

Address = tuple[str, int]

_PIECE = 16_384  # bytes
_WAITING = 32  # pieces; then whoever sends has to wait, as for a full window
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER for no time: a close is a reset


@dataclass(slots=True, kw_only=True)
class LineStatistics:
    """Counts of one line since it was opened."""

    connections: int = 0
    closed: int = 0  # by an outage
    reset: int = 0
    half_open: int = 0
    late: int = 0  # pieces, as for lost packets
    bytes_up: int = 0
    bytes_down: int = 0


class Line:
    """Belongs to one event loop, in whose thread all of it is called, the counts' reading aside."""

    def __init__(
        self, upstreams: Mapping[str, Address], chance: random.Random, clock: Callable[[], float]
    ) -> None:
        self.statistics = LineStatistics()
        self.history: list[tuple[float, Weather]] = []
        self.ports: dict[str, int] = {}
        self.weather = CALM
        self._upstreams = upstreams
        self._chance = chance
        self._clock = clock
        self._doors: list[_Door] = []
        self._connections: set[_Connection] = set()
        self._passable = asyncio.Event()
        self._free_s = {"up": 0.0, "down": 0.0}  # when all that was sent before is through
        self._forecast: asyncio.Task[None] | None = None

    async def open(self, weather: Weather) -> None:
        """Listen, unless the weather is against it.

        Raises:
            ConfigError: There is no port left.
        """
        try:
            for name, upstream in self._upstreams.items():
                door = _Door(self, upstream)
                self._doors.append(door)
                self.ports[name] = door.port
        except OSError as err:
            raise ConfigError(f"no port for a line of the fault proxy: {err.strerror}") from err
        await self.become(weather)

    async def close(self) -> None:
        """Close everything."""
        if self._forecast is not None:
            self._forecast.cancel()
        for door in self._doors:
            door.shut()
            door.free()
        self._end_all(_Connection.abort)

    async def become(self, weather: Weather) -> None:
        """See `ProxiedLine.become`."""
        self.weather = weather
        self.history.append((self._clock(), weather))
        if weather.resets:
            self.statistics.reset += self._end_all(_Connection.reset)
        if weather.state == "half_open":
            for connection in self._connections:
                self.lose(connection)
        if weather.state == "silent":
            self._passable.clear()
        else:
            self._passable.set()
        if weather.state == "cut":
            for door in self._doors:
                door.shut()
            self.statistics.closed += self._end_all(_Connection.abort)
        else:
            for door in self._doors:
                await door.unlock()

    async def follow(self, forecast: Forecast, begin_s: float) -> None:
        """See `ProxiedLine.follow`."""
        if self._forecast is not None:
            self._forecast.cancel()
        self._forecast = asyncio.create_task(self._follow(forecast, begin_s))

    async def _follow(self, forecast: Forecast, begin_s: float) -> None:
        await self._until(begin_s)
        await self.become(forecast.base)
        for episode in forecast.episodes:
            await self._live_through(episode, begin_s)
            await self.become(forecast.base)

    async def _live_through(self, episode: Episode, begin_s: float) -> None:
        await self._until(begin_s + episode.at_s)
        await self.become(episode.weather)
        await self._until(begin_s + episode.at_s + episode.seconds)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._clock()))

    # What connections ask.

    def add(self, connection: "_Connection") -> None:
        """Count a new connection."""
        self._connections.add(connection)
        self.statistics.connections += 1
        if self.weather.state == "half_open":
            self.lose(connection)

    def remove(self, connection: "_Connection") -> None:
        """Forget one that has ended."""
        self._connections.discard(connection)

    def lose(self, connection: "_Connection") -> None:
        """Have nothing go through it ever again."""
        self.statistics.half_open += not connection.lost
        connection.lost = True

    def arrives_s(self, size: int, way: str, after_s: float) -> float:
        """Tell when *size* bytes that are sent now come out, not before *after_s*."""
        weather, now_s = self.weather, self._clock()
        delay_s = weather.latency_s + self._chance.random() * weather.jitter_s
        if self._chance.random() < weather.loss:
            delay_s += weather.late_s * (1 + self._chance.random())
            self.statistics.late += 1
        self._free_s[way] = max(self._free_s[way], now_s) + size / weather.bytes_per_s
        return max(after_s, now_s + delay_s, self._free_s[way])

    async def arrival(self, at_s: float) -> None:
        """Wait until then, and until the line lets something through."""
        await self._until(at_s)
        await self._passable.wait()

    def _end_all(self, end: "Callable[[_Connection], None]") -> int:
        connections = list(self._connections)
        for connection in connections:
            end(connection)
        return len(connections)


class _Door:
    """A port on loopback that stays ours while it is shut: nobody listens, and all are refused."""

    def __init__(self, line: Line, upstream: Address) -> None:
        self._line = line
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself would let go of them
        self._held = _bound(0)  # bound, not listening, so that nobody else gets the port
        self.port: int = self._held.getsockname()[1]

    async def unlock(self) -> None:
        """Listen, if it does not."""
        if self._server is None:
            self._server = await asyncio.start_server(self._welcome, sock=_bound(self.port))

    def shut(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def free(self) -> None:
        """Give the port away."""
        self._held.close()

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection, which the line closes from now on, even if its task never begins."""
        if self._server is None:  # it came while the door was being shut
            writer.transport.abort()
            return
        connection = _Connection(self._line, reader, writer)
        self._line.add(connection)
        task = asyncio.create_task(connection.run(self._upstream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Connection:
    def __init__(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.lost = False
        self._line = line
        self._reader = reader
        self._writers = [writer]

    async def run(self, upstream: Address) -> None:
        """Carry it to its end."""
        try:
            await self._line.arrival(0)
            up_reader, up_writer = await asyncio.open_connection(*upstream)
            self._writers.append(up_writer)
            async with asyncio.TaskGroup() as both:  # what ends one way ends the other
                self._carry(both, self._reader, up_writer, "up")
                self._carry(both, up_reader, self._writers[0], "down")
        except* OSError:
            pass  # one of the ends is gone, and so is the other in a moment
        finally:
            self._line.remove(self)
            self.abort()

    def abort(self) -> None:
        """Close it at both ends."""
        for writer in self._writers:
            writer.transport.abort()

    def reset(self) -> None:
        """Have both ends told that it was reset."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):  # closed by now
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort()

    def _carry(
        self,
        tasks: asyncio.TaskGroup,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: str,
    ) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)
        tasks.create_task(self._receive(reader, under_way, way))
        tasks.create_task(self._send(under_way, writer, way))

    async def _receive(
        self,
        reader: asyncio.StreamReader,
        under_way: "asyncio.Queue[tuple[float, bytes]]",
        way: str,
    ) -> None:
        arrives_s, piece = 0.0, b"."
        while piece:
            piece = await reader.read(_PIECE)
            arrives_s = self._line.arrives_s(len(piece), way, arrives_s)
            await under_way.put((arrives_s, piece))

    async def _send(
        self,
        under_way: "asyncio.Queue[tuple[float, bytes]]",
        writer: asyncio.StreamWriter,
        way: str,
    ) -> None:
        while True:
            at_s, piece = await under_way.get()
            await self._line.arrival(at_s)
            if self.lost:  # not even that the other end has closed
                if not piece:
                    return
                continue
            if not piece:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(piece)
            await writer.drain()
            if way == "up":
                self._line.statistics.bytes_up += len(piece)
            else:
                self._line.statistics.bytes_down += len(piece)


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((LOOPBACK, port))
    except OSError:
        made.close()
        raise
    return made
