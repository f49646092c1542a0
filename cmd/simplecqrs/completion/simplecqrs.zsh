#compdef simplecqrs
# Completion of simplecqrs for zsh.
_simplecqrs() {
	local -a found
	found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ ${found[1]} == :files ]]; then
		_files
	else
		compadd -- "${(@)found:#}"
	fi
}
compdef _simplecqrs simplecqrs
