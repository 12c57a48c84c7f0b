"""From typed words to dataclasses: flags, positional arguments, help and usage."""

import re
from dataclasses import dataclass, field, fields
from typing import Literal

import pytest

from vicinal import __version__
from vicinal.cli.parsing import (
    explicit_flags,
    field_docstrings,
    parse,
    positional_words,
    value_flags,
    wants_help,
)
from vicinal.core.domain import flag, positional
from vicinal.domains import DOMAINS, named_domain


@dataclass(frozen=True, kw_only=True)
class Base:
    """Options of the base class."""

    label_column: str | None = None
    """column of labels"""


@dataclass(frozen=True, kw_only=True)
class Options(Base):
    """Options of a test.

    This paragraph is not for help.
    """

    data: str = positional("DATA")
    """what to
    read"""

    cache: bool = True
    """keep decoded images"""

    fast: bool = False
    """hurry"""

    epochs: int | None = None
    """passes"""

    mode: Literal["a", "b"] = "a"
    """which one"""

    output: str | None = flag("FILE.csv")
    """where to"""

    sizes: list[int] = field(default_factory=list)
    """some numbers"""

    limits: tuple[float, float] | None = None
    """lowest and highest"""


def run(*words: str) -> Options:
    return parse({"options": Options}, words, "prog", "A test.")["options"]


def test_fields_become_flags_and_positional_arguments():
    found = run("photos", "--epochs", "3", "--fast", "--mode", "b", "--sizes", "1", "2")
    assert found == Options(data="photos", epochs=3, fast=True, mode="b", sizes=[1, 2])
    assert run("--no-cache", "--output=x.csv", "photos") == Options(
        data="photos", cache=False, output="x.csv"
    )


def test_help_names_every_field_with_its_docstring(capsys):
    with pytest.raises(SystemExit) as stop:
        run("--help")
    text = " ".join(re.sub("[│─╭╮╰╯]", " ", capsys.readouterr().out).split())
    assert stop.value.code == 0
    assert "usage: prog" in text and "DATA what to read (required)" in text
    assert "--label-column COLUMN column of labels" in text
    assert "--no-cache turn this off: keep decoded images" in text
    assert "--epochs N passes" in text and "--output FILE.csv where to" in text
    assert "--mode a|b which one (default: a)" in text
    assert "Options of a test." in text and "not for help" not in text


def test_a_word_that_is_not_understood_is_one_message(capsys):
    with pytest.raises(SystemExit) as stop:
        run("photos", "--mode", "c")
    assert stop.value.code == 2
    assert "'c'" in capsys.readouterr().err


def test_a_pair_of_numbers_takes_two_words(capsys):
    assert run("photos", "--limits", "-1024", "3071").limits == (-1024, 3071)
    with pytest.raises(SystemExit):
        run("--help")
    assert "--limits LOW HIGH" in capsys.readouterr().out


def test_values_of_flags_are_not_positional():
    with_value = value_flags([Options])
    assert {"--epochs", "--output", "--sizes"} <= with_value.keys()
    assert not {"--fast", "--cache"} & with_value.keys()
    words = ["--fast", "photos", "--epochs", "3", "--output=x.csv", "more"]
    assert positional_words(words, with_value) == ["photos", "more"]
    assert positional_words(["--epochs", "-1", "photos"], with_value) == ["photos"]
    assert positional_words(["-", "--output", "-", "-h"], with_value) == ["-"]
    words = ["--limits", "-1024", "3071", "photos"]
    assert positional_words(words, with_value) == ["photos"]
    assert (with_value["--limits"], with_value["--sizes"]) == (2, 1)


def test_flags_that_were_typed_are_named_as_fields():
    words = ["--label-column", "x", "--no-cache", "--epochs=3", "--", "photos"]
    assert explicit_flags(words) >= {"label_column", "cache", "epochs"}
    assert not explicit_flags(["photos", "-h"])
    assert wants_help(["photos", "-h"]) and not wants_help(["photos"])


def test_docstrings_of_fields_include_those_of_bases():
    found = field_docstrings(Options)
    assert found["data"] == "what to read" and found["label_column"]


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)
def test_every_option_of_every_domain_has_a_docstring(domain):
    commands = domain.commands.values()
    for kind in (domain.data, domain.settings, *(c.arguments for c in commands)):
        documented = field_docstrings(kind)
        missing = [each.name for each in fields(kind) if not documented.get(each.name)]
        assert not missing, (kind.__name__, missing)


# --- the commands ------------------------------------------------------------------


def test_help_lists_the_commands(run_command):
    for words in ((), ("--help",), ("-h",)):
        output = run_command(*words)
        assert output.code == 0 and output.err == ""
        for name in "check train evaluate predict explain inspect report".split():
            assert f"\n  {name} " in output.out
        assert "vicinal demo" in output.out


def test_version(run_command):
    assert run_command("--version").out == f"vicinal {__version__}\n"


@pytest.mark.parametrize("command", ["check", "train"])
def test_help_lists_the_domains_and_what_they_read(command, run_command):
    output = run_command(command, "--help")
    assert output.code == 0 and "DATA" in output.out.splitlines()[0]
    for domain in DOMAINS:
        assert f"  {domain.name:<16}{domain.summary}" in output.out
        assert f"reads {domain.reads}" in output.out
    assert f"`vicinal {command} --domain NAME --help`" in output.out
    assert "--domain NAME" in output.out and "--epochs" not in output.out


@pytest.mark.parametrize("domain", [d.name for d in DOMAINS])
def test_help_of_a_domain_needs_no_data(domain, run_command):
    for words in (("--domain", domain), (f"--domain={domain}",)):
        output = run_command("train", *words, "--help")
        assert output.code == 0 and output.out.startswith("usage: vicinal train")
        assert "--seed" in output.out
    settings = named_domain(domain).settings()
    for name in settings.names():
        prefix = "--no-" if getattr(settings, name) is True else "--"
        assert prefix + name.replace("_", "-") in output.out


def test_help_of_a_command_shows_the_flags_of_the_data(run_command, tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\na,b\n")
    output = run_command("check", tmp_path, "--help")
    assert output.code == 0 and "--directed" in output.out
    assert "domain:" not in output.out


@pytest.mark.parametrize("command", ["evaluate", "predict", "explain", "inspect"])
def test_usage_names_the_run_first(command, run_command):
    output = run_command(command, "--help")
    usage = output.out.splitlines()[0]
    assert output.code == 0
    assert usage.startswith(f"usage: vicinal {command}") and "RUN" in usage
    assert f"`vicinal {command} RUN --help`" in output.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("trian x", "There is no command 'trian'. Did you mean 'train'"),
        ("check", "Missing from vicinal check: DATA"),
        ("train --domain nodes", "Missing from vicinal train: DATA"),
        ("predict", "Missing from vicinal predict: RUN"),
        (
            "train x --domain grahps",
            "There is no domain 'grahps'. Did you mean 'graphs'",
        ),
        ("train --domain grahps --help", "There is no domain 'grahps'"),
        ("info more", "Unrecognized options: more"),
        ("demo graphics", "'graphics'.*graphs, images"),
        ("demo --seeds 0", "seeds must be 1 or more. Got 0 instead"),
    ],
)
def test_what_is_not_understood_is_one_message(words, expected, run_command):
    output = run_command(*words.split())
    text = " ".join(output.err.replace("│", " ").split())
    assert output.code == 2 and re.search(expected, text), text
    assert "Traceback" not in output.err and "parser" not in output.err


def test_a_flag_without_its_value_is_one_message(run_command, tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\na,b\n")
    output = run_command("check", tmp_path, "--domain")
    assert output.code == 2 and "Missing value for argument '--domain'" in output.err
