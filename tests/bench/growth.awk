# growth.awk - what tests/bench/growth measured, as tables, against what may grow, and as a picture (to the file `svg`).
#
# Lines in: name, load, requests/s, p50 us, p99 us, errors, CPU us, pages looked at, pages read, writes a flush; one of
# each load per round. And: fact, name, what, number.
BEGIN { RATE = 3; P50 = 4; P99 = 5; CPU = 7; PAGES = 8; READ = 9; FLUSH = 10 }

$1 == "fact" { add($2, $3, 0, $4); next }
{
	for (c = RATE; c <= FLUSH; c++)
		add($1, $2, c, $c)
	errors += $6
}

function add(name, what, column, x) {
	value[name, what, column, ++count[name, what, column]] = x
}

function has(name, what, column) {
	return count[name, what, column] > 0
}

# The middle one of all rounds.
function median(name, what, column,   i, a) {
	for (i = 1; i <= count[name, what, column]; i++)
		a[i] = value[name, what, column, i]
	return middle(a, count[name, what, column] + 0)
}
function fact(name, what) { return median(name, what, 0) }

function bytes(n) {
	return n < 1000 ? n " B" : n < 1048576 ? sprintf("%.0f KB", n / 1024) : sprintf("%.0f MB", n / 1048576)
}

# --- what may grow ---

function verdict(text, x, most, judged) {
	printf "| %s | %.2f | %.2f | %s |\n", text, x, most,
		x <= most ? "reached" : sprintf("missed by %.0f %%", 100 * (x / most - 1))
	if (x > most && judged)
		grown++
}

# --- the picture ---

function out(text) { print text > svg }

function colour(i) {
	return substr("#2f81f7#d9822b#2da44e#a371f7#8b8f96", 7 * (i - 1) + 1, 7)
}

function text_at(x, y, class, anchor, text) {
	out(sprintf("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">%s</text>", x, y, class, anchor, text))
}

function log10(x) { return log(x) / log(10) }

function short(n) {
	return n >= 1e9 ? n / 1e9 "G" : n >= 1e6 ? n / 1e6 "M" : n >= 1e3 ? n / 1e3 "k" : n ""
}

# A series: points of the panel under way. Dashed: what it is compared with.
function series(label, dashed, shade) {
	n_series++
	series_label[n_series] = label
	series_dashed[n_series] = dashed
	series_colour[n_series] = colour(shade ? shade : n_series)
	n_points[n_series] = 0
}
function point(x, y,   i) {
	i = ++n_points[n_series]
	px[n_series, i] = x
	py[n_series, i] = y
	low = low == 0 || y < low ? y : low
	high = y > high ? y : high
}

# panel LEFT TOP - draws the series, labels behind their ends, and forgets them.
function panel(left, top, title, subtitle, x_low, x_high,   w, h, y_low, y_high, i, k, x, y, path, at, order, t, want, s) {
	w = 320; h = 190
	if (low <= 0) {
		n_series = low = high = 0
		return
	}
	y_low = 10 ^ floor(log10(low) + 0.0001); y_high = 10 ^ ceiling(log10(high) - 0.0001)
	if (y_high < y_low * 100)
		y_high = y_low * 100
	text_at(left, top - 30, "title", "start", title)
	text_at(left, top - 13, "note", "start", subtitle)
	for (y = y_low; y <= y_high * 1.01; y *= 10) {
		at = top + h - h * log10(y / y_low) / log10(y_high / y_low)
		out(sprintf("<path class=\"grid\" d=\"M%.1f %.1fh%d\"/>", left, at, w))
		text_at(left - 8, at + 4, "tick", "end", short(y))
	}
	for (x = 10 ^ ceiling(log10(x_low) - 0.0001); x <= x_high * 1.01; x *= 10) {
		at = left + w * log10(x / x_low) / log10(x_high / x_low)
		out(sprintf("<path class=\"grid\" d=\"M%.1f %.1fv%d\"/>", at, top, h))
		text_at(at, top + h + 17, "tick", "middle", short(x))
	}
	for (s = 1; s <= n_series; s++) {
		path = ""
		for (i = 1; i <= n_points[s]; i++) {
			x = left + w * log10(px[s, i] / x_low) / log10(x_high / x_low)
			y = top + h - h * log10(py[s, i] / y_low) / log10(y_high / y_low)
			path = path sprintf("%s%.1f %.1f", i == 1 ? "M" : "L", x, y)
			if (!series_dashed[s])
				out(sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\" fill=\"%s\"/>", x, y, series_colour[s]))
		}
		out(sprintf("<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"%s/>", path, series_colour[s],
			series_dashed[s] ? "1.5" : "2.2", series_dashed[s] ? " stroke-dasharray=\"5 4\"" : ""))
		end_y[s] = y
		order[s] = s
	}
	# Labels in the order of their ends, 14 apart.
	for (i = 1; i <= n_series; i++)
		for (k = i + 1; k <= n_series; k++)
			if (end_y[order[k]] < end_y[order[i]]) { t = order[i]; order[i] = order[k]; order[k] = t }
	want = -1e9
	for (i = 1; i <= n_series; i++)
		label_y[i] = want = end_y[order[i]] > want + 14 ? end_y[order[i]] : want + 14
	for (i = n_series; i >= 1; i--) {
		want = i == n_series ? top + h + 2 : label_y[i + 1] - 14
		if (label_y[i] > want)
			label_y[i] = want
	}
	for (i = 1; i <= n_series; i++)
		out(sprintf("<text x=\"%.1f\" y=\"%.1f\" class=\"label\" fill=\"%s\">%s</text>", left + w + 9, label_y[i] + 4,
			series_colour[order[i]], series_label[order[i]]))
	n_series = low = high = 0
}
function floor(x,   i) { i = int(x); return i > x ? i - 1 : i }
function ceiling(x) { return -floor(-x) }

function draw(   i) {
	out("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 980 640\" font-family=\"-apple-system,Segoe UI,Helvetica,Arial,sans-serif\">")
	out("<style>text{fill:#57606a}.title{font-size:15px;font-weight:600;fill:#24292f}.note,.tick{font-size:12px}.label{font-size:12px;font-weight:600}.grid{stroke:#8b949e;stroke-opacity:.28;fill:none}.page{fill:#fff}")
	out("@media(prefers-color-scheme:dark){text{fill:#9198a1}.title{fill:#e6edf3}.page{fill:#0d1117}}")
	for (i = 1; i <= 5; i++)
		out(".label[fill=\"" colour(i) "\"]{fill:" colour(i) "}")
	out("</style><rect class=\"page\" width=\"980\" height=\"640\" rx=\"8\"/>")

	series("GET, any key"); for (i = 1; i <= n_sizes; i++) point(keys[i], fact(size[i], "instr_get"))
	series("PUT, any key"); for (i = 1; i <= n_sizes; i++) point(keys[i], fact(size[i], "instr_put"))
	series("GET, hot keys"); for (i = 1; i <= n_sizes; i++) point(keys[i], fact(size[i], "instr_hot"))
	series("list, last 100"); for (i = 1; i <= n_sizes; i++) point(keys[i], fact(size[i], "instr_list_last"))
	panel(60, 72, "Instructions a request", "over keys of 200 bytes, cache " cache_mb " MB", keys[1], keys[n_sizes])

	series("memory"); for (i = 1; i <= n_sizes; i++) point(keys[i], fact(size[i], "pss") / 1024)
	series("data", 1, 5); for (i = 1; i <= n_sizes; i++) point(keys[i], fact(size[i], "file_bytes") / 1048576)
	panel(550, 72, "Memory and data, MB", "over keys; the cache is " cache_mb " MB", keys[1], keys[n_sizes])

	series("GET, any key"); for (i = 1; i <= n_sizes; i++) point(keys[i], median(size[i], "get", RATE))
	series("PUT, any key"); for (i = 1; i <= n_sizes; i++) point(keys[i], median(size[i], "put", RATE))
	series("GET, hot keys"); for (i = 1; i <= n_sizes; i++) point(keys[i], median(size[i], "hot", RATE))
	series("list, last 100"); for (i = 1; i <= n_sizes; i++) point(keys[i], median(size[i], "list_last", RATE))
	panel(60, 390, "Requests a second", "over keys; nginx, server and client on the same cores", keys[1], keys[n_sizes])

	series("GET"); for (i = 1; i <= n_values; i++) point(bytes_of[i], median("v" bytes_of[i], "get", CPU))
	series("PUT"); for (i = 1; i <= n_values; i++) point(bytes_of[i], median("v" bytes_of[i], "put", CPU))
	panel(550, 390, "Processor time of the server, µs", "over bytes of a value", bytes_of[1], bytes_of[n_values])
	out("</svg>")
	close(svg)
}

# --- the tables ---

function size_table(   i) {
	print "## More keys\n"
	print "Values of 200 bytes, a cache of " cache_mb " MB. *Hot*: a hundred keys spread over all, so everything they need is in the cache;"
	print "*any*: all keys alike, so with more data than cache most GETs read a page of 4 KB from the file, and check its sum.\n"
	print "| keys | data | pages a GET | read, any | instructions, hot | any | CPU µs, hot | any | requests/s, hot | any |"
	print "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
	for (i = 1; i <= n_sizes; i++)
		printf "| %s | %s | %.2f | %.2f | %s | %s | %.1f | %.1f | %s | %s |\n", thousands(keys[i]), bytes(fact(size[i], "file_bytes")),
			median(size[i], "hot", PAGES), median(size[i], "get", READ), thousands(fact(size[i], "instr_hot")),
			thousands(fact(size[i], "instr_get")), median(size[i], "hot", CPU), median(size[i], "get", CPU),
			thousands(median(size[i], "hot", RATE)), thousands(median(size[i], "get", RATE))
	if (has("all", "get", CPU))
		printf "| the same, all in the cache | | %.2f | %.2f | | | | %.1f | | %s |\n", median("all", "get", PAGES),
			median("all", "get", READ), median("all", "get", CPU), thousands(median("all", "get", RATE))
	print "\n| keys | pages a PUT | read | instructions | CPU µs | durable PUTs/s | list of 100, first: CPU µs | last | instructions, last |"
	print "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
	for (i = 1; i <= n_sizes; i++)
		printf "| %s | %.2f | %.2f | %s | %.1f | %s | %.1f | %.1f | %s |\n", thousands(keys[i]), median(size[i], "put", PAGES),
			median(size[i], "put", READ), thousands(fact(size[i], "instr_put")), median(size[i], "put", CPU),
			thousands(median(size[i], "put", RATE)), median(size[i], "list_first", CPU), median(size[i], "list_last", CPU),
			thousands(fact(size[i], "instr_list_last"))
	if (has("all", "put", CPU))
		printf "| the same, all in the cache | %.2f | %.2f | | %.1f | %s | | | |\n", median("all", "put", PAGES),
			median("all", "put", READ), median("all", "put", CPU), thousands(median("all", "put", RATE))
	print "\n| keys | memory at the start | under load | start ms | after kill -9 ms | `status` ms | `project show` ms | loaded keys/s |"
	print "|--:|--:|--:|--:|--:|--:|--:|--:|"
	for (i = 1; i <= n_sizes; i++)
		printf "| %s | %.1f MB | %.1f MB | %.0f | %.0f | %.1f | %.1f | %s |\n", thousands(keys[i]), fact(size[i], "pss_start") / 1024,
			fact(size[i], "pss") / 1024, fact(size[i], "start_ms"), fact(size[i], "recover_ms"), fact(size[i], "status_ms"),
			fact(size[i], "show_ms"), thousands(keys[i] * 1000 / fact(size[i], "load_ms"))
	print ""
}

function other_tables(   i, n) {
	print "## More workers\n"
	print "100,000 keys; nginx and the client want the cores as well.\n"
	print "| workers | GET/s | CPU µs | p99 ms | PUT/s | CPU µs | p99 ms | memory |"
	print "|--:|--:|--:|--:|--:|--:|--:|--:|"
	for (i = 1; i <= 4; i *= 2)
		printf "| %d | %s | %.1f | %.2f | %s | %.1f | %.2f | %.1f MB |\n", i, thousands(median("w" i, "get", RATE)),
			median("w" i, "get", CPU), median("w" i, "get", P99) / 1000, thousands(median("w" i, "put", RATE)),
			median("w" i, "put", CPU), median("w" i, "put", P99) / 1000, fact("w" i, "pss") / 1024
	print "\n## More projects\n"
	print "100,000 keys in all, a user of each project.\n"
	print "| projects | GET/s | CPU µs | PUT/s | CPU µs | memory under load | start ms |"
	print "|--:|--:|--:|--:|--:|--:|--:|"
	for (i = 1; i <= 1000; i *= 1000)
		printf "| %s | %s | %.1f | %s | %.1f | %.1f MB | %s |\n", thousands(i), thousands(median("p" i "_1", "get", RATE)),
			median("p" i "_1", "get", CPU), thousands(median("p" i "_1", "put", RATE)), median("p" i "_1", "put", CPU),
			(i == 1 ? fact("one", "pss") : fact("many", "pss")) / 1024, (i == 1 ? "" : fact("many", "start_ms"))
	printf "\nA project takes %.1f KB of memory; making one %.1f ms, a user's sign-in %.2f ms with all that it needs.\n\n",
		(fact("many", "pss_empty") - fact("many", "pss_one")) / 999, fact("many", "create_ms") / 999, fact("many", "validates_ms") / 1000
	print "## Larger values\n"
	print "A hundred keys.\n"
	print "| value | GET/s | MB/s | CPU µs | PUT/s | MB/s | CPU µs | memory |"
	print "|--:|--:|--:|--:|--:|--:|--:|--:|"
	for (i = 1; i <= n_values; i++) {
		n = bytes_of[i]
		printf "| %s | %s | %.1f | %.1f | %s | %.1f | %.1f | %.1f MB |\n", bytes(n), thousands(median("v" n, "get", RATE)),
			median("v" n, "get", RATE) * n / 1e6, median("v" n, "get", CPU), thousands(median("v" n, "put", RATE)),
			median("v" n, "put", RATE) * n / 1e6, median("v" n, "put", CPU), fact("v" n, "pss") / 1024
	}
	print "\n## Deleting a project\n"
	printf "One of %s keys goes in slices of 200, here %s keys a second. Eight others, who get, or put, a hundred times a second each:\n\n",
		thousands(keys[n_sizes]), thousands(fact(size[n_sizes], "reaped"))
	print "| ms | GET p50 | p99 | PUT p50 | p99 |"
	print "|---|--:|--:|--:|--:|"
	for (i = 1; i <= 2; i++) {
		n = i == 1 ? "alone" : "beside"
		printf "| %s | %.2f | %.2f | %.2f | %.2f |\n", (i == 1 ? "before" : "while it goes"), median(n, "get", P50) / 1000,
			median(n, "get", P99) / 1000, median(n, "put", P50) / 1000, median(n, "put", P99) / 1000
	}
	print ""
}

# What more keys may take of memory is the cache, which Berkeley DB makes a quarter larger than it is told to.
function judge(   first, end, depth) {
	first = size[1]; end = size[n_sizes]
	depth = fact(end, "instr_pages_hot") / fact(first, "instr_pages_hot")
	print "## What may grow\n"
	printf "From %s keys to %s the way to a key grows from %.2f pages to %.2f; that is what a request may cost more.\n\n",
		thousands(keys[1]), thousands(keys[n_sizes]), fact(first, "instr_pages_hot"), fact(end, "instr_pages_hot")
	print "| most keys / fewest | measured | at most | |"
	print "|---|--:|--:|---|"
	verdict("instructions of a GET", fact(end, "instr_hot") / fact(first, "instr_hot"), depth, 1)
	verdict("instructions of a list of the last 100", fact(end, "instr_list_last") / fact(first, "instr_list_last"), depth, 1)
	verdict("memory at the start", fact(end, "pss_start") / fact(first, "pss_start"), 1.1, 1)
	verdict("memory under load, more than with fewest / the cache", (fact(end, "pss") - fact(first, "pss")) / 1024 / (1.25 * cache_mb), 1.1, 1)
	if (!quick)
		judge_times(first, end)
	printf "\nInstructions are callgrind's and memory is the kernel's: these lines are judged, times only shown. %d answers were errors.\n", errors
}

function judge_times(first, end) {
	verdict("time to start", fact(end, "start_ms") / fact(first, "start_ms"), 1.5)
	verdict("`tmakvctl status`", fact(end, "status_ms") / fact(first, "status_ms"), 1.5)
	verdict("`tmakvctl project show`", fact(end, "show_ms") / fact(first, "show_ms"), 1.5)
	verdict("CPU of a list of the last 100 / of the first", median(end, "list_last", CPU) / median(end, "list_first", CPU), 1.2)
	verdict("CPU of a GET, 1,000 projects / one", median("p1000_1", "get", CPU) / median("p1_1", "get", CPU), 1.15)
	verdict("CPU of a PUT, 1,000 projects / one", median("p1000_1", "put", CPU) / median("p1_1", "put", CPU), 1.15)
	verdict("p99 of a GET while a project is deleted / before", median("beside", "get", P99) / median("alone", "get", P99), 2)
	verdict("p99 of a PUT while a project is deleted / before", median("beside", "put", P99) / median("alone", "put", P99), 2)
}

END {
	n_sizes = split(sizes, size, " ")
	for (i = 1; i <= n_sizes; i++)
		keys[i] = substr(size[i], 2) + 0
	n_values = split("10 100 1000 4096 16384 65536 131072", bytes_of, " ")
	print "# Growth\n"
	printf "%s, %s; `%s`, %d connections, %d rounds of %d s, medians; %d minutes in all.\n\n", machine, date, command,
		connections, rounds, seconds, took
	if (!quick)
		print "![Cost and memory over keys and bytes](growth.svg)\n"
	judge()
	if (!quick) {
		print ""
		size_table()
		other_tables()
		draw()
	}
	exit (errors > 0 || grown > 0)
}
