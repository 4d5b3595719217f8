/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../vlan-swap.c"
