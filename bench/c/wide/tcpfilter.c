/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../tcpfilter.c"
