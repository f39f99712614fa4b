# Completion of ayb for bash. To have it in every shell:
#
#     ayb completion bash > ~/.local/share/bash-completion/completions/ayb

_ayb() {
	local IFS=$'\n' kind
	local -a reply
	mapfile -t reply < <("${COMP_WORDS[0]}" complete bash -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
	kind=${reply[0]-}
	COMPREPLY=("${reply[@]:1}")
	if [[ $kind == files ]]; then
		compopt -o filenames 2>/dev/null
		COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]#=}"))
	elif [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
		compopt -o nospace 2>/dev/null
	fi
}

complete -F _ayb ayb
