/** The error of a packet that cannot be made from what the user wrote. */
import { WirescriptError } from "../errors.ts";

export function badPacket(what: string, why: string, fix: string): WirescriptError {
  return new WirescriptError({ code: "USAGE", what, why, fix });
}
