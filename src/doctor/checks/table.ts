/** All checks, the likeliest causes of vanished packets first: findings are shown in this order. */
import { bpffsMissing } from "./bpffs-missing.ts";
import type { Check } from "./check.ts";
import { checksumOffload } from "./checksum-offload.ts";
import { clsactEmpty } from "./clsact-empty.ts";
import { dispatcherEmpty } from "./dispatcher-empty.ts";
import { forwardingOff } from "./forwarding-off.ts";
import { genericMode } from "./generic-mode.ts";
import { ipv6Disabled } from "./ipv6-disabled.ts";
import { linkDown } from "./link-down.ts";
import { macMismatch } from "./mac-mismatch.ts";
import { mapFull } from "./map-full.ts";
import { mtuTooLarge } from "./mtu-too-large.ts";
import { noProgram } from "./no-program.ts";
import { peerWithoutXdp } from "./peer-without-xdp.ts";
import { redirectMapEmpty } from "./redirect-map-empty.ts";
import { redirectMtu } from "./redirect-mtu.ts";
import { redirectTarget } from "./redirect-target.ts";
import { reversePathFilter } from "./reverse-path-filter.ts";
import { stalePins } from "./stale-pins.ts";
import { targetMissing } from "./target-missing.ts";
import { tcNoDirectAction } from "./tc-no-direct-action.ts";
import { vlanOffload } from "./vlan-offload.ts";

export const CHECKS: readonly Check[] = [
  noProgram,
  linkDown,
  redirectTarget,
  peerWithoutXdp,
  redirectMapEmpty,
  targetMissing,
  macMismatch,
  checksumOffload,
  forwardingOff,
  reversePathFilter,
  redirectMtu,
  ipv6Disabled,
  vlanOffload,
  dispatcherEmpty,
  genericMode,
  mtuTooLarge,
  mapFull,
  tcNoDirectAction,
  clsactEmpty,
  stalePins,
  bpffsMissing,
];
