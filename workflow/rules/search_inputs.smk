# What the rules of searches rest on: which trials there are is known only once they are drawn and ranked.
def trials_of(wildcards, generations):
    """The trials of a search; of one that draws in generations, once those up to the given number are drawn."""
    experiment = experiment_of(wildcards)
    for generation in experiment.drawn_later(generations):
        checkpoints.draw_generation.get(
            experiment=wildcards.experiment, generation=generation
        )
    return experiment.first_trials(generations)


def searched_sessions(wildcards):
    """Input function: the records of all sessions of a search, once all its trials are drawn."""
    experiment = experiment_of(wildcards)
    return [
        str(experiment.trial_dir(trial) / f"session{session}/session.json")
        for trial in trials_of(wildcards, None)
        for session in experiment.sessions(trial)
    ]


def validating_trials(wildcards):
    """Input function: the statistics of the trials that validate the best settings."""
    table = checkpoints.rank_trials.get(**wildcards).output.table
    return expand(
        "results/experiments/{experiment}/trial{trial}/trial.json",
        experiment=wildcards.experiment,
        trial=experiment_of(wildcards).best(ranked_trials(table)),
    )
