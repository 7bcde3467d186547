#!/bin/sh
# check_rooms.sh - does every #include in app/ point downwards?
#
#     check_rooms.sh [APP]
#
# The map is the one of app/README.md. A row says what a room may include besides its
# own files: whole rooms end with a slash, single doors are named. One line is printed
# for each include that is not on the map; then the exit status is 1.
set -eu

app=${1:-${top_srcdir:-.}/app}
[ -d "$app" ] || { echo "check_rooms.sh: $app is no folder" >&2; exit 99; }

find "$app" -name '*.[ch]' | LC_ALL=C sort | while IFS= read -r file; do
	# Comments are no includes; "# include" is one.
	sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\([<"][^>"]*[>"]\).*/\1/p' "$file" |
		sed "s|^|${file#"$app"/} |"
done | awk '
BEGIN {
	# Who may include whom. The hall is main.c, routes.* and call.h.
	may["main"]    = "serve/ base/"
	may["serve"]   = "routes.h call.h doors/ auth/ kv/ http/ project/ store/ base/"
	may["routes"]  = "call.h doors/ auth/ kv/ http/ project/ store/ base/"
	may["call"]    = "auth/ kv/ http/ project/ store/ base/"
	may["doors"]   = "call.h auth/ kv/ http/ project/ store/ base/"
	may["auth"]    = "http/request.h project/ store/ base/"
	may["kv"]      = "http/ project/ store/ base/"
	may["http"]    = "base/"
	may["project"] = "store/ base/"
	may["store"]   = "base/"
	may["base"]    = ""
	may["ctl"]     = "auth/initdata.h auth/session.h auth/keys.h base/"

	# Libraries that are at home in some rooms only.
	home["db.h"]      = "store"
	home["jwt.h"]     = "auth"
	home["fcgiapp.h"] = "http serve call"
	home["fcgios.h"]  = "http"
}

function room_of(path) {
	return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : substr(path, 1, index(path, ".") - 1)
}

function has(list, word,    words, n, i) {
	n = split(list, words, " ")
	for (i = 1; i <= n; i++)
		if (words[i] == word)
			return 1
	return 0
}

function wrong(why) {
	print file ": #include " what ": " why
	bad = 1
}

{
	file = $1
	what = $2
	name = substr(what, 2, length(what) - 2)
	room = room_of(file)
	seen++

	if (!(room in may)) {
		wrong("the room " room "/ is not on the map")
	} else if (what ~ /^</) {
		base = name
		sub(/.*\//, "", base)
		if (base in home && !has(home[base], room))
			wrong("only for: " home[base])
	} else if (name == "config.h") {
		;
	} else if (name ~ /\.\./ || name !~ /^([a-z]+\/)?[a-z0-9_]+\.h$/) {
		wrong("write it as room/file.h")
	} else if (room_of(name) == room) {
		;
	} else if (name ~ /\/private\.h$/) {
		wrong("private to its room")
	} else if (!has(may[room], name) && !(name ~ /\// && has(may[room], room_of(name) "/"))) {
		wrong(room " may include: " (may[room] == "" ? "nothing else" : may[room]))
	}
}

END {
	if (!seen) {
		print "no #include found: is this the app folder?"
		bad = 1
	}
	exit bad
}'
