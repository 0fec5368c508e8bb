#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A shell with a pipeline and background jobs: no line is lost or repeated in the pipe, every
# job's status is what it was.
set -m

bad=
say() { bad=1; echo "fail: $*" >> result; }

pipeline() {
	for ((i = 0; ; i++)); do
		echo "$i"
		[ -e check ] && break
		sleep 0.03
	done | sed -u 's/^/line /' | (
		n=0
		while read -r word x; do
			[ "$word $x" = "line $n" ] || echo "fail: line $n is: $word $x" >> result
			n=$((n + 1))
		done
		echo "$n" > lines
		exit 5
	)
}

pipeline &
pipe=$!
(trap 'exit 9' TERM; while :; do sleep 0.05; done) &
trapped=$!
(exit 7) &
ended=$!
while kill -0 $ended 2> /dev/null; do sleep 0.01; done
: > ready
while [ ! -e check ]; do sleep 0.02; done
[ "$(jobs -p | wc -l)" -ge 2 ] || say "jobs: $(jobs)"
wait $pipe
[ $? = 5 ] || say "the pipeline's status is wrong"
[ "$(cat lines)" -gt 0 ] || say "the pipeline did nothing"
kill -TERM $trapped
wait $trapped
[ $? = 9 ] || say "the trap did not run"
wait $ended
[ $? = 7 ] || say "the status of a job that had ended is lost"
if [ -n "$bad" ] || [ -s result ]; then echo fail >> result; exit 1; fi
echo pass >> result
