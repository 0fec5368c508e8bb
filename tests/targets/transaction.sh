# sqlite3 in the middle of a transaction, fed one row at a time.
feed() {
	echo "create table t (a integer); begin;"
	for i in $(seq 1 30); do
		echo "insert into t values ($i);"
		[ $i = 10 ] && : >ready
		sleep 0.05
	done
	while [ ! -e check ]; do sleep 0.05; done
	echo "commit; select sum(a), count(*) from t; pragma integrity_check;"
}
answer=$(feed | sqlite3 test.db)
if [ "$answer" = $'465|30\nok' ]; then
	echo pass >result
else
	printf 'sqlite3 says %s\nfail\n' "$answer" >result
	exit 1
fi
