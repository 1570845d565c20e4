"""The session: one agent, one seed, from the first frame to the last.

Everything that a session knows between two steps is one value, `SessionState`. The loop is the same for all
algorithms: act, step, remember, maybe learn, maybe record. A checkpoint is that value written down, a resumed session
is that value read back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from slm.algorithms import Algorithm, Clock, Spaces, make_algorithm
from slm.algorithms.base import Memory, Metrics
from slm.algorithms.foresight import check_training
from slm.algorithms.hogwild import Common, join
from slm.backend import Agent, Backend
from slm.device import choose_device, on_device
from slm.env import World, make_world
from slm.evaluation import Evaluator
from slm.nets import sequence_length
from slm.records import MovingAverage
from slm.spec import Spec
from slm.streams import Streams, make_streams

log = logging.getLogger(__name__)

COMMON_COLUMNS = ("frame", "total_reward", "total_reward_ma", "episodes", "opt_step", "loss", "lr")
PROGRESS_INTERVAL = 10.0
"""Seconds between two lines of progress in the log."""


@dataclass
class Best:
    """The agent at the log checkpoint with the highest score so far; the earlier one at a tie."""

    score: float = float("-inf")
    frame: int = 0
    agent: Agent = field(default_factory=dict)
    normaliser: dict[str, Any] | None = None


@dataclass
class SessionState:
    """All that a session knows between two steps."""

    clock: Clock
    agent: Agent
    memory: Memory
    world: World
    streams: Streams
    observations: NDArray[Any]
    """To act on next, (N, …)."""
    metrics: Metrics
    """Of the last training."""
    train_average: MovingAverage
    eval_average: MovingAverage
    best: Best
    stopped: bool = False
    """Whether a search has stopped it before its last frame."""
    seconds: float = 0.0
    """Wall time spent so far, over all runs of the session. The one entry that isn't a function of spec and seed."""
    common: frozenset[str] = frozenset()
    """Entries of the agent that other workers of the trial train as well: what they are isn't this session's to say."""

    def tree(self) -> dict[str, Any]:
        """The state as nested plain data."""
        return {
            "clock": vars(self.clock).copy(),
            "agent": {name: buffer for name, buffer in self.agent.items() if name not in self.common},
            "memory": self.memory.state(),
            "world": self.world.state(),
            "streams": self.streams.state(),
            "observations": self.observations,
            "metrics": dict(self.metrics),
            "train_average": self.train_average.state(),
            "eval_average": self.eval_average.state(),
            "best": vars(self.best).copy(),
            "stopped": self.stopped,
            "seconds": self.seconds,
        }

    def restore(self, tree: dict[str, Any]) -> None:
        """Take on a state made by `tree`; the agent's buffers stay where they are."""
        self.clock = Clock(**tree["clock"])
        for name in self.agent.keys() - self.common:
            self.agent[name].copy_(tree["agent"][name])
        self.memory.restore(tree["memory"])
        self.world.restore(tree["world"])
        self.streams.restore(tree["streams"])
        self.observations = tree["observations"]
        self.metrics = tree["metrics"]
        self.train_average.restore(tree["train_average"])
        self.eval_average.restore(tree["eval_average"])
        self.best = Best(**tree["best"])
        self.stopped = tree["stopped"]
        self.seconds = tree["seconds"]


class Rows(Protocol):
    """What takes the rows of a table: a file, or whoever wants only the last."""

    def append(self, row: dict[str, Any]) -> object:
        """Take the next row."""


RowsT = TypeVar("RowsT", bound=Rows, covariant=True)


@dataclass(frozen=True)
class Tables(Generic[RowsT]):
    """The three tables that a session writes."""

    train: RowsT
    eval: RowsT
    timing: RowsT

    def all(self) -> tuple[RowsT, RowsT, RowsT]:
        return self.train, self.eval, self.timing


class Session:
    """Runs one session of a trial."""

    def __init__(self, spec: Spec, trial: int, session: int, backend: Backend, common: Common | None = None) -> None:
        """``common`` makes it a worker of a Hogwild trial, which trains what others train as well."""
        gamma = getattr(spec.agent.algorithm, "gamma", 0.99)
        world = make_world(spec.env, gamma, sequence_length(spec))
        streams = make_streams(spec.meta.random_seed, trial, session, spec.env.num_envs)
        self.spec = spec
        self.started_at = 0
        """Frame from which this process trains."""
        self.algorithm: Algorithm = make_algorithm(
            spec, Spaces(world.observation_space, world.action_space, spec.env.num_envs, world.stacked)
        )
        agent = self.algorithm.init(streams.init_seed if common is None else common.init_seed)
        if common is not None:
            join(agent, common)
        check_training(self.algorithm, spec.env.max_frame)
        self.device = choose_device(spec, trial, session)
        agent, backend = on_device(spec, self.device, agent, backend)
        self.algorithm.bind(agent, backend)
        self.state = SessionState(
            Clock(), agent, self.algorithm.make_memory(), world, streams, world.reset(streams.env_seeds),
            dict.fromkeys(self.algorithm.METRICS, float("nan")), MovingAverage(), MovingAverage(), Best(),
            common=frozenset(common.buffers if common is not None else ()),
        )  # fmt: skip
        episodes = int(spec.meta.rigorous_eval or 0)
        self._evaluator = Evaluator(spec.env, episodes, gamma, sequence_length(spec)) if episodes else None

    @property
    def columns(self) -> list[str]:
        """Columns of train.csv."""
        own = [*self.algorithm.METRICS, *self.algorithm.scheduled(0)]
        return [*COMMON_COLUMNS, *(name for name in own if name not in COMMON_COLUMNS)]

    def run(
        self, tables: Tables[Rows], between_steps: Callable[[], None], stops: Callable[[int, float], bool] | None = None
    ) -> None:
        """Train until ``env.max_frame``, or until ``stops`` says so; ``between_steps`` is called after each step.

        ``stops`` is asked at log checkpoints before the last frame, with the frame and the total_reward_ma.
        Raises DivergedError where the loss is no longer finite.
        """
        state, algorithm, meta = self.state, self.algorithm, self.spec.meta
        num_envs, max_frame = self.spec.env.num_envs, self.spec.env.max_frame
        progress = Progress(state.clock.frame, max_frame)
        while state.clock.frame < max_frame and not state.stopped:
            started = time.perf_counter()
            before = state.clock.frame
            actions = algorithm.act(state.observations, before, state.streams.policy)
            step = state.world.step(algorithm.to_env(actions))
            state.memory.add(state.observations, actions, step)
            state.observations = step.observations
            frame = state.clock.frame = before + num_envs
            metrics = algorithm.train(state.memory, state.clock, state.streams.replay)
            if metrics is not None:
                state.metrics = metrics
            last = frame >= max_frame
            if last or reaches(meta.log_frequency, before, frame):
                average = self._log(tables)
                progress.report(frame, state.world.statistics.total_reward)
                if stops is not None and not last:
                    last = state.stopped = stops(frame, average)
            if last or reaches(meta.eval_frequency, before, frame):
                self._evaluate(tables)
            state.seconds += time.perf_counter() - started
            between_steps()

    def _log(self, tables: Tables[Rows]) -> float:
        """A log checkpoint: a row of train.csv and timing.csv, and the best agent so far. Returns total_reward_ma."""
        state = self.state
        frame, total_reward = state.clock.frame, state.world.statistics.total_reward
        average = state.train_average.add(total_reward)
        tables.train.append(self._row(total_reward, average))
        seconds = max(state.seconds, 1e-9)
        tables.timing.append({"frame": frame, "fps": frame / seconds, "wall_t": seconds})
        if average > state.best.score:
            names = {part for name in self.algorithm.networks for part in (name, f"{name}.buffers")}
            agent = {name: buffer.clone() for name, buffer in state.agent.items() if name in names}
            state.best = Best(average, frame, agent, state.world.normaliser())
        return average

    def _evaluate(self, tables: Tables[Rows]) -> None:
        """An eval checkpoint: a row of eval.csv, from evaluation episodes or inferred from training."""
        state = self.state
        if self._evaluator is None:
            total_reward, source = state.world.statistics.total_reward, "train"
        else:
            total_reward = self._evaluator.total_reward(self.algorithm, state.world, state.streams, state.clock.frame)
            source = "eval"
        average = state.eval_average.add(total_reward)
        tables.eval.append({**self._row(total_reward, average), "source": source})

    def _row(self, total_reward: float, average: float) -> dict[str, Any]:
        state, frame = self.state, self.state.clock.frame
        return {
            "frame": frame,
            "total_reward": total_reward,
            "total_reward_ma": average,
            "episodes": state.world.statistics.episodes,
            "opt_step": state.clock.opt_step,
            "lr": self.algorithm.learning_rate(state.clock),
            **state.metrics,
            **self.algorithm.scheduled(frame),
        }

    def model(self, agent: Agent, frame: int, normaliser: dict[str, Any] | None) -> dict[str, Any]:
        """What model.pt and best.pt hold: named parameters and buffers of each network, and what acting needs."""
        named: dict[str, dict[str, Tensor]] = {
            name: {key: view.clone() for key, view in network.named(agent, name).items()}
            for name, network in self.algorithm.networks.items()
        }
        return {"networks": named, "frame": frame, "normaliser": normaliser}


def reaches(frequency: int, before: int, frame: int) -> bool:
    """Whether a multiple of ``frequency`` lies in (before, frame]."""
    return frame // frequency > before // frequency


class Progress:
    """Lines in the log while a session trains: frames, frames per second, score, time left."""

    def __init__(self, frame: int, max_frame: int) -> None:
        self._max_frame = max_frame
        self._last_time, self._last_frame = time.monotonic(), frame

    def report(self, frame: int, score: float) -> None:
        """Write a line if the last one is long enough ago, and at the end."""
        now = time.monotonic()
        elapsed = now - self._last_time
        if elapsed < PROGRESS_INTERVAL and frame < self._max_frame:
            return
        fps = (frame - self._last_frame) / max(elapsed, 1e-9)
        left = max(self._max_frame - frame, 0) / max(fps, 1e-9)
        log.info(
            "frame %d of %d (%.0f%%), %.0f frames/s, score %.2f, %s left",
            frame, self._max_frame, 100 * frame / self._max_frame, fps, score, duration(left),
        )  # fmt: skip
        self._last_time, self._last_frame = now, frame


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
