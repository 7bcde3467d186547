#!/bin/sh
# Makes ./configure from configure.ac and Makefile.am.
cd "$(dirname "$0")" && exec autoreconf --install --force
