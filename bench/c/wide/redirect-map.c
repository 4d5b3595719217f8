/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../redirect-map.c"
