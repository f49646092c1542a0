# Completion of simplecqrs for bash 4 and later.
_simplecqrs() {
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
	if [[ ${COMPREPLY[0]} == :files ]]; then
		COMPREPLY=()
		compopt -o default
	fi
}
complete -F _simplecqrs simplecqrs
