# shellcheck shell=bash disable=SC2207,SC2086 # it is typer's
_semcom_completion() {
    local IFS=$'
'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" \
                   COMP_CWORD=$COMP_CWORD \
                   _SEMCOM_COMPLETE=complete_bash $1 ) )
    return 0
}

complete -o default -F _semcom_completion semcom
