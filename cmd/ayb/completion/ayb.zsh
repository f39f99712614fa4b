#compdef ayb
# Completion of ayb for zsh. To have it in every shell, with a directory of $fpath:
#
#     ayb completion zsh > ~/.zsh/completions/_ayb

_ayb() {
	local kind line name text
	local -a reply names texts open openTexts
	reply=("${(@f)$("${words[1]}" complete zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	kind=${reply[1]}
	if [[ $kind == files ]]; then
		_files
		return
	fi
	for line in "${(@)reply[2,-1]}"; do
		name=${line%%$'\t'*} text=${line#*$'\t'}
		[[ -n $name ]] || continue
		[[ -z $text ]] && text=$name || text="$name  -- $text"
		if [[ $name == *[/=] ]]; then
			open+=("$name") openTexts+=("$text")
		else
			names+=("$name") texts+=("$text")
		fi
	done
	(( $#open == 0 )) || compadd -l -d openTexts -S '' -a open
	compadd -l -d texts -a names
}

if [[ ${funcstack[1]} == _ayb ]]; then
	_ayb "$@"
else
	compdef _ayb ayb
fi
