/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../protocol-counter.c"
