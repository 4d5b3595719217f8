/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../balancer.c"
