# Completion of ayb for fish. To have it in every shell:
#
#     ayb completion fish > ~/.config/fish/completions/ayb.fish

function __ayb_complete
	set -l words (commandline -opc) (commandline -ct)
	set -l reply ($words[1] complete fish -- $words[2..-1] 2>/dev/null)
	if test "$reply[1]" = files
		__fish_complete_path (commandline -ct)
	else
		printf '%s\n' $reply[2..-1]
	end
end

complete -c ayb -f -a '(__ayb_complete)'
