#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_core.sh ARCHIVE BYTES [OTHER...]: fails if the objects of the runtime's archive hold more than BYTES of code and
# data, if they need a function outside the list below and the OTHER archives (a C++ library, an allocator other than
# posix_memalign), or if they do arithmetic on vectors of floats.
set -eu
archive=$1
budget=$2
shift 2

bytes=$(size -A "$archive" | awk '$1 ~ /^\.(text|rodata|data)/ { sum += $2 } END { print sum }')
echo "$(basename "$archive") has $bytes bytes of code and data; at most $budget are allowed"
[ "$bytes" -le "$budget" ]

allowed='__errno_location __sched_cpucount close free fstat madvise memcmp bcmp memcpy memmove memset mmap mprotect
munmap open posix_memalign pread pthread_create pthread_join pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock
pthread_sigmask sched_getaffinity sigdelset sigfillset snprintf strcmp strcspn strerror strlen strncmp strncpy syscall vsnprintf
dlerror dlopen dlsym getenv _GLOBAL_OFFSET_TABLE_ __stack_chk_fail'
defined=$(nm --defined-only "$archive" "$@" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
unknown=$(nm --undefined-only "$archive" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u |
  grep -vxF "$defined" | grep -vxF "$(echo "$allowed" | tr ' ' '\n')" || true)
if [ -n "$unknown" ]; then
  echo "$(basename "$archive") needs functions it should not:" $unknown
  exit 1
fi

packed=$(objdump -d --no-show-raw-insn "$archive" |
  grep -cE '\bv?(mul|add|sub|div|f[n]?m(add|sub)[0-9]*)p[sd]\b' || true)
if [ "$packed" -ne 0 ]; then
  echo "$(basename "$archive") has $packed packed float instructions; arithmetic on tensors belongs into plans"
  exit 1
fi
