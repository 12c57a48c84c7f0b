"""Open the trained model that a command is given."""

import shlex
from pathlib import Path

from vicinal.core.domain import Domain, OpenRun, import_object
from vicinal.core.report.console import Console, print_note
from vicinal.core.storage.run_folder import MODEL_JSON, is_run, resume_hint
from vicinal.domains import DOMAINS, domain_of_run, load
from vicinal.errors import RunError, SettingError

ACCEPT_WEIGHTS = frozenset({"explain", "inspect"})
"""commands that take pretrained weights in place of a run"""


def is_model(folder: str) -> bool:
    """Return whether a directory holds a trained model."""
    return (Path(folder) / MODEL_JSON).is_file()


def find_domain(command: str, run: str, others: list[str]) -> Domain:
    """Return the domain of a run; others: further words, to notice a wrong order.

    Raises RunError where there is no run, SettingError where it was named last.
    """
    domain = domain_of_run(run)
    if domain is not None:
        return domain
    if is_model(run):
        load(run)  # raises what is wrong with model.json
    weights = command in ACCEPT_WEIGHTS
    if weights and not Path(run).is_dir():
        for domain in DOMAINS:
            if domain.is_pretrained and import_object(domain.is_pretrained)(run):
                return domain
    if others and is_model(others[-1]):
        order = shlex.join(["vicinal", command, others[-1], run])
        raise SettingError(f"The run comes first: {order}")
    exists = Path(run).exists()
    missing = "model.json is missing" if exists else "there is no such directory"
    hint = resume_hint(Path(run))
    if weights and not exists:
        hint = "Pretrained weights are accepted too: `vicinal info` lists them."
    raise RunError(
        f"There is no trained model in {run}: {missing}. Give the run directory that "
        f"`vicinal train` wrote. {hint}".strip()
    )


def open_run(command: str, domain: Domain, name: str, console: Console) -> OpenRun:
    """Load the model of a run, or pretrained weights where a command accepts them."""
    if domain_of_run(name) is None and domain.open_pretrained is not None:
        model = import_object(domain.open_pretrained)(name, log=console.print)
        return OpenRun(name, model)
    model = load(name)
    folder = Path(name)
    if is_run(folder) and not (folder / "report.txt").exists():
        text = "note: this run is not finished; its best model so far is used."
        print_note(f"{text} {resume_hint(folder)}")
    return OpenRun(name, model)
