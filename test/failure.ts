/** The error that a test is about: tests of errors look at more than one of its fields. */
import { WirescriptError } from "../src/errors.ts";

/** What `work` threw, when it is one of ours; anything else goes on to the test, and so does throwing nothing. */
export function failure(work: () => unknown): WirescriptError {
  try {
    work();
  } catch (error) {
    if (error instanceof WirescriptError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
