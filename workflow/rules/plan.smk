# A row of the sheet to the one resolved spec of each trial.
localrules:
    plan_trial,


# The spec file is no input: a change in it must touch the experiments whose hash it changes, and no others.
rule plan_trial:
    output:
        spec=shown(
            "results/experiments/{experiment}/trial{trial}/spec.json",
            "spec",
            "spec (JSON)",
        ),
    log:
        "results/logs/plan_trial/{experiment}/trial{trial}.log",
    benchmark:
        "results/benchmarks/plan_trial/{experiment}/trial{trial}.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        hash=lambda wildcards: experiment_of(wildcards).trial_hash(int(wildcards.trial)),
        sessions=lambda wildcards: max(
            LISTED_SESSIONS,
            len(experiment_of(wildcards).sessions(int(wildcards.trial))),
        ),
        arguments=untracked(plan_arguments),
    shell:
        "slm plan {params.arguments:q} --trial {wildcards.trial} --experiment {wildcards.experiment}"
        " --sessions {params.sessions} --expect {params.hash} --out {output.spec:q} > {log:q} 2>&1"
