/* SPDX-License-Identifier: MIT */
/* On the stack the verifier wants every access aligned, and a MAC address of struct bpf_fib_lookup is so for 2 bytes only. */
#define MACS_ON_STACK
#include "wide.h"
#include "../router.c"
