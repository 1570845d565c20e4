# Searches: their trials are ordinary trials, ranked; the settings of the best are trained again with fresh seeds.
localrules:
    draw_generation,
    rank_trials,
    keep_models,
    validate,
    search_figures,


ruleorder: rank_trials > aggregate_experiment


# Their models are no declared outputs: most of them are removed later, and that is to train nothing again.
use rule train_session as train_search_session with:
    output:
        multiext(
            "results/experiments/{experiment}/trial{trial}/session{session}/",
            train="train.csv",
            evaluation="eval.csv",
            timing="timing.csv",
            record="session.json",
        ),
    wildcard_constraints:
        experiment=any_of(name for name in SEARCHES if name not in STOPPING_SEARCHES),
        trial=SEARCHED,


# The sessions of a search with early stopping, which leave their decisions as well.
use rule train_session as train_stoppable_session with:
    output:
        multiext(
            "results/experiments/{experiment}/trial{trial}/session{session}/",
            train="train.csv",
            evaluation="eval.csv",
            timing="timing.csv",
            record="session.json",
            rungs="rungs.csv",
        ),
    wildcard_constraints:
        experiment=any_of(STOPPING_SEARCHES),
        trial=SEARCHED,


# A checkpoint, because a generation's settings rest on the scores of the trials before it.
checkpoint draw_generation:
    input:
        lambda wildcards: expand(
            "results/experiments/{{experiment}}/trial{trial}/trial.json",
            trial=trials_of(wildcards, int(wildcards.generation)),
        ),
    output:
        "results/experiments/{experiment}/generations/{generation}.json",
    log:
        "results/logs/draw_generation/{experiment}/{generation}.log",
    benchmark:
        "results/benchmarks/draw_generation/{experiment}/{generation}.tsv"
    wildcard_constraints:
        experiment=any_of(SEARCHES),
        generation=r"\d+",
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        hash=lambda wildcards: experiment_of(wildcards).hash,
        spec_file=untracked(
            lambda wildcards: str(experiment_of(wildcards).row.spec_file)
        ),
        spec_name=untracked(lambda wildcards: experiment_of(wildcards).row.spec_name),
        variables=untracked(lambda wildcards: set_arguments(experiment_of(wildcards))),
    shell:
        "slm draw {params.spec_file:q} {params.spec_name:q} {params.variables:q} --generation {wildcards.generation}"
        " --trials {input:q} --out {output:q} > {log:q} 2>&1"


# A checkpoint, because the ranking says which settings are trained again.
checkpoint rank_trials:
    input:
        trials=lambda wildcards: expand(
            "results/experiments/{{experiment}}/trial{trial}/trial.json",
            trial=trials_of(wildcards, None),
        ),
        rungs=lambda wildcards: (
            expand(
                "results/experiments/{{experiment}}/trial{trial}/session0/rungs.csv",
                trial=trials_of(wildcards, None),
            )
            if experiment_of(wildcards).stops_early
            else []
        ),
    output:
        table=shown(
            "results/experiments/{experiment}/experiment.csv",
            "experiment",
            "trials (CSV)",
        ),
        decisions=shown(
            "results/experiments/{experiment}/search.csv",
            "search",
            "decisions (CSV)",
        ),
    log:
        "results/logs/rank_trials/{experiment}.log",
    benchmark:
        "results/benchmarks/rank_trials/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(SEARCHES),
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "slm aggregate-experiment --trials {input.trials:q} --rungs {input.rungs:q} --out {output.table:q}"
        " --decisions {output.decisions:q} > {log:q} 2>&1"


# What becomes of the models is on record; which trial has some is no reason to train.
rule keep_models:
    input:
        table="results/experiments/{experiment}/experiment.csv",
        records=searched_sessions,
    output:
        shown(
            "results/experiments/{experiment}/models.csv",
            "search",
            "models (CSV)",
        ),
    log:
        "results/logs/keep_models/{experiment}.log",
    benchmark:
        "results/benchmarks/keep_models/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(SEARCHES),
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        keep=SETTINGS.keep_trials,
        folders=lambda wildcards, input: [
            str(Path(record).parent) for record in input.records
        ],
    shell:
        "slm keep-models --ranking {input.table:q} --session-dirs {params.folders:q} --keep {params.keep}"
        " --inprogress results/.inprogress --out {output:q} > {log:q} 2>&1"


rule validate:
    input:
        table="results/experiments/{experiment}/experiment.csv",
        trials=validating_trials,
    output:
        table=shown(
            "results/experiments/{experiment}/validation.csv",
            "search",
            "validation (CSV)",
        ),
        spec=shown(
            "results/experiments/{experiment}/best_spec.yaml",
            "search",
            "best spec (YAML)",
        ),
        trial="results/experiments/{experiment}/best/trial.json",
        curve="results/experiments/{experiment}/best/curve.csv",
        timing="results/experiments/{experiment}/best/timing.csv",
    log:
        "results/logs/validate/{experiment}.log",
    benchmark:
        "results/benchmarks/validate/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(SEARCHES),
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=lambda wildcards, output: str(Path(output.table).parent),
    shell:
        "slm validate-search --ranking {input.table:q} --trials {input.trials:q} --out {params.folder:q} > {log:q} 2>&1"


rule search_figures:
    input:
        multiext(
            "results/experiments/{experiment}/",
            "experiment.csv",
            "search.csv",
            "validation.csv",
        ),
    output:
        [
            shown(
                f"results/experiments/{{experiment}}/figures/{name}.svg",
                "search",
                f"search: {name.replace('_', ' ')}",
            )
            for name in SEARCH_FIGURES
        ],
    log:
        "results/logs/search_figures/{experiment}.log",
    benchmark:
        "results/benchmarks/search_figures/{experiment}.tsv"
    wildcard_constraints:
        experiment=any_of(SEARCHES),
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=lambda wildcards: str(experiment_of(wildcards).folder),
        out=lambda wildcards, output: str(Path(output[0]).parent),
    shell:
        "slm search-figures --search {params.folder:q} --out {params.out:q} > {log:q} 2>&1"
