#!/bin/sh
# check_rooms_planted.sh - does check_rooms.sh see what it is there for?
#
# A small tree that keeps to the map must pass. Then one forbidden include after the
# other is planted in it, and each must be refused and named.
set -eu

checker=${top_srcdir:-.}/tests/unit/check_rooms.sh
tree=$(mktemp -d "${TMPDIR:-/tmp}/tmakv-rooms.XXXXXX")
trap 'rm -rf "$tree"' EXIT
failed=0

# put FILE INCLUDE... - FILE with these includes, behind a comment that names a forbidden one.
put() {
	file=$tree/$1
	mkdir -p "$(dirname "$file")"
	shift
	printf '/*\n * never #include <db.h> here\n */\n' > "$file"
	for what; do printf '#include %s\n' "$what" >> "$file"; done
}

good_tree() {
	rm -rf "${tree:?}"/*
	put main.c '"config.h"' '<stdio.h>' '"serve/serve.h"' '"base/conf.h"'
	put routes.c '"config.h"' '"routes.h"' '"call.h"' '"doors/doors.h"'
	put routes.h '"call.h"' '"base/rc.h"'
	put call.h '<fcgiapp.h>' '"auth/auth.h"' '"http/reply.h"' '"store/commit.h"'
	put serve/worker.c '"config.h"' '<fcgiapp.h>' '"routes.h"' '"call.h"' '"store/store.h"' '"serve/serve.h"'
	put doors/sdk.c '"config.h"' '"call.h"' '"kv/kv.h"' '"auth/auth.h"' '"doors/doors.h"'
	put auth/session.c '"config.h"' '<jwt.h>' '"http/request.h"' '"project/project.h"' '"auth/private.h"'
	put kv/read.c '"config.h"' '"store/store.h"' '"kv/private.h"'
	put http/body.h '<fcgiapp.h>' '"base/arena.h"'
	put project/project.c '"config.h"' '"store/commit.h"'
	put store/private.h '<db.h>' '"store/store.h"' '"base/log.h"'
	put base/str.c '"config.h"' '"base/str.h"'
	put ctl/main.c '"config.h"' '"auth/initdata.h"' '"auth/session.h"' '"auth/keys.h"' '"base/conf.h"'
}

# refused FILE INCLUDE - the good tree with INCLUDE added to FILE.
refused() {
	good_tree
	mkdir -p "$(dirname "$tree/$1")"
	printf '#include %s\n' "$2" >> "$tree/$1"
	if said=$(sh "$checker" "$tree"); then
		echo "passed, though $1 includes $2"
		failed=1
	elif [ "$(printf '%s\n' "$said" | grep -cF "$1: #include $2: ")" != 1 ] || [ "$(printf '%s\n' "$said" | wc -l)" != 1 ]; then
		echo "$1 includes $2, but what was said is: $said"
		failed=1
	fi
}

good_tree
if ! said=$(sh "$checker" "$tree"); then
	echo "a tree that keeps to the map was refused: $said"
	failed=1
fi

refused store/record.c '"auth/auth.h"'
refused store/private.h '"call.h"'
refused store/private.h '"project/project.h"'
refused base/str.c '"http/uri.h"'
refused base/str.c '"call.h"'
refused http/body.h '"kv/kv.h"'
refused http/body.h '"store/store.h"'
refused project/project.c '"auth/keys.h"'
refused project/project.c '"http/request.h"'
refused auth/session.c '"http/reply.h"'
refused auth/session.c '"kv/kv.h"'
refused auth/session.c '"call.h"'
refused auth/session.c '"doors/doors.h"'
refused kv/read.c '"auth/auth.h"'
refused kv/read.c '"call.h"'
refused doors/sdk.c '"routes.h"'
refused doors/sdk.c '"serve/serve.h"'
refused call.h '"doors/doors.h"'
refused routes.c '"serve/serve.h"'
refused main.c '"store/store.h"'
refused serve/worker.c '"ctl/ctl.h"'
refused ctl/main.c '"store/store.h"'
refused ctl/main.c '"auth/auth.h"'
refused doors/sdk.c '"store/private.h"'
refused kv/read.c '<db.h>'
refused ctl/main.c '<db.h>'
refused doors/sdk.c '<jwt.h>'
refused ctl/main.c '<jwt.h>'
refused doors/sdk.c '<fcgiapp.h>'
refused routes.h '<fastcgi/fcgiapp.h>'
refused kv/read.c '"../store/store.h"'
refused kv/read.c '"entry.h"'
refused attic/new.c '"base/str.h"'

good_tree
printf '  #  include   "auth/auth.h"	/* in disguise */\n' >> "$tree/store/private.h"
if sh "$checker" "$tree" > /dev/null; then
	echo 'passed an include with white space in it'
	failed=1
fi

rm -rf "${tree:?}"/*
if sh "$checker" "$tree" > /dev/null; then
	echo 'passed an empty folder'
	failed=1
fi
exit "$failed"
