/** What maps without keys have in common. */
import type { MapSpec } from "../../object/spec.ts";
import type { Region } from "../memory.ts";
import { ERRNO, VmMap } from "./map.ts";

/** Without keys there are no elements to look up, to update or to delete. */
export abstract class VmKeyless extends VmMap {
  constructor(spec: MapSpec) {
    super(spec, 1);
  }

  override lookup(): Region | null {
    return null;
  }

  override update(): bigint {
    return ERRNO.EINVAL;
  }

  override delete(): bigint {
    return ERRNO.EINVAL;
  }
}
