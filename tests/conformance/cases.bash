# Read by bash before a target's runme.sh (through BASH_ENV), of which `cases` makes a copy without errexit: the script
# goes on after a failure, and what `set -e` would have stopped at is written down, with its line, into $CONF_CASES.
unset BASH_ENV
set -ET
CASE_ERREXIT=

__case_failed() { printf 'fail\t%s\t%s\n' "$1" "${2//$'\n'/ }" >>"$CONF_CASES"; }

# errexit ends the outermost shell only where the outermost shell fails: a subshell hands its status on.
__case_error() { [[ -z $CASE_ERREXIT || $BASH_SUBSHELL != 0 ]] || __case_failed "$1" "$2"; }

# A check that ends the script fails its case, and the next case is still run.
exit() {
	local status=${1-$?}
	if ((BASH_SUBSHELL)) || [[ $status == 0 ]]; then builtin exit "$status"; fi
	__case_failed "${BASH_LINENO[0]}" "exit $status"
}

# The script may not take away the two traps this file needs.
trap() { [[ " $* " == *" ERR "* || " $* " == *" DEBUG "* ]] || builtin trap "$@"; }

builtin trap '__case_error "$LINENO" "$BASH_COMMAND"' ERR
builtin trap 'export CASE_LINE=$LINENO' DEBUG
