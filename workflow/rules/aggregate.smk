# Sessions to the statistics of their trial; trials to those of their experiment.
localrules:
    aggregate_trial,
    aggregate_experiment,


rule aggregate_trial:
    input:
        spec="results/experiments/{experiment}/trial{trial}/spec.json",
        baseline=lambda wildcards: experiment_of(wildcards).baseline,
        sessions=session_files("session.json", "train.csv", "eval.csv", "timing.csv"),
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
        arguments=untracked(aggregate_arguments),
    shell:
        "slm aggregate-trial --spec {input.spec:q} --baseline {input.baseline:q} --sessions-asked {params.asked}"
        " {params.arguments:q} --out results/experiments/{wildcards.experiment}/trial{wildcards.trial} > {log:q} 2>&1"


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
