"""The fault proxy, before a server that gives back what it gets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from infra.fleet.fault_proxy import FaultProxy, ProxiedLine
from infra.fleet.weather import CALM, Episode, Forecast, Weather

DEADLINE_S = 10.0
SILENT = Weather(name="silent", state="silent")
HALF_OPEN = Weather(name="half-open", state="half_open")
CUT = Weather(name="outage", state="cut")


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that gives back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(DEADLINE_S)


@pytest.fixture
def line(echo: tuple[str, int]) -> Iterator[ProxiedLine]:
    with FaultProxy(seed=1) as proxy:
        yield proxy.line({"echo": echo})


def connect(line: ProxiedLine) -> "closing[socket.socket]":
    return closing(socket.create_connection(("127.0.0.1", line.ports["echo"]), DEADLINE_S))


def say(connection: socket.socket, data: bytes) -> bytes:
    """Send *data*; give as much as comes back."""
    connection.sendall(data)
    return receive(connection, len(data))


def receive(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (piece := connection.recv(65536)):
        got += piece
    return got


def until(holds: Callable[[], bool]) -> None:
    pause, end_s = threading.Event(), time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end_s, "it did not come to be in time"
        pause.wait(0.005)


def heard_nothing(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        connection.recv(1)
    except TimeoutError:
        connection.settimeout(DEADLINE_S)
        return True
    return False


def test_in_calm_weather_all_goes_through_and_is_counted(line: ProxiedLine) -> None:
    data = bytes(range(256)) * 2000
    with connect(line) as connection:
        connection.sendall(b"hello")
        assert receive(connection, 5) == b"hello"
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        assert receive(connection, len(data)) == data
        sender.join(DEADLINE_S)
    counts = line.statistics()
    until(lambda: counts.bytes_down == len(data) + 5)
    assert (counts.connections, counts.bytes_up, counts.late) == (1, len(data) + 5, 0)


def test_the_end_of_one_side_is_told_to_the_other(line: ProxiedLine) -> None:
    with connect(line) as connection:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection, 100) == b"last words"


def test_latency_holds_every_piece_back_and_keeps_their_order(line: ProxiedLine) -> None:
    line.become(Weather(latency_s=0.1, jitter_s=0.05))
    with connect(line) as connection:
        begun_s = time.monotonic()
        assert say(connection, b"a") == b"a"
        assert time.monotonic() - begun_s >= 0.2
        numbers = b"".join(b"%06d" % i for i in range(5000))
        connection.sendall(numbers)
        assert receive(connection, len(numbers)) == numbers


def test_what_is_lost_comes_late_and_is_counted(line: ProxiedLine) -> None:
    line.become(Weather(loss=1, late_s=0.1))
    with connect(line) as connection:
        begun_s = time.monotonic()
        assert say(connection, b"a") == b"a"
        assert time.monotonic() - begun_s >= 0.2
    assert line.statistics().late >= 2


def test_bandwidth_is_shared_by_the_connections_of_a_line(line: ProxiedLine) -> None:
    line.become(Weather(bytes_per_s=100_000))
    data = bytes(20_000)
    with connect(line) as first, connect(line) as second:
        begun_s = time.monotonic()
        first.sendall(data)
        second.sendall(data)
        assert receive(first, len(data)) == receive(second, len(data)) == data
        assert time.monotonic() - begun_s >= 0.4


def test_an_outage_closes_connections_and_refuses_new_ones_at_the_same_port(
    line: ProxiedLine,
) -> None:
    with connect(line) as connection:
        assert say(connection, b"a") == b"a"
        line.become(CUT)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", line.ports["echo"]), DEADLINE_S)
    assert line.statistics().closed == 1

    line.become(CALM)

    with connect(line) as connection:
        assert say(connection, b"b") == b"b"


def test_a_reset_is_one_for_the_client_and_new_connections_go_through(line: ProxiedLine) -> None:
    with connect(line) as connection:
        assert say(connection, b"a") == b"a"
        line.become(Weather(name="reset", resets=True))
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with connect(line) as connection:
        assert say(connection, b"b") == b"b"
    assert line.statistics().reset == 1


def test_silence_holds_all_back_and_then_gives_it(line: ProxiedLine) -> None:
    with connect(line) as connection:
        assert say(connection, b"a") == b"a"
        line.become(SILENT)
        connection.sendall(b"b")
        assert heard_nothing(connection)
        with connect(line) as late:  # accepted, as by a network that will answer later
            late.sendall(b"c")
            assert heard_nothing(late)
            line.become(CALM)
            assert receive(late, 1) == b"c"
        assert receive(connection, 1) == b"b"


def test_a_half_open_connection_stays_mute_when_the_network_is_well_again(
    line: ProxiedLine,
) -> None:
    with connect(line) as before:
        assert say(before, b"a") == b"a"
        line.become(HALF_OPEN)
        with connect(line) as during:
            during.sendall(b"b")
            before.sendall(b"b")
            assert heard_nothing(during)
            line.become(CALM)
            assert heard_nothing(before)
            assert heard_nothing(during)
        with connect(line) as after:
            assert say(after, b"c") == b"c"
    assert line.statistics().half_open == 2


def test_a_forecast_comes_true_and_is_written_down(line: ProxiedLine) -> None:
    begin_s = time.monotonic()
    episodes = (Episode(at_s=0.05, seconds=0.1, weather=CUT),)
    line.follow(Forecast(base=Weather(name="base"), episodes=episodes), begin_s)

    until(lambda: len(line.history()) == 4)

    names = [weather.name for _, weather in line.history()]
    assert names == ["calm", "base", "outage", "base"]
    times_s = [at_s - begin_s for at_s, _ in line.history()]
    assert times_s[2] >= 0.05
    assert times_s[3] >= 0.15


def test_lines_fail_apart_from_each_other(echo: tuple[str, int]) -> None:
    with FaultProxy() as proxy:
        first, second = proxy.line({"echo": echo}), proxy.line({"echo": echo})
        first.become(CUT)
        with connect(second) as connection:
            assert say(connection, b"a") == b"a"


def test_an_upstream_that_is_down_closes_the_connection() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with FaultProxy() as proxy:
            line = proxy.line({"echo": nobody.getsockname()})
            with connect(line) as connection, suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_nothing_listens_when_the_proxy_has_ended(echo: tuple[str, int]) -> None:
    with FaultProxy() as proxy:
        line = proxy.line({"echo": echo})
        connection = socket.create_connection(("127.0.0.1", line.ports["echo"]), DEADLINE_S)
        assert say(connection, b"a") == b"a"
    with closing(connection), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", line.ports["echo"]), DEADLINE_S)
