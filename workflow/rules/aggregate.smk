# Sessions to the statistics of their trial; trials to those of their experiment.
localrules:
    aggregate_trial,
    aggregate_experiment,


rule aggregate_trial:
    input:
        spec="results/experiments/{experiment}/trial{trial}/spec.json",
        baseline=lambda wildcards: experiment_of(wildcards).baseline,
        records=session_files("session.json"),
        train=session_files("train.csv"),
        evaluation=session_files("eval.csv"),
        timing=session_files("timing.csv"),
    output:
        trial=shown(
            "results/experiments/{experiment}/trial{trial}/trial.json",
            "trial",
            "statistics (JSON)",
        ),
        curve=shown(
            "results/experiments/{experiment}/trial{trial}/curve.csv",
            "curve",
            "learning curve (CSV)",
        ),
        timing=shown(
            "results/experiments/{experiment}/trial{trial}/timing.csv",
            "timing",
            "wall times (CSV)",
        ),
    log:
        "results/logs/aggregate_trial/{experiment}/trial{trial}.log",
    benchmark:
        "results/benchmarks/aggregate_trial/{experiment}/trial{trial}.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        asked=lambda wildcards: len(
            experiment_of(wildcards).sessions(int(wildcards.trial))
        ),
        incomplete=untracked(
            lambda wildcards: "--allow-incomplete" if PLAN.allow_incomplete else ""
        ),
        folders=lambda wildcards, input: [
            str(Path(record).parent) for record in input.records
        ],
        folder=lambda wildcards, output: str(Path(output.trial).parent),
    shell:
        "slm aggregate-trial --spec {input.spec:q} --baseline {input.baseline:q} --sessions-asked {params.asked}"
        " --session-dirs {params.folders:q} --out {params.folder:q} {params.incomplete} > {log:q} 2>&1"


rule aggregate_experiment:
    input:
        trials=lambda wildcards: expand(
            "results/experiments/{{experiment}}/trial{trial}/trial.json",
            trial=experiment_of(wildcards).trials,
        ),
    output:
        shown(
            "results/experiments/{experiment}/experiment.csv",
            "experiment",
            "trials (CSV)",
        ),
    log:
        "results/logs/aggregate_experiment/{experiment}.log",
    benchmark:
        "results/benchmarks/aggregate_experiment/{experiment}.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "slm aggregate-experiment --trials {input.trials:q} --out {output:q} > {log:q} 2>&1"
