"""The command line. A user's mistake is one message on stderr and exit code 2.

`vicinal COMMAND DATA|RUN ...`: the data or the run decide the domain, the domain's
dataclasses the flags. With --json stdout holds one JSON object and nothing else;
--debug shows the traceback of an error.
"""

import io
import os
import sys
from collections.abc import Sequence
from itertools import zip_longest

from vicinal import __version__
from vicinal.cli.parsing import (
    explicit_flags,
    parse,
    positional_words,
    value_flags,
    wants_help,
)
from vicinal.commands.options import (
    CheckOptions,
    DataArgument,
    DemoArgument,
    DemoOptions,
    JsonOption,
    RunArgument,
    TrainOptions,
)
from vicinal.core.compute import signals
from vicinal.core.compute.threads import is_worker
from vicinal.core.domain import Domain, Outcome
from vicinal.core.report.console import (
    Console,
    open_closed_streams,
    print_note,
    warnings_as_notes,
)
from vicinal.core.storage.files import check_working_directory, to_json
from vicinal.core.storage.run_folder import refuse_run_as_data
from vicinal.domains import (
    DOMAINS,
    domain_of_data,
    domain_of_run,
    domain_of_task,
    named_domain,
)
from vicinal.errors import (
    Interruption,
    SettingError,
    VicinalError,
    suggest_names,
)

OK, USER_ERROR = 0, 2

COMMANDS = {
    "check": "show what data hold, what cannot be used, and why; nothing is trained",
    "train": "fit and test a model; write a run directory with report and predictions",
    "evaluate": "score a trained model on labelled data",
    "predict": "predict new data with a trained model",
    "ask": "answer a question over a knowledge graph: HEAD RELATION ?",
    "recommend": "recommend items to users, with reasons",
    "explain": "explain a prediction, beside a random control where it is not exact",
    "generate": "make new molecules with a trained generator",
    "inspect": "look inside a model: layers, feature maps, messages, single numbers",
    "report": "write a run's report again and print it",
    "demo": "a demonstration that needs no data and no network",
    "info": "show versions, device, networks, pretrained weights and the cache",
}
ON_DATA = {"check": CheckOptions, "train": TrainOptions}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 only on success."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name in any script can be printed
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if is_worker():
            return _serve_leader(words)
        with signals.raise_on_signals(), warnings_as_notes():
            outcome = run_command(words)
        if outcome is not None and "--json" in words:
            print(to_json(outcome), flush=True)
    except SystemExit as stop:  # help was asked for, or the words were not understood
        return stop.code if isinstance(stop.code, int) else USER_ERROR
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (VicinalError, OSError, KeyboardInterrupt) as error:
        if debug:
            raise
        print_note(f"vicinal: {_message(error)}")
        interrupted = isinstance(error, (KeyboardInterrupt, Interruption))
        return signals.exit_code() if interrupted else USER_ERROR
    return OK


def run_command(words: list[str]) -> Outcome | None:
    """Run the command that the words name; None where only help was printed."""
    command, *rest = words or ["--help"]
    if command in ("-h", "--help"):
        print(describe_commands())
        return None
    if command == "--version":
        print(f"vicinal {__version__}")
        return None
    if command not in COMMANDS:
        hint = suggest_names(command, COMMANDS)
        raise SettingError(f"There is no command {command!r}. {hint}")
    check_working_directory()
    if command in ON_DATA:
        return _run_on_data(command, rest)
    if command in ("demo", "info"):
        return _run_alone(command, rest)
    return _run_on_model(command, rest)


def describe_commands() -> str:
    """Return the help of `vicinal` itself."""
    lines = [f"  {name:<11}{text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: vicinal COMMAND ...",
            "",
            "Train, test and explain models of " + ", ".join(d.name for d in DOMAINS),
            "(`vicinal train --help` describes these domains).",
            "",
            "commands:",
            *lines,
            "",
            "Start with `vicinal demo` or `vicinal train DATA`.",
            "`vicinal COMMAND --help` describes a command.",
        ]
    )


def describe_domains() -> str:
    """Return a line for each domain, for the help of commands that read data."""
    lines = ["domains (detected from DATA, or chosen with --domain):"]
    for domain in DOMAINS:
        lines += [
            f"  {domain.name:<16}{domain.summary}",
            f"{'':<18}reads {domain.reads}",
        ]
    return "\n".join(lines)


def _run_on_data(command: str, words: list[str]) -> Outcome | None:
    """Run check or train."""
    options = ON_DATA[command]
    kinds = [k for d in DOMAINS for k in (_data_options(command, d), d.settings)]
    named = positional_words(words, value_flags([*kinds, options]))
    name = _value_of("--domain", words) or _domain_to_resume(words)
    by_task = domain_of_task(_value_of("--task", words) or "", name)
    name = by_task.name if by_task else name
    prog, text = f"vicinal {command}", COMMANDS[command].capitalize() + "."
    if name is None and (not named or wants_help(words)):
        if named:
            name = domain_of_data(named[0], explicit_flags(words))[0].name
        else:
            more = f"`{prog} --domain NAME --help` shows the flags of a domain."
            text = f"{text}\n\n{describe_domains()}\n\n{more}"
            parse({"data": DataArgument, "common": options}, words, prog, text)
            return None
    json = "--json" in words
    console = Console(json)
    if name is not None:
        domain = named_domain(name)
    else:
        domain, recognised = domain_of_data(named[0], explicit_flags(words))
        console.print(f"domain: {domain.name} ({recognised}); --domain overrides")
    groups = {"data": DataArgument, domain.name: _data_options(command, domain)}
    if command == "train":
        groups["training"] = domain.settings
    found = parse({**groups, "common": options}, words, prog, text)
    data, arguments = found["data"].data, found[domain.name]
    refuse_run_as_data(data)
    if command == "check":
        from vicinal.commands.check import check

        return check(domain, data, arguments, found["common"], console)
    from vicinal.commands.train import Request, train

    typed = explicit_flags(words)
    request = Request(data, arguments, found["training"], found["common"], typed)
    return train(domain, request, console)


def _domain_to_resume(words: Sequence[str]) -> str | None:
    """Return the domain of the run that --resume continues."""
    run = _value_of("--out", words)
    domain = domain_of_run(run) if run and "--resume" in words else None
    return None if domain is None else domain.name


def _data_options(command: str, domain: Domain) -> type:
    return domain.commands["check"].arguments if command == "check" else domain.data


def _run_on_model(command: str, words: list[str]) -> Outcome | None:
    """Run a command on a trained model."""
    from vicinal.commands.runs import find_domain

    kinds = [d.commands[command].arguments for d in DOMAINS if command in d.commands]
    named = positional_words(words, value_flags(kinds))
    prog, text = f"vicinal {command}", COMMANDS[command].capitalize() + "."
    if not named:
        more = f"`{prog} RUN --help` shows what the command takes for a run's domain."
        parse(
            {"run": RunArgument, "common": JsonOption}, words, prog, f"{text}\n\n{more}"
        )
        return None
    run, others = named[0], named[1:]
    domain = find_domain(command, run, others)
    if command not in domain.commands and command != "report":
        offered = ", ".join([*(k for k in domain.commands if k != "check"), "report"])
        raise SettingError(
            f"There is no `vicinal {command}` for {run}, a run of the domain "
            f"{domain.name}. It has {offered}."
        )
    groups: dict[str, type] = {"run": RunArgument}
    if command in domain.commands:
        groups[domain.name] = domain.commands[command].arguments
    found = parse({**groups, "common": JsonOption}, words, prog, text)
    arguments, console = (
        found.get(domain.name, JsonOption()),
        Console("--json" in words),
    )
    if command == "report":
        from vicinal.commands.report import report

        return report(domain, run, arguments, console)
    from vicinal.commands.model import use_model

    return use_model(command, domain, run, arguments, console)


def _run_alone(command: str, words: list[str]) -> Outcome:
    """Run a command that needs neither data nor a run."""
    prog, text = f"vicinal {command}", COMMANDS[command].capitalize() + "."
    if command == "info":
        parse({"common": JsonOption}, words, prog, text)
        from vicinal.cli.info import describe_installation

        found = describe_installation()
        Console("--json" in words).print_table(found)
        return found
    found = parse({"demo": DemoArgument, "common": DemoOptions}, words, prog, text)
    from vicinal.commands.demo import demo

    return demo(found["demo"].domain, found["common"].seeds, Console("--json" in words))


def _serve_leader(words: list[str]) -> int:
    """Train along, in a process that torchrun started beside the first one."""
    if words[:1] == ["train"]:
        from vicinal.commands.train import train_as_worker

        train_as_worker()
    return OK


def _value_of(flag: str, words: Sequence[str]) -> str | None:
    """Return the value that was typed for a flag."""
    for word, following in zip_longest(words, words[1:]):
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
        if word == flag:
            return following
    return None


def _message(error: BaseException) -> str:
    """Return an error's message; of the system's errors the file and the reason."""
    if isinstance(error, OSError) and not isinstance(error, VicinalError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}."
    return str(error) or "interrupted"


if __name__ == "__main__":
    raise SystemExit(main())
