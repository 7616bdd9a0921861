"""bigstack run: take the steps of a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigstack.cli import options
from bigstack.cli.report import job_pages, report_options, take_report


class Setting(click.ParamType):
    """An option of a step, as ``step.option=value``."""

    name = "step.option=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        """Its name, and its value as TOML has it; a word without quotes is a text."""
        import tomllib

        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or "." not in name:
            self.fail(f"{value!r} is not step.option=value, such as fuse.levels=5", param, ctx)
        try:
            return name.strip(), tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return name.strip(), text


@click.command()
@click.argument("job", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--input", "inputs", type=options.PLACE, multiple=True, help="Other input than the job's.")
@click.option("-o", "--output", type=options.PATH, help="Other folder for the results than the job's.")
@click.option("--split", help='Many stacks: "folders", a gap in capture times (30s, 2min), or frames each.')
@click.option("--from", "start", help="Make this step and all after it anew.")
@click.option("--only", help="Make only this step, anew.")
@click.option("--set", "settings", type=Setting(), multiple=True, help="Change an option (repeatable).")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--overwrite", is_flag=True, help="Replace files that the job did not write.")
@report_options
@options.talking
def run(job: Path, **values: Any) -> None:
    """Run a job file, or make an output again from its record (.bigstack.json).

    Only what is not up to date is computed. Of many stacks each has its own results; where some fail, the
    others are made all the same, and the command exits 1.

    \b
    Examples:
      bigstack job init job.toml
      bigstack run job.toml
      bigstack run job.toml --set fuse.method=depth --dry-run
      bigstack run job.toml --input shoot/ --split 30s
      bigstack run fused.tif.bigstack.json -o again/
    """  # noqa: D301 click reads the backspace character
    from bigstack.cli.progress import Reporter
    from bigstack.jobs.recipe import Job

    reporter = Reporter(quiet=values["quiet"], verbose=values["verbose"])
    recipe = changed(Job.read(job), values)
    wanted = take_report(values)
    with reporter:
        result = recipe.run(
            start=values["start"],
            only=values["only"],
            dry_run=values["dry_run"],
            overwrite=values["overwrite"],
            keep=values.get("keep", False) and not values["dry_run"],
            tell=lambda text: click.echo(text, err=True) if values["verbose"] else None,
            watch=reporter,
        )
    reporter.summary(result)
    reporter.wrote(job_pages(result, wanted))
    if result.failures:
        for failed in result.failures if values["quiet"] else ():
            click.echo(f"Error: {failed.name}: {failed.error}", err=True)
        raise click.exceptions.Exit(1)


def changed(job: Any, values: dict[str, Any]) -> Any:
    """The job with what the command line says otherwise; paths typed there start where the user is."""
    settings = dict(values["settings"])
    if values["inputs"]:
        paths = [str(path.absolute()) for path in values["inputs"]]
        settings["input.path"] = paths[0] if len(paths) == 1 else paths
    if values["output"]:
        settings["output.folder"] = str(values["output"].absolute())
    if values["split"]:
        settings["input.split"] = values["split"]
    return job.set(settings)
