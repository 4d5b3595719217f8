/** All checks, the likeliest causes of vanished packets first: findings are shown in this order. */
import type { Check } from "./check.ts";
import { checksumOffload } from "./checksum-offload.ts";
import { peerWithoutXdp } from "./peer-without-xdp.ts";
import { redirectTarget } from "./redirect-target.ts";

export const CHECKS: readonly Check[] = [redirectTarget, peerWithoutXdp, checksumOffload];
