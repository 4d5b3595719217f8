/* SPDX-License-Identifier: MIT */
#include "wide.h"
#include "../echo.c"
