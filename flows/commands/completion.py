"""What a shell needs to complete ``lab``: a function that asks ``lab`` itself for its commands and their options."""

from __future__ import annotations

BASH = """\
_lab() {
    local word=${COMP_WORDS[COMP_CWORD]}
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "$(lab --words)" -- "$word"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$(lab --options "${COMP_WORDS[1]}")" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}
complete -F _lab lab"""
ZSH = """\
_lab() {
    if ((CURRENT == 2)); then
        compadd -- ${(f)"$(lab --words)"}
    elif [[ $words[CURRENT] == -* ]]; then
        compadd -- ${(f)"$(lab --options $words[2])"}
    else
        _files
    fi
}
autoload -Uz compinit && compinit -u
compdef _lab lab"""
FISH = """\
complete -c lab -f -n __fish_use_subcommand -a '(lab --words)'
complete -c lab -n 'not __fish_use_subcommand' -a '(lab --options (commandline -opc)[2])'"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
"""Shell → its script. bash was tried; zsh and fish were not."""
