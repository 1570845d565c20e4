# Lets `snakemake` work from the project's root; the workflow itself is in workflow/, where Snakemake's tools expect it.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
