# One job per environment, whatever trains on it: the score of random play, from which gains are measured.
rule random_baseline:
    # The path says all that decides the result: through which spec the environment is found is none of it.
    output:
        report(
            "results/baselines/{environment}.json",
            caption="../report/baseline.rst",
            category=lambda wildcards: suite_title(
                measured_by(wildcards).row.environment_type
            ),
            subcategory=lambda wildcards: measured_by(wildcards).env,
            labels={
                "algorithm": "random play",
                "experiment": "all",
                "what": "baseline (JSON)",
            },
        ),
    log:
        "results/logs/random_baseline/{environment}.log",
    benchmark:
        "results/benchmarks/random_baseline/{environment}.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: grown(1000, attempt),
        runtime=lambda wildcards, attempt: grown(240, attempt),
    params:
        spec_file=untracked(lambda wildcards: str(measured_by(wildcards).row.spec_file)),
        spec_name=untracked(lambda wildcards: measured_by(wildcards).row.spec_name),
        variables=untracked(lambda wildcards: set_arguments(measured_by(wildcards))),
    shell:
        "slm baseline {params.spec_file:q} {params.spec_name:q} {params.variables:q} --expect {wildcards.environment}"
        " --out {output:q} > {log:q} 2>&1"
