# The best checkpoint of a row plays an episode. Reads models; writes pictures.
rule record_episode:
    input:
        trial="results/experiments/{experiment}/trial0/trial.json",
        best=lambda wildcards: [
            f"results/experiments/{wildcards.experiment}/trial0/session{session}/best.pt"
            for session in PLAN.sessions(wildcards.experiment, 0)
        ],
    output:
        record=shown(
            "results/experiments/{experiment}/trial0/episode.json",
            "episode",
            "episode (JSON)",
        ),
        animation=shown(
            "results/experiments/{experiment}/trial0/episode.gif",
            "episode",
            "episode (GIF)",
        ),
        page=shown(
            "results/experiments/{experiment}/trial0/episode.html",
            "episode",
            "episode",
        ),
    log:
        "results/logs/record_episode/{experiment}.log",
    benchmark:
        "results/benchmarks/record_episode/{experiment}.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "slm record --trial results/experiments/{wildcards.experiment}/trial0 --experiment {wildcards.experiment}"
        " --out {output.record:q} > {log:q} 2>&1"
