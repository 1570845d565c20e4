"""Step functions compiled ahead of time as one graph each, with a cache on disk that processes share.

A graph is found by two keys. The *request* key (function, its static values, shapes, source code) is known without
tracing; it names a small file that holds the *graph* key (the traced graph itself, torch version, processor), which
names the compiled library. So a warm start neither traces nor compiles, and an edit that leaves a graph as it was
only traces. The last two are measured at seconds and tens of seconds per graph, a warm start at milliseconds.

Each input shape has a graph of its own: graphs compiled for one shape and called with another were seen to return
wrong numbers silently, so shapes are compared before a program takes its inputs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from slm.backend import (
    Agent,
    Call,
    Inputs,
    Outputs,
    Program,
    Signature,
    StepFunction,
    check_signature,
    signature,
    write_back,
)
from slm.decompositions import DECOMPOSITIONS
from slm.provenance import code_fingerprint

log = logging.getLogger(__name__)

# Headers would be precompiled anew for every cold cache: measured 15 s once against 2 s saved per graph.
INDUCTOR_OPTIONS: Mapping[str, Any] = MappingProxyType({"aot_inductor.precompile_headers": False})


def cache_dir() -> Path:
    """Where compiled graphs are kept: ``$SLM_CACHE_DIR``, else ``slm`` in the user's cache folder."""
    if chosen := os.environ.get("SLM_CACHE_DIR"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slm"


def digest(*parts: object) -> str:
    """A hex digest of the parts' text."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:40]


@cache
def processor_key() -> str:
    """Identifies the instruction set: libraries are compiled for the processor that they are compiled on."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return digest(platform.machine(), *sorted(line.split(":")[1].split()))
    return digest(platform.machine(), platform.processor())


class CompiledProgram:
    """A compiled graph on agent buffers; inputs and buffers that the graph doesn't read are not handed over."""

    def __init__(
        self, run: Callable[[list[Tensor]], list[Tensor]], agent: Agent, example: Inputs, interface: dict[str, Any]
    ) -> None:
        self._run = run
        self._signature: Signature = signature(example)
        self._buffers = [agent[name] for name in interface["agent"]]
        self._inputs: list[str] = interface["inputs"]
        self._outputs: list[str] = interface["outputs"]

    def on(self, inputs: Inputs) -> Call:
        check_signature(inputs, self._signature)
        run, names = self._run, self._outputs
        tensors = [*self._buffers, *(inputs[name] for name in self._inputs)]
        return lambda: dict(zip(names, run(tensors), strict=True))

    def __call__(self, inputs: Inputs) -> Outputs:
        return self.on(inputs)()


class CompiledBackend:
    """Compiles each distinct graph once, whichever process needs it first."""

    name = "compiled"

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or cache_dir()

    def bind(self, function: StepFunction, agent: Agent, example: Inputs, static: object) -> Program:
        return self._bind(function, agent, example, static, timeout=-1)

    def place(self, inputs: Inputs) -> Inputs:
        return inputs

    def bind_all(
        self, functions: Mapping[str, tuple[StepFunction, Inputs]], agent: Agent, static: object
    ) -> dict[str, Program]:
        """Bind several step functions; graphs that other processes are compiling are left for last.

        So the sessions of a trial, which all start at once, share the compiling instead of waiting for each other.
        """
        programs: dict[str, Program] = {}
        for timeout in (0, -1):
            for name, (function, example) in functions.items():
                if name not in programs:
                    with contextlib.suppress(Timeout):
                        programs[name] = self._bind(function, agent, example, static, timeout)
        return {name: programs[name] for name in functions}

    def _bind(
        self, function: StepFunction, agent: Agent, example: Inputs, static: object, timeout: float
    ) -> CompiledProgram:
        """As `bind`; raises Timeout if another process is still compiling the graph after ``timeout`` seconds (-1:
        wait for it)."""
        request = digest(
            getattr(function, "__qualname__", function), repr(static), signature(agent), signature(example),
            code_fingerprint(), torch.__version__, processor_key(),
        )  # fmt: skip
        request_file = self.directory / "requests" / f"{request}.json"
        interface = _read_json(request_file)
        if interface is None or not self._library(interface).exists():
            interface = self._build(function, agent, example, timeout)
            _write_atomically(request_file, json.dumps(interface).encode())
        return CompiledProgram(_load(self._library(interface)), agent, example, interface)

    def _library(self, interface: dict[str, Any]) -> Path:
        return self.directory / "graphs" / f"{interface['graph']}.pt2"

    def _build(self, function: StepFunction, agent: Agent, example: Inputs, timeout: float) -> dict[str, Any]:
        """Trace the function; compile its graph unless the cache has it. Returns the interface of the library."""
        start = time.perf_counter()
        graph, arguments, interface = trace(function, agent, example)
        library = self._library(interface)
        library.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(library.with_suffix(".lock"), timeout=timeout):
            if not library.exists():
                log.info("compiling %s", function.__qualname__)
                _compile(graph, arguments, library)
                log.info("compiled %s in %.1f s", function.__qualname__, time.perf_counter() - start)
        return interface


def trace(
    function: StepFunction, agent: Agent, example: Inputs
) -> tuple[torch.fx.GraphModule, list[Tensor], dict[str, Any]]:
    """Record ``function`` with its write-back as one graph of tensor operations.

    Returns the graph, example arguments for the placeholders that it reads, and the interface: the names of those
    agent buffers and inputs in order, the outputs' names and the graph's key.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    agent_names, input_names = list(agent), list(example)
    output_names: list[str] = []

    def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
        state = dict(zip(agent_names, tensors, strict=False))
        inputs = dict(zip(input_names, tensors[len(agent_names) :], strict=True))
        new, outputs = function(state, inputs)
        write_back(state, new)
        output_names[:] = list(outputs)
        return tuple(outputs.values())

    # Tracing runs the function on what it is given: the agent is copied, since it must not move. The inputs are only
    # read, and a replay memory among them may be large.
    arguments = [*(tensor.clone() for tensor in agent.values()), *example.values()]
    with torch.no_grad():
        graph = make_fx(flat, decomposition_table=DECOMPOSITIONS)(*arguments)
    used = _drop_unused_placeholders(graph)
    key = digest(graph.code, *_constants(graph), *(signature({str(i): arguments[i]}) for i in used),
                 torch.__version__, processor_key(), sorted(INDUCTOR_OPTIONS.items()))  # fmt: skip
    interface = {
        "graph": key,
        "agent": [agent_names[i] for i in used if i < len(agent_names)],
        "inputs": [input_names[i - len(agent_names)] for i in used if i >= len(agent_names)],
        "outputs": output_names,
    }
    return graph, [arguments[i] for i in used], interface


def _drop_unused_placeholders(graph: torch.fx.GraphModule) -> list[int]:
    """Remove the placeholders that nothing reads; returns the positions of those that stay."""
    used = []
    for position, node in enumerate([node for node in graph.graph.nodes if node.op == "placeholder"]):
        if node.users:
            used.append(position)
        else:
            graph.graph.erase_node(node)
    graph.recompile()
    return used


def _constants(graph: torch.fx.GraphModule) -> Iterator[str]:
    """Tensors that tracing baked into the graph, as text: the code alone only names them."""
    for name, tensor in sorted(graph.state_dict().items()):
        yield f"{name}={tensor.tolist()}"


def _compile(graph: torch.fx.GraphModule, arguments: list[Tensor], library: Path) -> None:
    """Compile ``graph`` to ``library``, which appears whole or not at all."""
    import torch._inductor

    with tempfile.TemporaryDirectory(dir=library.parent) as scratch, _inductor_works_in(scratch), torch.no_grad():
        package = str(Path(scratch) / library.name)
        exported = torch.export.export(graph, tuple(arguments), strict=False)
        torch._inductor.aoti_compile_and_package(
            exported, package_path=package, inductor_configs=dict(INDUCTOR_OPTIONS)
        )
        os.replace(package, library)


@contextlib.contextmanager
def _inductor_works_in(folder: str) -> Iterator[None]:
    """Keep Inductor's working files from other processes and from outliving this one, and its warnings to itself."""
    before = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ["TORCHINDUCTOR_CACHE_DIR"]
        else:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = before


def _load(library: Path) -> Callable[[list[Tensor]], list[Tensor]]:
    """Load a compiled library. The public loader imports all of Inductor (2 s), the one it wraps takes 2 ms."""
    try:
        return torch._C._aoti.AOTIModelPackageLoader(str(library), "model", True, 1, -1).run
    except (AttributeError, TypeError):  # a torch version that moved it
        public = torch._inductor.aoti_load_package(str(library), run_single_threaded=True)
        return lambda tensors: list(public(*tensors))


def _read_json(path: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_text())
    return None


def _write_atomically(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.replace(file.name, path)
