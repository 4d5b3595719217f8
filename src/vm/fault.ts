/** What a program does that the kernel's verifier would never let it do: the interpreter stops there, since nothing that follows has a meaning. */
import { WirescriptError } from "../errors.ts";

export class VmFault extends WirescriptError {
  override readonly name: string = "VmFault";
  /** Name of the function that was running; "" until the machine has added it. */
  function = "";
  /** Slot of the instruction in its function; -1 until the machine has added it. */
  slot = -1;

  constructor(what: string) {
    super({
      code: "VERIFIER",
      what,
      why: "The kernel's verifier refuses programs that could do this, so the program would not load, or the interpreter lacks a feature.",
      fix: "Load the program into the kernel to see the verifier's own message.",
    });
  }
}
