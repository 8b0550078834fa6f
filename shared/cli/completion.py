"""`triptych completion`."""

from __future__ import annotations

from dataclasses import dataclass

from shared.choosing import choose
from shared.cli import completing, printing
from shared.cli.arguments import option
from shared.cli.options import Output
from shared.cli.reading import PROGRAM

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class Options:
    """Which shell the code is for."""

    shell: str = option(
        metavar="SHELL", completer=completing.words(lambda: SHELLS), help="bash, zsh or fish"
    )


def completion(output: Output, options: Options) -> int:
    """Print the code by which a shell completes words with Tab.

    A line in the file that the shell reads when it starts puts the code into force. For bash, in
    ~/.bashrc:

        eval "$(triptych completion bash)"

    For zsh, in ~/.zshrc, below the line that calls compinit:

        eval "$(triptych completion zsh)"

    For fish, in ~/.config/fish/config.fish:

        triptych completion fish | source
    """
    shell = choose("shell", options.shell, SHELLS)
    from argcomplete.shell_integration import shellcode

    # Without the shell's own completion, which has files where a number is expected.
    code = shellcode([PROGRAM], use_defaults=False, shell=shell).strip("\n")
    if output.as_json:
        printing.print_json({"shell": shell, "code": code})
    else:
        print(code)
    return 0
