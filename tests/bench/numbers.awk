# numbers.awk - what the awk programs beside it share.

# The middle one of A's N numbers, which it puts in order; low and high are set as well. 0 when there are none.
function middle(a, n,   i, k, t) {
	for (i = 2; i <= n; i++)
		for (k = i; k > 1 && a[k] < a[k - 1]; k--) { t = a[k]; a[k] = a[k - 1]; a[k - 1] = t }
	low = a[1]; high = a[n]
	return n == 0 ? 0 : n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

# 10000000 -> 10,000,000
function thousands(n,   text, end) {
	text = sprintf("%.0f", n)
	while (length(text) > 3) {
		end = "," substr(text, length(text) - 2) end
		text = substr(text, 1, length(text) - 3)
	}
	return text end
}
