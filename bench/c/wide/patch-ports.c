/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../patch-ports.c"
