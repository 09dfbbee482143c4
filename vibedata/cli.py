"""The `vibedata` command. Each of its commands is a module in `vibedata/commands/`, whose name has _ in place of -."""

import argparse
import importlib
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from runbook_lib.errors import RunbookError
from runbook_lib.network.failures import as_runbook_error
from runbook_lib.version import RUNBOOK_VERSION
from vibedata import commands
from vibedata.interruption import Interrupted, ended_by_signals, exit_code_of
from vibedata.local_failures import local_failure, lost_output
from vibedata.output import CHOICES, CommandError, show, show_failure
from vibedata.shell_checks import nearest, require_lab, warn_of_variables
from vibedata.standard_streams import tolerant
from vibedata.terminal import filtered_output

EPILOG = """\
examples:
  vibedata lab up --detach           start a local Azure in .lab
  vibedata COMMAND --help            show a command's options and examples
  vibedata lab status --output json  show the result as JSON, for programs
"""
FAILED = 1
USAGE = 2  # as in argparse
# These commands start the lab, or need no Azure.
WITHOUT_AZURE = ("lab", "build", "package")
# A command sets this default to say that it passes unknown words on as its `parameters`.
PASSES_ON = "passes_on"


# argparse uses these words in all Python versions from 3.10 on.
_INVALID_CHOICE = re.compile(r"invalid choice: '(?P<word>.*)' \(choose from (?P<known>.*)\)", re.DOTALL)
_UNRECOGNIZED = "unrecognized arguments: "
MAX_SHOWN_CHARACTERS = 100


class _UsageError(Exception):
    """The command line cannot be understood. The message says why and shows the usage."""

    def __init__(self, message: str, *, prog: str, usage: str) -> None:
        super().__init__(message)
        self.message = f"{prog}: {message}"
        self.remedy = f"{prog} --help"
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    """A parser that raises its errors, so that a program can get them as JSON."""

    def parse_known_args(self, *arguments: Any, **options: Any) -> Any:
        """Return the parsed arguments, and refuse unknown ones here. Only a command that sets PASSES_ON takes them.

        If a command left an unknown argument over, argparse would let the parser above it report the argument.
        """
        known, unknown = super().parse_known_args(*arguments, **options)
        if self.get_default(PASSES_ON):
            known.parameters += [word for word in unknown if word != "--"]
            return known, []
        if unknown:
            self.error(_UNRECOGNIZED + " ".join(unknown))
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Raise _UsageError. It suggests a known word if one is similar."""
        wrong = _INVALID_CHOICE.search(message)
        if wrong:
            known = wrong["known"].replace("'", "").split(", ")
            # The message does not list all words, because a user who has made a typing error does not need the list.
            hint = nearest(wrong["word"], known)
            told = f"{_quoted(wrong['word'])} is not {'known' + hint if hint else 'one of ' + ', '.join(known)}"
            message = message[: wrong.start()].removeprefix("argument ") + told
        elif message.startswith(_UNRECOGNIZED):
            words = message.removeprefix(_UNRECOGNIZED)
            message = f"it knows no {_quoted(words)}" + nearest(words.split()[0].partition("=")[0], _options_of(self))
        raise _UsageError(message, prog=self.prog, usage=self.format_usage())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors are shown, not raised.

    Raises SystemExit after `--help` and `--version`.
    """
    with tolerant() as streams:
        try:
            with filtered_output():
                code = _told(sys.argv[1:] if argv is None else list(argv))
        except SystemExit as ended:  # --help, --version
            sys.stdout.flush()
            if streams.lost is None:
                raise
            code = int(ended.code or 0)
        sys.stdout.flush()
        if streams.lost is not None:
            # Standard output failed, so the message goes to standard error as text.
            failed = _shown("text", lost_output(streams.lost))
            return code or failed
        return code


def _told(arguments: Sequence[str]) -> int:
    try:
        return _run(arguments)
    except Exception:  # noqa: BLE001 - a traceback shows our own fault best, and the output's filter must see it
        traceback.print_exc()
        return 1


def _run(arguments: Sequence[str]) -> int:
    modules = _modules(arguments)
    parser = _parser(modules)
    try:
        _refuse_unknown_before_command(parser, arguments)
        options = parser.parse_args(arguments)
    except _UsageError as error:
        text = f"{error.usage}{error.message}\n  what to do: {error.remedy}"
        show_failure(_output(arguments), error={"message": error.message, "remedy": error.remedy}, text=text)
        return USAGE
    try:
        if options.command not in WITHOUT_AZURE:
            warn_of_variables(os.environ)
            require_lab(os.environ)
        with ended_by_signals():
            code: int = modules[options.command].run(options)
    except (CommandError, RunbookError) as error:
        return _failed(options, error)
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, Interrupted) and (interrupt.text or options.output == "json"):
            show(options.output, result=interrupt.result, text=interrupt.text)
        return exit_code_of(interrupt)
    except Exception as error:
        told = as_runbook_error(error) or local_failure(error)
        if told is None:
            raise  # a traceback shows our own fault best
        return _failed(options, told)
    return code


def _failed(options: argparse.Namespace, error: CommandError | RunbookError) -> int:
    """Show an error and return the exit code. With a detailed exit code, 2 means changes, so a failure is 1."""
    code = _shown(options.output, error)
    return FAILED if code == USAGE and getattr(options, "detailed_exitcode", False) else code


def _shown(output: str, error: CommandError | RunbookError) -> int:
    """Show an error and return the exit code."""
    show_failure(output, error=error.as_json(), text=str(error))
    return error.exit_code


def _modules(arguments: Sequence[str]) -> dict[str, ModuleType]:
    """Import the module of the given command. If no command is given (`--help`), import all modules."""
    found = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    names = {name.replace("_", "-"): name for name in found}
    asked = next((word for word in arguments if not word.startswith("-") and word not in CHOICES), "")
    wanted = {asked: names[asked]} if asked in names else names
    return {command: importlib.import_module(f"vibedata.commands.{name}") for command, name in wanted.items()}


def _refuse_unknown_before_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Refuse an unknown option in front of the command. argparse would take the word after it for the command."""
    known = _own_options(parser)
    words = iter(arguments)
    for word in words:
        if not word.startswith("--"):
            return
        name, is_assigned, _ = word.partition("=")
        meant = [option for option in known if option.startswith(name)]
        if not meant:
            parser.error(_UNRECOGNIZED + word)
        if not is_assigned and any(known[option].nargs is None for option in meant):
            next(words, None)  # the option's value


def _output(arguments: Sequence[str]) -> str:
    """Return the value of `--output` in arguments that argparse has refused."""
    pairs = zip(["", *arguments], arguments, strict=False)
    asked = any(pair == ("--output", "json") or pair[1] == "--output=json" for pair in pairs)
    return "json" if asked else "text"


def _parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vibedata",
        description="Build, publish, run and watch the Vibedata runbooks.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", choices=CHOICES, default="text", help="text for people, json for programs")
    parser.add_argument("--version", action="version", version=f"vibedata {RUNBOOK_VERSION}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in modules.values():
        module.add_parser(subparsers)
    for subparser in subparsers.choices.values():
        _add_output(subparser)
    return parser


def _quoted(words: str) -> str:
    return f"'{words[:MAX_SHOWN_CHARACTERS]}'" + (" ..." if len(words) > MAX_SHOWN_CHARACTERS else "")


def _own_options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {option: action for action in parser._actions for option in action.option_strings}


def _options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of a parser and of all parsers below it."""
    options = set(_own_options(parser))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            options = options.union(*(_options_of(subparser) for subparser in action.choices.values()))
    return options


def _add_output(parser: argparse.ArgumentParser) -> None:
    """Allow `--output` after the command and after its subcommand, too."""
    # The option has no default here. A default would replace the value that was given before the command.
    parser.add_argument(
        "--output", choices=CHOICES, default=argparse.SUPPRESS, help="text for people, json for programs"
    )
    for action in parser._actions:  # argparse shows subcommands nowhere else
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                _add_output(subparser)


if __name__ == "__main__":
    sys.exit(main())
