#compdef ayb
# Completion of ayb for zsh. To have it in every shell, with a directory of $fpath:
#
#     ayb completion zsh > ~/.zsh/completions/_ayb

_ayb() {
	local kind line
	local -a reply names texts
	reply=("${(@f)$("${words[1]}" complete zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	kind=${reply[1]}
	if [[ $kind == files ]]; then
		_files
		return
	fi
	for line in "${(@)reply[2,-1]}"; do
		[[ -n $line ]] || continue
		names+=("${line%%$'\t'*}")
		texts+=("${line//$'\t'/  -- }")
	done
	compadd -l -d texts -S '' -a names
}

if [[ ${funcstack[1]} == _ayb ]]; then
	_ayb "$@"
else
	compdef _ayb ayb
fi
