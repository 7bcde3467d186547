# report.awk - what tests/bench/run measured, as Markdown: the design's figures, the loads, what is behind them.
# measure.sh describes the lines that come in.
BEGIN {
	FS = "\t"
	RATE = 5; P50 = 6; P99 = 7; FAIR = 14; BACK = 15; CPU = 16
	split("null file ours one slow small redis sqlite miniflare", backs, " ")
	title["null"] = "null responder"; title["file"] = "nginx, a file"; title["ours"] = "TMA KV"
	title["slow"] = "TMA KV, other settings"; title["one"] = "TMA KV, one nginx worker"; title["redis"] = "webdis + redis"
	title["sqlite"] = "Node.js + SQLite"; title["miniflare"] = "miniflare"
	split("get get_new list put put_random put_hot mix mix_slow get_large put_large thousand idle_none idle fair rest_get rest_list rest_large", loads, " ")
	title["get"] = "GET of 200 B, token known"; title["get_new"] = "GET of 200 B, a new token each time"
	title["list"] = "list of 100 keys"; title["put"] = "durable PUT of 200 B, distinct keys"
	title["put_random"] = "durable PUT of 200 B, random keys of 2,000"; title["put_hot"] = "durable PUT of 200 B, one hot key"
	title["mix"] = "90 % GET, 10 % PUT"; title["mix_slow"] = "90 % GET, 10 % PUT, syncs 2 ms slower"
	title["get_large"] = "GET of 128 KB"; title["put_large"] = "durable PUT of 128 KB"
	title["thousand"] = "GET of 200 B, 1,000 connections"; title["idle_none"] = "GET of 200 B, no idle clients"
	title["idle"] = "GET of 200 B beside 10,000 idle clients"; title["fair"] = "GET of 200 B, least and most served"
	title["rest_get"] = "GET of 200 B, REST door"; title["rest_list"] = "list of 100 keys, REST door"
	title["rest_large"] = "GET of 128 KB, REST door"
}

$1 == "fact" { fact[$2] = $3 }
$1 == "load" && $2 > 0 { take_load() }
$1 == "load" { errors += $8 + $10 }
$1 == "memory" { memory[$2, $3] = $4; memory_order[++n_memory] = $2 SUBSEP $3 }
$1 == "grown" { add($1, "empty", RATE, $3 / 1024); add($1, "end", RATE, $4 / 1024); add($1, "by", RATE, ($4 - $3) / 1024) }
$1 == "syncs" { syncs[$2] = $4 / $3; syncs_order[++n_syncs] = $2 }
$1 == "tokens" { hits += $3; tokens += $3 + $4 }
$1 == "bulk" { add($1, $3, RATE, $4) }
$1 == "paced" { add($1, $3, P99, $6); errors += $7 }

# --- numbers, by load, back and column; one of each round ---

function add(load, back, column, number,   i) {
	i = ++count[load, back, column]
	value[load, back, column, i] = number
}

function take_load(   c, pair) {
	add($3, $4, RATE, $5); add($3, $4, P50, $6); add($3, $4, P99, $7)
	add($3, $4, FAIR, $12 > 0 ? $11 / $12 : 0)
	load_errors[$3, $4] += $8 + $10
	load_5xx[$3, $4] += $9
	for (c = 14; c <= NF; c++) {
		split($c, pair, "=")
		add($3, $4, "us " pair[1], pair[2])
		if (pair[1] != "load")
			all[count[$3, $4, RATE]] += pair[2]
		if (pair[1] != "nginx" && pair[1] != "load")
			behind[count[$3, $4, RATE]] += pair[2]
		if (!(($3, $4, pair[1]) in cpu_known)) {
			cpu_known[$3, $4, pair[1]]
			cpu_names[$3, $4] = cpu_names[$3, $4] " " pair[1]
		}
	}
	add($3, $4, BACK, behind[count[$3, $4, RATE]])
	add($3, $4, CPU, all[count[$3, $4, RATE]])
	delete behind
	delete all
}

function known(load, back) {
	return count[load, back, RATE] > 0
}

# The middle one; low and high are set as well.
function median(load, back, column,   i, a) {
	for (i = 1; i <= count[load, back, column]; i++)
		a[i] = value[load, back, column, i]
	return middle(a, count[load, back, column] + 0)
}

# The median of the ratios within each round; low and high as well.
function ratio(load, back, other_load, other, column,   i, n) {
	n = count[load, back, column]
	count["ratio", "", ""] = 0
	for (i = 1; i <= n; i++)
		if (value[other_load, other, column, i] > 0)
			add("ratio", "", "", value[load, back, column, i] / value[other_load, other, column, i])
	return median("ratio", "", "")
}

# --- the design's figures ---

function verdict(text, got, unit, sign, goal, format,   reached, by) {
	reached = sign == "at least" ? got >= goal : got <= goal
	by = goal == 0 ? "" : sprintf(", %.0f %% %s", 100 * (got > goal ? got / goal - 1 : 1 - got / goal), (got > goal ? "more" : "less"))
	printf "| %s | " format "%s | " format " to " format " | %s " format "%s | %s%s |\n", text, got, unit, low, high, sign, goal, unit, \
		(reached ? "reached" : "**missed**"), by
	n_reached += reached
	n_figures++
}

function unknown(text) {
	printf "| %s | not measured | | | |\n", text
	n_figures++
}

# One number of a load against its goal.
function figure(text, load, back, column, unit, sign, goal, format,   r) {
	if (count[load, back, column] == 0) { unknown(text); return }
	r = median(load, back, column)
	verdict(text, r, unit, sign, goal, format)
}

# The ratio of one column of two loads against its goal.
function compared(text, load, back, other_load, other, column, sign, goal,   r) {
	if (!known(load, back) || !known(other_load, other)) { unknown(text); return }
	r = ratio(load, back, other_load, other, column)
	verdict(text, r, "", sign, goal, "%.2f")
}

function least(text, load, back, other_load, other, goal) {
	compared(text, load, back, other_load, other, RATE, "at least", goal)
}

function figures(   r) {
	print "\n## The figures of the design\n"
	print "Ratios are taken within a round; the median of the rounds counts. The last column says how much more or less than the goal it is.\n"
	print "| what | median | lowest to highest | goal | |"
	print "|---|--:|:-:|--:|---|"
	least("GET of 200 B, token known / null responder", "get", "ours", "get", "null", 0.95)
	least("GET / nginx with the same bytes in a file", "get", "ours", "get", "file", 0.95)
	least("GET / webdis + redis", "get", "ours", "get", "redis", 2)
	least("GET, a new token each time / null responder", "get_new", "slow", "get", "null", 0.3)
	least("durable PUT, distinct keys / webdis + redis", "put", "ours", "put", "redis", 1.5)
	least("durable PUT, one hot key / distinct keys", "put_hot", "ours", "put", "ours", 1)
	least("90 % GET, 10 % PUT with syncs 2 ms slower / without", "mix_slow", "slow", "mix", "ours", 0.85)
	least("list of 100 keys / GET of one", "list", "ours", "get", "ours", 0.6)
	least("GET of 128 KB / file", "get_large", "ours", "get_large", "file", 0.5)
	compared("p99 of GET, 64 connections / webdis + redis", "get", "ours", "get", "redis", P99, "at most", 0.75)
	compared("p99 of PUT, 64 connections / webdis + redis", "put", "ours", "put", "redis", P99, "at most", 0.9)
	figure("least / most served of 64 connections", "fair", "one", FAIR, "", "at least", 0.95, "%.2f")
	figure("CPU of the back end for a GET", "get", "ours", BACK, " µs", "at most", 8, "%.1f")
	figure("CPU of the back end for a PUT", "put", "ours", BACK, " µs", "at most", 22, "%.1f")
	figure("memory beside the database cache, over the empty environment", "grown", "by", RATE, " MB", "at most", 10, "%.1f")
	least("10,000 idle clients: throughput kept", "idle", "ours", "idle_none", "ours", 0.87)
	if (known("thousand", "ours")) {
		r = low = high = load_5xx["thousand", "ours"]
		verdict("1,000 connections: answers with 5xx", r, "", "at most", 0, "%d")
	} else
		unknown("1,000 connections: answers with 5xx")
	printf "\n%d of %d reached.\n", n_reached, n_figures
	if (known("fair", "ours")) {
		printf "\nLeast and most served: behind an nginx with one worker process, for with several it is nginx that spreads clients unevenly over its workers. "
		printf "As shipped, a worker a core: %.2f for TMA KV, %.2f for the null responder.\n", median("fair", "ours", FAIR), median("fair", "null", FAIR)
	}
	if (known("get", "null")) {
		printf "\nProcessor time is of this machine, in this hour: the null responder, our event loop with nothing behind it, takes %.1f µs of it for a request. ", median("get", "null", BACK)
		print "It took 8 where the goals were set."
	}
	if (tokens > 0)
		printf "\nA new token each time: %.2f %% of %d were remembered from their last turn.\n", 100 * hits / tokens, tokens
}

function more(text, load, back, other_load, other, column,   r) {
	if (count[load, back, column] == 0 || count[other_load, other, column] == 0)
		return
	r = ratio(load, back, other_load, other, column)
	printf "| %s | %.2f | %.2f to %.2f |\n", text, r, low, high
}

function more_ratios() {
	print "\n## More ratios\n"
	print "| what | median | lowest to highest |"
	print "|---|--:|:-:|"
	more("list of 100 keys / webdis + redis (a list made beforehand)", "list", "ours", "list", "redis", RATE)
	more("GET of 128 KB / webdis + redis", "get_large", "ours", "get_large", "redis", RATE)
	more("GET, REST door / SDK door", "rest_get", "ours", "get", "ours", RATE)
	more("list of 100 keys, REST door / SDK door", "rest_list", "ours", "list", "ours", RATE)
	more("GET of 128 KB, REST door / file", "rest_large", "ours", "get_large", "file", RATE)
	more("CPU of the back end for a GET / null responder", "get", "ours", "get", "null", BACK)
	more("CPU of the back end for a PUT / null responder", "put", "ours", "get", "null", BACK)
	more("CPU of a GET, nginx and back end / webdis + redis", "get", "ours", "get", "redis", CPU)
	more("CPU of a PUT, nginx and back end / webdis + redis", "put", "ours", "put", "redis", CPU)
	more("CPU of a list of 100 keys, nginx and back end / of a GET", "list", "ours", "get", "ours", CPU)
	more("bulk put of 10,000 pairs / `redis-cli --pipe`", "bulk", "ours", "bulk", "redis", RATE)
	more("p99 of GETs beside bulk puts of 2 MB / alone (at most 3)", "paced", "beside_small", "paced", "alone", P99)
	more("p99 of GETs beside bulk puts of 99 MB / alone (at most 3)", "paced", "beside_large", "paced", "alone", P99)
}

# --- beside the others ---

function against(load, other) {
	return known(load, "ours") && known(load, other) ? \
		sprintf("%s (%.1f×)", thousands(median(load, other, RATE)), ratio(load, "ours", load, other, RATE)) : "-"
}

function beside(   i, load) {
	print "\n## Beside what people would use instead\n"
	print "Requests a second, and in brackets how many times as many TMA KV serves.\n"
	print "| | TMA KV | webdis + redis | Node.js + SQLite | miniflare |"
	print "|---|--:|--:|--:|--:|"
	for (i = 1; i in loads; i++) {
		load = loads[i]
		if (known(load, "ours") && (known(load, "redis") || known(load, "sqlite")))
			printf "| %s | **%s** | %s | %s | %s |\n", title[load], thousands(median(load, "ours", RATE)), \
				against(load, "redis"), against(load, "sqlite"), against(load, "miniflare")
	}
}

# --- every load ---

function cpu_text(load, back,   names, n, i, text) {
	n = split(cpu_names[load, back], names, " ")
	for (i = 1; i <= n; i++)
		text = text (i > 1 ? ", " : "") (names[i] == "load" ? "http_load" : names[i]) " " sprintf("%.1f", median(load, back, "us " names[i]))
	return text
}

function row(load, back,   rate) {
	rate = median(load, back, RATE)
	printf "| %s | %s | %s | %s to %s | %.2f | %.2f | %s | %d |\n", title[load], title[back], thousands(rate), thousands(low), thousands(high), \
		median(load, back, P50) / 1000, median(load, back, P99) / 1000, cpu_text(load, back), load_errors[load, back]
}

function every(   i, k) {
	print "\n## Every load\n"
	print "| load | back end | requests/s | lowest to highest | p50 ms | p99 ms | CPU µs a request | errors |"
	print "|---|---|--:|:-:|--:|--:|---|--:|"
	for (i = 1; i in loads; i++)
		for (k = 1; k in backs; k++)
			if (known(loads[i], backs[k]))
				row(loads[i], backs[k])
}

# --- durability, memory, bulk ---

function durable(   i) {
	print "\n## On disk before the answer\n"
	if (n_syncs == 0) {
		print "Not counted in this run."
		return
	}
	print "fsync and fdatasync calls for each of 50 PUTs, one after the other on one connection, counted by strace: at least one each, or an answer came before its value was on disk."
	print "Where many connections write at once, TMA KV and redis serve several PUTs with one sync.\n"
	print "| | syncs a PUT |"
	print "|---|--:|"
	for (i = 1; i <= n_syncs; i++)
		printf "| %s | %.2f |\n", title[syncs_order[i]], syncs[syncs_order[i]]
}

function used(   i, part, text) {
	if (n_memory == 0)
		return
	print "\n## Memory\n"
	print "Proportional set size after the loads. TMA KV's has its database cache in it (64 MB, and a quarter more that Berkeley DB adds, once it is full)."
	if (known("grown", "by")) {
		printf "With the smallest cache, 1 MB, it takes %.1f MB when it is empty, and %.1f MB after all kinds of load: the medians of three. What it needs beside the cache grows by no more than the difference.\n", \
			median("grown", "empty", RATE), median("grown", "end", RATE)
		print "Each token that is remembered takes up to 1 KB more, bounded by `token_cache`."
	}
	print "\n| | process | MB |"
	print "|---|---|--:|"
	for (i = 1; i <= n_memory; i++) {
		split(memory_order[i], part, SUBSEP)
		printf "| %s | %s | %.1f |\n", title[part[1]], part[2], memory[part[1], part[2]] / 1024
	}
}

function bulk(   r) {
	if (count["bulk", "ours", RATE] == 0)
		return
	print "\n## Bulk puts\n"
	r = median("bulk", "ours", RATE)
	printf "10,000 pairs of 200 B in one call, durable: %s pairs a second (%s to %s) through nginx", thousands(r), thousands(low), thousands(high)
	r = median("bulk", "redis", RATE)
	printf "; `redis-cli --pipe` with `appendfsync always`: %s (%s to %s).\n\n", thousands(r), thousands(low), thousands(high)
	printf "p99 of GETs by 32 connections that each ask a hundred times a second: %.2f ms alone, ", median("paced", "alone", P99) / 1000
	printf "%.2f ms beside bulk puts of 2 MB, ", median("paced", "beside_small", P99) / 1000
	printf "%.2f ms beside bulk puts of 99 MB.\n", median("paced", "beside_large", P99) / 1000
}

function head(   spent) {
	print "# What a request costs\n"
	print "![Requests a second of TMA KV and of what people would use instead](throughput.svg)\n"
	printf "Measured on %s by `%s`: %s of %d s, %d connections unless said otherwise, %d minutes in all.", \
		fact["date"], fact["command"], fact["rounds"] (fact["rounds"] == 1 ? " round" : " rounds"), fact["seconds"], fact["connections"], (fact["took"] + 30) / 60
	printf " %d requests went wrong. Load average before: %s.\n\n", errors, fact["load_before"]
	printf "- Machine: %s, %s, %s, %s; a synced write of 4 KB takes %s µs. Clients, nginx and back ends share its cores.\n", \
		fact["machine"], fact["memory"], fact["system"], fact["kernel"], fact["sync_us"]
	printf "- TMA KV %s, gcc -O2; nginx %s, redis %s, webdis %s%s.\n", fact["commit"], fact["nginx"], fact["redis"], fact["webdis"], fact["packages"]
	print "- All are behind nginx, set up as shipped; [how the others are set up](../README.md). Load comes from `tests/bench/http_load.c`, one thread in a closed loop: each connection asks again as soon as it has its answer."
}

END {
	head()
	figures()
	beside()
	more_ratios()
	every()
	durable()
	used()
	bulk()
}
