# bash in the middle of subshells, pipes and a background job: the sum of the
# squares of 1 to 40, each square computed by a pipeline of its own.
set -m
(while [ ! -e check ]; do sleep 0.05; done; echo done >job) &
sum=0
for i in $(seq 1 40); do
	square=$( (echo $((i * i)); sleep 0.03) | cat | tr -d ' ')
	sum=$((sum + square))
	[ $i = 3 ] && : >ready
done
wait
if [ $sum = 22140 ] && [ "$(cat job)" = done ]; then
	echo pass >result
else
	printf 'the sum is %s, not 22140\nfail\n' "$sum" >result
	exit 1
fi
