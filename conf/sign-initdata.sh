#!/bin/sh
# sign-initdata.sh - make genuine initData, as Telegram would for a user who opens the Mini App.
#
#     echo "$BOT_TOKEN" | conf/sign-initdata.sh [USER_ID [FIRST_NAME [AUTH_DATE]]]
#
# For the demo and the tests, with a bot token that is nobody's. The token comes on standard
# input, and HMAC is made here from plain SHA-256, because `openssl dgst -macopt hexkey:...`
# would show its key to everybody who can run ps.
set -eu

user_id=${1:-4242}
first_name=${2:-Demo}
auth_date=${3:-$(date +%s)}

die() {
	echo "sign-initdata.sh: $*" >&2
	exit 64
}

case $user_id$auth_date in
*[!0-9]*) die "the user id and the date are whole numbers" ;;
esac
case $first_name in
*[\"\\]* | *[[:cntrl:]]*) die "no quotes, backslashes or control characters in the name" ;;
esac
IFS= read -r bot_token || [ -n "$bot_token" ] || die "no bot token on standard input"

# xor_octal HEX BYTE - each byte of HEX xor BYTE, as escapes for printf.
xor_octal() {
	rest=$1
	while [ -n "$rest" ]; do
		tail=${rest#??}
		printf '\\%03o' $((0x${rest%"$tail"} ^ $2))
		rest=$tail
	done
}

# hmac_sha256 KEY - of standard input, in hex; KEY is hex too, 32 bytes at most.
hmac_sha256() {
	key=$1
	while [ ${#key} -lt 128 ]; do
		key=${key}00
	done
	# shellcheck disable=SC2059 # the escapes are the point
	inner=$({ printf "$(xor_octal "$key" 0x36)"; cat; } | sha256sum)
	# shellcheck disable=SC2059
	outer=$({ printf "$(xor_octal "$key" 0x5c)"; printf "$(xor_octal "${inner%% *}" 0)"; } | sha256sum)
	printf '%s' "${outer%% *}"
}

# percent_encode - standard input, so that it can stand in a query.
percent_encode() {
	od -An -v -tx1 | tr -s ' ' '\n' | tr a-f A-F | while read -r byte; do
		case $byte in
		'') ;;
		2D | 2E | 5F | 7E | 3[0-9] | 4[1-9A-F] | 5[0-9A] | 6[1-9A-F] | 7[0-9A])
			# shellcheck disable=SC2059
			printf "$(printf '\\%03o' "0x$byte")"
			;;
		*) printf '%%%s' "$byte" ;;
		esac
	done
}

user="{\"id\":$user_id,\"first_name\":\"$first_name\",\"language_code\":\"en\"}"
secret=$(printf '%s' "$bot_token" | hmac_sha256 57656241707044617461) # "WebAppData"
hash=$(printf 'auth_date=%s\nuser=%s' "$auth_date" "$user" | hmac_sha256 "$secret")
printf 'user=%s&auth_date=%s&hash=%s\n' "$(printf '%s' "$user" | percent_encode)" "$auth_date" "$hash"
