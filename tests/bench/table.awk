# table.awk - what tests/bench/run measured, as a table and against the goals.
#
# A line in: load, requests/s, p50 us, p99 us, errors, nginx us, back-end us, writes a flush; one of each load per round.
BEGIN { RATE = 2; P50 = 3; P99 = 4; NGINX = 6; BACK = 7; FLUSH = 8; CPU = 9 }

{
	i = ++count[$1]
	for (c = 2; c <= NF; c++)
		value[$1, c, i] = $c
	value[$1, CPU, i] = $6 + $7
	errors += $5
}

# The middle one; LOW and HIGH are set as well.
function median(name, column,   i, k, n, a, t) {
	n = count[name]
	for (i = 1; i <= n; i++)
		a[i] = value[name, column, i]
	for (i = 1; i <= n; i++)
		for (k = i + 1; k <= n; k++)
			if (a[k] < a[i]) { t = a[i]; a[i] = a[k]; a[k] = t }
	low = a[1]; high = a[n]
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

function ratio(name, other, column,   i) {
	count["r"] = count[name]
	for (i = 1; i <= count[name]; i++)
		value["r", RATE, i] = value[other, column, i] > 0 ? value[name, column, i] / value[other, column, i] : 0
	return median("r", RATE)
}

function verdict(text, r, want, reached, missed) {
	printf "| %s | %.2f | %.2f to %.2f | %s | %s |\n", text, r, low, high, want,
		(want == "" ? "" : reached ? "reached" : sprintf("missed by %.0f %%", 100 * missed))
}

# At least, at most, and without a goal.
function least(text, name, other, column, want,   r) {
	r = ratio(name, other, column)
	verdict(text, r, sprintf("at least %.2f", want), r >= want, 1 - r / want)
}
function most(text, name, other, column, want,   r) {
	r = ratio(name, other, column)
	verdict(text, r, sprintf("at most %.2f", want), r <= want, r / want - 1)
}
function beside(text, name, other, column) {
	verdict(text, ratio(name, other, column), "", 0, 0)
}

function load(name, text,   rate, spread) {
	rate = median(name, RATE)
	spread = sprintf("%d to %d", low, high)
	printf "| %s | %d | %s | %.2f | %.2f | %.1f | %.1f | %s |\n", text, rate, spread, median(name, P50) / 1000, median(name, P99) / 1000,
		median(name, NGINX), median(name, BACK), (name ~ /^(put|hot|mix)$/ ? sprintf("%.1f", median(name, FLUSH)) : "-")
}

END {
	printf "%s, %s, %s; %d connections, %d rounds of %d s, medians\n\n", machine, versions, date, connections, rounds, seconds
	print "| load | requests/s | (lowest to highest) | p50 ms | p99 ms | nginx us | back end us | writes a flush |"
	print "|---|--:|:-:|--:|--:|--:|--:|--:|"
	load("null", "null responder, the same front")
	load("get", "GET 200 B, token known")
	load("rest_get", "GET 200 B, REST door")
	load("file", "the same bytes from a file, nginx alone")
	load("redis_get", "GET 200 B, webdis + redis")
	load("put", "durable PUT 200 B, distinct keys")
	load("hot", "durable PUT 200 B, one hot key")
	load("redis_put", "durable PUT 200 B, webdis + redis appendfsync always")
	load("mix", "90 % GET, 10 % PUT")
	load("list", "list of 100 keys")
	load("rest_list", "list of 100 keys, REST door")
	load("redis_list", "LRANGE of 100 names, webdis + redis")
	load("large", "GET 128 KB")
	load("rest_large", "GET 128 KB, REST door")
	load("file_large", "128 KB from a file, nginx alone")
	load("redis_large", "GET 128 KB, webdis + redis")
	print ""
	printf "Bulk put of 10,000 pairs of 200 B, durable: %d pairs/s", median("bulk", RATE)
	printf " (%d to %d) through nginx; ", low, high
	printf "redis-cli --pipe, appendfsync always: %d pairs/s", median("redis_bulk", RATE)
	printf " (%d to %d)\n", low, high
	printf "GETs of 32 connections at 100 a second each, p99: alone %.2f ms, ", median("alone", P99) / 1000
	printf "beside bulk puts of 2 MB %.2f ms, ", median("beside_small", P99) / 1000
	printf "beside bulk puts of 99 MB %.2f ms\n\n", median("beside_large", P99) / 1000
	print "| ratio | median | (lowest to highest) | goal | |"
	print "|---|--:|:-:|--:|---|"
	least("GET / null responder", "get", "null", RATE, 0.95)
	least("GET / file", "get", "file", RATE, 0.95)
	least("GET / webdis + redis", "get", "redis_get", RATE, 2.0)
	beside("GET on the REST door / on the SDK door", "rest_get", "get", RATE)
	least("PUT / webdis + redis", "put", "redis_put", RATE, 1.5)
	least("PUT on one hot key / on distinct keys", "hot", "put", RATE, 1.0)
	least("list of 100 / GET of one", "list", "get", RATE, 0.6)
	least("list of 100 / webdis + redis", "list", "redis_list", RATE, 1.0)
	beside("list on the REST door / on the SDK door", "rest_list", "list", RATE)
	least("GET 128 KB / file", "large", "file_large", RATE, 0.5)
	least("GET 128 KB on the REST door / file", "rest_large", "file_large", RATE, 0.5)
	beside("GET 128 KB / webdis + redis", "large", "redis_large", RATE)
	most("p99 of GET / webdis + redis", "get", "redis_get", P99, 0.75)
	most("p99 of PUT / webdis + redis", "put", "redis_put", P99, 0.9)
	# A machine that others use as well moves rates more than what a request costs.
	beside("CPU of a GET, nginx and back end / webdis + redis", "get", "redis_get", CPU)
	beside("CPU of a PUT, nginx and back end / webdis + redis", "put", "redis_put", CPU)
	beside("CPU of a list of 100, nginx and back end / of a GET", "list", "get", CPU)
	beside("bulk put / redis-cli --pipe", "bulk", "redis_bulk", RATE)
	most("p99 of GET beside bulk puts of 2 MB / alone", "beside_small", "alone", P99, 3)
	most("p99 of GET beside bulk puts of 99 MB / alone", "beside_large", "alone", P99, 3)
	printf "\n%d answers were errors\n", errors
	exit (errors > 0)
}
