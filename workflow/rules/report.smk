# Results to tables and figures. Nothing here reads more than tables.
localrules:
    benchmark_table,
    environment_figure,
    report,


rule benchmark_table:
    input:
        lambda wildcards: [
            file
            for row in PLAN.suite(wildcards.suite)
            for file in PLAN.results(row.row.experiment)
        ],
    output:
        rows="results/reports/{suite}/rows.json",
        csv=reported("results/reports/{suite}/table.csv", "table", "table (CSV)"),
        md=reported("results/reports/{suite}/table.md", "table", "table (Markdown)"),
        tex=reported("results/reports/{suite}/table.tex", "table", "table (LaTeX)"),
        html=reported("results/reports/{suite}/table.html", "table", "table"),
        statistics=reported(
            "results/reports/{suite}/statistics.csv", "statistics", "statistics (CSV)"
        ),
        improvement=reported(
            "results/reports/{suite}/improvement.csv",
            "statistics",
            "improvement (CSV)",
        ),
        png=[
            reported(f"results/reports/{{suite}}/{name}.png", name, f"{title} (PNG)")
            for name, title in FIGURES.items()
        ],
        svg=[
            reported(f"results/reports/{{suite}}/{name}.svg", name, title)
            for name, title in FIGURES.items()
        ],
    log:
        "results/logs/benchmark_table/{suite}.log",
    benchmark:
        "results/benchmarks/benchmark_table/{suite}.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        rows=lambda wildcards: PLAN.table_rows(wildcards.suite),
        folder=lambda wildcards, output: str(Path(output.csv).parent),
    shell:
        "printf '%s\\n' {params.rows:q} > {output.rows:q}"
        " && slm table --sheet {output.rows:q} --out {params.folder:q} > {log:q} 2>&1"


rule environment_figure:
    input:
        lambda wildcards: [
            file
            for row in PLAN.on(wildcards.suite, environment_of(wildcards))
            for file in PLAN.results(row.row.experiment)
        ],
    output:
        rows="results/reports/{suite}/environments/{environment}.json",
        svg=report(
            "results/reports/{suite}/environments/{environment}.svg",
            caption="../report/environment.rst",
            category=lambda wildcards: suite_title(wildcards.suite),
            subcategory=environment_of,
            labels=suite_labels("Learning curves"),
        ),
        png=report(
            "results/reports/{suite}/environments/{environment}.png",
            caption="../report/environment.rst",
            category=lambda wildcards: suite_title(wildcards.suite),
            subcategory=environment_of,
            labels=suite_labels("Learning curves (PNG)"),
        ),
    log:
        "results/logs/environment_figure/{suite}/{environment}.log",
    benchmark:
        "results/benchmarks/environment_figure/{suite}/{environment}.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        rows=lambda wildcards: PLAN.table_rows(
            wildcards.suite, environment_of(wildcards)
        ),
        stem=lambda wildcards, output: str(Path(output.svg).with_suffix("")),
    shell:
        "printf '%s\\n' {params.rows:q} > {output.rows:q}"
        " && slm environment-figure --sheet {output.rows:q} --out {params.stem:q} > {log:q} 2>&1"


rule report:
    input:
        tables=expand("results/reports/{suite}/table.csv", suite=SETTINGS.suites),
        searches=PLAN.search_figures(SETTINGS.suites),
        statistics=expand(
            "results/reports/{suite}/statistics.csv", suite=SETTINGS.suites
        ),
        figures=expand(
            "results/reports/{suite}/{figure}.svg",
            suite=SETTINGS.suites,
            figure=FIGURES,
        ),
        episodes=lambda wildcards: (
            recorded_episodes(SETTINGS.suites) if SETTINGS.record_episodes else []
        ),
    output:
        report(
            "results/reports/index.html",
            caption="../report/index.rst",
            category="All environment types",
            subcategory="All environments",
            labels=suite_labels("page"),
        ),
    log:
        "results/logs/report/index.log",
    benchmark:
        "results/benchmarks/report/index.tsv"
    conda:
        "../envs/slm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folders=lambda wildcards, input: [
            str(Path(table).parent) for table in input.tables
        ],
        searches=[str(search.folder) for search in PLAN.searches_shown(SETTINGS.suites)],
    shell:
        "slm report --tables {params.folders:q} --searches {params.searches:q}"
        " --episodes {input.episodes:q} --out {output:q} > {log:q} 2>&1"
