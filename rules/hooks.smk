# Needs: the lists of final files. Makes: what happens before a run and after it. Before: SLURM's partitions and the hub's models
# are checked, and the configuration is left beside the results. After: the report and the claims.
import shutil
from datetime import datetime

import yaml

from infogeo.jobs import ending, report_page, scheduling, slurm
from infogeo.sources import borrowed

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
    from infogeo.sources import hub

    paths = {model: Path(f"{RESULTS}/models/{model}/model.json") for model in HUB_MODELS}
    fetched = {
        model: path for model, path in paths.items() if model not in downloads and path.exists()
    }
    rows = [MODELS[model] for model in HUB_MODELS if model in downloads or model in fetched]
    try:
        hub.check_weights(rows, fetched)
    except InfogeoError as error:
        raise WorkflowError(str(error)) from None


def note_readers() -> None:
    """Note which jobs read weights that do not stay: after the last of them the weights are removed."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.resources.get("checkpoints")]
    if workflow.non_local_exec and not all(job.is_local for job in jobs):
        raise WorkflowError(
            f"{CONFIG['models']}: weights with keep_weights false are downloaded by the jobs that run the model, and "
            "where a scheduler sends these jobs there may be no network. On SLURM set launch to {placement: slurm}: they "
            "then run here, and their arrays on the nodes. For other schedulers set keep_weights to true."
        )
    readers = {}
    for job in jobs:
        readers.setdefault(job.wildcards.model, []).append(str(job.output[0]))
    try:
        borrowed.begin(readers, set(MODELS) - set(REMOVED))
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


def write_front_page() -> None:
    """The front page of the report, from the tables and figures."""
    import pandas as pd

    from infogeo.claims import front_page
    from infogeo.files.artefacts import read_table

    text = front_page.text(
        read_table("results/scaling/profiles.parquet"),
        pd.read_csv("results/tables/claims.csv"),
        TRAINED_FAMILIES,
        Path("results/figures"),
        (CHECKOUT / "rules/captions/workflow.rst").read_text(),
    )
    FRONT_PAGE.write_text(text)


def render_report() -> str:
    """Render the report; what it is, or why it could not be rendered: that does not fail the run."""
    style = CHECKOUT / "rules/captions/report.css"
    try:
        write_front_page()
        report_page.render(REPORT, workflow.main_snakefile, "results/config.yaml", style)
        return "what was measured, claims, figures and tables, in a browser"
    except InfogeoError as error:
        return str(error)


def show_results() -> None:
    """End with the claims and the files to open, or with the files that a run of some targets made."""
    took = lambda: (datetime.now() - workflow.start_time).total_seconds()
    if results_are_new():
        files = {
            str(REPORT): render_report(),
            "results/tables/claims.md": "the claims, and what data would decide the open ones",
            next(iter(figure_files("scaling"))): "the first figure; results/README.md lists all",
        }
        print(ending.of_all("results/tables/claims.txt", files, took()))
    else:
        print(
            ending.of_part(table_files() + figure_files(), workflow.start_time.timestamp(), took())
        )


if workflow.is_main_process:
    NOTES = prospects.notes(list(MODELS.values()), list(CORPORA.values()), CONFIG, RESULTS)
    if NOTES:
        print("This run cannot judge:", *NOTES, sep="\n  ", file=sys.stderr)


onstart:
    scheduling.look_again_only_when_limited(getattr(workflow, "scheduler", None))
    check_partitions()
    check_weights_on_hub()
    note_readers()
    write_used_configuration()


onsuccess:
    borrowed.end()
    show_results()


onerror:
    borrowed.end()
    refused = slurm.refusals("".join(Path(file).read_text() for file in log))
    print(
        *([refused] if refused else []),
        "\nSome jobs failed; their messages are above and in results/logs/. What was finished is kept:\n"
        "mend the cause and give the same command again.",
        sep="\n",
        file=sys.stderr,
    )
