# Results to tables and figures. Nothing here reads more than tables.
localrules:
    benchmark_table,
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
        csv=report(
            "results/reports/{suite}/table.csv",
            caption="../report/table.rst",
            category="Benchmark tables",
            labels={"suite": "{suite}", "what": "table (CSV)"},
        ),
        md="results/reports/{suite}/table.md",
        html=report(
            "results/reports/{suite}/table.html",
            caption="../report/table.rst",
            category="Benchmark tables",
            labels={"suite": "{suite}", "what": "table"},
        ),
        svg=report(
            "results/reports/{suite}/curves.svg",
            caption="../report/curves.rst",
            category="Learning curves",
            labels={"suite": "{suite}", "what": "figure"},
        ),
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


rule report:
    input:
        tables=expand("results/reports/{suite}/table.csv", suite=SETTINGS.suites),
        figures=expand("results/reports/{suite}/curves.svg", suite=SETTINGS.suites),
        searches=PLAN.search_figures(SETTINGS.suites),
    output:
        report(
            "results/reports/index.html",
            caption="../report/index.rst",
            category="Benchmark tables",
            labels={"suite": "all", "what": "page"},
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
        "slm report --tables {params.folders:q} --searches {params.searches:q} --out {output:q} > {log:q} 2>&1"
