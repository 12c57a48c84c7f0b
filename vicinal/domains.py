"""The domains: what the data may be, what can be learned, and which estimator does it.

==========  ===========================  ==========================  ==================
domain      data                         task                        estimator
==========  ===========================  ==========================  ==================
images      images with one class each   classification              ImageClassifier
            several classes each (`a|b`) multilabel                  ImageClassifier
            a number each                regression                  ImageRegressor
nodes       a graph whose nodes have a   classification              NodeClassifier
            class, several, or a number  multilabel, regression      NodeRegressor
links       a graph                      links (which edges exist)   LinkPredictor
graphs      graphs with a class each,    classification, multilabel  GraphClassifier
            several, or a number         regression                  GraphRegressor
molecules   molecules with classes       classification              MoleculeClassifier
            or numbers, one or several   regression                  MoleculeRegressor
generation  molecules                    generation                  MoleculeGenerator
interac-    pairs and sets of drugs      interactions                InteractionPre-
tions       with their effects                                   dictor
triples     a knowledge graph            completion                  TriplePredictor
recommen-   what users chose             recommendation              Recommender
dation
importance  a knowledge graph, and a     importance                  ImportanceRe-
            number for its entities                                  gressor
==========  ===========================  ==========================  ==================

To add a domain, add a package with a `Domain` value and one entry in `DOMAINS`.
"""

from pathlib import Path
from typing import Any

from vicinal.core.domain import Domain, import_object
from vicinal.core.storage.run_folder import MODEL_JSON, read, refuse_run_as_data
from vicinal.errors import (
    DataError,
    ModelFileError,
    NoDataError,
    RunError,
    SettingError,
    VicinalError,
    suggest_names,
)
from vicinal.graphs.domains import GRAPHS, LINKS, NODES
from vicinal.images.domain import IMAGES
from vicinal.interactions.domain import INTERACTIONS
from vicinal.knowledge.completion.domain import TRIPLES
from vicinal.knowledge.importance.domain import IMPORTANCE
from vicinal.knowledge.recommendation.domain import RECOMMENDATION
from vicinal.molecules.domain import MOLECULES
from vicinal.molecules.generation.domain import GENERATION

DAMAGE = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError)
"""exceptions that a damaged model file leads to; others are faults of this library"""

DOMAINS: tuple[Domain, ...] = (
    INTERACTIONS,
    MOLECULES,
    GENERATION,
    RECOMMENDATION,
    TRIPLES,
    IMPORTANCE,
    GRAPHS,
    NODES,
    LINKS,
    IMAGES,
)
"""in the order in which they are asked whether data are theirs"""


def named_domain(name: str) -> Domain:
    """Return the domain of a name; SettingError for an unknown one."""
    for domain in DOMAINS:
        if domain.name == name:
            return domain
    names = [domain.name for domain in DOMAINS]
    raise SettingError(f"There is no domain {name!r}. {suggest_names(name, names)}")


def domain_of_task(task: str, name: str | None = None) -> Domain | None:
    """Return the domain that is chosen by its task, if a task does that.

    name: the domain that was named, if one was: that of the task or of its data.
    """
    for domain in DOMAINS:
        if domain.reads_data_of and task in domain.estimators:
            if name in (None, domain.name, domain.reads_data_of):
                return domain
    return None


def domain_of_data(data: str, flags: frozenset[str]) -> tuple[Domain, str]:
    """Return the first domain that recognises the data, and what it recognised.

    flags: names of the flags that were typed. Raises NoDataError where there is
    nothing, DataError for a run directory and for data that no domain recognises.
    """
    path = Path(data)
    if not path.exists():
        raise NoDataError(
            f"There is nothing at {data}. Check the spelling of the path."
        )
    refuse_run_as_data(data)
    for domain in DOMAINS:
        recognised = domain.detect(path, flags)
        if recognised is not None:
            return domain, recognised
    forms = "\n".join(f"  {d.name:<16}{d.reads}" for d in DOMAINS)
    raise DataError(
        f"{data} is not recognised as data of any domain. Choose one with --domain, or "
        f"bring the data into a form that one reads:\n{forms}"
    )


def domain_of_run(run: str) -> Domain | None:
    """Return the domain whose estimator a run or model directory holds."""
    names = {
        target.rpartition(":")[2]: domain
        for domain in DOMAINS
        for target in domain.estimators.values()
    }
    for file in (MODEL_JSON, "settings.json"):
        try:
            return names[read(Path(run), file)["estimator"]]
        except (RunError, KeyError, TypeError):
            continue
    return None


def estimator_type(name: str) -> type[Any]:
    """Return an estimator's class by its name; ModelFileError for an unknown one."""
    targets = {
        target.rpartition(":")[2]: target
        for domain in DOMAINS
        for target in domain.estimators.values()
    }
    if name not in targets:
        raise ModelFileError(
            f"There is no estimator {name!r}. {suggest_names(name, targets)}"
        )
    return import_object(targets[name])


def load(path: str | Path) -> Any:
    """Load the estimator of a model directory or a run directory, ready to predict.

    Raises ModelFileError when there is none, or its files are damaged.
    """
    from vicinal.core.estimators.estimator import read_model

    description = read_model(path)
    try:
        return estimator_type(description["estimator"]).restore(path, description)
    except VicinalError:
        raise
    except DAMAGE as error:
        raise ModelFileError(
            f"{Path(path) / MODEL_JSON} does not describe a model that this version of "
            f"vicinal can build ({error}). Train again, or copy the directory again."
        ) from error
