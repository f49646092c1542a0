# Completion of simplecqrs for fish.
function __simplecqrs
	set -l words (commandline -opc)
	set -l found ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
	if test "$found[1]" = :files
		__fish_complete_path (commandline -ct)
	else if set -q found[1]
		printf '%s\n' $found
	end
end
complete -c simplecqrs -f -k -a '(__simplecqrs)'
