"""Commands over many machines: Ray's actors embed, transcribe and train heads.

Ray is an extra, and imported only here. Every machine has the same version of serfusion, and sees
recordings and cache under the same paths. Joblib's Ray back end trains no heads, because it gives
no result before the last and ends with the first process that dies.
"""

import logging
import os
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from encoders.dealing import ENGINE, Chunk, Job, Lost
from encoders.device import VARIABLE, chosen_device
from encoders.messages import printable
from experiments.config import ConfigError

LOG = logging.getLogger("serfusion")
EngineName = Literal["local", "ray"]
#: What workers take over from the environment of the command; no password is among it.
HANDED_ON = ("SERFUSION_PLUGINS", "HF_HOME", "HF_HUB_OFFLINE")
#: Times that a row, alone with an actor, may end it.
TRIES = 2
#: Actors that die before any has done its first chunk until the command gives up.
GIVEN_UP = 10
#: Seconds until a command says that it waits for a place on the cluster.
WAITING_S = 30.0


@contextmanager
def on_engine(name: EngineName) -> Iterator[None]:
    """Work here, or on Ray's cluster at ``RAY_ADDRESS``, the one that runs here, or a new one.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers.
    """
    if name == "local":
        yield
        return
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            f"--engine ray: Ray is not installed ({error}); pip install 'serfusion[ray]'"
        ) from None
    started = not ray.is_initialized()
    if started:
        _connect(ray)
    dealer = Dealer(ray)
    token = ENGINE.set(dealer)
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        # What a worker raised, as if it had been raised here.
        raise error.cause from None
    finally:
        ENGINE.reset(token)
        dealer.close()
        if started:
            ray.shutdown()


def _connect(ray: Any) -> None:  # noqa: ANN401 - a module
    # A cluster that is started here reports to nobody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = os.environ.get("RAY_ADDRESS", "not set")
        raise ConfigError(
            f"--engine ray: no cluster answers (RAY_ADDRESS {where}: {printable(error)[:200]}); "
            "start one with ray start --head, or unset RAY_ADDRESS for one of this machine"
        ) from None


class Actor:
    """One process of the cluster: works off chunks of a job, and keeps what it loaded for it."""

    def __init__(self, environment: Mapping[str, str], cores: int) -> None:
        # Before anything imports torch, which reads it once.
        os.environ.update(environment, OMP_NUM_THREADS=str(cores))
        from encoders.plugins import load_plugins

        # Before a job arrives, which may hold a user's own specs.
        load_plugins()
        self._job: tuple[int, Job] | None = None

    def ready(self) -> None:
        """Answer: it has a place on the cluster."""

    def work(self, number: int, job: Job, chunk: Chunk) -> Any:  # noqa: ANN401 - the job's result
        """The result of a chunk of the job of a number, which stays with what it loaded."""
        if self._job is None or self._job[0] != number:
            self._job = number, job
        return self._job[1](chunk)


class Dealer:
    """Deals chunks to actors, one per GPU or group of cores; what a dead one held goes to others.

    A chunk whose actor died is dealt again row by row, so that only a row that ends its actor
    alone, and twice, is lost. An actor gets its first chunk once it has a place: one that waits
    for a machine holds nothing up.
    """

    def __init__(self, ray: Any) -> None:  # noqa: ANN401 - a module
        self.ray = ray
        self.device = chosen_device().partition(":")[0]
        self.cores = int(os.environ.get("OMP_NUM_THREADS") or 1)
        # Its results are lost with a machine, and made again like those of a dead actor.
        lost = (ray.exceptions.OutOfMemoryError, ray.exceptions.ObjectLostError)
        self.deaths = (ray.exceptions.RayActorError, *lost)
        self._job = 0
        self._idle: list[Any] = []
        # An actor that has no chunk waits for its place.
        self._running: dict[Any, tuple[Any, Chunk]] = {}

    def __call__(self, job: Job, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Any]]:
        """Each chunk with its result, in any order; empty chunks are nothing.

        Raises:
            ConfigError: actors die before any has done its first chunk; else what the job raised.
        """
        queue, ends, done, died = deque(chunks), Counter[int](), 0, 0
        self._job += 1
        running = self._running
        try:
            while queue or any(chunk for _, chunk in running.values()):
                while queue and self._idle:
                    actor, chunk = self._idle.pop(), queue.popleft()
                    running[actor.work.remote(self._job, job, chunk)] = actor, chunk
                self._start(len(queue))
                for ref in self._finished():
                    actor, chunk = running.pop(ref)
                    try:
                        result = self.ray.get(ref)
                    except self.deaths as error:
                        self.ray.kill(actor)
                        died += 1
                        _check_deaths(died, done, error)
                        if _lost(chunk, queue, ends):
                            yield chunk, Lost(f"ended its worker twice ({_why(error)})")
                        continue
                    self._idle.append(actor)
                    if chunk:
                        done += 1
                        yield chunk, result
        finally:
            # Where the command was stopped, or a job raised.
            for ref in [ref for ref, (_, chunk) in running.items() if chunk]:
                self.ray.kill(running.pop(ref)[0])

    def close(self) -> None:
        """Give every place back."""
        for actor in [*self._idle, *(actor for actor, _ in self._running.values())]:
            self.ray.kill(actor)
        self._idle, self._running = [], {}

    def places(self) -> int:
        """How many actors the machines that live have room for."""
        kind, size = ("CPU", self.cores) if self.device == "cpu" else ("GPU", 1)
        alive = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return sum(int(resources.get(kind, 0)) // size for resources in alive)

    def _start(self, waiting: int) -> None:
        """As many actors as there are places and chunks; each says when it has its place."""
        working = sum(bool(chunk) for _, chunk in self._running.values())
        gpus = 0 if self.device == "cpu" else 1
        handed = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        for _ in range(len(self._running), min(self.places() or 1, working + waiting)):
            remote = self.ray.remote(Actor).options(num_cpus=self.cores, num_gpus=gpus)
            actor = remote.remote({**handed, VARIABLE: self.device}, self.cores)
            self._running[actor.ready.remote()] = actor, ()

    def _finished(self) -> list[Any]:
        finished: list[Any] = self.ray.wait([*self._running], timeout=WAITING_S)[0]
        if not finished and not any(chunk for _, chunk in self._running.values()):
            LOG.warning(
                "waiting for a place on Ray's cluster: a worker takes %s cores%s, and %s are free",
                self.cores,
                "" if self.device == "cpu" else " and a GPU",
                {k: n for k, n in self.ray.available_resources().items() if k in ("CPU", "GPU")},
            )
        return finished


def _lost(chunk: Chunk, queue: deque[Chunk], ends: Counter[int]) -> bool:
    """Deal again what a dead actor held, each row alone; True for a row that goes to no other."""
    if len(chunk) > 1:
        queue.extend([row] for row in chunk)
    elif chunk:
        ends[id(chunk[0])] += 1
        if ends[id(chunk[0])] >= TRIES:
            return True
        queue.append(chunk)
    return False


def _check_deaths(died: int, done: int, error: Exception) -> None:
    LOG.warning("a worker of Ray's died (%s); what it held is given to others", _why(error))
    if not done and died >= GIVEN_UP:
        raise ConfigError(
            f"--engine ray: {died} workers died before any had done its first rows, the last: "
            f"{_why(error)}; is the same serfusion installed on every machine, and is there memory "
            "for the encoder on each?"
        )


def _why(error: Exception) -> str:
    """How an actor ended, in a line: Ray adds where its logs lie."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in lines if "cause" in line.lower() or "died" in line), "")
    return printable(said or type(error).__name__)[:200]
