# One job per (trial, session): one agent, one random seed.
rule train_session:
    input:
        # Not ancient(): the hash below would go unseen whenever plan_trial is to run as well.
        spec="results/experiments/{experiment}/trial{trial}/spec.json",
    output:
        multiext(
            "results/experiments/{experiment}/trial{trial}/session{session}/",
            train="train.csv",
            evaluation="eval.csv",
            timing="timing.csv",
            model="model.pt",
            best="best.pt",
            record="session.json",
        ),
    log:
        "results/logs/train_session/{experiment}/trial{trial}-session{session}.log",
    benchmark:
        "results/benchmarks/train_session/{experiment}/trial{trial}-session{session}.tsv"
    wildcard_constraints:
        experiment=INDEPENDENT,
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: grown(
            experiment_of(wildcards).memory_mb, attempt
        ),
        runtime=lambda wildcards, attempt: grown(
            experiment_of(wildcards).runtime_minutes, attempt
        ),
    params:
        # The one parameter whose change retrains a session.
        hash=lambda wildcards: experiment_of(wildcards).session_hash(
            int(wildcards.trial), int(wildcards.session)
        ),
        arguments=untracked(session_arguments),
    shell:
        f"SLM_CHECKPOINT_INTERVAL={SETTINGS.checkpoint_interval}"
        " slm train {input.spec:q} {params.arguments:q} --trial {wildcards.trial} --session {wildcards.session}"
        " --threads {threads} --expect {params.hash} --inprogress results/.inprogress"
        " --out results/experiments/{wildcards.experiment}/trial{wildcards.trial}/session{wildcards.session}"
        " > {log:q} 2>&1"


# One job per Hogwild trial, whose sessions train the same parameters. How many artifacts it has depends on their number,
# which no path tells: where the experiments of a run differ in it, there is a rule for each.
for workers, experiments in HOGWILD.items():

    rule:
        name:
            "train_trial_distributed" + (f"_{workers}" if len(HOGWILD) > 1 else "")
        input:
            spec="results/experiments/{experiment}/trial{trial}/spec.json",
        output:
            expand(
                "results/experiments/{{experiment}}/trial{{trial}}/session{session}/{file}",
                session=range(workers),
                file=[
                    "train.csv",
                    "eval.csv",
                    "timing.csv",
                    "model.pt",
                    "best.pt",
                    "session.json",
                ],
            ),
        log:
            "results/logs/train_trial_distributed/{experiment}/trial{trial}.log",
        benchmark:
            "results/benchmarks/train_trial_distributed/{experiment}/trial{trial}.tsv"
        wildcard_constraints:
            experiment="|".join(map(re.escape, experiments)),
        conda:
            "../envs/slm.yaml"
        threads: workers
        resources:
            mem_mb=lambda wildcards, attempt: grown(
                experiment_of(wildcards).memory_mb * experiment_of(wildcards).workers,
                attempt,
            ),
            runtime=lambda wildcards, attempt: grown(
                experiment_of(wildcards).runtime_minutes, attempt
            ),
        params:
            hash=lambda wildcards: experiment_of(wildcards).trial_hash(
                int(wildcards.trial)
            ),
            spec_name=untracked(
                lambda wildcards: experiment_of(wildcards).row.spec_name
            ),
            backend=untracked(lambda wildcards: PLAN.backend),
            folder=lambda wildcards, input: str(Path(input.spec).parent),
        shell:
            f"SLM_CHECKPOINT_INTERVAL={SETTINGS.checkpoint_interval}"
            " slm train {input.spec:q} {params.spec_name:q} --trial {wildcards.trial} --backend {params.backend}"
            " --threads {threads} --expect {params.hash} --inprogress results/.inprogress --out {params.folder:q}"
            " > {log:q} 2>&1"
