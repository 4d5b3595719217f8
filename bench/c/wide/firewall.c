/* SPDX-License-Identifier: MIT */
/* Addresses stand behind four bytes in keys, and the stack does ask for alignment. */
#define NARROW_IN6_ADDR
#include "wide.h"
#include "../firewall.c"
