# Needs: the lists of final files. Makes: what happens before a run (SLURM's partitions and the hub's models are checked,
# the configuration is left beside the results) and after it (the report, the headline).
import shutil

import yaml

from infogeo.jobs import report_page, slurm

REPORT = Path("results/report.html")


def check_partitions() -> None:
    """On SLURM, see before submitting that the partitions of the profile would take the jobs."""
    jobs = [
        job
        for job in workflow.dag.needrun_jobs()
        if job.resources.get("placement") == "slurm"
        or (workflow.executor_plugin.name == "slurm" and not job.is_local)
    ]
    if not jobs:
        return
    slurm.show_hidden_partitions()
    requests = [
        (
            job.rule.name,
            str(job.resources.slurm_partition),
            bool(job.resources.get("gpu")) or "gpu" in job.resources.get("gres", ""),
            job.resources.get("runtime") or 0,
        )
        for job in jobs
        if job.resources.get("slurm_partition") and not job.resources.get("clusters")
    ]
    try:
        slurm.check(requests, slurm.partitions())
        slurm.check_names([str(file) for file in job.input] for job in jobs)
    except InfogeoError as error:
        raise WorkflowError(str(error)) from None


def check_weights_on_hub() -> None:
    """See before models are downloaded that the hub has their revisions, and that no two are equal."""
    # No rule's output: with an ancient() input that is made anew, Snakemake 9.27 leaves out jobs whose output is missing.
    downloads = {
        job.wildcards.model
        for job in workflow.dag.needrun_jobs()
        if job.rule.name.endswith("download_model")
    }
    if not downloads:
        return
    from infogeo.sources import distinct, hub

    paths = {model: Path(f"results/models/{model}/model.json") for model in HUB_MODELS}
    fetched = {
        model: path for model, path in paths.items() if model not in downloads and path.exists()
    }
    rows = [MODELS[model] for model in HUB_MODELS if model in downloads or model in fetched]
    try:
        listed = hub.list_weights(rows, fetched)
        distinct.require(
            row | {"weights": weights} for row, weights in zip(rows, listed, strict=True)
        )
    except InfogeoError as error:
        raise WorkflowError(str(error)) from None


def write_used_configuration() -> None:
    """Leave beside the results what was really used: defaults and overrides merged, and the tables."""
    Path("results").mkdir(exist_ok=True)
    text = yaml.safe_dump(CONFIG, sort_keys=False, allow_unicode=True)
    Path("results/config.yaml").write_text(text)
    for table in ("models", "corpora"):
        shutil.copyfile(CONFIG[table], f"results/{table}.tsv")


def results_are_new() -> bool:
    """Whether all tables and figures exist, and the report is not yet of them."""
    files = [Path(file) for file in table_files() + figure_files()]
    if not all(file.exists() for file in files):
        return False
    newest = max(file.stat().st_mtime for file in files)
    return not REPORT.exists() or REPORT.stat().st_mtime <= newest


def show_results() -> None:
    """Render the report and print the headline; a report that fails does not fail the run."""
    try:
        report_page.render(REPORT, workflow.main_snakefile, "results/config.yaml")
        problem = ""
    except InfogeoError as error:
        problem = str(error)
    for file in table_files():
        if file.endswith(".txt"):
            print("", Path(file).read_text(), sep="\n")
    print("Tables   results/tables/     (what each column means: results/README.md)")
    print("Figures  results/figures/")
    print(f"Report   {problem or REPORT}")


if workflow.is_main_process:
    NOTES = prospects.notes(list(MODELS.values()), list(CORPORA.values()), CONFIG, RESULTS)
    if NOTES:
        print("This run cannot judge:", *NOTES, sep="\n  ", file=sys.stderr)


onstart:
    check_partitions()
    check_weights_on_hub()
    write_used_configuration()


onsuccess:
    if results_are_new():
        show_results()


onerror:
    refused = slurm.refusals("".join(Path(file).read_text() for file in log))
    print(
        *([refused] if refused else []),
        "\nSome jobs failed; their messages stand above and in results/logs/. What was finished is kept:\n"
        "mend the cause and give the same command again.",
        sep="\n",
        file=sys.stderr,
    )
