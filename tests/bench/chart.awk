# chart.awk - what tests/bench/run measured, as a picture (SVG): requests a second, one panel for each load.
#
# Panels have scales of their own, each from zero: between a GET of 200 bytes and a PUT of 128 KB nothing is to be
# compared, and beside one another in one scale half of the bars could not be seen. measure.sh describes the lines.
BEGIN {
	FS = "\t"
	n_panels = split("get put put_random put_hot mix list get_large put_large", panels, " ")
	split("ours redis sqlite miniflare", backs, " ")
	label["get"] = "GET, 200 B"; label["put"] = "Durable PUT, 200 B, distinct keys"
	label["put_random"] = "Durable PUT, 200 B, random keys"; label["put_hot"] = "Durable PUT, 200 B, one hot key"
	label["mix"] = "90 % GET, 10 % durable PUT"; label["list"] = "List of 100 keys"
	label["get_large"] = "GET, 128 KB"; label["put_large"] = "Durable PUT, 128 KB"
	label["ours"] = "TMA KV"; label["redis"] = "webdis + redis"
	label["sqlite"] = "Node.js + SQLite"; label["miniflare"] = "miniflare"
	colour["ours"] = "#0b6bcb"; colour["redis"] = "#c2513f"; colour["sqlite"] = "#4c8a58"; colour["miniflare"] = "#b7791f"
	WIDTH = 960; MARGIN = 32; GAP = 40; HEAD = 104; PANEL = 152; BAR = 20; STEP = 27; NAMES = 118; FOOT = 84
}

$1 == "fact" { fact[$2] = $3 }
$1 == "syncs" { n_syncs++; in_time += $4 >= $3 }
$1 == "load" && $2 > 0 { value[$3, $4, ++count[$3, $4]] = $5 }

# The middle one; low and high are set as well.
function median(load, back,   i, a) {
	for (i = 1; i <= count[load, back]; i++)
		a[i] = value[load, back, i]
	return middle(a, count[load, back] + 0)
}

# ours / BACK: the median of the ratios within a round.
function ratio(load, back,   i) {
	count["ratio", ""] = count[load, back]
	for (i = 1; i <= count[load, back]; i++)
		value["ratio", "", i] = value[load, "ours", i] / value[load, back, i]
	return median("ratio", "")
}

# version - of one of the packages.
function version(name,   all, n, i, word) {
	n = split(fact["packages"], all, ", ")
	for (i = 1; i <= n; i++) {
		split(all[i], word, " ")
		if (word[1] == name)
			return word[2]
	}
}

function escaped(text) {
	gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text)
	return text
}

function text_at(x, y, class, text) {
	printf "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y, class, escaped(text)
}

# The highest value that has to fit in.
function most(load,   i, n, found) {
	for (i = 1; i in backs; i++) {
		n = median(load, backs[i])
		if (high > found)
			found = high
	}
	return found
}

# The spread is a line over the bar's end, where there is more than one round.
function spread(x0, y, scale, from, to) {
	if (to <= from)
		return
	printf "<path d=\"M%.1f %.1fH%.1f M%.1f %.1fv6 M%.1f %.1fv6\" class=\"spread\"/>\n", x0 + from * scale, y, x0 + to * scale, \
		x0 + from * scale, y - 3, x0 + to * scale, y - 3
}

function bar(load, back, x0, y, scale, ours,   n, end) {
	n = median(load, back)
	end = x0 + (high > n ? high : n) * scale
	text_at(x0 - 8, y + BAR / 2 + 4.5, back == "ours" ? "name us" : "name", label[back])
	printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"%s\"><title>%s, %s: %s requests/s (%s to %s)</title></rect>\n", \
		x0, y, (n * scale > 1 ? n * scale : 1), BAR, colour[back], label[back], label[load], thousands(n), thousands(low), thousands(high)
	spread(x0, y + BAR / 2, scale, low, high)
	printf "<text x=\"%.1f\" y=\"%.1f\" class=\"value%s\">%s%s</text>\n", end + 7, y + BAR / 2 + 4.5, (back == "ours" ? " us" : ""), thousands(n), \
		(back == "ours" || ours <= 0 ? "" : sprintf("<tspan class=\"share\" dx=\"6\">%s</tspan>", share(1 / ratio(load, back))))
}

function share(r) {
	return r >= 0.1 ? sprintf("%.2f", r) "×" : sprintf("%.3f", r) "×"
}

function panel(load, x, y,   i, scale, ours, width) {
	width = (WIDTH - 2 * MARGIN - GAP) / 2
	text_at(x, y + 16, "load", label[load])
	if (most(load) <= 0) {
		text_at(x, y + 44, "small", "not measured")
		return
	}
	scale = (width - NAMES - 104) / most(load)
	ours = median(load, "ours")
	printf "<path d=\"M%.1f %.1fV%.1f\" class=\"axis\"/>\n", x + NAMES, y + 24, y + 28 + 4 * STEP
	for (i = 1; i in backs; i++)
		if (count[load, backs[i]] > 0)
			bar(load, backs[i], x + NAMES, y + 29 + (i - 1) * STEP, scale, ours)
}

END {
	rows = int((n_panels + 1) / 2)
	height = HEAD + rows * PANEL + FOOT
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"title\">\n", WIDTH, height, WIDTH, height
	print "<title id=\"title\">Requests a second of TMA KV, webdis with redis, Node.js with SQLite, and miniflare, load by load</title>"
	print "<style>"
	print "text { font-family: -apple-system, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif; fill: #1f2933; font-size: 13px }"
	print ".title { font-size: 22px; font-weight: 600 } .sub { font-size: 13.5px; fill: #52606d } .load { font-size: 14.5px; font-weight: 600 }"
	print ".name { text-anchor: end; fill: #3e4c59 } .value { font-variant-numeric: tabular-nums } .us { font-weight: 600; fill: #0b4f94 }"
	print ".share { fill: #7b8794; font-size: 12px } .small { font-size: 11.5px; fill: #616e7c }"
	print ".axis { stroke: #cbd2d9; stroke-width: 1; fill: none } .spread { stroke: #1f2933; stroke-opacity: .55; stroke-width: 1.2; fill: none }"
	print "</style>"
	printf "<rect x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"10\" fill=\"#ffffff\" stroke=\"#d9dee4\"/>\n", WIDTH - 1, height - 1
	text_at(MARGIN, 42, "title", "Requests per second, all behind the same nginx")
	text_at(MARGIN, 65, "sub", sprintf("Higher is better. %d connections; %s, the line goes from the lowest to the highest. Each panel has its own scale.", fact["connections"], (fact["rounds"] == 1 ? "one round" : "medians of " fact["rounds"] " rounds")))
	text_at(MARGIN, 83, "sub", "Grey: the share of TMA KV's. " (n_syncs > 0 && in_time == n_syncs ? "Every PUT is on disk before it is answered, by all of them. " : "") \
		"redis checks no sign-in.")
	for (i = 1; i <= n_panels; i++)
		panel(panels[i], MARGIN + ((i - 1) % 2) * ((WIDTH - 2 * MARGIN + GAP) / 2), HEAD + int((i - 1) / 2) * PANEL)
	text_at(MARGIN, height - 58, "small", sprintf("%s, %s, %s, %s. Clients, nginx and back ends share its cores.", fact["machine"], fact["memory"], fact["system"], fact["kernel"]))
	text_at(MARGIN, height - 40, "small", sprintf("nginx %s, redis %s (appendfsync always), webdis %s, Node.js %s with hono %s and better-sqlite3 %s, miniflare %s", \
		fact["nginx"], fact["redis"], fact["webdis"], version("Node.js"), version("hono"), version("better-sqlite3"), version("miniflare")))
	text_at(MARGIN, height - 22, "small", sprintf("Measured on %s by tests/bench/run: tests/bench/results/RESULTS.md has all of it, with the figures behind each bar.", fact["date"]))
	print "</svg>"
}
