# The tables of a trial's sessions as TensorBoard event files, on request.
localrules:
    tensorboard_events,


rule tensorboard_events:
    input:
        session_files("train.csv", "eval.csv", "timing.csv"),
    output:
        directory("results/tensorboard/{experiment}/trial{trial}"),
    log:
        "results/logs/tensorboard_events/{experiment}/trial{trial}.log",
    benchmark:
        "results/benchmarks/tensorboard_events/{experiment}/trial{trial}.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folders=untracked(session_folders),
    shell:
        "slm tensorboard --session-dirs {params.folders:q} --out {output:q} > {log:q} 2>&1"
