/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../portfilter.c"
