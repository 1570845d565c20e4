"""Mistakes in what Hogwild workers share."""

from mutant import Mutant

HOGWILD = "core/test_hogwild.py"

MUTANTS = [
    Mutant(
        "Hogwild: steps move the worker's own copy",
        "algorithms/hogwild.py",
        'return f"{GLOBAL}{name}" if self.mode == "synced" else name',
        "return name",
        f"{HOGWILD}::test_synced_workers_push_each_gradient_once_and_see_others_after_their_own_step",
    ),
    Mutant(
        "Hogwild: the common parameters are never pulled back",
        "algorithms/hogwild.py",
        'own = {name: theta} if self.mode == "synced" else {}',
        "own: Agent = {}",
        f"{HOGWILD}::test_synced_workers_push_each_gradient_once_and_see_others_after_their_own_step",
    ),
    Mutant(
        "Hogwild: Global optimizers keep their averages to themselves",
        "algorithms/hogwild.py",
        "names.extend(_slots(agent, name))",
        "pass",
        f"{HOGWILD}::test_global_optimizers_share_their_averages",
    ),
    Mutant(
        "Hogwild: a step undoes what other workers wrote meanwhile",
        "algorithms/hogwild.py",
        "optimizer.step(agent[target], slope,",
        "optimizer.step(agent[target].clone(), slope,",
        f"{HOGWILD}::test_a_step_moves_from_where_the_parameters_are_by_then",
    ),
    Mutant(
        "Hogwild: workers begin with weights of their own",
        "session.py",
        "streams.init_seed if common is None else common.init_seed",
        "streams.init_seed",
        f"{HOGWILD}::test_workers_begin_alike_and_then_each_draws_its_own_numbers",
    ),
    Mutant(
        "Hogwild: each worker trains all frames",
        "distributed.py",
        "frames = spec.env.max_frame // spec.meta.max_session",
        "frames = spec.env.max_frame",
        f"{HOGWILD}::test_frames_are_divided_among_workers",
    ),
]
