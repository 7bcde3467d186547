#!/bin/sh
# checker.sh - is linear_check any good? Histories by hand and by chance, always the same ones here.
exec "${top_builddir:-.}/tests/linear/linear_check" -s
