/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../flow-counters.c"
